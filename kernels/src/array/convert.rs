//! Arrays from Rust values, arrays of another dtype or shape, rows, comparison.

use super::{Array, ArrayView, Shape};
use crate::plain;
use crate::{Buffer, DType, Element, Error, checked_len, dispatch};
use std::sync::Arc;

impl Array {
    /// A matrix of these rows.
    ///
    /// # Errors
    /// When the rows differ in length.
    ///
    /// ```
    /// # use wengert_kernels::Array;
    /// let matrix = Array::from_rows(&[[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]])?;
    /// assert_eq!(matrix.shape(), [3, 2]);
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn from_rows<T: Element, R: AsRef<[T]>>(rows: &[R]) -> Result<Array, Error> {
        let columns = rows.first().map_or(0, |row| row.as_ref().len());
        if let Some((number, row)) = rows.iter().enumerate().find(|(_, row)| row.as_ref().len() != columns) {
            let len = row.as_ref().len();
            return Err(Error::shape(format!("row 0 has {columns} elements, row {number} has {len}")));
        }
        let elements: Vec<T> = rows.iter().flat_map(|row| row.as_ref().iter().copied()).collect();
        Array::new(&[rows.len(), columns], &elements)
    }

    /// The same elements converted to `dtype`: floats to integers truncate toward zero and saturate (NaN gives 0), to
    /// `bool` test for non-zero. Integers beyond 2^53 are rounded on the way to another dtype.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn cast(&self, dtype: DType) -> Result<Array, Error> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        /// Elements that are on their way between two dtypes at a time.
        const BLOCK: usize = 256;
        let mut result = Array::zeros(dtype, &self.shape)?;
        let mut values = [0.0; BLOCK];
        let to = result.bytes_mut()?.chunks_mut(BLOCK * dtype.size());
        for (from, to) in self.bytes().chunks(BLOCK * self.dtype.size()).zip(to) {
            dispatch!(self.dtype, From => {
                for (value, from) in values.iter_mut().zip(from.chunks_exact(size_of::<From>())) {
                    // An array has no other bytes than those of elements.
                    let from: From = plain::element(from).unwrap_or_default();
                    *value = from.to_f64();
                }
            });
            dispatch!(dtype, To => {
                for (to, &value) in to.chunks_exact_mut(size_of::<To>()).zip(&values) {
                    to.copy_from_slice(plain::bytes_of(&[<To as Element>::from_f64(value)]));
                }
            });
        }
        Ok(result)
    }

    /// The same elements, in row-major order, as an array of `shape`; the memory is shared.
    ///
    /// # Errors
    /// When `shape` has another number of elements.
    ///
    /// ```
    /// # use wengert_kernels::Array;
    /// let row = Array::try_from([1i64, 2, 3, 4])?;
    /// assert_eq!(row.reshape(&[2, 2])?.to_string(), "[[1 2]\n [3 4]]");
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn reshape(&self, shape: &[usize]) -> Result<Array, Error> {
        let len = checked_len(shape, self.dtype.size())?;
        if len != self.len() {
            return Err(Error::shape(format!(
                "shape {:?} with {} elements cannot become {shape:?} with {len}",
                self.shape,
                self.len()
            )));
        }
        Ok(Array { dtype: self.dtype, shape: shape.to_vec(), data: Arc::clone(&self.data) })
    }

    /// The only element.
    ///
    /// # Errors
    /// When there is not exactly one element, or `T` is not its type.
    pub fn item<T: Element>(&self) -> Result<T, Error> {
        match self.as_slice::<T>()? {
            [value] => Ok(*value),
            _ => Err(Error::shape(format!("shape {:?} has {} elements, not one", self.shape, self.len()))),
        }
    }

    /// Row `i`: what has index `i` along the first axis, without a copy.
    ///
    /// # Errors
    /// When there is no first axis, or `i` is beyond it.
    pub fn row(&self, i: usize) -> Result<ArrayView<'_>, Error> {
        match self.shape.split_first() {
            Some((&rows, rest)) if i < rows => {
                let len = rest.iter().product::<usize>() * self.dtype.size();
                let bytes = &self.bytes()[i * len..][..len];
                Ok(ArrayView { dtype: self.dtype, shape: Shape::Borrowed(rest), bytes })
            }
            Some(_) => Err(Error::index(format!("row {i} of shape {:?}", self.shape))),
            None => Err(Error::shape("a scalar has no rows")),
        }
    }

    /// The rows with these indices along the first axis, in this order; an index may repeat.
    ///
    /// # Errors
    /// When there is no first axis, or an index is beyond it.
    pub fn take_rows(&self, rows: &[usize]) -> Result<Array, Error> {
        let Some((&count, rest)) = self.shape.split_first() else {
            return Err(Error::shape("a scalar has no rows"));
        };
        if let Some(row) = rows.iter().find(|&&row| row >= count) {
            return Err(Error::index(format!("row {row} of shape {:?}", self.shape)));
        }
        let shape: Vec<usize> = std::iter::once(rows.len()).chain(rest.iter().copied()).collect();
        let total = checked_len(&shape, self.dtype.size())? * self.dtype.size();
        let mut data = Buffer::zeroed(total)?;
        if total > 0 {
            let len = total / rows.len();
            for (place, &row) in data.as_mut().chunks_exact_mut(len).zip(rows) {
                place.copy_from_slice(&self.bytes()[row * len..][..len]);
            }
        }
        Ok(Array { dtype: self.dtype, shape, data: Arc::new(data) })
    }

    /// The largest absolute difference between elements at the same place, computed in `f64`: 0 where both are equal
    /// infinities or both NaN, NaN where one alone is NaN.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn max_abs_diff(&self, other: &Array) -> Result<f64, Error> {
        if self.shape != other.shape {
            return Err(Error::shape(format!("shapes {:?} and {:?} differ", self.shape, other.shape)));
        }
        let difference =
            |(&a, &b): (&f64, &f64)| if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() };
        // `f64::max` would lose the NaN.
        let worse = |worst: f64, next: f64| if worst.is_nan() || next <= worst { worst } else { next };
        Ok(self.to_f64().iter().zip(&other.to_f64()).map(difference).fold(0.0, worse))
    }
}

