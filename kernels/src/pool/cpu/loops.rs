//! The loops over a row of windows, a vector of channels at a time.

use crate::{
    Isa, PoolOp, Slide,
    cpu::rows::{Number, per_isa},
};
use std::ops::Range;

/// Channels that are handled at a time: a vector of the widest instruction set.
const LANES: usize = 32;

/// Channels that are handled at a time where no vector's are left.
const FEW: usize = 8;

/// Pixels whose channels lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Grid<A> {
    pub(super) start: *mut A,
    /// Elements from one row to the next and from one pixel of it to the next.
    pub(super) row: isize,
    pub(super) column: isize,
}

impl<A> Grid<A> {
    /// The same grid without its first rows.
    #[inline]
    pub(super) fn skip_rows(self, rows: usize) -> Grid<A> {
        Grid { start: self.start.wrapping_offset((rows as isize).wrapping_mul(self.row)), ..self }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize, channel: usize) -> *mut A {
        // Where there is no second row or column, its distance may be anything.
        let (row, column) = ((row as isize).wrapping_mul(self.row), (column as isize).wrapping_mul(self.column));
        self.start.wrapping_offset(row.wrapping_add(column)).wrapping_add(channel)
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
        let mut channel = 0;
        // SAFETY: the caller's grids have these pixels, positions and channels.
        unsafe {
            while channel + LANES <= of.channels {
                Window { of, position, pixel, taps, channel }.run::<LANES>();
                channel += LANES;
            }
            while channel + FEW <= of.channels {
                Window { of, position, pixel, taps, channel }.run::<FEW>();
                channel += FEW;
            }
            while channel < of.channels {
                Window { of, position, pixel, taps, channel }.run::<1>();
                channel += 1;
            }
        }
    }
}

/// Some channels of the pixels under a window.
struct Window<'a, A> {
    of: &'a Row<A>,
    position: usize,
    pixel: usize,
    taps: usize,
    channel: usize,
}

/// Every method is `unsafe` to call as [`Loop`] is, for `N` channels from the first one on.
impl<A: Number> Window<'_, A> {
    #[inline(always)]
    unsafe fn run<const N: usize>(self) {
        let of = self.of;
        let y: *const [A; N] = of.y.at(0, self.position, self.channel).cast();
        let out: *mut [A; N] = of.out.at(0, self.position, self.channel).cast();
        // SAFETY: the position is one of the row; arrays are aligned as their elements.
        unsafe {
            match of.op {
                PoolOp::Max => *out = self.max(),
                PoolOp::MaxGather => *out = self.of_first_max(),
                PoolOp::MaxScatter => self.add_to_first_max(*y),
                PoolOp::Sum => *out = self.sum(),
                PoolOp::SumScatter => self.add(*y),
            }
        }
    }

    /// The channels of a tap's pixel.
    #[inline(always)]
    fn at<const N: usize>(&self, grid: &Grid<A>, i: usize, j: usize) -> *mut [A; N] {
        grid.at(i, self.pixel + j * self.of.slide.dilation, self.channel).cast()
    }

    fn is_empty(&self) -> bool {
        self.of.taps == 0 || self.taps == 0
    }

    #[inline(always)]
    unsafe fn max<const N: usize>(&self) -> [A; N] {
        if self.is_empty() {
            return [A::LOWEST; N];
        }
        // SAFETY: the taps are over the image.
        unsafe {
            let mut best: [A; N] = *self.at::<N>(&self.of.x, 0, 0);
            for i in 0..self.of.taps {
                for j in 0..self.taps {
                    let x: [A; N] = *self.at::<N>(&self.of.x, i, j);
                    for k in 0..N {
                        best[k] = if (x[k] > best[k]) | x[k].is_nan() { x[k] } else { best[k] };
                    }
                }
            }
            best
        }
    }

    #[inline(always)]
    unsafe fn of_first_max<const N: usize>(&self) -> [A; N] {
        // SAFETY: the taps are over either image.
        unsafe {
            let best = self.max::<N>();
            let mut found = [A::ZERO; N];
            // From the last tap to the first, which has the last word.
            for i in (0..self.of.taps).rev() {
                for j in (0..self.taps).rev() {
                    let x: [A; N] = *self.at::<N>(&self.of.x, i, j);
                    let y: [A; N] = *self.at::<N>(&self.of.y, i, j);
                    // A mask first and then a choice: as one loop it is not compiled to vectors.
                    let mut hits = [false; N];
                    for k in 0..N {
                        hits[k] = is_max(x[k], best[k]);
                    }
                    for k in 0..N {
                        found[k] = if hits[k] { y[k] } else { found[k] };
                    }
                }
            }
            found
        }
    }

    /// Adds `rest` where the first maxima are.
    #[inline(always)]
    unsafe fn add_to_first_max<const N: usize>(&self, mut rest: [A; N]) {
        // SAFETY: the taps are over the image, and the panel holds those that are written.
        unsafe {
            let best = self.max::<N>();
            for i in 0..self.of.taps {
                let written = self.of.written.contains(&i);
                for j in 0..self.taps {
                    let x: [A; N] = *self.at::<N>(&self.of.x, i, j);
                    let mut hits = [A::ZERO; N];
                    for k in 0..N {
                        let hit = is_max(x[k], best[k]);
                        hits[k] = if hit { rest[k] } else { A::ZERO };
                        rest[k] = if hit { A::ZERO } else { rest[k] };
                    }
                    if written {
                        add(self.at::<N>(&self.of.out, i, j), hits);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn sum<const N: usize>(&self) -> [A; N] {
        let mut sum = [A::ZERO; N];
        for i in 0..self.of.taps {
            for j in 0..self.taps {
                // SAFETY: the taps are over the image.
                let x: [A; N] = unsafe { *self.at::<N>(&self.of.x, i, j) };
                for k in 0..N {
                    sum[k] = sum[k].plus(x[k]);
                }
            }
        }
        sum
    }

    #[inline(always)]
    unsafe fn add<const N: usize>(&self, values: [A; N]) {
        for i in self.of.written.clone() {
            for j in 0..self.taps {
                // SAFETY: the panel holds what is written.
                unsafe { add(self.at::<N>(&self.of.out, i, j), values) };
            }
        }
    }
}

/// Whether a pixel is the maximum of its window. If any pixel is a NaN, the maximum is one.
#[inline(always)]
fn is_max<A: Number>(x: A, max: A) -> bool {
    (x == max) | x.is_nan()
}

/// # Safety
/// `to` points to `N` elements that nobody else uses.
#[inline(always)]
unsafe fn add<const N: usize, A: Number>(to: *mut [A; N], values: [A; N]) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut sum = *to;
        for k in 0..N {
            sum[k] = sum[k].plus(values[k]);
        }
        *to = sum;
    }
}
