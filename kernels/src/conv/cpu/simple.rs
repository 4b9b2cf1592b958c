//! Any convolution, element by element of the result.

use super::{Finish, Grid, Problem};
use crate::conv::ConvPass;
use crate::cpu::rows::{Load, Number};
use crate::cpu::{Context, Cpu, Launch, share};
use crate::{Error, Slide};
use std::ops::Range;

/// Elements of the result that are finished at a time.
const BLOCK: usize = 512;
/// Products from which on a further thread pays. Tests divide even the smallest work.
const WORTH: usize = if cfg!(test) { 1 } else { 2048 };
/// So many terms are summed by themselves before they join the total, which keeps long sums accurate.
const CHUNK: usize = 128;

pub(super) struct Simple<A> {
    problem: Problem,
    finish: Finish,
    parts: usize,
    load: Load<A>,
}

/// Elements at equal distances.
#[derive(Clone, Copy)]
struct Line {
    start: *const u8,
    stride: isize,
}

impl<A: Number> Simple<A> {
    pub(super) fn new(problem: Problem, finish: Finish, cpu: Cpu) -> Simple<A> {
        let parts = (problem.products().saturating_add(problem.len()) / WORTH).clamp(1, cpu.threads);
        let load = A::load(problem.dtype);
        Simple { problem, finish, parts, load }
    }

    fn part(&self, context: &Context<'_>, part: usize) {
        let problem = &self.problem;
        for flat in share(problem.len(), BLOCK, self.parts, part).step_by(BLOCK) {
            let range = flat..problem.len().min(flat + BLOCK);
            let mut sums = [A::ZERO; BLOCK];
            for (sum, flat) in sums.iter_mut().zip(range.clone()) {
                let [_, b, c, d] = problem.result;
                let index = [flat / (b * c * d), flat / (c * d) % b, flat / d % c, flat % d];
                *sum = match problem.pass {
                    ConvPass::Forward => self.forward(context, index),
                    ConvPass::InputGradient => self.input_gradient(context, index),
                    ConvPass::WeightGradient => self.weight_gradient(context, index),
                };
            }
            // SAFETY: the shares of the threads are disjoint, and scratch is asked for below.
            unsafe { self.finish.run(context, range, sums.as_ptr(), context.scratch(part)) }
        }
        if let Some(sums) = problem.sums {
            for filter in share(problem.sizes.filters, 1, self.parts, part) {
                let sum = self.channel_sum(context, filter);
                let to = context.at::<u8>(sums).wrapping_add(filter * problem.dtype.size());
                // SAFETY: verified operands; the shares of the threads are disjoint.
                unsafe { A::store(problem.dtype)(&raw const sum, to, 1, 1) }
            }
        }
    }

    fn forward(&self, context: &Context<'_>, [image, row, column, filter]: [usize; 4]) -> A {
        let Problem { sizes, slides, .. } = &self.problem;
        let (inner, outer) = self.problem.group();
        let mut sum = A::ZERO;
        for i in slides[0].taps(row, sizes.taps[0], sizes.pixels[0]) {
            for j in slides[1].taps(column, sizes.taps[1], sizes.pixels[1]) {
                let y = row * slides[0].stride + i * slides[0].dilation - slides[0].padding;
                let x = column * slides[1].stride + j * slides[1].dilation - slides[1].padding;
                let a = self.line(context, &self.problem.a, [image, y, x, filter / outer * inner], 3);
                let b = self.line(context, &self.problem.b, [i, j, 0, filter], 2);
                sum = sum.plus(self.fold(a, Some(b), inner));
            }
        }
        sum
    }

    fn input_gradient(&self, context: &Context<'_>, [image, y, x, channel]: [usize; 4]) -> A {
        let Problem { sizes, slides, .. } = &self.problem;
        let (inner, outer) = self.problem.group();
        let (group, channel) = (channel / inner, channel % inner);
        let mut sum = A::ZERO;
        for i in 0..sizes.taps[0] {
            let Some(row) = position(&slides[0], y, i, sizes.positions[0]) else { continue };
            for j in 0..sizes.taps[1] {
                let Some(column) = position(&slides[1], x, j, sizes.positions[1]) else { continue };
                let a = self.line(context, &self.problem.a, [image, row, column, group * outer], 3);
                let b = self.line(context, &self.problem.b, [i, j, channel, group * outer], 3);
                sum = sum.plus(self.fold(a, Some(b), outer));
            }
        }
        sum
    }

