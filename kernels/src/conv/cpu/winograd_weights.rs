//! The weight gradient of 3x3 layers by transposing Winograd's F(2x2, 3x3): squares of pixels and of gradients are
//! transformed, multiplied and summed over the batch, and the 16 sums are transformed back to 9 taps in the end.

use super::geometry::Axis;
use super::partials::{Partials, Piece};
use super::source::{Pieces, Source};
use super::transform::{Kind, Move};
use super::vectors::{TransformFn, transform};
use super::winograd::{A, BYTES, GAP, MOST, PLANES};
use super::{Finish, Problem, WORTH};
use crate::Error;
use crate::cpu::{Context, Cpu, Launch, share};
use crate::gemm::cpu::microkernel::{Kernels, Real, Run, Tile};

/// Positions whose products are worth a partial sum of their own.
const POSITIONS: usize = 2048;
/// Bytes of sums that are added to at a time: they stay in the cache of second level.
const SUMS: usize = 512 << 10;

pub(super) struct WinogradWeights {
    images: Source<A>,
    gradients: Source<A>,
    /// Height and width of the results.
    sizes: [usize; 2],
    /// How each partial sum goes through its images, in rows of squares.
    pieces: Pieces,
    partials: Partials,
    finish: Finish,
    kernels: &'static Kernels<A>,
    transform: TransformFn,
    /// Channels and filters.
    channels: [usize; 2],
    /// Filters whose sums are added to at a time.
    group: usize,
    parts: usize,
    /// Bytes of a thread's scratch for images, gradients and the planes of both.
    room: [usize; 4],
}

impl WinogradWeights {
    pub(super) fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> WinogradWeights {
        let kernels = <A as Real>::kernels(cpu.isa);
        let sizes = problem.sizes.positions;
        let channels = [problem.sizes.channels, problem.sizes.filters];
        let axes = axes.map(Axis::in_pairs);
        let [down, right] = [0, 1].map(|axis| axes[axis].results / 2);
        let images = Source::new(problem.a, problem.dtype, axes, channels[0], kernels);
        let gradients = Source::new(problem.b, problem.dtype, sizes.map(Axis::plain), channels[1], kernels);
        let partials = Partials::new(problem, PLANES * (channels[0] * channels[1] + GAP), POSITIONS, false);
        let size = size_of::<A>();
        let width = 2 * kernels.lanes;
        let panels = (SUMS / (PLANES * channels[0] * width * size)).clamp(1, channels[1].div_ceil(width));
        let group = (panels * width).min(channels[1]);
        let squares = (BYTES / (PLANES * (channels[0] + group) * size)).clamp(1, MOST);
        let pieces = Pieces::new(partials.most(), down, (squares / right).max(1));
        let [most, rows] = pieces.most();
        let squares = most * rows * right;
        let planes = |channels: usize| PLANES * (squares * channels + GAP);
        let room =
            [images.scratch(most, 2 * rows + 2), gradients.scratch(most, 2 * rows), planes(channels[0]), planes(group)];
        let work = problem.products() / kernels.rate;
        WinogradWeights {
            images,
            gradients,
            sizes,
            pieces,
            partials,
            finish,
            kernels,
            transform: transform(cpu.isa),
            channels,
            group,
            parts: (work / WORTH).clamp(1, cpu.threads),
            room: room.map(|elements| (elements * size).next_multiple_of(64)),
        }
    }

    /// Elements from one plane of sums to the next.
    fn plane(&self) -> usize {
        self.channels[0] * self.channels[1] + GAP
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        let groups = self.channels[1].div_ceil(self.group);
        let (mine, groups) = self.partials.share(groups, self.parts, thread);
        let [height, columns] = self.sizes;
        let scratch = context.scratch(thread);
        let at = |number: usize| scratch.wrapping_add(self.room[..number].iter().sum()).cast::<A>();
        for partial in mine {
            let images = self.partials.images(partial);
            let sums = self.partials.at::<A>(context, partial, None);
            for group in groups.clone() {
                let filters = group * self.group..(group * self.group + self.group).min(self.channels[1]);
                let mut fresh = true;
                for number in 0..self.pieces.count() {
                    let [part, squares] = self.pieces.get(number);
                    let part = images.start + part.start..(images.start + part.end).min(images.end);
                    if part.is_empty() {
                        continue;
                    }
                    let rows = 2 * squares.start..height.min(2 * squares.end);
                    let under = 2 * squares.start..2 * squares.end + 2;
                    // SAFETY: verified operands; scratch is asked for below; threads have different partial sums or
                    // filters.
                    unsafe {
                        let a = self.images.take(context, part.clone(), under, at(0));
                        let b = self.gradients.take(context, part.clone(), rows.clone(), at(1));
                        let piece = Piece { images: part.len(), rows: rows.len(), columns, a, b, fresh };
                        self.piece(&piece, squares.len(), filters.clone(), [at(2), at(3)], sums);
                        self.partials.add_channels(context, partial, self.kernels, &piece, filters.clone());
                    }
                    fresh = false;
                }
            }
        }
    }

