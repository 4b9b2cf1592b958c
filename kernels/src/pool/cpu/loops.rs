//! The loops over a row of windows, a vector of channels at a time.

use crate::{
    Isa, PoolOp, Slide,
    cpu::rows::{LANES, Number, per_isa, put, take},
};
use std::ops::Range;

/// Pixels whose channels lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Grid<A> {
    pub(super) start: *mut A,
    /// Elements from one row to the next and from one pixel of it to the next.
    pub(super) row: isize,
    pub(super) column: isize,
}

impl<A> Grid<A> {
    /// The same grid from another row on.
    #[inline]
    pub(super) fn from_row(self, row: usize) -> Grid<A> {
        Grid { start: self.start.wrapping_offset(row as isize * self.row), ..self }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize, channel: usize) -> *mut A {
        let offset = row as isize * self.row + column as isize * self.column;
        self.start.wrapping_offset(offset).wrapping_add(channel)
    }
}

/// A row of windows.
pub(super) struct Row<A> {
    pub(super) op: PoolOp,
    /// The pooled image; its rows are the rows of taps.
    pub(super) x: Grid<A>,
    /// The image beside it, from the same tap on, or the row of values that are scattered.
    pub(super) y: Grid<A>,
    /// The row of results, or the image that they are scattered to.
    pub(super) out: Grid<A>,
    /// Rows of taps over the image, and those of them that are written.
    pub(super) taps: usize,
    pub(super) written: Range<usize>,
    /// How the windows move along the row, their width, and the width of the image.
    pub(super) slide: Slide,
    pub(super) window: usize,
    pub(super) pixels: usize,
    pub(super) positions: usize,
    pub(super) channels: usize,
}

/// The first pixel under a window of `taps` along an axis, and how many of them are over the image.
#[inline(always)]
pub(super) fn under(slide: Slide, position: usize, taps: usize, pixels: usize) -> (usize, usize) {
    // Most windows lie inside, which is known without a division.
    let end = position * slide.stride + taps.saturating_sub(1) * slide.dilation;
    if let Some(first) = (position * slide.stride).checked_sub(slide.padding)
        && end - slide.padding < pixels
    {
        return (first, taps);
    }
    let over = slide.taps(position, taps, pixels);
    (slide.pixel(position, over.start, pixels).unwrap_or(0), over.len())
}

/// The loops of one number and instruction set. They are `unsafe` to call: the CPU must have the instruction set, the
/// grids the row's pixels and positions; and no two grids but `x` and `y` overlap.
pub(super) type Loop<A> = unsafe fn(&Row<A>);

/// Numbers that are pooled. Pictures in `f64` are rare: they are not worth code of their own for each instruction set.
pub(super) trait Loops: Number {
    fn choose(isa: Isa) -> Loop<Self>;
}

impl Loops for f32 {
    fn choose(isa: Isa) -> Loop<f32> {
        choose_row::<f32>(isa)
    }
}

impl Loops for f64 {
    fn choose(_: Isa) -> Loop<f64> {
        row::<false, f64>
    }
}

per_isa! { choose_row<A: Number>(of: &Row<A>) = row }

#[inline(always)]
fn row<const FMA: bool, A: Number>(of: &Row<A>) {
    for position in 0..of.positions {
        let (pixel, taps) = under(of.slide, position, of.window, of.pixels);
        for channel in (0..of.channels).step_by(LANES) {
            let window = Window { of, pixel, taps, channel, len: of.channels - channel };
            let (y, out) = (of.y.at(0, position, channel), of.out.at(0, position, channel));
            // SAFETY: the caller's grids have these pixels and positions.
            unsafe {
                match of.op {
                    PoolOp::Max => put(out, window.len, window.max()),
                    PoolOp::MaxGather => put(out, window.len, window.of_first_max()),
                    PoolOp::MaxScatter => window.add_to_first_max(take(y, window.len, A::ZERO)),
                    PoolOp::Sum => put(out, window.len, window.sum()),
                    PoolOp::SumScatter => window.add(take(y, window.len, A::ZERO)),
                }
            }
        }
    }
}

