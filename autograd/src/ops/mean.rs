//! `mean` along axes: the sum, divided by the number of elements.

use super::cast::computed;
use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};
use super::sum::sum;

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

pub(super) fn mean(x: &Tensor, axes: Option<&[isize]>, keepdims: bool, place: Place) -> Tensor {
    let normal = match normal_axes(x, axes, "mean", place) {
        Ok(normal) => normal,
        Err(error) => return x.graph().poisoned(error),
    };
    // In 16 bits the sum, or even the number of elements, may overflow.
    computed(x, place, |x| {
        let Ok(dtype) = x.dtype() else { return x.clone() };
        sum(x, axes, keepdims, place) / x.size_along(&normal, dtype, place)
    })
}
