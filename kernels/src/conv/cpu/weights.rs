//! The weight gradient: tiles of some taps and channels by two vectors of filters, summed over pixels.
//!
//! The batch is cut into partial sums whose number depends on sizes alone; they are added in order. Threads share out the
//! partial sums and, if there are more threads, the tiles of each.

use super::geometry::Axis;
use super::source::{Pieces, Source, View};
use super::vectors::{Vectored, Vectors};
use super::{Finish, Problem, WORTH};
use crate::cpu::{Context, Cpu, Launch, Place, rows::Number, share};
use crate::gemm::cpu::{
    microkernel::{Kernels, Real, Run, Tile},
    pack::Panel,
};
use crate::{DType, Error, Slide};
use std::ops::Range;

/// Bytes of images and results that a piece of work has: they stay in the cache of second level.
const SOURCE: usize = 320 << 10;
/// The same where the result is so large that reading and writing it for each piece would take longer than the sums.
const LARGE: usize = 2 << 20;
/// The most partial sums.
const PARTIALS: usize = 8;
/// Positions whose products are worth a partial sum of their own: adding it up takes as long as some 20 of them.
const POSITIONS: usize = 1024;

/// Elements of a cache line, at least, by which threads divide sums.
const GRAIN: usize = 16;
/// Channels that are summed at a time: two of the widest vectors.
const WIDEST: usize = 32;

/// Some images, some rows of their results, and whether they are the first of their partial sum.
struct Piece<A> {
    images: usize,
    rows: usize,
    a: View<A>,
    b: View<A>,
    fresh: bool,
}

pub(super) struct Weights<A: Real> {
    images: Source<A>,
    results: Source<A>,
    axes: [Axis; 2],
    /// How each partial sum goes through its images.
    pieces: Pieces,
    partials: usize,
    finish: Finish,
    kernels: &'static Kernels<A>,
    /// If each channel has a filter of its own.
    depthwise: Option<&'static Vectors<A>>,
    groups: usize,
    group: [usize; 2],
    sums: Option<(Place, DType)>,
    batch: usize,
    parts: usize,
    room: [usize; 2],
}

