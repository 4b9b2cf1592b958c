//! Forward and input gradient: tiles of some pixels by two vectors of channels, read from bordered images.
//!
//! No matrix of patches is made: in a row of the source, the taps of a filter's row and their channels lie one after
//! another, and the next pixel's are a pixel further.

use super::filters::{Filters, Form};
use super::geometry::Axis;
use super::source::{Pieces, Source};
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
        let by_source = SOURCE / (source.len(axes[0].advance) * size / axes[0].classes.len()).max(1);
        let by_results = if finish.is_plain::<A>() { usize::MAX } else { RESULTS / (columns * channels * size) };
        // For each thread at least one piece, and no fewer than it takes to be even.
        let even =
            if images.is_multiple_of(parts) { images / parts * rows } else { (images * rows).div_ceil(4 * parts) };
        let pieces = Pieces::new(images, rows, by_source.min(by_results).min(even).max(1));
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
            let len = images.len() * rows.len() * width * self.channels;
            let to = self.finish.target::<A>(context).map_or(block.cast(), |out| out.wrapping_add(first));
            let under = self.axes[0].under(rows.clone());
            // SAFETY: verified operands; scratch is asked for below; the pieces are disjoint, and so are the parts of
            // the result that they make.
            unsafe {
                let view = self.source.take(context, images.clone(), under.clone(), scratch.cast());
                for panel in self.filters.panels(context) {
                    let start = view.start.wrapping_add(panel.group * self.group[0]);
                    for image in 0..images.len() {
                        for (line, row) in rows.clone().enumerate() {
                            let (class, seen) = self.axes[0].first(row);
                            let down = seen.saturating_sub(under.start) as isize;
                            let a = start.wrapping_offset(image as isize * view.image + down * view.row);
                            let c = to.wrapping_add((image * rows.len() + line) * width * self.channels + panel.column);
                            for (column, right) in self.axes[1].classes.iter().enumerate() {
                                let taps = self.filters.taps(&panel, [class, column]);
                                let mut tile = Tile {
                                    runs: [
                                        Run {
                                            count: taps.count[0],
                                            a: self.axes[0].step as isize * view.row,
                                            b: taps.step[0],
                                        },
                                        Run {
                                            count: taps.count[1],
                                            a: self.axes[1].step as isize * view.pixel,
                                            b: taps.step[1],
                                        },
                                    ],
                                    k: self.group[0],
                                    a: a.wrapping_offset(right.first as isize * view.pixel),
                                    a_row: self.axes[1].advance as isize * view.pixel,
                                    a_k: 1,
                                    b: taps.start,
                                    b_k: taps.row,
                                    c: c.wrapping_add(column * self.channels),
                                    c_row: self.axes[1].classes.len() * self.channels,
                                    last: self.kernels.lanes,
                                    accumulate: false,
                                };
                                let count = self.axes[1].count(column);
                                if let Some(vectors) = self.depthwise {
                                    (vectors.depthwise)(&tile, count, panel.width);
                                } else {
                                    tile.merge();
                                    self.kernels.column(&mut tile, count, panel.width);
                                }
                            }
                        }
                    }
                }
                if !self.finish.is_plain::<A>() {
                    self.finish.run(context, first..first + len, block.cast::<A>(), rest);
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
