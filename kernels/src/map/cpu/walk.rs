//! Strided memory, visited in the row-major order of the indices.

use super::vector::LANES;
use crate::Layout;

/// Ranks up to this one, after neighbouring axes were merged, keep an odometer; others divide for every run.
const ODOMETER: usize = 8;

/// A layout with unit axes dropped and neighbouring axes merged where the strides allow it.
pub(super) struct Walk {
    /// Size and stride of all axes but the innermost.
    outer: Vec<(usize, isize)>,
    inner: (usize, isize),
}

impl Walk {
    pub(super) fn new(layout: &Layout) -> Walk {
        let mut axes: Vec<(usize, isize)> = Vec::new();
        for (&size, &stride) in layout.shape.iter().zip(&layout.strides).filter(|&(&size, _)| size != 1) {
            match axes.last_mut() {
                Some(last) if last.1 == stride.wrapping_mul(size as isize) => *last = (last.0 * size, stride),
                _ => axes.push((size, stride)),
            }
        }
        let inner = axes.pop().unwrap_or((1, 0));
        Walk { outer: axes, inner }
    }

    /// Whether every index finds the same element.
    pub(super) fn is_uniform(&self) -> bool {
        self.outer.is_empty() && (self.inner.1 == 0 || self.inner.0 == 1)
    }

    /// The offset of element `flat` if the `n` elements from there on lie side by side.
    #[inline]
    pub(super) fn straight(&self, flat: usize, n: usize) -> Option<isize> {
        let (size, stride) = self.inner;
        let (row, position) = (flat / size, flat % size);
        (stride == 1 && size - position >= n).then(|| self.row(row) + position as isize)
    }

    fn row(&self, mut row: usize) -> isize {
        let mut offset = 0;
        for &(size, stride) in self.outer.iter().rev() {
            offset += (row % size) as isize * stride;
            row /= size;
        }
        offset
    }

    /// Calls `run` with offset and length of each stretch along the innermost axis that makes up elements
    /// `flat..flat + n`.
    #[inline(always)]
    fn runs(&self, flat: usize, n: usize, mut run: impl FnMut(isize, usize)) {
        let (size, stride) = self.inner;
        let (mut row, position) = (flat / size, flat % size);
        let mut offset = self.row(row);
        let mut start = offset + position as isize * stride;
        let mut length = n.min(size - position);
        let mut left = n - length;
        let mut index = [0usize; ODOMETER];
        let counts = self.outer.len() <= ODOMETER;
        if counts && left > 0 {
            let mut rest = row;
            for (axis, &(size, _)) in self.outer.iter().enumerate().rev() {
                index[axis] = rest % size;
                rest /= size;
            }
        }
        loop {
            run(start, length);
            if left == 0 {
                return;
            }
            row += 1;
            if counts {
                for (axis, &(size, stride)) in self.outer.iter().enumerate().rev() {
                    index[axis] += 1;
                    offset += stride;
                    if index[axis] < size {
                        break;
                    }
                    index[axis] = 0;
                    offset -= stride * size as isize;
                }
            } else {
                offset = self.row(row);
            }
            (start, length) = (offset, left.min(size));
            left -= length;
        }
    }