    fn weight_gradient(&self, context: &Context<'_>, [i, j, channel, filter]: [usize; 4]) -> A {
        let Problem { sizes, slides, .. } = &self.problem;
        let (inner, outer) = self.problem.group();
        let channel = filter / outer * inner + channel;
        let rows = over_image(&slides[0], i, sizes.positions[0], sizes.pixels[0]);
        let columns = over_image(&slides[1], j, sizes.positions[1], sizes.pixels[1]);
        let mut total = A::ZERO;
        if columns.is_empty() {
            return total;
        }
        let x = columns.start * slides[1].stride + j * slides[1].dilation - slides[1].padding;
        for image in 0..sizes.images {
            let mut sum = A::ZERO;
            for row in rows.clone() {
                let y = row * slides[0].stride + i * slides[0].dilation - slides[0].padding;
                let mut a = self.line(context, &self.problem.a, [image, y, x, channel], 2);
                a.stride = a.stride.wrapping_mul(slides[1].stride as isize);
                let b = self.line(context, &self.problem.b, [image, row, columns.start, filter], 2);
                sum = sum.plus(self.fold(a, Some(b), columns.len()));
            }
            total = total.plus(sum);
        }
        total
    }

    fn channel_sum(&self, context: &Context<'_>, filter: usize) -> A {
        let sizes = &self.problem.sizes;
        let mut total = A::ZERO;
        for image in 0..sizes.images {
            let mut sum = A::ZERO;
            for row in 0..sizes.positions[0] {
                let line = self.line(context, &self.problem.b, [image, row, 0, filter], 2);
                sum = sum.plus(self.fold(line, None, sizes.positions[1]));
            }
            total = total.plus(sum);
        }
        total
    }

    /// The elements of an operand from `index` on along an axis.
    fn line(&self, context: &Context<'_>, grid: &Grid, index: [usize; 4], axis: usize) -> Line {
        let bytes = grid.offset(index) * self.problem.dtype.size() as isize;
        Line { start: context.at::<u8>(grid.place).wrapping_offset(bytes), stride: grid.strides[axis] }
    }

    /// The sum of the products of two lines, or of the elements of one.
    fn fold(&self, a: Line, b: Option<Line>, count: usize) -> A {
        let mut total = A::ZERO;
        for start in (0..count).step_by(CHUNK) {
            let len = CHUNK.min(count - start);
            let load = |line: Line| {
                let mut elements = [A::ZERO; CHUNK];
                let bytes = line.stride.wrapping_mul((start * self.problem.dtype.size()) as isize);
                // SAFETY: lines lie in verified operands.
                unsafe { (self.load)(line.start.wrapping_offset(bytes), line.stride, elements.as_mut_ptr(), len) }
                elements
            };
            let sum = match b {
                Some(b) => load(a)[..len].iter().zip(&load(b)).fold(A::ZERO, |sum, (a, &b)| sum.plus(a.times(b))),
                None => load(a)[..len].iter().fold(A::ZERO, |sum, &a| sum.plus(a)),
            };
            total = total.plus(sum);
        }
        total
    }
}

impl<A: Number> Launch for Simple<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        context.team.run(self.parts, &|part| self.part(context, part));
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.finish.scratch()
    }
}

/// The position whose tap stands over a pixel, if it is one of `positions`.
fn position(slide: &Slide, pixel: usize, tap: usize, positions: usize) -> Option<usize> {
    let start = (pixel + slide.padding).checked_sub(tap * slide.dilation)?;
    (start.is_multiple_of(slide.stride)).then_some(start / slide.stride).filter(|&position| position < positions)
}

/// The positions whose tap stands over the image.
fn over_image(slide: &Slide, tap: usize, positions: usize, pixels: usize) -> Range<usize> {
    let reach = tap * slide.dilation;
    let first = slide.padding.saturating_sub(reach).div_ceil(slide.stride);
    let end = (pixels + slide.padding).saturating_sub(reach).div_ceil(slide.stride).min(positions);
    first.min(end)..end
}
