//! Images as the tiles read them: in place, or copied into a thread's scratch with zeros around them.

use super::{Grid, geometry::Axis};
use crate::DType;
use crate::cpu::{
    Context,
    rows::{Load, Number},
};
use crate::gemm::cpu::{
    microkernel::{Kernels, Real},
    pack::Panel,
};
use std::ops::Range;

/// An operand of the tiles.
pub(super) struct Source<A: Real> {
    grid: Grid,
    axes: [Axis; 2],
    channels: usize,
    element: usize,
    load: Load<A>,
    kernels: &'static Kernels<A>,
    copy: Copy,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Copy {
    /// The operand is read where it lies.
    None,
    /// Pixels lie one after another in a row.
    Rows,
    /// Channels come first in memory: blocks are transposed.
    Transposed,
    /// Pixel by pixel.
    Pixels,
}

/// Where some images lie: elements from one to the next along each axis but the channels, which are contiguous.
#[derive(Clone, Copy)]
pub(super) struct View<A> {
    pub(super) start: *const A,
    pub(super) image: isize,
    pub(super) row: isize,
    pub(super) pixel: isize,
}

impl<A: Number + Real> Source<A> {
    pub(super) fn new(
        grid: Grid,
        dtype: DType,
        axes: [Axis; 2],
        channels: usize,
        kernels: &'static Kernels<A>,
    ) -> Source<A> {
        let [_, _, pixel, channel] = grid.strides;
        let (dense, own) = (channel == 1 || channels == 1, dtype == <A as Number>::DTYPE);
        let pixels = axes[1].len;
        let copy = match () {
            () if own && dense && axes.iter().all(Axis::is_inside) => Copy::None,
            () if dense && (pixel == channels as isize || pixels == 1) => Copy::Rows,
            () if own && pixel == 1 && channels > 4 => Copy::Transposed,
            () => Copy::Pixels,
        };
        Source { grid, axes, channels, element: dtype.size(), load: A::load(dtype), kernels, copy }
    }

    /// Elements of a row in scratch.
    fn row(&self) -> usize {
        self.axes[1].extent * self.channels
    }

    /// Elements of so many rows of an image, or of all that there are.
    pub(super) fn len(&self, rows: usize) -> usize {
        rows.min(self.axes[0].extent) * self.row()
    }

    /// Elements of scratch for copies of so many rows of so many images, and for what they take.
    pub(super) fn scratch(&self, images: usize, rows: usize) -> usize {
        match self.copy {
            Copy::None => 0,
            Copy::Transposed => {
                images * rows * self.row() + self.axes[1].len.min(self.axes[1].extent) * 2 * self.kernels.lanes
            }
            _ => images * rows * self.row(),
        }
    }

    /// Makes some rows of some images readable.
    ///
    /// # Safety
    /// `scratch` has room as [`Source::scratch`] says, and is this thread's.
    pub(super) unsafe fn take(
        &self,
        context: &Context<'_>,
        images: Range<usize>,
        rows: Range<usize>,
        scratch: *mut A,
    ) -> View<A> {
        let start = context.at::<u8>(self.grid.place);
        let [image_step, row_step, pixel_step, _] = self.grid.strides;
        let at = |image: usize, row: isize, column: isize| {
            let offset = (image as isize)
                .wrapping_mul(image_step)
                .wrapping_add(row.wrapping_mul(row_step))
                .wrapping_add(column.wrapping_mul(pixel_step));
            start.wrapping_offset(offset.wrapping_mul(self.element as isize))
        };
        if self.copy == Copy::None {
            let first = at(images.start, self.axes[0].origin + rows.start as isize, self.axes[1].origin);
            return View { start: first.cast(), image: image_step, row: row_step, pixel: pixel_step };
        }
        let row = self.row();
        let view = View {
            start: scratch.cast_const(),
            image: (rows.len() * row) as isize,
            row: row as isize,
            pixel: self.channels as isize,
        };
        let [height, width] = [0, 1].map(|axis| self.axes[axis].len);
        // Columns of the operand that are seen, and columns of the border before and behind them.
        let (origin, extent) = (self.axes[1].origin, self.axes[1].extent);
        let first = origin.clamp(0, width as isize) as usize;
        let end = (origin + extent as isize).clamp(first as isize, width as isize) as usize;
        let before = ((first as isize - origin) as usize).min(extent);
        let behind = extent - before - (end - first);
        let rest = scratch.wrapping_add(images.len() * rows.len() * row);
        let mut to = scratch;
        for image in images {
            for number in rows.clone() {
                let y = self.axes[0].origin + number as isize;
                // SAFETY: the scratch has room for this row, and the operand has the pixels that are copied.
                unsafe {
                    if y < 0 || y >= height as isize || first == end {
                        to.write_bytes(0, row);
                    } else {
                        to.write_bytes(0, before * self.channels);
                        let inside = to.wrapping_add(before * self.channels);
                        self.copy_row(at(image, y, first as isize), inside, end - first, rest);
                        inside.wrapping_add((end - first) * self.channels).write_bytes(0, behind * self.channels);
                    }
                }
                to = to.wrapping_add(row);
            }
        }
        view
    }

