//! The weight gradient: tiles of some taps and channels by two vectors of filters, summed over pixels.
//!
//! The batch is cut into partial sums whose number depends on sizes alone; they are added in order. Threads share out the
//! partial sums and, if there are more threads, the tiles of each.

use super::geometry::Axis;
use super::partials::{Partials, Piece};
use super::source::{Pieces, Source};
use super::vectors::{Vectored, Vectors};
use super::{Finish, Problem, WORTH};
use crate::Error;
use crate::cpu::{Context, Cpu, Launch, rows::Number};
use crate::gemm::cpu::microkernel::{Kernels, Real, Run, Tile};

/// Bytes of images and results that a piece of work has: they stay in the cache of second level.
const SOURCE: usize = 320 << 10;
/// The same where the result is so large that reading and writing it for each piece would take longer than the sums.
const LARGE: usize = 2 << 20;
/// Positions whose products are worth a partial sum of their own: adding it up takes as long as some 20 of them.
const POSITIONS: usize = 1024;

pub(super) struct Weights<A: Real> {
    images: Source<A>,
    results: Source<A>,
    axes: [Axis; 2],
    /// How each partial sum goes through its images.
    pieces: Pieces,
    partials: Partials,
    finish: Finish,
    kernels: &'static Kernels<A>,
    /// If each channel has a filter of its own.
    depthwise: Option<&'static Vectors<A>>,
    groups: usize,
    group: [usize; 2],
    parts: usize,
    room: [usize; 2],
}

impl<A: Number + Vectored> Weights<A> {
    pub(super) fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Weights<A> {
        let kernels = A::kernels(cpu.isa);
        let sizes = &problem.sizes;
        let (inner, outer) = problem.group();
        let images = Source::new(problem.a, problem.dtype, axes.clone(), sizes.channels, kernels);
        let results = Source::new(problem.b, problem.dtype, sizes.positions.map(Axis::plain), sizes.filters, kernels);
        let rows = sizes.positions[0];
        let partials = Partials::new(problem, problem.len(), POSITIONS, finish.is_plain::<A>());
        let bytes = (images.len(axes[0].advance) + results.len(1)) * size_of::<A>();
        let result = problem.len().saturating_mul(size_of::<A>());
        let most = (result / 2).clamp(SOURCE, LARGE);
        let pieces = Pieces::new(partials.most(), rows, (most / bytes).max(1));
        let work = problem.products().saturating_mul(2) / kernels.rate;
        let parts = (work / WORTH).clamp(1, cpu.threads);
        let group = [inner, outer];
        let mut weights = Weights {
            images,
            results,
            axes,
            pieces,
            partials,
            finish,
            kernels,
            depthwise: (problem.groups > 1 && group == [1, 1]).then(|| A::vectors(cpu.isa)),
            groups: problem.groups,
            group,
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

    fn taps(&self, axis: usize) -> usize {
        self.axes[axis].classes[0].taps.len()
    }

    /// Panels of filters: group, first filter, how many.
    fn panels(&self) -> usize {
        if self.depthwise.is_some() { 1 } else { self.groups * self.group[1].div_ceil(2 * self.kernels.lanes) }
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        // Which partial sums are this thread's, and which of the tiles.
        let tiles = self.panels() * self.taps(0);
        let (mine, tiles) = self.partials.share(tiles, self.parts, thread);
        if tiles.is_empty() {
            return;
        }
        let scratch = context.scratch(thread);
        for partial in mine {
            let images = self.partials.images(partial);
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
                    let copy = scratch.wrapping_add(self.room[0]).cast();
                    let b = self.results.take(context, part.clone(), rows.clone(), copy);
                    let columns = self.axes[1].results;
                    let piece = Piece { images: part.len(), rows: rows.len(), columns, a, b, fresh };
                    let to = self.partials.at(context, partial, self.finish.target(context));
                    for tile in tiles.clone() {
                        self.tiles(&piece, tile, to);
                        if tile % self.taps(0) == 0 {
                            let (_, column, width) = self.panel(tile);
                            let channels = column..column + width;
                            self.partials.add_channels(context, partial, self.kernels, &piece, channels);
                        }
                    }
                }
                fresh = false;
            }
        }
    }

