//! `min` along axes.

use super::max::share;
use super::prelude::*;
use super::reduction::{ReduceRule, reduction_methods};

/// The smallest element along axes; ties share the gradient evenly.
pub(super) const MIN: ReduceRule = ReduceRule { name: "min", op: ReduceOp::Min, vjp: share };

pub(super) const SPEC: OpSpec = spec(
    MIN.name,
    |attributes| MIN.parsed(attributes),
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].min().square()),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].min_axes([0, -1]).exp()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| (&x[0] - x[0].min_keepdims([1])).exp()),
    ],
    &[misuse!(|a, _, _| a.min_axes([2])), misuse!(|a, _, _| a.min_axes([1, -1]))],
);

reduction_methods! {
    /// The smallest element; NaN if any is NaN, inf (for integers the highest value) for no elements. Ties share the
    /// gradient evenly.
    min, min_axes, min_keepdims, |x, axes, keepdims, place| MIN.record(x, axes, keepdims, place)
}