impl<T: Element> TryFrom<&[T]> for Array {
    type Error = Error;

    /// A vector of these elements.
    fn try_from(values: &[T]) -> Result<Array, Error> {
        Array::new(&[values.len()], values)
    }
}

impl<T: Element> TryFrom<Vec<T>> for Array {
    type Error = Error;

    /// A vector of these elements.
    fn try_from(values: Vec<T>) -> Result<Array, Error> {
        Array::new(&[values.len()], &values)
    }
}

impl<T: Element, const N: usize> TryFrom<[T; N]> for Array {
    type Error = Error;

    /// A vector of these elements.
    fn try_from(values: [T; N]) -> Result<Array, Error> {
        Array::new(&[N], &values)
    }
}

impl<T: Element, const M: usize, const N: usize> TryFrom<[[T; N]; M]> for Array {
    type Error = Error;

    /// A matrix of these rows.
    fn try_from(values: [[T; N]; M]) -> Result<Array, Error> {
        Array::new(&[M, N], values.as_flattened())
    }
}

impl<T: Element, const L: usize, const M: usize, const N: usize> TryFrom<[[[T; N]; M]; L]> for Array {
    type Error = Error;

    /// An array of these matrices.
    fn try_from(values: [[[T; N]; M]; L]) -> Result<Array, Error> {
        Array::new(&[L, M, N], values.as_flattened().as_flattened())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize]) -> Array {
        Array::from_fn(DType::I32, shape, |i| i as f64).unwrap()
    }

    #[test]
    fn nested_literals_keep_their_shape() {
        assert_eq!(Array::try_from([1.0f32, 2.0]).unwrap().shape(), [2]);
        assert_eq!(Array::try_from(vec![true, false]).unwrap().dtype(), DType::Bool);
        assert_eq!(Array::try_from([[1u8, 2, 3], [4, 5, 6]]).unwrap().shape(), [2, 3]);
        let cube = Array::try_from([[[1i64], [2]], [[3], [4]], [[5], [6]]]).unwrap();
        assert_eq!((cube.shape(), cube.to_f64()), (&[3, 2, 1][..], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(Array::from_rows(&[vec![1i32, 2], vec![3, 4]]).unwrap().shape(), [2, 2]);
        let ragged = Array::from_rows(&[vec![1i32, 2], vec![3]]).unwrap_err();
        assert_eq!(ragged.to_string(), "row 0 has 2 elements, row 1 has 1");
    }

    #[test]
    fn casts_truncate_saturate_and_test() {
        let x = Array::try_from([-2.9f64, 0.0, 1e300, f64::NAN, 2.5]).unwrap();
        let as_f64 = |dtype| x.cast(dtype).unwrap().to_f64();
        assert_eq!(as_f64(DType::I32), [-2.0, 0.0, f64::from(i32::MAX), 0.0, 2.0]);
        assert_eq!(as_f64(DType::U8), [0.0, 0.0, 255.0, 0.0, 2.0]);
        assert_eq!(as_f64(DType::Bool), [1.0, 0.0, 1.0, 1.0, 1.0]);
        for dtype in DType::ALL {
            assert_eq!(x.cast(dtype).unwrap().dtype(), dtype);
        }
        let big = Array::scalar(i64::MAX).unwrap();
        assert_eq!(big.cast(DType::I64).unwrap().item::<i64>().unwrap(), i64::MAX);
    }

    #[test]
    fn reshape_shares_until_one_is_written() {
        let a = counting(&[2, 3]);
        let mut b = a.reshape(&[3, 2]).unwrap();
        assert_eq!(a.bytes().as_ptr(), b.bytes().as_ptr());
        b.bytes_mut().unwrap()[0] = 9;
        assert_eq!((a.to_f64()[0], b.to_f64()[0]), (0.0, 9.0));
        let wrong = a.reshape(&[4]).unwrap_err();
        assert_eq!(wrong.to_string(), "shape [2, 3] with 6 elements cannot become [4] with 4");
        assert!(a.reshape(&[usize::MAX, 2]).unwrap_err().is_shape());
    }

    #[test]
    fn rows_are_views() {
        let a = counting(&[3, 2]);
        let row = a.row(1).unwrap();
        assert_eq!((row.shape(), row.as_slice::<i32>().unwrap()), (&[2][..], &[2, 3][..]));
        assert!(a.row(3).unwrap_err().is_index());
        assert!(Array::scalar(1.0f32).unwrap().row(0).unwrap_err().is_shape());
        let rows = a.view().slice_rows(1..3).unwrap();
        assert_eq!(rows.slice_rows(1..2).unwrap().as_slice::<i32>().unwrap(), [4, 5]);
        assert!(rows.slice_rows(1..1).unwrap().is_empty());
        assert_eq!(rows.to_array().unwrap().shape(), [2, 2]);
        assert!(a.view().slice_rows(2..4).unwrap_err().is_index());
        let (start, end) = (2, 1);
        assert!(a.view().slice_rows(start..end).unwrap_err().is_index());
        assert!(Array::zeros(DType::F32, &[1; 9]).unwrap().view().slice_rows(0..1).unwrap_err().is_shape());
    }

    #[test]
    fn rows_are_taken_in_order() {
        let a = counting(&[3, 2]);
        assert_eq!(a.take_rows(&[2, 0, 2]).unwrap().to_f64(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        assert_eq!(a.take_rows(&[]).unwrap().shape(), [0, 2]);
        assert_eq!(counting(&[3, 0]).take_rows(&[1, 1]).unwrap().shape(), [2, 0]);
        assert_eq!(a.take_rows(&[0, 3]).unwrap_err().to_string(), "row 3 of shape [3, 2]");
    }

    #[test]
    fn items_are_single() {
        assert_eq!(Array::try_from([[2.5f32]]).unwrap().item::<f32>().unwrap(), 2.5);
        assert!(counting(&[2]).item::<i32>().unwrap_err().is_shape());
        assert!(counting(&[]).item::<f32>().unwrap_err().is_dtype());
    }

    #[test]
    fn differences_know_nan_and_infinity() {
        let a = Array::try_from([1.0f32, f32::INFINITY, f32::NAN]).unwrap();
        assert_eq!(a.max_abs_diff(&a).unwrap(), 0.0);
        let b = Array::try_from([1.5f64, f64::INFINITY, f64::NAN]).unwrap();
        assert_eq!(a.max_abs_diff(&b).unwrap(), 0.5);
        let c = Array::try_from([f32::NAN, 0.0, 0.0]).unwrap();
        assert!(a.max_abs_diff(&c).unwrap().is_nan());
        assert!(a.max_abs_diff(&counting(&[2])).unwrap_err().is_shape());
    }
}
