//! `std` along axes: the square root of the variance.

use super::cast::computed;
use super::prelude::*;
use super::reduction::reduction_methods;
use super::var::var;

pub(super) const SPEC: OpSpec = composite(
    "std",
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].std()), one(&[(&[3, 5], -2.0, 2.0)], |x| &x[0] / x[0].std_keepdims([0]))],
    &[misuse!(|a, _, _| a.std_axes([2])), misuse!(|a, _, _| a.std_axes([0, 0]))],
);

reduction_methods! {
    /// The standard deviation: the square root of the (biased) variance; NaN for no elements. Where all elements are
    /// equal it has no derivative; the gradient there is NaN.
    std, std_axes, std_keepdims,
    |x, axes, keepdims, place| computed(x, place, |x| var(x, axes, keepdims, "std", place).sqrt())
}
