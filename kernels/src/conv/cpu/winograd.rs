//! Winograd's F(2x2, 3x3): four pixels of a 3x3 convolution from 16 products instead of 36.
//!
//! Squares of 4x4 pixels and the filters are transformed so that the convolution becomes 16 products of matrices; squares of
//! 2x2 results are transformed back (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). Sums are
//! shorter than those of the direct method, and errors no larger.

use super::filters::{Filters, Form};
use super::geometry::Axis;
use super::source::{Pieces, Source};
use super::transform::{Kind, Move};
use super::vectors::{TransformFn, transform};
use super::winograd_weights::WinogradWeights;
use super::{Finish, Problem, WORTH};
use crate::Error;
use crate::conv::ConvPass;
use crate::cpu::{Context, Cpu, Launch, share};
use crate::gemm::cpu::microkernel::{Kernels, Real, Run, Tile};

/// What is computed with; in other types the direct tiles do.
pub(super) type A = f32;

/// Matrices: the elements of a transformed square.
pub(super) const PLANES: usize = 16;
/// Elements between planes besides their own: planes a power of two apart would meet in the same sets of the cache.
pub(super) const GAP: usize = 16;

/// Channels on both sides from which on transforms pay, and the squares that one of the filters needs.
const CHANNELS: usize = 16;
const SQUARES: usize = 128;

/// Bytes of planes that a piece of work has, and its most squares.
pub(super) const BYTES: usize = 400 << 10;
pub(super) const MOST: usize = 64;

pub(super) struct Winograd {
    source: Source<A>,
    filters: Filters<A>,
    /// Height and width of the result.
    sizes: [usize; 2],
    axes: [Axis; 2],
    /// In rows of squares.
    pieces: Pieces,
    finish: Finish,
    kernels: &'static Kernels<A>,
    transform: TransformFn,
    /// Channels of source and result.
    channels: [usize; 2],
    parts: usize,
    /// Bytes of a thread's scratch for the source, its planes, a panel's planes and results that wait.
    room: [usize; 4],
}

/// Whether a convolution is one for which this is faster.
pub(super) fn suits(problem: &Problem, axes: &[Axis; 2]) -> bool {
    let plain =
        |axis: &Axis| axis.classes.len() == 1 && axis.classes[0].taps.len() == 3 && axis.step == 1 && axis.advance == 1;
    let squares = problem.sizes.images * axes[0].results.div_ceil(2) * axes[1].results.div_ceil(2);
    let channels = problem.sizes.channels.min(problem.sizes.filters);
    problem.groups == 1 && axes.iter().all(plain) && channels >= CHANNELS && squares >= SQUARES
}

