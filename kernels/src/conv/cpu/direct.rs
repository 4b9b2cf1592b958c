//! Forward and input gradient: tiles of some pixels by two vectors of channels, read from bordered images.
//!
//! No matrix of patches is made: in a row of the source, the taps of a filter's row and their channels lie one after
//! another, and the next pixel's are a pixel further.

use super::filters::{Columns, Filters, Form};
use super::geometry::Axis;
use super::source::{Pieces, Source, View};
use super::vectors::{Vectored, Vectors};
use super::{Finish, Problem, WORTH};
use crate::Error;
use crate::conv::ConvPass;
use crate::cpu::{Context, Cpu, Launch, rows::Number, share};
use crate::gemm::cpu::microkernel::{Kernels, Real, Run, Tile};

/// Bytes of copied images, and of results that wait for their epilogue, that a piece of work has: together with a panel of
/// filters they stay in the cache of second level.
const SOURCE: usize = 256 << 10;
const RESULTS: usize = 256 << 10;
/// Bytes of results that are computed before their epilogue, if the filters are so few that they can be read again soon:
/// it finds them in the cache of first level.
const NEAR: usize = 32 << 10;

pub(super) struct Direct<A: Real> {
    source: Source<A>,
    filters: Filters<A>,
    axes: [Axis; 2],
    pieces: Pieces,
    finish: Finish,
    kernels: &'static Kernels<A>,
    /// If each channel has a filter of its own.
    depthwise: Option<&'static Vectors<A>>,
    /// Channels of the result.
    channels: usize,
    /// Input and output channels of a group.
    group: [usize; 2],
    parts: usize,
    /// Rows that are computed before their epilogue runs over them.
    lines: usize,
    room: [usize; 2],
}

impl<A: Number + Vectored> Direct<A> {
    pub(super) fn new(problem: &Problem, axes: [Axis; 2], finish: Finish, cpu: Cpu) -> Direct<A> {
        let kernels = A::kernels(cpu.isa);
        let (inner, outer) = problem.group();
        let group = if problem.pass == ConvPass::Forward { [inner, outer] } else { [outer, inner] };
        let source = Source::new(problem.a, problem.dtype, axes.clone(), group[0] * problem.groups, kernels);
        let depthwise = problem.groups > 1 && group == [1, 1];
        let form = if depthwise { Form::Depthwise } else { Form::InPlace };
        let filters = Filters::new(problem, &axes, group, kernels, form);
        let [images, rows, columns, channels] = problem.result;
        let work = problem.products().saturating_mul(2) / kernels.rate;
        let parts = (work / WORTH).clamp(1, cpu.threads);
        let size = size_of::<A>();
        // What does not stay there with the filters shall at least use them often.
        let most = if filters.panel() * size > SOURCE { 4 * SOURCE } else { SOURCE };
        let by_source = most / (source.len(axes[0].advance) * size / axes[0].classes.len()).max(1);
        let by_results = if finish.is_plain::<A>() { usize::MAX } else { RESULTS / (columns * channels * size) };
        let even = Pieces::even(images, rows, parts);
        let pieces = Pieces::new(images, rows, by_source.min(by_results).min(even).max(1));
        let small = filters.count() * filters.panel() * size <= SOURCE;
        let lines = if small && !finish.is_plain::<A>() { (NEAR / (columns * channels * size)).max(1) } else { rows };
        let mut direct = Direct {
            source,
            filters,
            axes,
            pieces,
            finish,
            kernels,
            depthwise: depthwise.then(|| A::vectors(cpu.isa)),
            channels,
            group,
            parts,
            lines,
            room: [0; 2],
        };
        direct.room = direct.room();
        direct
    }