    /// Copies elements `flat..flat + n` of the view at `from` side by side to `to`.
    ///
    /// # Safety
    /// The view's elements can be read, `to` has room for `n` elements, and the two do not overlap.
    #[inline(never)]
    pub(super) unsafe fn gather(&self, from: *const u8, size: usize, flat: usize, n: usize, to: *mut u8) {
        // SAFETY: as promised by the caller.
        unsafe {
            match size {
                1 => self.gather_as(from, flat, n, to),
                2 => self.gather_as(from.cast::<u16>(), flat, n, to.cast()),
                4 => self.gather_as(from.cast::<u32>(), flat, n, to.cast()),
                _ => self.gather_as(from.cast::<u64>(), flat, n, to.cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn gather_as<T: Copy>(&self, from: *const T, flat: usize, n: usize, mut to: *mut T) {
        let (size, stride) = self.inner;
        if let [(_, 0)] = self.outer[..]
            && stride == 1
            && n > 2 * size
        {
            // The same row again and again, as a bias is: what was copied is copied on, twice as much each time.
            let (position, start) = (flat % size, to);
            // SAFETY: the row's elements, and `n` elements of `to`; source and copy do not overlap.
            unsafe {
                start.copy_from_nonoverlapping(from.add(position), size - position);
                start.add(size - position).copy_from_nonoverlapping(from, position);
                let mut done = size;
                while done < n {
                    let more = done.min(n - done);
                    start.add(done).copy_from_nonoverlapping(start, more);
                    done += more;
                }
            }
            return;
        }
        self.runs(flat, n, |offset, length| {
            // SAFETY: the offsets of the view's elements, and `n` elements of `to` in all.
            unsafe {
                let from = from.offset(offset);
                match stride {
                    1 => copy(from.cast(), to.cast(), length * size_of::<T>()),
                    0 => {
                        let value = from.read();
                        (0..length).for_each(|i| to.add(i).write(value));
                    }
                    _ => (0..length).for_each(|i| to.add(i).write(from.offset(i as isize * stride).read())),
                }
                to = to.add(length);
            }
        });
    }

    /// Copies `n` elements side by side at `from` to elements `flat..flat + n` of the view at `to`.
    ///
    /// # Safety
    /// The view's elements can be written, `from` has `n` elements, and the two do not overlap.
    #[inline(never)]
    pub(super) unsafe fn scatter(&self, from: *const u8, size: usize, flat: usize, n: usize, to: *mut u8) {
        // SAFETY: as promised by the caller.
        unsafe {
            match size {
                1 => self.scatter_as(from, flat, n, to),
                2 => self.scatter_as(from.cast::<u16>(), flat, n, to.cast()),
                4 => self.scatter_as(from.cast::<u32>(), flat, n, to.cast()),
                _ => self.scatter_as(from.cast::<u64>(), flat, n, to.cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn scatter_as<T: Copy>(&self, mut from: *const T, flat: usize, n: usize, to: *mut T) {
        let stride = self.inner.1;
        self.runs(flat, n, |offset, length| {
            // SAFETY: the offsets of the view's elements, and `n` elements of `from` in all.
            unsafe {
                let to = to.offset(offset);
                if stride == 1 {
                    copy(from.cast(), to.cast(), length * size_of::<T>());
                } else {
                    (0..length).for_each(|i| to.offset(i as isize * stride).write(from.add(i).read()));
                }
                from = from.add(length);
            }
        });
    }
}

/// The index along one axis of elements `flat..flat + n`: `(flat / inner) % size`.
///
/// # Safety
/// `to` has room for `n` elements.
#[inline(never)]
pub(super) unsafe fn indices(inner: usize, size: usize, flat: usize, n: usize, to: *mut i64) {
    let (mut index, mut left_of_run) = ((flat / inner) % size, inner - flat % inner);
    let mut done = 0;
    while done < n {
        let run = left_of_run.min(n - done);
        // SAFETY: `done + run <= n`.
        (done..done + run).for_each(|i| unsafe { to.add(i).write(index as i64) });
        done += run;
        left_of_run = inner;
        index = if index + 1 == size { 0 } else { index + 1 };
    }
}

/// Copies a few elements, fewer than a block. A call of the library's function costs more than most of these copies.
///
/// # Safety
/// `from` can be read and `to` written for `bytes` bytes, and the two do not overlap.
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: every access lies within `bytes`.
    unsafe {
        match bytes {
            0 => {}
            1..=3 => {
                to.write(from.read());
                to.add(bytes / 2).write(from.add(bytes / 2).read());
                to.add(bytes - 1).write(from.add(bytes - 1).read());
            }
            4..=7 => ends::<[u8; 4]>(from, to, bytes),
            8..=15 => ends::<[u8; 8]>(from, to, bytes),
            16..=31 => ends::<[u8; 16]>(from, to, bytes),
            32..=64 => ends::<[u8; 32]>(from, to, bytes),
            _ => std::ptr::copy_nonoverlapping(from, to, bytes),
        }
    }
}

/// Copies the first and the last bytes, which overlap: all of them if they are at most two of `T`.
#[inline(always)]
unsafe fn ends<T: Copy>(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller has `bytes` at both places, and they are at least one of `T`.
    unsafe {
        let last = bytes - size_of::<T>();
        let values = (from.cast::<T>().read_unaligned(), from.add(last).cast::<T>().read_unaligned());
        to.cast::<T>().write_unaligned(values.0);
        to.add(last).cast::<T>().write_unaligned(values.1);
    }
}

/// Writes the `size` bytes at `from` again and again: as many elements as an instruction handles at a time.
///
/// # Safety
/// `from` has `size` bytes (1, 2, 4 or 8), `to` room for [`LANES`] elements of that size.
#[inline(always)]
pub(super) unsafe fn splat(from: *const u8, size: usize, to: *mut u8) {
    // SAFETY: as promised by the caller.
    unsafe {
        match size {
            1 => to.cast::<[u8; LANES]>().write_unaligned([from.read(); LANES]),
            2 => to.cast::<[u16; LANES]>().write_unaligned([from.cast::<u16>().read_unaligned(); LANES]),
            4 => to.cast::<[u32; LANES]>().write_unaligned([from.cast::<u32>().read_unaligned(); LANES]),
            _ => to.cast::<[u64; LANES]>().write_unaligned([from.cast::<u64>().read_unaligned(); LANES]),
        }
    }
}