/// Prepares a convolution that [`suits`].
pub(super) fn launch(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Box<dyn Launch> {
    match problem.pass {
        ConvPass::WeightGradient => Box::new(WinogradWeights::new(problem, axes, finish, cpu)),
        _ => Box::new(Winograd::new(problem, axes, finish, cpu)),
    }
}

impl Winograd {
    fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Winograd {
        let kernels = <A as Real>::kernels(cpu.isa);
        let sizes = [0, 1].map(|axis| axes[axis].results);
        let channels = match problem.pass {
            ConvPass::Forward => [problem.sizes.channels, problem.sizes.filters],
            _ => [problem.sizes.filters, problem.sizes.channels],
        };
        let filters = Filters::new(problem, &axes, channels, kernels, Form::Packed);
        let axes = axes.map(Axis::in_pairs);
        let source = Source::new(problem.a, problem.dtype, axes.clone(), channels[0], kernels);
        let work = problem.products() / kernels.rate;
        let parts = (work / WORTH).clamp(1, cpu.threads);
        let images = problem.result[0];
        let [down, right] = [0, 1].map(|axis| axes[axis].results / 2);
        let width = 2 * kernels.lanes;
        let squares = (BYTES / (PLANES * (channels[0] + width) * size_of::<A>())).clamp(1, MOST);
        let even = Pieces::even(images, down, parts);
        let pieces = Pieces::new(images, down, (squares / right).min(even).max(1));
        let [most, rows] = pieces.most();
        let squares = most * rows * right;
        let planes = |channels: usize| PLANES * (squares * channels + GAP);
        let results = if finish.is_plain::<A>() { 0 } else { squares * 4 * channels[1] };
        let room = [source.scratch(most, 2 * rows + 2), planes(channels[0]), planes(width), results];
        let room = room.map(|elements| (elements * size_of::<A>()).next_multiple_of(64));
        Winograd {
            source,
            filters,
            sizes,
            axes,
            pieces,
            finish,
            kernels,
            transform: transform(cpu.isa),
            channels,
            parts,
            room,
        }
    }

    /// Elements from one plane of a panel of filters to the next, and from one panel to the next.
    fn filter_planes(&self) -> [usize; 2] {
        let plane = self.channels[0] * 2 * self.kernels.lanes + GAP;
        [plane, PLANES * plane]
    }

    fn transformed(&self, context: &Context<'_>, panel: usize) -> *mut A {
        let start = context.shared_scratch().wrapping_add(self.filters.scratch().next_multiple_of(64));
        start.cast::<A>().wrapping_add(panel * self.filter_planes()[1])
    }

    /// Transforms this thread's share of the packed filters.
    fn filters(&self, context: &Context<'_>, thread: usize) {
        let width = 2 * self.kernels.lanes;
        let mine = share(self.channels[0], 1, self.parts, thread);
        for (number, panel) in self.filters.panels(context).enumerate() {
            let tap = self.filters.tap() as isize;
            let args = Move {
                image: panel.start.wrapping_add(mine.start * width).cast_mut(),
                row: 3 * tap,
                pixel: tap,
                square: width as isize,
                planes: self.transformed(context, number).wrapping_add(mine.start * width),
                plane: self.filter_planes()[0],
                element: width,
                squares: mine.len(),
                rows: 3,
                columns: 3,
                channels: panel.width,
            };
            // SAFETY: the panels are packed and their planes have room; threads transform different channels.
            unsafe { (self.transform)(Kind::Filter, &args) }
        }
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        let width = 2 * self.kernels.lanes;
        let scratch = context.scratch(thread);
        let pixels = scratch.wrapping_add(self.room[0]).cast::<A>();
        let products = pixels.cast::<u8>().wrapping_add(self.room[1]).cast::<A>();
        let block = products.cast::<u8>().wrapping_add(self.room[2]).cast::<A>();
        let rest = block.cast::<u8>().wrapping_add(self.room[3]);
        let ([height, columns], right) = (self.sizes, self.axes[1].results / 2);
        for number in share(self.pieces.count(), 1, self.parts, thread) {
            let [images, squares] = self.pieces.get(number);
            let rows = 2 * squares.start..height.min(2 * squares.end);
            let row = columns * self.channels[1];
            let (first, len) = ((images.start * height + rows.start) * row, images.len() * rows.len() * row);
            let to = self.finish.target::<A>(context).map_or(block, |out| out.wrapping_add(first));
            // Every row of squares: image, row, number of its first square.
            let lines = || {
                (0..images.len())
                    .flat_map(|image| (0..squares.len()).map(move |line| (image, line)))
                    .map(|(image, line)| (image, line, (image * squares.len() + line) * right))
            };
            let count = images.len() * squares.len() * right;
            let plane = count * self.channels[0] + GAP;
            // SAFETY: verified operands; scratch is asked for below; pieces are disjoint parts of the result.
            unsafe {
                let under = 2 * squares.start..2 * squares.end + 2;
                let view = self.source.take(context, images.clone(), under, scratch.cast());
                for (image, line, square) in lines() {
                    let at = image as isize * view.image + 2 * line as isize * view.row;
                    let args = Move {
                        image: view.start.wrapping_offset(at).cast_mut(),
                        row: view.row,
                        pixel: view.pixel,
                        square: 2 * view.pixel,
                        planes: pixels.wrapping_add(square * self.channels[0]),
                        plane,
                        element: self.channels[0],
                        squares: right,
                        rows: 4,
                        columns: 4,
                        channels: self.channels[0],
                    };
                    (self.transform)(Kind::Pixels, &args);
                }
                for (number, panel) in self.filters.panels(context).enumerate() {
                    for element in 0..PLANES {
                        let mut tile = Tile {
                            runs: Run::NONE,
                            k: self.channels[0],
                            a: pixels.wrapping_add(element * plane),
                            a_row: self.channels[0] as isize,
                            a_k: 1,
                            b: self.transformed(context, number).wrapping_add(element * self.filter_planes()[0]),
                            b_k: width as isize,
                            c: products.wrapping_add(element * (count * width + GAP)),
                            c_row: width,
                            last: self.kernels.lanes,
                            accumulate: false,
                        };
                        self.kernels.column(&mut tile, count, panel.width);
                    }
                    for (image, line, square) in lines() {
                        let args = Move {
                            image: to.wrapping_add((image * rows.len() + 2 * line) * row + panel.column),
                            row: row as isize,
                            pixel: self.channels[1] as isize,
                            square: 2 * self.channels[1] as isize,
                            planes: products.wrapping_add(square * width),
                            plane: count * width + GAP,
                            element: width,
                            squares: right,
                            rows: rows.len() - 2 * line,
                            columns,
                            channels: panel.width,
                        };
                        (self.transform)(Kind::Results, &args);
                    }
                }
                if !self.finish.is_plain::<A>() {
                    self.finish.run(context, first..first + len, block.cast_const(), rest);
                }
            }
        }
    }
}

impl Launch for Winograd {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        context.team.run(self.parts, &|thread| self.filters.pack(context, self.parts, thread));
        context.team.run(self.parts, &|thread| self.filters(context, thread));
        context.team.run(self.parts, &|thread| self.part(context, thread));
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.room.iter().sum::<usize>() + self.finish.scratch()
    }

    fn scratch_shared(&self) -> usize {
        let planes = self.filters.count() * self.filter_planes()[1] * size_of::<A>();
        self.filters.scratch().next_multiple_of(64) + planes
    }
}