    /// Group, first filter of all, and number of filters of a panel.
    fn panel(&self, tile: usize) -> (usize, usize, usize) {
        if self.depthwise.is_some() {
            return (0, 0, self.groups);
        }
        let width = 2 * self.kernels.lanes;
        let (panel, each) = (tile / self.taps(0), self.group[1].div_ceil(width));
        let first = panel % each * width;
        (panel / each, panel / each * self.group[1] + first, width.min(self.group[1] - first))
    }

    /// Adds up what a piece contributes to a panel of filters and a row of taps.
    ///
    /// # Safety
    /// The piece is of this problem, and nothing else writes these tiles.
    unsafe fn tiles(&self, piece: &Piece<A>, tile: usize, to: *mut A) {
        let Piece { images, rows, columns, a, b, fresh } = *piece;
        let (group, column, width) = self.panel(tile);
        let (i, [inner, _]) = (tile % self.taps(0), self.group);
        // Where there is no second element, its distance may be anything.
        let apart = |count: usize, step: isize| (count as isize).wrapping_mul(step);
        let tap = apart(self.axes[1].step, a.pixel);
        // Where a tap's channels follow those of the tap before, they are one matrix.
        let (matrices, height) = if tap == inner as isize { (1, self.taps(1) * inner) } else { (self.taps(1), inner) };
        for j in 0..matrices {
            let down = (i * self.axes[0].step) as isize * a.row + j as isize * tap;
            let (a_k, b_k) = (apart(self.axes[1].advance, a.pixel), b.pixel);
            let runs = [
                Run { count: images, a: a.image, b: b.image },
                Run { count: rows, a: apart(self.axes[0].advance, a.row), b: b.row },
            ];
            let (runs, k) = Run::merged(runs, columns, a_k, b_k);
            let mut tile = Tile {
                runs: &runs,
                k,
                a: a.start.wrapping_offset(down).wrapping_add(group * inner),
                a_row: 1,
                a_k,
                b: b.start.wrapping_add(column),
                b_k,
                c: to.wrapping_add((i * self.taps(1) + j) * inner * self.filters() + column),
                c_row: self.filters(),
                last: self.kernels.lanes,
                accumulate: !fresh,
            };
            // SAFETY: the caller's duty; the kernels are those of the device's instruction set.
            unsafe {
                match self.depthwise {
                    Some(vectors) => (vectors.depthwise_weights)(&tile, width),
                    None => self.kernels.column(&mut tile, height, width),
                }
            }
        }
    }

    /// Adds up the partial sums of this thread's share of the result.
    fn gather(&self, context: &Context<'_>, thread: usize) {
        let mine = self.partials.elements(self.partials.len, self.parts, thread);
        let at = |number| self.partials.at::<A>(context, number, self.finish.target(context));
        // SAFETY: the partial sums were computed; the shares of the threads are disjoint.
        unsafe {
            self.partials.add(mine.clone(), at);
            if !self.finish.is_plain::<A>() {
                let sums = at(0).wrapping_add(mine.start).cast_const();
                self.finish.run(context, mine, sums, context.scratch(thread));
            }
            self.partials.finish_channels::<A>(context, self.parts, thread);
        }
    }
}

impl<A: Number + Vectored> Launch for Weights<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        context.team.run(self.parts, &|thread| self.part(context, thread));
        if self.partials.count > 1 || self.partials.has_channel_sums() || !self.finish.is_plain::<A>() {
            context.team.run(self.parts, &|thread| self.gather(context, thread));
        }
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        (self.room[0] + self.room[1]).max(self.finish.scratch())
    }

    fn scratch_shared(&self) -> usize {
        self.partials.scratch() * size_of::<A>()
    }
}
