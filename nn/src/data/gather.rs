//! Rows of arrays: the first axis counts examples.

use crate::Error;
use std::ops::Range;
use wengert_kernels::{Array, ArrayView, dispatch};

/// Number of rows of an array and number of bytes in each.
pub(crate) fn rows_of(array: &Array) -> (usize, usize) {
    let rows = array.shape().first().copied().unwrap_or(0);
    (rows, array.bytes().len().checked_div(rows).unwrap_or(0))
}

/// The shape of `count` rows of an array.
pub(crate) fn shape_of(array: &Array, count: usize) -> Vec<usize> {
    let mut shape = array.shape().to_vec();
    if let Some(first) = shape.first_mut() {
        *first = count;
    }
    shape
}

/// A new array of the rows of `array` at `rows`, in that order.
pub(crate) fn select(array: &Array, rows: &[usize]) -> Result<Array, Error> {
    let mut selected = Array::zeros(array.dtype(), &shape_of(array, rows.len()))?;
    copy_rows(array, rows, selected.bytes_mut()?)?;
    Ok(selected)
}

/// Copies rows one after the other to the front of `target`, which must be long enough.
pub(crate) fn copy_rows(array: &Array, rows: &[usize], target: &mut [u8]) -> Result<(), Error> {
    let (count, bytes) = rows_of(array);
    check(array, rows, count)?;
    if bytes > 0 {
        for (target, &row) in target.chunks_exact_mut(bytes).zip(rows) {
            target.copy_from_slice(&array.bytes()[row * bytes..][..bytes]);
        }
    }
    Ok(())
}

/// Whether `array`, which has `count` rows, has all of `rows`.
pub(crate) fn check(array: &Array, rows: &[usize], count: usize) -> Result<(), Error> {
    match rows.iter().find(|&&row| row >= count) {
        None => Ok(()),
        Some(row) => {
            Err(Error::invalid(format!("there is no row {row}: the array of shape {:?} has {count}", array.shape())))
        }
    }
}

/// The rows `rows` of `array` in place; `shape` is that of the result.
pub(crate) fn view<'a>(array: &'a Array, rows: Range<usize>, shape: &'a [usize]) -> Result<ArrayView<'a>, Error> {
    let count = array.shape().first().copied().unwrap_or(0);
    if rows.start > rows.end || rows.end > count {
        return Err(Error::invalid(format!("there are no rows {rows:?} in an array of shape {:?}", array.shape())));
    }
    let width = array.len().checked_div(count).unwrap_or(0);
    Ok(dispatch!(array.dtype(), T => {
        ArrayView::new(shape, &array.as_slice::<T>()?[rows.start * width..rows.end * width])
    })?)
}
