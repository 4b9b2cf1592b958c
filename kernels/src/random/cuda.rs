//! Random on CUDA: Philox is a function of the element's number, so every thread draws for itself.
//!
//! Ladder:
//! 1. a thread for an element: every block of words is computed two or four times;
//! 2. a thread for a block of words, whose elements it stores together, 16 bytes at a time.
//!
//! Bits and uniforms are the CPU's exactly; normals come of CUDA's `logf`, `sinpif` and `cospif`, some ulps from its.
//!
//! Estimate: memory-bound; bytes of the output / bandwidth. Ten rounds are some 100 integer instructions for 16 bytes, about
//! as long as their store takes.

use super::{Distribution, MULTIPLIERS, Random, WEYL};
use crate::cuda::{Argument, Launch, Prepared, Source, grid_of, source};
use crate::{DType, Error, Step};
use std::sync::Arc;

/// Threads of a block.
const THREADS: usize = 256;

pub(crate) fn prepare(random: &Random, step: &Step) -> Result<Prepared, Error> {
    let ([seed, run], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("random takes a key, a counter and an output"));
    };
    let elements = y.layout.len();
    if elements == 0 {
        return Ok(Prepared::default());
    }
    let kind = |wanted: Distribution| u32::from(random.distribution == wanted);
    let each = if y.dtype == DType::F64 { 2 } else { 4 };
    let width = if y.offset.is_multiple_of(16) { each } else { 1 };
    let text = format!(
        "{}
#define THREADS {THREADS}
typedef {} T;
#define BITS {}
#define NORMAL {}
#define WIDTH {width}
#define MULTIPLIER_0 {:#x}u
#define MULTIPLIER_1 {:#x}u
#define WEYL_0 {:#x}u
#define WEYL_1 {:#x}u
{}",
        source::PRELUDE,
        y.dtype,
        kind(Distribution::Bits),
        kind(Distribution::Normal),
        MULTIPLIERS[0],
        MULTIPLIERS[1],
        WEYL[0],
        WEYL[1],
        include_str!("random.cu"),
    );
    let mut words = [seed, run, y].map(|operand| Argument::Place(operand.into())).to_vec();
    words.extend([Argument::I64(elements as i64), Argument::I64(random.stream as i64)]);
    Ok(Prepared::of(vec![Launch {
        source: Arc::new(Source { name: "random".into(), text }),
        grid: [grid_of(elements.div_ceil(each).div_ceil(THREADS))?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: 0,
        arguments: vec![Argument::Words(words)],
    }]))
}