    /// Copies pixels of a row.
    ///
    /// # Safety
    /// The pixels are there on either side; `rest` has room for a transposed block.
    unsafe fn copy_row(&self, from: *const u8, to: *mut A, pixels: usize, rest: *mut A) {
        let [_, _, pixel, channel] = self.grid.strides;
        let channels = self.channels;
        // SAFETY: the caller's duty.
        unsafe {
            match self.copy {
                Copy::Rows if self.element == size_of::<A>() => {
                    to.copy_from_nonoverlapping(from.cast(), pixels * channels);
                }
                Copy::Rows => (self.load)(from, 1, to, pixels * channels),
                Copy::Transposed => {
                    let width = 2 * self.kernels.lanes;
                    for first in (0..channels).step_by(width) {
                        let columns = width.min(channels - first);
                        let block = from.cast::<A>().wrapping_offset(first as isize * channel);
                        (self.kernels.pack_columns)(&Panel {
                            b: block,
                            b_k: 1,
                            b_column: channel,
                            k: pixels,
                            columns,
                            to: rest,
                        });
                        for number in 0..pixels {
                            let to = to.wrapping_add(number * channels + first);
                            to.copy_from_nonoverlapping(rest.wrapping_add(number * width), columns);
                        }
                    }
                }
                _ if channels == 1 => (self.load)(from, pixel, to, pixels),
                _ => {
                    for number in 0..pixels {
                        let bytes = (number as isize).wrapping_mul(pixel).wrapping_mul(self.element as isize);
                        (self.load)(from.wrapping_offset(bytes), channel, to.wrapping_add(number * channels), channels);
                    }
                }
            }
        }
    }
}

/// Work on images in pieces that stay in cache: some whole images, or some rows of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    of: [usize; 2],
    each: [usize; 2],
}

impl Pieces {
    /// Pieces of so many rows of `images` of `rows` each, as near as may be.
    pub(super) fn new(images: usize, rows: usize, wanted: usize) -> Pieces {
        let whole = (wanted / rows.max(1)).clamp(1, images.max(1));
        let cut = rows.div_ceil(rows.div_ceil(wanted.max(1)).max(1));
        Pieces { of: [images, rows], each: [whole, cut.max(1)] }
    }

    /// Rows of a piece so that each of `parts` threads has at least one, and no fewer than it takes to be even.
    pub(super) fn even(images: usize, rows: usize, parts: usize) -> usize {
        if images.is_multiple_of(parts) { images / parts * rows } else { (images * rows).div_ceil(4 * parts) }
    }

    pub(super) fn count(&self) -> usize {
        self.of[0].div_ceil(self.each[0]) * self.of[1].div_ceil(self.each[1])
    }

    /// Images and rows of a piece.
    pub(super) fn get(&self, number: usize) -> [Range<usize>; 2] {
        let down = self.of[1].div_ceil(self.each[1]);
        let piece = |axis: usize, number: usize| {
            let start = number * self.each[axis];
            start..(start + self.each[axis]).min(self.of[axis])
        };
        [piece(0, number / down), piece(1, number % down)]
    }

    /// The most images and rows that a piece has.
    pub(super) fn most(&self) -> [usize; 2] {
        [self.each[0], self.each[1].min(self.of[1])]
    }
}
