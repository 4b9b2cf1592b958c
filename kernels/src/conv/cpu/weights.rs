//! The weight gradient: tiles of some taps and channels by two vectors of filters, summed over pixels.
//!
//! The batch is cut into partial sums whose number depends on sizes alone; they are added in order. Threads share out the
//! partial sums and, if there are more threads, the tiles of each.

use super::geometry::Axis;
use super::source::{Pieces, Source, View};
use super::{Finish, Grid, Problem, WORTH};
use crate::Error;
use crate::cpu::{Context, Cpu, Launch, Place, rows::Number, share};
use crate::gemm::cpu::{
    microkernel::{Kernels, Real, Run, Tile},
    pack::Panel,
};
use std::ops::Range;

/// Bytes of images and results that a piece of work has: they stay in the cache of second level.
const SOURCE: usize = 320 << 10;
/// The most partial sums.
const PARTIALS: usize = 8;
/// Positions whose products are worth a partial sum of their own: adding it up takes as long as some 20 of them.
const POSITIONS: usize = 1024;

pub(super) struct Weights<A: Real> {
    images: Source<A>,
    results: Source<A>,
    axes: [Axis; 2],
    /// How each partial sum goes through its images.
    pieces: Pieces,
    partials: usize,
    finish: Finish,
    kernels: &'static Kernels<A>,
    groups: usize,
    group: [usize; 2],
    sums: Option<(Place, crate::DType)>,
    parts: usize,
    room: [usize; 2],
}

impl<A: Number + Real> Weights<A> {
    pub(super) fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Weights<A> {
        let kernels = A::kernels(cpu.isa);
        let sizes = &problem.sizes;
        let (inner, outer) = problem.group();
        let plain = |axis: usize| Axis::forward(crate::Slide::PLAIN, sizes.positions[axis], 1, sizes.positions[axis]);
        let images = Source::new(problem.a, problem.dtype, axes.clone(), sizes.channels, kernels);
        let results = Source::new(problem.b, problem.dtype, [plain(0), plain(1)], sizes.filters, kernels);
        let [rows, columns] = sizes.positions;
        let partials = (sizes.images * rows * columns / POSITIONS).clamp(1, PARTIALS).min(sizes.images);
        let bytes = (images.len(axes[0].advance) + results.len(1)) * size_of::<A>();
        let pieces = Pieces::new(sizes.images.div_ceil(partials), rows, (SOURCE / bytes).max(1));
        let work = problem.products().saturating_mul(2) / kernels.rate;
        let parts = (work / WORTH).clamp(1, cpu.threads);
        let sums = problem.sums.map(|place| (place, problem.dtype));
        let group = [inner, outer];
        let mut weights = Weights {
            images,
            results,
            axes,
            pieces,
            partials,
            finish,
            kernels,
            groups: problem.groups,
            group,
            sums,
            parts,
            room: [0; 2],
        };
        weights.room = weights.room();
        weights
    }

    /// Bytes of a thread's scratch for images and for results.
    fn room(&self) -> [usize; 2] {
        let [images, rows] = self.pieces.most();
        let under = (0..self.pieces.count()).map(|number| self.axes[0].under(self.pieces.get(number)[1].clone()).len());
        let copies = [self.images.scratch(images, under.max().unwrap_or(0)), self.results.scratch(images, rows)];
        copies.map(|elements| (elements * size_of::<A>()).next_multiple_of(64))
    }

    fn filters(&self) -> usize {
        self.group[1] * self.groups
    }

    /// Elements of a partial sum, channel sums included.
    fn partial(&self) -> usize {
        self.len() + if self.sums.is_some() { self.filters() } else { 0 }
    }

    /// Elements of the result.
    fn len(&self) -> usize {
        self.taps(0) * self.taps(1) * self.group[0] * self.filters()
    }

    fn taps(&self, axis: usize) -> usize {
        self.axes[axis].classes[0].taps.len()
    }

    /// Panels of filters: group, first filter, how many.
    fn panels(&self) -> usize {
        self.groups * self.group[1].div_ceil(2 * self.kernels.lanes)
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        // Which partial sums are this thread's, and which of the tiles.
        let tiles = self.panels() * self.taps(0);
        let (mine, tiles) = if self.parts <= self.partials {
            (share(self.partials, 1, self.parts, thread), 0..tiles)
        } else {
            let partial = thread % self.partials;
            let others = (self.parts - partial).div_ceil(self.partials);
            (partial..partial + 1, share(tiles, 1, others, thread / self.partials))
        };
        if tiles.is_empty() {
            return;
        }
        let scratch = context.scratch(thread);
        for partial in mine {
            let images = share(self.axes_images(), 1, self.partials, partial);
            let to = context.shared_scratch().cast::<A>().wrapping_add(partial * self.partial());
            let mut fresh = true;
            for number in 0..self.pieces.count() {
                let [part, rows] = self.pieces.get(number);
                let part = images.start + part.start..(images.start + part.end).min(images.end);
                if part.is_empty() {
                    continue;
                }
                let under = self.axes[0].under(rows.clone());
                // SAFETY: verified operands; scratch is asked for below; threads have different partial sums or tiles.
                unsafe {
                    let a = self.images.take(context, part.clone(), under, scratch.cast());
                    let results = scratch.wrapping_add(self.room[0]).cast();
                    let b = self.results.take(context, part.clone(), rows.clone(), results);
                    self.piece([part.len(), rows.len()], [a, b], to, tiles.clone(), fresh);
                }
                fresh = false;
            }
        }
    }
}