    /// Bytes of scratch for copied images, and for results that wait for their epilogue.
    fn room(&self) -> [usize; 2] {
        let [images, rows] = self.pieces.most();
        let under = (0..self.pieces.count()).map(|number| self.axes[0].under(self.pieces.get(number)[1].clone()).len());
        let source = self.source.scratch(images, under.max().unwrap_or(0));
        let results =
            if self.finish.is_plain::<A>() { 0 } else { images * rows * self.axes[1].results * self.channels };
        [source, results].map(|elements| (elements * size_of::<A>()).next_multiple_of(64))
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        let scratch = context.scratch(thread);
        let block = scratch.wrapping_add(self.room[0]);
        let rest = block.wrapping_add(self.room[1]);
        let [height, width] = [0, 1].map(|axis| self.axes[axis].results);
        for number in share(self.pieces.count(), 1, self.parts, thread) {
            let [images, rows] = self.pieces.get(number);
            let first = (images.start * height + rows.start) * width * self.channels;
            let (top, step) = (rows.start, rows.len() * width * self.channels);
            // Rows of several images are no range of the result.
            let lines = if images.len() > 1 { rows.len() } else { self.lines };
            let to = self.finish.target::<A>(context).map_or(block.cast(), |out| out.wrapping_add(first));
            let under = self.axes[0].under(rows.clone());
            // SAFETY: verified operands; scratch is asked for below; the pieces are disjoint, and so are the parts of
            // the result that they make.
            unsafe {
                let view = self.source.take(context, images.clone(), under.clone(), scratch.cast());
                for start in rows.clone().step_by(lines) {
                    let rows = start..rows.end.min(start + lines);
                    for panel in self.filters.panels(context) {
                        for (line, row) in rows.clone().enumerate() {
                            let (class, seen) = self.axes[0].first(row);
                            let down = seen.saturating_sub(under.start) as isize * view.row;
                            let from = view.start.wrapping_add(panel.group * self.group[0]).wrapping_offset(down);
                            let to = to.wrapping_add((start - top + line) * width * self.channels + panel.column);
                            self.row(&panel, class, View { start: from, ..view }, images.len(), to, step);
                        }
                    }
                    if !self.finish.is_plain::<A>() {
                        let done = (start - top) * width * self.channels;
                        let len = images.len() * rows.len() * width * self.channels;
                        let sums = block.cast::<A>().wrapping_add(done).cast_const();
                        self.finish.run(context, first + done..first + done + len, sums, rest);
                    }
                }
            }
        }
    }
}

impl<A: Number + Vectored> Direct<A> {
    /// Computes a row of the result in some images, for the channels of a panel. The source is given from the row under
    /// the first tap on, and how far apart the images' results are.
    ///
    /// # Safety
    /// The rows are there on either side, and no other thread writes these results.
    unsafe fn row(&self, panel: &Columns<A>, class: usize, from: View<A>, images: usize, to: *mut A, step: usize) {
        let [down, right] = &self.axes;
        for (number, column) in right.classes.iter().enumerate() {
            let taps = self.filters.taps(panel, [class, number]);
            // Where there is no second element, its distance may be anything.
            let apart = |count: usize, step: isize| (count as isize).wrapping_mul(step);
            let steps = [apart(down.step, from.row), apart(right.step, from.pixel)];
            let runs = [0, 1].map(|axis| Run { count: taps.count[axis], a: steps[axis], b: taps.step[axis] });
            let (runs, k) =
                if self.depthwise.is_some() { (runs, 1) } else { Run::merged(runs, self.group[0], 1, taps.row) };
            // The rows of the tiles are the pixels of an image or, of very small ones, a pixel in each.
            let mut along =
                (right.count(number), apart(right.advance, from.pixel), right.classes.len() * self.channels);
            let mut across = (images, from.image, step);
            if across.0 > along.0 {
                std::mem::swap(&mut along, &mut across);
            }
            for other in 0..across.0 {
                let start = column.first as isize * from.pixel + other as isize * across.1;
                let mut tile = Tile {
                    runs: &runs,
                    k,
                    a: from.start.wrapping_offset(start),
                    a_row: along.1,
                    a_k: 1,
                    b: taps.start,
                    b_k: taps.row,
                    c: to.wrapping_add(number * self.channels + other * across.2),
                    c_row: along.2,
                    last: self.kernels.lanes,
                    accumulate: false,
                };
                // SAFETY: the caller's duty; the functions are those of the device's instruction set.
                unsafe {
                    match self.depthwise {
                        Some(vectors) => (vectors.depthwise)(&tile, along.0, panel.width),
                        None => self.kernels.column(&mut tile, along.0, panel.width),
                    }
                }
            }
        }
    }
}

impl<A: Number + Vectored> Launch for Direct<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        if self.filters.is_packed() {
            context.team.run(self.parts, &|thread| self.filters.pack(context, self.parts, thread));
        }
        context.team.run(self.parts, &|thread| self.part(context, thread));
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.room[0] + self.room[1] + self.finish.scratch()
    }

    fn scratch_shared(&self) -> usize {
        self.filters.scratch()
    }
}
