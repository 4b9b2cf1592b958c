//! Pool on CUDA: one thread for one element of the result.
//!
//! Ladder:
//! 1. a thread for a window; what is scattered would need atomic sums, whose order changes from run to run;
//! 2. a thread for an element of the result on either side: a pixel looks for the windows over it, in their order, and for a
//!    maximum whether it is the first of each;
//! 3. where windows that are scattered do not overlap, a thread for all pixels from one to the next: each is read once;
//! 4. windows that lie inside of the image, which most do, without a division.
//!
//! Estimate: bound by memory where windows do not overlap, (bytes read + bytes written) / bandwidth; where they do, pixels are
//! read again from caches, for the scattered maximum by each pixel under each window.

use super::{Pool, PoolOp};
use crate::cuda::{Argument, Finish, Launch, Prepared, REACH, Source, grid_of, source, tiles, too_far};
use crate::{Error, Operand, Step};
use std::sync::Arc;

const THREADS: usize = 256;

/// Pixels from window to window that one thread takes at most.
const CELL: usize = 64;

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
    if output.layout.is_empty() {
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
    push(&[rows[0], rows[1], sizes.channels].map(|it| it as i64));
    let apart = |i: usize| (pool.window[i].max(1) - 1) * slides[i].dilation < slides[i].stride;
    let cells = pool.op.scatters() && apart(0) && apart(1) && slides[0].stride * slides[1].stride <= CELL;
    let counts = [0, 1].map(|i| {
        let (stride, padding) = (slides[i].stride, slides[i].padding);
        (sizes.pixels[i] + padding).div_ceil(stride) - padding / stride
    });
    let threads = if cells { sizes.images * counts[0] * counts[1] * sizes.channels } else { output.layout.len() };
    push(&[counts[0], counts[1], threads].map(|it| it as i64));
    let dtype = first.dtype;
    let finish = Finish::new(pool.epilogue.as_ref(), dtype, extra, &step.outputs);
    words.extend(finish.members.iter().cloned());
    let (types, op, cells) = (tiles::types(dtype, false), pool.op.name(), i32::from(cells));
    let maxima = i32::from(pool.op == PoolOp::MaxScatter);
    let defines = format!("{types}#define RESULT {op}\n#define CELLS {cells}\n#define MAXIMA {maxima}\n");
    let text = [source::PRELUDE, &defines, &finish.text, include_str!("pool.cu")].concat();
    let launch = Launch {
        source: Arc::new(Source { name: "pool".into(), text }),
        grid: [grid_of(threads.div_ceil(THREADS))?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: 0,
        arguments: vec![Argument::Words(words)],
    };
    Ok(Prepared::of(vec![launch]))
}
