//! Arrays in host memory.

use crate::plain;
use crate::{Buffer, DType, Element, Error, checked_len, dispatch};
use std::{ops::Range, sync::Arc};

mod convert;
mod display;
mod npy;

/// An n-dimensional array in host memory: dtype, shape, and elements in row-major order. Cloning shares the elements.
///
/// [`Display`](std::fmt::Display) prints as NumPy does; a precision (`{:.3}`) replaces its 8 digits.
///
/// ```
/// # use wengert_kernels::Array;
/// let matrix = Array::from_rows(&[[1.0f32, 2.5], [-3.0, 40.0]])?;
/// assert_eq!(matrix.to_string(), "[[ 1.   2.5]\n [-3.  40. ]]");
/// # Ok::<(), wengert_kernels::Error>(())
/// ```
#[derive(Clone)]
pub struct Array {
    dtype: DType,
    shape: Vec<usize>,
    data: Arc<Buffer>,
}

/// A borrowed array: what feeding a slice without a copy takes.
#[derive(Clone, Copy)]
pub struct ArrayView<'a> {
    dtype: DType,
    shape: Shape<'a>,
    bytes: &'a [u8],
}

/// Most axes of a view whose rows were sliced.
const SLICED_AXES: usize = 8;

/// A view's shape. A slice of rows has a shape that lies nowhere yet; holding it inline keeps views free of allocation.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Borrowed(&'a [usize]),
    Inline([usize; SLICED_AXES], usize),
}

impl Array {
    /// An array of `shape` with the elements of `values` in row-major order.
    ///
    /// # Errors
    /// When there are more or fewer values than `shape` has elements.
    ///
    /// ```
    /// # use wengert_kernels::Array;
    /// let matrix = Array::new(&[2, 2], &[1.0f32, 2.0, 3.0, 4.0])?;
    /// assert_eq!(matrix.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn new<T: Element>(shape: &[usize], values: &[T]) -> Result<Array, Error> {
        ArrayView::new(shape, values)?.to_array()
    }

    /// An array without axes.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn scalar<T: Element>(value: T) -> Result<Array, Error> {
        Array::new(&[], &[value])
    }

    /// An array of zeros (`false` for `bool`).
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Result<Array, Error> {
        let len = checked_len(shape, dtype.size())?;
        Ok(Array { dtype, shape: shape.to_vec(), data: Arc::new(Buffer::zeroed(len * dtype.size())?) })
    }

    /// An array whose elements all are `value`, converted to `dtype`.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn full(dtype: DType, shape: &[usize], value: f64) -> Result<Array, Error> {
        Array::from_fn(dtype, shape, |_| value)
    }

    /// An array whose element with row-major number `i` is `f(i)`, converted to `dtype`.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn from_fn(dtype: DType, shape: &[usize], f: impl FnMut(usize) -> f64) -> Result<Array, Error> {
        let len = checked_len(shape, dtype.size())?;
        let values = (0..len).map(f);
        dispatch!(dtype, T => Array::new(shape, &values.map(T::from_f64).collect::<Vec<T>>()))
    }

    /// The dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The same array, borrowed.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView { dtype: self.dtype, shape: Shape::Borrowed(&self.shape), bytes: self.bytes() }
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// When `T` is not the type of the elements.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], Error> {
        self.view().as_slice()
    }

    /// A copy of the elements in row-major order.
    ///
    /// # Errors
    /// When `T` is not the type of the elements.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Error> {
        self.as_slice::<T>().map(<[T]>::to_vec)
    }

    /// The elements as `f64`, whatever their dtype.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        self.view().to_f64()
    }

    /// The bytes of the elements in row-major order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        (*self.data).as_ref()
    }

    /// The bytes of the elements, to write; they are copied first if another array shares them. Every byte written to a
    /// `bool` array must be 0 or 1.
    ///
    /// # Errors
    /// When the memory for the copy is not to be had.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        if Arc::get_mut(&mut self.data).is_none() {
            self.data = Arc::new(Buffer::copy_of(self.bytes())?);
        }
        Arc::get_mut(&mut self.data).map(Buffer::as_mut).ok_or_else(|| Error::invalid("the array is shared"))
    }
}

