//! `mean` along axes: the sum, divided by the number of elements.

use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};

pub(super) const SPEC: OpSpec = composite(
    "mean",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].square().mean()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| (&x[0] - x[0].mean_keepdims([-1])).square()),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].mean_axes([0, 2]).exp()),
    ],
    &[misuse!(|a, _, _| a.mean_axes([2])), misuse!(|a, _, _| a.mean_axes([1, 1]))],
);

reduction_methods! {
    /// The mean; NaN for no elements. Means of integers and `bool` are `f32`; of 16-bit floats, computed in `f32`.
    mean, mean_axes, mean_keepdims, mean
}

fn mean(x: &Tensor, axes: Option<&[isize]>, keepdims: bool, place: Place) -> Tensor {
    let normal = match normal_axes(x, axes, "mean", place) {
        Ok(normal) => normal,
        Err(error) => return x.graph().poisoned(error),
    };
    let x = super::cast::to_float(x, place);
    let Ok(dtype) = x.dtype() else { return x };
    // The number of elements may be beyond what a 16-bit float holds.
    let wide = super::cast::cast(&x, dtype.compute(), place);
    let sum = super::sum::sum(&wide, axes, keepdims, place);
    let count = wide.size_along(&normal, dtype.compute(), place);
    super::cast::cast(&super::div::div(&sum, &count, place), dtype, place)
}