/// A vector of channels of the pixels under a window.
struct Window<'a, A> {
    of: &'a Row<A>,
    pixel: usize,
    taps: usize,
    channel: usize,
    len: usize,
}

/// Every method is `unsafe` to call as [`Loop`] is.
impl<A: Number> Window<'_, A> {
    #[inline(always)]
    unsafe fn read(&self, grid: &Grid<A>, i: usize, j: usize) -> [A; LANES] {
        // SAFETY: a pixel under the window.
        unsafe { take(self.place(grid, i, j), self.len, A::ZERO) }
    }

    #[inline(always)]
    fn place(&self, grid: &Grid<A>, i: usize, j: usize) -> *mut A {
        grid.at(i, self.pixel + j * self.of.slide.dilation, self.channel)
    }

    fn is_empty(&self) -> bool {
        self.of.taps == 0 || self.taps == 0
    }

    #[inline(always)]
    unsafe fn max(&self) -> [A; LANES] {
        if self.is_empty() {
            return [A::LOWEST; LANES];
        }
        // SAFETY: the taps are over the image.
        unsafe {
            let mut best = self.read(&self.of.x, 0, 0);
            for i in 0..self.of.taps {
                for j in 0..self.taps {
                    let x = self.read(&self.of.x, i, j);
                    for k in 0..LANES {
                        best[k] = if x[k] > best[k] || x[k].is_nan() { x[k] } else { best[k] };
                    }
                }
            }
            best
        }
    }

    #[inline(always)]
    unsafe fn of_first_max(&self) -> [A; LANES] {
        if self.is_empty() {
            return [A::ZERO; LANES];
        }
        // SAFETY: the taps are over either image.
        unsafe {
            let (mut best, mut found) = (self.read(&self.of.x, 0, 0), self.read(&self.of.y, 0, 0));
            for i in 0..self.of.taps {
                for j in 0..self.taps {
                    let (x, y) = (self.read(&self.of.x, i, j), self.read(&self.of.y, i, j));
                    for k in 0..LANES {
                        let better = (x[k] > best[k] || x[k].is_nan()) && !best[k].is_nan();
                        best[k] = if better { x[k] } else { best[k] };
                        found[k] = if better { y[k] } else { found[k] };
                    }
                }
            }
            found
        }
    }

    /// Adds `rest` where the first maxima are.
    #[inline(always)]
    unsafe fn add_to_first_max(&self, mut rest: [A; LANES]) {
        // SAFETY: the taps are over the image, and the panel holds those that are written.
        unsafe {
            let best = self.max();
            for i in 0..self.of.taps {
                let written = self.of.written.contains(&i);
                for j in 0..self.taps {
                    let x = self.read(&self.of.x, i, j);
                    // If any pixel is a NaN, the maximum is one.
                    let mut hits = [A::ZERO; LANES];
                    for k in 0..LANES {
                        let hit = x[k] == best[k] || x[k].is_nan();
                        hits[k] = if hit { rest[k] } else { A::ZERO };
                        rest[k] = if hit { A::ZERO } else { rest[k] };
                    }
                    if written {
                        self.add_at(i, j, hits);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(&self) -> [A; LANES] {
        let mut sum = [A::ZERO; LANES];
        for i in 0..self.of.taps {
            for j in 0..self.taps {
                // SAFETY: the taps are over the image.
                let x = unsafe { self.read(&self.of.x, i, j) };
                for k in 0..LANES {
                    sum[k] = sum[k].plus(x[k]);
                }
            }
        }
        sum
    }

    #[inline(always)]
    unsafe fn add(&self, values: [A; LANES]) {
        for i in self.of.written.clone() {
            for j in 0..self.taps {
                // SAFETY: the panel holds what is written.
                unsafe { self.add_at(i, j, values) };
            }
        }
    }

    #[inline(always)]
    unsafe fn add_at(&self, i: usize, j: usize, values: [A; LANES]) {
        // SAFETY: the panel holds what is written.
        unsafe {
            let mut sum = self.read(&self.of.out, i, j);
            for k in 0..LANES {
                sum[k] = sum[k].plus(values[k]);
            }
            put(self.place(&self.of.out, i, j), self.len, sum);
        }
    }
}
