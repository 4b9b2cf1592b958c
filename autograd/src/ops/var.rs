//! `var` along axes: the mean square distance from the mean.

use super::cast::computed;
use super::mean::mean;
use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};

pub(super) const SPEC: OpSpec = composite(
    "var",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].var()),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].var_axes([0, -1]).exp()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| &x[0] / x[0].var_keepdims([1])),
    ],
    &[misuse!(|a, _, _| a.var_axes([2])), misuse!(|a, _, _| a.var_axes([0, 0]))],
);

reduction_methods! {
    /// The variance: the mean of the squared distances from the mean (biased: divided by n, not n - 1); NaN for no
    /// elements.
    var, var_axes, var_keepdims, |x, axes, keepdims, place| var(x, axes, keepdims, "var", place)
}

pub(super) fn var(x: &Tensor, axes: Option<&[isize]>, keepdims: bool, name: &str, place: Place) -> Tensor {
    match normal_axes(x, axes, name, place) {
        Ok(_) => computed(x, place, |x| mean(&(x - mean(x, axes, true, place)).square(), axes, keepdims, place)),
        Err(error) => x.graph().poisoned(error),
    }
}