impl<'a> ArrayView<'a> {
    /// A view of `values` as an array of `shape`.
    ///
    /// # Errors
    /// When there are more or fewer values than `shape` has elements.
    pub fn new<T: Element>(shape: &'a [usize], values: &'a [T]) -> Result<ArrayView<'a>, Error> {
        let len = checked_len(shape, T::DTYPE.size())?;
        if len != values.len() {
            return Err(Error::shape(format!("shape {shape:?} has {len} elements, got {} values", values.len())));
        }
        Ok(ArrayView { dtype: T::DTYPE, shape: Shape::Borrowed(shape), bytes: plain::bytes_of(values) })
    }

    /// The array of this shape whose elements are these bytes; there are as many as it needs.
    pub(crate) fn from_bytes(dtype: DType, shape: &'a [usize], bytes: &'a [u8]) -> ArrayView<'a> {
        ArrayView { dtype, shape: Shape::Borrowed(shape), bytes }
    }

    /// The dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match &self.shape {
            Shape::Borrowed(shape) => shape,
            Shape::Inline(shape, rank) => &shape[..*rank],
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The rows (indices along the first axis) in `rows`, without a copy: a batch of a data set.
    ///
    /// # Errors
    /// When there is no first axis, the range ends beyond it, or there are more than 8 axes.
    ///
    /// ```
    /// # use wengert_kernels::Array;
    /// let data = Array::new(&[4, 2], &[0u8, 1, 2, 3, 4, 5, 6, 7])?;
    /// let batch = data.view().slice_rows(1..3)?;
    /// assert_eq!((batch.shape(), batch.as_slice::<u8>()?), (&[2, 2][..], &[2, 3, 4, 5][..]));
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn slice_rows(&self, rows: Range<usize>) -> Result<ArrayView<'a>, Error> {
        let shape = self.shape();
        let (Some((&count, rest)), true) = (shape.split_first(), shape.len() <= SLICED_AXES) else {
            return Err(Error::shape(format!("rows of shape {shape:?}: needs 1 to {SLICED_AXES} axes")));
        };
        if rows.start > rows.end || rows.end > count {
            return Err(Error::index(format!("rows {rows:?} of shape {shape:?}")));
        }
        let bytes = rest.iter().product::<usize>() * self.dtype.size();
        let mut inline = [0; SLICED_AXES];
        inline[..shape.len()].copy_from_slice(shape);
        inline[0] = rows.len();
        Ok(ArrayView {
            dtype: self.dtype,
            shape: Shape::Inline(inline, shape.len()),
            bytes: &self.bytes[rows.start * bytes..rows.end * bytes],
        })
    }

    /// The bytes of the elements in row-major order.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// When `T` is not the type of the elements.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T], Error> {
        if T::DTYPE != self.dtype {
            return Err(Error::dtype(format!("the elements are {}, not {}", self.dtype, T::DTYPE)));
        }
        plain::elements(self.bytes).map_err(|cause| Error::invalid(format!("the elements cannot be read: {cause}")))
    }

    /// The elements as `f64`, whatever their dtype.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        dispatch!(self.dtype, T => self.as_slice::<T>().map(|values| values.iter().map(|x| x.to_f64()).collect()).unwrap_or_default())
    }

    /// An array of its own.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn to_array(&self) -> Result<Array, Error> {
        Ok(Array { dtype: self.dtype, shape: self.shape().to_vec(), data: Arc::new(Buffer::copy_of(self.bytes)?) })
    }
}

/// An array whose elements are written in place.
#[derive(Debug)]
pub struct ArrayViewMut<'a> {
    dtype: DType,
    shape: &'a [usize],
    bytes: &'a mut [u8],
}

impl<'a> ArrayViewMut<'a> {
    /// The array of this shape in memory of as many bytes, which are set to zero.
    pub(crate) fn zeroed(dtype: DType, shape: &'a [usize], bytes: &'a mut [u8]) -> ArrayViewMut<'a> {
        bytes.fill(0);
        ArrayViewMut { dtype, shape, bytes }
    }

    /// The dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// When `T` is not the type of the elements.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], Error> {
        if T::DTYPE != self.dtype {
            return Err(Error::dtype(format!("the elements are {}, not {}", self.dtype, T::DTYPE)));
        }
        plain::elements_mut(self.bytes)
            .map_err(|cause| Error::invalid(format!("the elements cannot be written: {cause}")))
    }
}

impl PartialEq for Array {
    /// Equal dtype, shape and elements (NaN differs from NaN, as elements do).
    fn eq(&self, other: &Array) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && dispatch!(self.dtype, T => matches!((self.as_slice::<T>(), other.as_slice::<T>()), (Ok(a), Ok(b)) if a == b))
    }
}