impl<A: Number + Vectored> Weights<A> {
    pub(super) fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Weights<A> {
        let kernels = A::kernels(cpu.isa);
        let sizes = &problem.sizes;
        let (inner, outer) = problem.group();
        let plain = |axis: usize| Axis::forward(Slide::PLAIN, sizes.positions[axis], 1, sizes.positions[axis]);
        let images = Source::new(problem.a, problem.dtype, axes.clone(), sizes.channels, kernels);
        let results = Source::new(problem.b, problem.dtype, [plain(0), plain(1)], sizes.filters, kernels);
        let [rows, columns] = sizes.positions;
        let partials = (sizes.images * rows * columns / POSITIONS).clamp(1, PARTIALS).min(sizes.images);
        let bytes = (images.len(axes[0].advance) + results.len(1)) * size_of::<A>();
        let result = problem.len().saturating_mul(size_of::<A>());
        let most = (result / 2).clamp(SOURCE, LARGE);
        let pieces = Pieces::new(sizes.images.div_ceil(partials), rows, (most / bytes).max(1));
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
            depthwise: (problem.groups > 1 && group == [1, 1]).then(|| A::vectors(cpu.isa)),
            groups: problem.groups,
            group,
            sums,
            batch: sizes.images,
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

    /// Elements of the result.
    fn len(&self) -> usize {
        self.taps(0) * self.taps(1) * self.group[0] * self.filters()
    }

    /// Where a partial sum lies: the first in the output, if that has the same dtype.
    fn partial(&self, context: &Context<'_>, number: usize) -> *mut A {
        let scratch = context.shared_scratch().cast::<A>();
        match self.finish.target::<A>(context) {
            Some(out) if number == 0 => out,
            Some(_) => scratch.wrapping_add((number - 1) * self.len()),
            None => scratch.wrapping_add(number * self.len()),
        }
    }

    fn stored(&self) -> usize {
        self.partials - usize::from(self.finish.is_plain::<A>())
    }

    /// Where the channel sums of a partial sum lie.
    fn sums(&self, context: &Context<'_>, number: usize) -> *mut A {
        let scratch = context.shared_scratch().cast::<A>();
        scratch.wrapping_add(self.stored() * self.len() + number * self.filters())
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
            let images = share(self.batch, 1, self.partials, partial);
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
                    let piece = Piece { images: part.len(), rows: rows.len(), a, b, fresh };
                    for tile in tiles.clone() {
                        self.tiles(&piece, tile, self.partial(context, partial));
                        if self.sums.is_some() && tile % self.taps(0) == 0 {
                            self.channel_sums(&piece, tile, self.sums(context, partial));
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
        let Piece { images, rows, a, b, fresh } = *piece;
        let (group, column, width) = self.panel(tile);
        let (i, [inner, _]) = (tile % self.taps(0), self.group);
        let tap = self.axes[1].step as isize * a.pixel;
        // Where a tap's channels follow those of the tap before, they are one matrix.
        let (matrices, height) = if tap == inner as isize { (1, self.taps(1) * inner) } else { (self.taps(1), inner) };
        for j in 0..matrices {
            let down = (i * self.axes[0].step) as isize * a.row + j as isize * tap;
            let mut tile = Tile {
                runs: [
                    Run { count: images, a: a.image, b: b.image },
                    Run { count: rows, a: self.axes[0].advance as isize * a.row, b: b.row },
                ],
                k: self.axes[1].results,
                a: a.start.wrapping_offset(down).wrapping_add(group * inner),
                a_row: 1,
                a_k: self.axes[1].advance as isize * a.pixel,
                b: b.start.wrapping_add(column),
                b_k: b.pixel,
                c: to.wrapping_add((i * self.taps(1) + j) * inner * self.filters() + column),
                c_row: self.filters(),
                last: self.kernels.lanes,
                accumulate: !fresh,
            };
            tile.merge();
            // SAFETY: the caller's duty; the kernels are those of the device's instruction set.
            unsafe {
                match self.depthwise {
                    Some(vectors) => (vectors.depthwise_weights)(&tile, width),
                    None => self.kernels.column(tile, height, width),
                }
            }
        }
    }

    /// Adds a piece to the sums of a panel's filters.
    ///
    /// # Safety
    /// The piece is of this problem, and nothing else writes these sums.
    unsafe fn channel_sums(&self, piece: &Piece<A>, tile: usize, to: *mut A) {
        let Piece { images, rows, b, fresh, .. } = *piece;
        let (_, column, width) = self.panel(tile);
        let columns = self.axes[1].results;
        let dense = b.row == columns as isize * b.pixel;
        let runs = if dense { 1 } else { rows };
        for (image, row) in (0..images).flat_map(|image| (0..runs).map(move |row| (image, row))) {
            let start = b.start.wrapping_offset(image as isize * b.image + row as isize * b.row);
            for first in (column..column + width).step_by(WIDEST) {
                let mut sums = [A::ZERO; WIDEST];
                let panel = Panel {
                    b: start.wrapping_add(first),
                    b_k: b.pixel,
                    b_column: 1,
                    k: if dense { rows * columns } else { columns },
                    columns: WIDEST.min(column + width - first),
                    to: sums.as_mut_ptr(),
                };
                // SAFETY: the caller's duty; the sums have room for a panel.
                unsafe {
                    (self.kernels.column_sums)(&panel);
                    for (number, &sum) in sums.iter().enumerate().take(panel.columns) {
                        let to = to.wrapping_add(first + number);
                        *to = if fresh && image == 0 && row == 0 { sum } else { sum.plus(*to) };
                    }
                }
            }
        }
    }

    /// Adds up the partial sums of this thread's share of the result.
    fn gather(&self, context: &Context<'_>, thread: usize) {
        let add = |mine: Range<usize>, at: &dyn Fn(usize) -> *mut A| {
            for partial in 1..self.partials {
                for element in mine.clone() {
                    // SAFETY: the partial sums were computed; threads add up different elements.
                    unsafe {
                        let to = at(0).wrapping_add(element);
                        *to = (*to).plus(*at(partial).wrapping_add(element));
                    }
                }
            }
        };
        let mine = share(self.len(), GRAIN, self.parts, thread);
        add(mine.clone(), &|partial| self.partial(context, partial));
        // SAFETY: as above; the first partial sum is the whole now.
        unsafe {
            if !self.finish.is_plain::<A>() {
                let sums = self.partial(context, 0).wrapping_add(mine.start);
                self.finish.run(context, mine, sums.cast_const(), context.scratch(thread));
            }
            if let Some((place, dtype)) = self.sums {
                let mine = share(self.filters(), GRAIN, self.parts, thread);
                add(mine.clone(), &|partial| self.sums(context, partial));
                let sums = self.sums(context, 0).wrapping_add(mine.start);
                let to = context.at::<u8>(place).wrapping_add(mine.start * dtype.size());
                A::store(dtype)(sums, to, 1, mine.len());
            }
        }
    }
}

impl<A: Number + Vectored> Launch for Weights<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        context.team.run(self.parts, &|thread| self.part(context, thread));
        if self.partials > 1 || self.sums.is_some() || !self.finish.is_plain::<A>() {
            context.team.run(self.parts, &|thread| self.gather(context, thread));
        }
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        (self.room[0] + self.room[1]).max(self.finish.scratch())
    }

    fn scratch_shared(&self) -> usize {
        let sums = if self.sums.is_some() { self.partials * self.filters() } else { 0 };
        (self.stored() * self.len() + sums) * size_of::<A>()
    }
}
