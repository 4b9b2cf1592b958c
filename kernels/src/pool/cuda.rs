//! Pool on CUDA: one thread for one element of the result.
//!
//! Ladder:
//! 1. a thread for a window; what is scattered would need atomic sums, whose order changes from run to run;
//! 2. a thread for an element of the result on either side: a pixel looks for the windows over it, in their order, and for a
//!    maximum whether it is the first of each;
//! 3. windows that lie inside of the image, which most do, without a division.
//!
//! Estimate: bound by memory where windows do not overlap, (bytes read + bytes written) / bandwidth; where they do, pixels are
//! read again from caches, for the scattered maximum by each pixel under each window.

use super::Pool;
use crate::cuda::{Argument, Finish, Launch, Prepared, REACH, Source, source, tiles, too_far};
use crate::{Error, Operand, Step};
use std::sync::Arc;

const THREADS: usize = 256;

pub(crate) fn prepare(pool: &Pool, step: &Step) -> Result<Prepared, Error> {
    let unfit = || Error::invalid("a pooling of operands that do not fit");
    let (inputs, extra) = step.inputs.split_at_checked(pool.op.inputs()).ok_or_else(unfit)?;
    let (first, output) = (inputs.first().ok_or_else(unfit)?, step.outputs.first().ok_or_else(unfit)?);
    let shapes: Vec<&[usize]> = inputs.iter().map(|input| &*input.layout.shape).collect();
    let sizes = pool.sizes(&shapes, &output.layout.shape).ok_or_else(unfit)?;
    let reach = (0..2).map(|i| pool.slides[i].reach(sizes.positions[i], pool.window[i], sizes.pixels[i])).max();
    if reach.is_some_and(|reach| reach >= REACH) {
        return Err(too_far(pool.op.name(), &first.layout.shape));
    }
    let len = output.layout.len();
    if len == 0 {
        return Ok(Prepared::default());
    }
    // The pooled image and what is beside it; where only results are scattered, they are the second.
    let second = inputs.last().ok_or_else(unfit)?;
    let strides = |operand: &Operand| operand.layout.strides.iter().map(|&it| it as i64).collect::<Vec<i64>>();
    let mut words = vec![Argument::Place(first.into()), Argument::Place(second.into())];
    let mut push = |values: &[i64]| words.extend(values.iter().map(|&it| Argument::I64(it)));
    push(&strides(first));
    push(&strides(second));
    let slides = &pool.slides;
    for pair in [
        sizes.pixels,
        sizes.positions,
        pool.window,
        slides.map(|slide| slide.stride),
        slides.map(|slide| slide.dilation),
        slides.map(|slide| slide.padding),
    ] {
        push(&pair.map(|it| it as i64));
    }
    let rows = if pool.op.scatters() { sizes.pixels } else { sizes.positions };
    push(&[rows[0], rows[1], sizes.channels, len].map(|it| it as i64));
    let dtype = first.dtype;
    let finish = Finish::new(pool.epilogue.as_ref(), dtype, extra, &step.outputs);
    words.extend(finish.members.iter().cloned());
    let defines = format!("{}#define RESULT {}\n", tiles::types(dtype, false), pool.op.name());
    let text = [source::PRELUDE, &defines, &finish.text, include_str!("pool.cu")].concat();
    let launch = Launch {
        source: Arc::new(Source { name: "pool".into(), text }),
        grid: [tiles::grid(pool.op.name(), len.div_ceil(THREADS))?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: 0,
        arguments: vec![Argument::Words(words)],
    };
    Ok(Prepared::of(vec![launch]))
}
