//! Shapes and strides: how a logical index finds its element.

use crate::Error;
use std::fmt;

/// The shape of an array and the step between neighbours along each axis, both in elements.
///
/// A stride of 0 repeats one element along its axis (broadcasting); a negative stride walks backwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Size along each axis.
    pub shape: Vec<usize>,
    /// Elements from one index to the next along each axis.
    pub strides: Vec<isize>,
}

impl Layout {
    /// The row-major layout of `shape`.
    ///
    /// ```
    /// # use wengert_kernels::Layout;
    /// assert_eq!(Layout::contiguous(&[2, 3]).strides, [3, 1]);
    /// ```
    #[must_use]
    pub fn contiguous(shape: &[usize]) -> Layout {
        let mut strides = vec![0; shape.len()];
        let mut step = 1isize;
        for (stride, &size) in strides.iter_mut().zip(shape).rev() {
            *stride = step;
            step = step.wrapping_mul(size.max(1) as isize);
        }
        Layout { shape: shape.to_vec(), strides }
    }

    /// Number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of logical elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether the elements lie in row-major order without gaps; strides of unit axes do not matter.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut step = 1isize;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size != 1 && stride != step {
                return false;
            }
            step *= size as isize;
        }
        true
    }

    /// The axes in the order `axes`: axis `i` of the result is axis `axes[i]` of this layout.
    #[must_use]
    pub fn permuted(&self, axes: &[usize]) -> Layout {
        Layout {
            shape: axes.iter().map(|&axis| self.shape[axis]).collect(),
            strides: axes.iter().map(|&axis| self.strides[axis]).collect(),
        }
    }

    /// This layout repeated to `shape` by NumPy's rule: axes are matched from the right, unit axes repeat.
    ///
    /// # Errors
    /// When an axis is neither 1 nor the size asked for.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Layout, Error> {
        let missing = shape.len().checked_sub(self.rank()).ok_or_else(|| self.cannot_broadcast(shape))?;
        let mut strides = vec![0; missing];
        for (axis, &size) in self.shape.iter().enumerate() {
            match shape[missing + axis] {
                wanted if wanted == size => strides.push(self.strides[axis]),
                _ if size == 1 => strides.push(0),
                _ => return Err(self.cannot_broadcast(shape)),
            }
        }
        Ok(Layout { shape: shape.to_vec(), strides })
    }

    fn cannot_broadcast(&self, shape: &[usize]) -> Error {
        Error::shape(format!("shape {:?} does not broadcast to {shape:?}", self.shape))
    }

    /// The lowest and highest element offset that any index reaches, relative to the first element; `None` when empty.
    #[must_use]
    pub fn extent(&self) -> Option<(isize, isize)> {
        if self.is_empty() {
            return None;
        }
        let (mut low, mut high) = (0, 0);
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = stride * (size as isize - 1);
            if reach < 0 { low += reach } else { high += reach }
        }
        Some((low, high))
    }

    /// The offset of each element in row-major order of the indices. For reference code and tests: it is not fast.
    pub fn offsets(&self) -> impl Iterator<Item = isize> + '_ {
        (0..self.len()).map(|flat| self.offset_of(flat))
    }

    /// The offset of the element with row-major number `flat`.
    #[must_use]
    pub fn offset_of(&self, mut flat: usize) -> isize {
        let mut offset = 0;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            offset += (flat % size) as isize * stride;
            flat /= size;
        }
        offset
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: Vec<String>| write!(f, "[{}]", parts.join(", "));
        join(f, self.shape.iter().map(usize::to_string).collect())?;
        if !self.is_contiguous() {
            f.write_str("/")?;
            join(f, self.strides.iter().map(isize::to_string).collect())?;
        }
        Ok(())
    }
}

/// The number of elements of `shape`, or an error when it, or its bytes, would overflow (zero sizes counted as one).
pub fn checked_len(shape: &[usize], element_size: usize) -> Result<usize, Error> {
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))
        .filter(|len| len.checked_mul(element_size).is_some_and(|bytes| isize::try_from(bytes).is_ok()))
        .map(|len| if shape.contains(&0) { 0 } else { len })
        .ok_or_else(|| Error::shape(format!("shape {shape:?} has more elements than memory can address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_and_empty_axes_are_contiguous() {
        assert!(Layout { shape: vec![1, 3], strides: vec![99, 1] }.is_contiguous());
        assert!(Layout { shape: vec![0, 3], strides: vec![7, 7] }.is_contiguous());
        assert!(!Layout::contiguous(&[2, 3]).permuted(&[1, 0]).is_contiguous());
    }

    #[test]
    fn offsets_follow_strides() {
        let transposed = Layout::contiguous(&[2, 3]).permuted(&[1, 0]);
        assert_eq!(transposed.offsets().collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(transposed.extent(), Some((0, 5)));
        assert_eq!(Layout { shape: vec![3], strides: vec![-2] }.extent(), Some((-4, 0)));
    }

    #[test]
    fn lengths_are_checked() {
        // semantics 6.7
        assert_eq!(checked_len(&[2, 3], 4).unwrap(), 6);
        assert_eq!(checked_len(&[0, 3], 1).unwrap(), 0);
        assert!(checked_len(&[usize::MAX, 2], 1).unwrap_err().is_shape());
        assert!(checked_len(&[usize::MAX / 2], 8).unwrap_err().is_shape());
    }
}
