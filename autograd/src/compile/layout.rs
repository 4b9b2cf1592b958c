//! Views become strides once sizes are known.

use super::fuse::Access;
use crate::op::View;
use crate::{Dim, Error};
use wengert_kernels::Layout;

/// The sizes of a shape.
pub(super) fn sizes(shape: &[Dim], symbols: &[Option<usize>]) -> Result<Vec<usize>, Error> {
    shape.iter().map(|dim| size(dim, symbols)).collect()
}

/// A size.
pub(super) fn size(dim: &Dim, symbols: &[Option<usize>]) -> Result<usize, Error> {
    dim.evaluate(symbols).ok_or_else(|| {
        Error::feed(format!("the size {dim} is negative, too large, or not determined by what is fed\n  hint: feed larger arrays, or fix the size where the placeholder is made"))
    })
}

/// Where the elements of an access lie in its value's memory: first element and layout.
pub(super) fn layout(access: &Access, shape: &[usize], symbols: &[Option<usize>]) -> Result<(usize, Layout), Error> {
    let mut layout = Layout::contiguous(shape);
    let mut start = 0isize;
    for (view, result) in &access.views {
        let result = sizes(result, symbols)?;
        layout = match view {
            View::Permute(axes) => layout.permuted(axes),
            View::Broadcast => layout.broadcast_to(&result)?,
            View::Reshape => reshaped(&layout, &result)?,
            View::Slice(starts) => {
                let mut strides = Vec::with_capacity(starts.len());
                for ((first, step), (&stride, (&size_before, &size_after))) in
                    starts.iter().zip(layout.strides.iter().zip(layout.shape.iter().zip(&result)))
                {
                    strides.push(stride * step);
                    // The first of no elements is nowhere: for a flip it would be number -1.
                    if size_after == 0 {
                        continue;
                    }
                    let first = size(first, symbols)?;
                    let last = first as isize + step * (size_after as isize - 1);
                    if first >= size_before || last < 0 || last >= size_before as isize {
                        return Err(Error::feed(format!(
                            "slice: elements {first} to {last} of an axis of {size_before}"
                        )));
                    }
                    start += first as isize * stride;
                }
                Layout { shape: result, strides }
            }
        };
    }
    Ok((usize::try_from(start).unwrap_or(0), layout))
}

/// The layout of the same memory under another shape, which differs by unit axes only if it is not row-major.
fn reshaped(layout: &Layout, shape: &[usize]) -> Result<Layout, Error> {
    if layout.len() != shape.iter().product::<usize>() {
        return Err(Error::feed(format!("reshape: {:?} has not as many elements as {shape:?}", layout.shape)));
    }
    if layout.is_contiguous() {
        return Ok(Layout::contiguous(shape));
    }
    let mut strides =
        layout.shape.iter().zip(&layout.strides).filter(|(size, _)| **size != 1).map(|(_, stride)| *stride);
    let strides = shape.iter().map(|&size| if size == 1 { 0 } else { strides.next().unwrap_or(0) }).collect();
    Ok(Layout { shape: shape.to_vec(), strides })
}
