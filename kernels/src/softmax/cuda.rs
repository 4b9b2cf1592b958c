//! Softmax on CUDA: every row is read once.
//!
//! Ladder:
//! 1. a block for a row in three passes over global memory: maximum, sum, result;
//! 2. maximum and sum in one pass, the sum rescaled where the maximum grows; a row of up to 32 KiB waits in shared memory
//!    for the second pass, so that only longer ones are read twice;
//! 3. rows of up to 1024 elements: a warp each, in registers, without any barrier;
//! 4. rows of up to 32 elements: many for a block, through shared memory, a thread for a row. A warp for each would leave
//!    lanes idle and read half-used sectors.
//!
//! Elements side by side are moved 16 bytes at a time where rows are aligned so. An input whose rows lie across memory is read
//! along its short axis only in the last kernel.
//!
//! Estimate: memory-bound; bytes of input and output / bandwidth (half as much again for rows over 32 KiB).
//!
//! The maximum is exact, and sums are fixed trees, so bits depend on sizes and on alignment only.

use super::Softmax;
use crate::cuda::{Argument, Launch, Prepared, Source, Space, grid_of, source};
use crate::{Error, Step};
use std::sync::Arc;

/// Threads of a block.
const THREADS: usize = 256;

/// Rows of so many elements go through shared memory, many for a block.
const SHORT: usize = 32;

/// Elements of shared memory that a block has for short rows.
const TILE: usize = 4096;

/// Elements of a row that a lane may hold: the classes of texts for a warp a row.
const ITEMS: [usize; 2] = [8, 32];

/// Bytes of a row that waits in shared memory.
const KEPT: usize = 32 << 10;

pub(crate) fn prepare(softmax: &Softmax, step: &Step) -> Result<Prepared, Error> {
    let ([x], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("softmax takes an input and an output"));
    };
    let (Some((&len, outer)), Some((&along, strides))) = (x.layout.shape.split_last(), x.layout.strides.split_last())
    else {
        return Err(Error::invalid("softmax of an operand without axes"));
    };
    if y.layout.is_empty() {
        return Ok(Prepared::default());
    }
    let space = Space::merged(outer, &[strides]);
    let (rows, size) = (space.len(), x.dtype.size());
    let straight = len == 1 || along == 1;
    // 16 bytes at a time, if every row begins at a multiple of them on either side.
    let pack = 16 / size;
    let aligned = straight
        && x.offset.is_multiple_of(16)
        && y.offset.is_multiple_of(16)
        && (rows == 1 || len.is_multiple_of(pack))
        && space.strides[0].iter().all(|stride| stride.rem_euclid(pack as isize) == 0);
    let width = if aligned && len > SHORT { pack } else { 1 };
    let items = ITEMS.into_iter().find(|items| len <= 32 * items);
    let (name, shape, blocks, block, shared) = if len <= SHORT {
        let nearest = space.strides[0].last().map_or(0, |stride| stride.unsigned_abs());
        let across = !straight && nearest < along.unsigned_abs();
        let block = THREADS.min(TILE / (len | 1));
        let shape = format!("#define SHORT\n#define TILE {TILE}\n#define ACROSS {}", u32::from(across));
        ("softmax_short", shape, rows.div_ceil(block), block, 0)
    } else if let Some(items) = items {
        ("softmax_warp", format!("#define ITEMS {items}"), rows.div_ceil(THREADS / 32), 0, 0)
    } else {
        let bytes = len.next_multiple_of(width) * size;
        ("softmax_block", String::new(), rows, 0, if bytes <= KEPT { bytes } else { 0 })
    };
    let rank = space.sizes.len();
    let text = format!(
        "{}\n#define THREADS {THREADS}\ntypedef {} T;\ntypedef {} A;\n#define LOG {}\n#define RANK {rank}\n#define WIDTH {width}\n{shape}\n{}",
        source::PRELUDE,
        x.dtype,
        x.dtype.compute(),
        u32::from(softmax.log),
        include_str!("softmax.cu"),
    );
    let number = |number: usize| Argument::I64(number as i64);
    let mut words = vec![number(rows), number(len), Argument::Place(x.into()), Argument::Place(y.into())];
    words.extend([Argument::I64(along as i64), number(block), Argument::I64(i64::from(shared > 0))]);
    words.extend(space.sizes.iter().map(|&size| number(size)));
    words.extend(space.strides[0].iter().map(|&stride| Argument::I64(stride as i64)));
    let launch = Launch {
        source: Arc::new(Source { name: name.into(), text }),
        grid: [grid_of(blocks)?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: shared as u32,
        arguments: vec![Argument::Words(words)],
    };
    Ok(Prepared::of(vec![launch]))
}