    /// Transforms a piece and adds its products to the sums of some filters.
    ///
    /// # Safety
    /// The piece is of this problem, the planes have room for it, and no other thread adds to these sums.
    unsafe fn piece(
        &self,
        piece: &Piece<A>,
        lines: usize,
        filters: std::ops::Range<usize>,
        planes: [*mut A; 2],
        sums: *mut A,
    ) {
        let (right, [channels, all]) = (piece.columns.div_ceil(2), self.channels);
        let count = piece.images * lines * right;
        let plane = [channels, filters.len()].map(|channels| count * channels + GAP);
        for (image, line) in (0..piece.images).flat_map(|image| (0..lines).map(move |line| (image, line))) {
            let square = (image * lines + line) * right;
            for (view, first, kind, planes, plane, channels) in [
                (piece.a, 0, Kind::Pixels, planes[0], plane[0], channels),
                (piece.b, filters.start, Kind::Gradients, planes[1], plane[1], filters.len()),
            ] {
                let at = image as isize * view.image + 2 * line as isize * view.row;
                let args = Move {
                    image: view.start.wrapping_offset(at).wrapping_add(first).cast_mut(),
                    row: view.row,
                    pixel: view.pixel,
                    square: view.pixel.wrapping_mul(2),
                    planes: planes.wrapping_add(square * channels),
                    plane,
                    element: channels,
                    squares: right,
                    rows: piece.rows - 2 * line,
                    columns: piece.columns,
                    channels,
                };
                // SAFETY: the caller's duty; the function is one of the device's instruction set.
                unsafe { (self.transform)(kind, &args) }
            }
        }
        let width = 2 * self.kernels.lanes;
        for element in 0..PLANES {
            for first in (0..filters.len()).step_by(width) {
                let mut tile = Tile {
                    runs: Run::NONE,
                    k: count,
                    a: planes[0].wrapping_add(element * plane[0]),
                    a_row: 1,
                    a_k: channels as isize,
                    b: planes[1].wrapping_add(element * plane[1] + first),
                    b_k: filters.len() as isize,
                    c: sums.wrapping_add(element * self.plane() + filters.start + first),
                    c_row: all,
                    last: self.kernels.lanes,
                    accumulate: !piece.fresh,
                };
                // SAFETY: the caller's duty.
                unsafe { self.kernels.column(&mut tile, channels, width.min(filters.len() - first)) }
            }
        }
    }

    /// Where the taps go: into the output, or behind the partial sums to wait for the epilogue.
    fn taps(&self, context: &Context<'_>) -> *mut A {
        let behind = context.shared_scratch().cast::<A>().wrapping_add(self.partials.scratch());
        self.finish.target(context).unwrap_or(behind)
    }

    /// Adds up the partial sums of this thread's share of the channels, and transforms them back.
    fn gather(&self, context: &Context<'_>, thread: usize) {
        let [channels, filters] = self.channels;
        let mine = share(channels, 1, self.parts, thread);
        let at = |number| self.partials.at::<A>(context, number, None);
        // SAFETY: the partial sums were computed; threads have different channels.
        unsafe {
            for element in 0..PLANES {
                let start = element * self.plane() + mine.start * filters;
                self.partials.add(start..start + mine.len() * filters, at);
            }
            let args = Move {
                image: self.taps(context).wrapping_add(mine.start * filters),
                row: (3 * channels * filters) as isize,
                pixel: (channels * filters) as isize,
                square: filters as isize,
                planes: at(0).wrapping_add(mine.start * filters),
                plane: self.plane(),
                element: filters,
                squares: mine.len(),
                rows: 3,
                columns: 3 * mine.len(),
                channels: filters,
            };
            (self.transform)(Kind::Taps, &args);
            if !self.finish.is_plain::<A>() {
                for tap in 0..9 {
                    let range = (tap * channels + mine.start) * filters..(tap * channels + mine.end) * filters;
                    let sums = self.taps(context).wrapping_add(range.start).cast_const();
                    self.finish.run(context, range, sums, context.scratch(thread));
                }
            }
            self.partials.finish_channels::<A>(context, self.parts, thread);
        }
    }
}

impl Launch for WinogradWeights {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        context.team.run(self.parts, &|thread| self.part(context, thread));
        context.team.run(self.parts, &|thread| self.gather(context, thread));
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.room.iter().sum::<usize>().max(self.finish.scratch())
    }

    fn scratch_shared(&self) -> usize {
        let taps = if self.finish.is_plain::<A>() { 0 } else { 9 * self.channels[0] * self.channels[1] };
        (self.partials.scratch() + taps) * size_of::<A>()
    }
}
