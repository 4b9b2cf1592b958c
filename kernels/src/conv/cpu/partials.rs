//! Sums over a batch: cut into parts whose number depends on sizes alone, which are added in order.

use super::{Problem, VECTORS, source::View};
use crate::DType;
use crate::cpu::{Context, Place, rows::Number, share};
use crate::gemm::cpu::{
    microkernel::{Kernels, Real},
    pack::Panel,
};
use std::ops::Range;

/// The most partial sums.
const MOST: usize = 8;
/// Elements of a cache line, at least, by which threads divide sums.
const GRAIN: usize = 16;

/// Some images, some rows of their results, and whether they are the first of their partial sum.
#[derive(Clone, Copy)]
pub(super) struct Piece<A> {
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) a: View<A>,
    pub(super) b: View<A>,
    pub(super) fresh: bool,
}

/// Partial sums of a weight gradient and of its channels, in the scratch that threads share.
pub(super) struct Partials {
    pub(super) count: usize,
    images: usize,
    /// Elements of a partial sum.
    pub(super) len: usize,
    filters: usize,
    /// Whether the first one lies in the output.
    outside: bool,
    sums: Option<(Place, DType)>,
}

impl Partials {
    /// `positions` are how many are worth a partial sum of their own.
    pub(super) fn new(problem: &Problem, len: usize, positions: usize, outside: bool) -> Partials {
        let sizes = &problem.sizes;
        let all = sizes.images * sizes.positions[0] * sizes.positions[1];
        Partials {
            count: (all / positions).clamp(1, MOST).min(sizes.images),
            images: sizes.images,
            len,
            filters: sizes.filters,
            outside,
            sums: problem.sums.map(|place| (place, problem.dtype)),
        }
    }

    /// The most images of one.
    pub(super) fn most(&self) -> usize {
        self.images.div_ceil(self.count)
    }

    pub(super) fn images(&self, number: usize) -> Range<usize> {
        share(self.images, 1, self.count, number)
    }

    /// Elements of scratch.
    pub(super) fn scratch(&self) -> usize {
        let sums = if self.sums.is_some() { self.count * self.filters } else { 0 };
        self.stored() * self.len + sums
    }

    fn stored(&self) -> usize {
        self.count - usize::from(self.outside)
    }

    /// Which partial sums are a thread's, and which of the `tiles` of each.
    pub(super) fn share(&self, tiles: usize, parts: usize, thread: usize) -> (Range<usize>, Range<usize>) {
        if parts <= self.count {
            return (share(self.count, 1, parts, thread), 0..tiles);
        }
        let number = thread % self.count;
        let others = (parts - number).div_ceil(self.count);
        (number..number + 1, share(tiles, 1, others, thread / self.count))
    }

    /// Where a partial sum lies.
    pub(super) fn at<A>(&self, context: &Context<'_>, number: usize, out: Option<*mut A>) -> *mut A {
        let scratch = context.shared_scratch().cast::<A>();
        match out {
            Some(out) if number == 0 => out,
            Some(_) => scratch.wrapping_add((number - 1) * self.len),
            None => scratch.wrapping_add(number * self.len),
        }
    }

    /// Adds the others' elements to the first's.
    ///
    /// # Safety
    /// All were computed, and no other thread adds these elements.
    pub(super) unsafe fn add<A: Number>(&self, elements: Range<usize>, at: impl Fn(usize) -> *mut A) {
        let to = at(0).wrapping_add(elements.start);
        for number in 1..self.count {
            let from = at(number).wrapping_add(elements.start);
            for element in 0..elements.len() {
                // SAFETY: the caller's duty.
                unsafe { *to.wrapping_add(element) = (*to.wrapping_add(element)).plus(*from.wrapping_add(element)) }
            }
        }
    }

    /// This thread's share of so many elements.
    pub(super) fn elements(&self, len: usize, parts: usize, thread: usize) -> Range<usize> {
        share(len, GRAIN, parts, thread)
    }

    fn channel_sums<A>(&self, context: &Context<'_>, number: usize) -> *mut A {
        let scratch = context.shared_scratch().cast::<A>();
        scratch.wrapping_add(self.stored() * self.len + number * self.filters)
    }

    pub(super) fn has_channel_sums(&self) -> bool {
        self.sums.is_some()
    }

    /// Adds a piece to the sums of some channels, if they are asked for.
    ///
    /// # Safety
    /// The piece is of partial sum `number`, and nothing else writes the sums of these channels.
    pub(super) unsafe fn add_channels<A: Number + Real>(
        &self,
        context: &Context<'_>,
        number: usize,
        kernels: &Kernels<A>,
        piece: &Piece<A>,
        channels: Range<usize>,
    ) {
        if self.sums.is_none() {
            return;
        }
        let Piece { images, rows, columns, b, fresh, .. } = *piece;
        let to = self.channel_sums::<A>(context, number);
        let dense = b.row == columns as isize * b.pixel;
        let runs = if dense { 1 } else { rows };
        for (image, row) in (0..images).flat_map(|image| (0..runs).map(move |row| (image, row))) {
            let start = b.start.wrapping_offset(image as isize * b.image + row as isize * b.row);
            for first in channels.clone().step_by(VECTORS) {
                let mut sums = [A::ZERO; VECTORS];
                let panel = Panel {
                    b: start.wrapping_add(first),
                    b_k: b.pixel,
                    b_column: 1,
                    k: if dense { rows * columns } else { columns },
                    columns: VECTORS.min(channels.end - first),
                    to: sums.as_mut_ptr(),
                };
                // SAFETY: the caller's duty; there is room for the sums of a panel.
                unsafe {
                    (kernels.column_sums)(&panel);
                    for (channel, &sum) in sums.iter().enumerate().take(panel.columns) {
                        let to = to.wrapping_add(first + channel);
                        *to = if fresh && image == 0 && row == 0 { sum } else { sum.plus(*to) };
                    }
                }
            }
        }
    }

    /// Adds up and stores this thread's share of the sums of channels, if they are asked for.
    ///
    /// # Safety
    /// All of them were computed.
    pub(super) unsafe fn finish_channels<A: Number>(&self, context: &Context<'_>, parts: usize, thread: usize) {
        let Some((place, dtype)) = self.sums else { return };
        let mine = self.elements(self.filters, parts, thread);
        let to = context.at::<u8>(place).wrapping_add(mine.start * dtype.size());
        // SAFETY: the caller's duty; the shares of the threads are disjoint.
        unsafe {
            self.add(mine.clone(), |number| self.channel_sums::<A>(context, number));
            A::store(dtype)(self.channel_sums::<A>(context, 0).wrapping_add(mine.start), to, 1, mine.len());
        }
    }
}
