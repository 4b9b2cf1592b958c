//! `max` along axes.

use super::cast::cast;
use super::prelude::*;
use super::reduction::{Keep, ReduceRule, reduction_methods};

/// The largest element along axes; ties share the gradient evenly.
pub(super) const MAX: ReduceRule = ReduceRule { name: "max", op: ReduceOp::Max, vjp: share };

pub(super) const SPEC: OpSpec = spec(
    MAX.name,
    |attributes| MAX.parsed(attributes),
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].max().square()),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].max_axes([0, -1]).exp()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| (&x[0] - x[0].max_keepdims([1])).exp()),
    ],
    &[misuse!(|a, _, _| a.max_axes([2])), misuse!(|a, _, _| a.max_axes([1, -1]))],
);

reduction_methods! {
    /// The largest element; NaN if any is NaN, -inf (for integers the lowest value) for no elements. Ties share the
    /// gradient evenly.
    max, max_axes, max_keepdims, |x, axes, keepdims, place| MAX.record(x, axes, keepdims, place)
}

/// The gradient of an extreme: the cotangent, divided among the elements that are equal to it.
pub(super) fn share(v: &Vjp, axes: &[usize], keep: Keep<'_>) -> Grad {
    let place = Location::caller();
    let Ok(dtype) = v.cotangent.dtype() else { return Grad::Disconnected };
    let axes: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
    let attained = cast(&v.inputs[0].equal(keep(&v.output)), dtype, place);
    let ways = attained.sum_keepdims(axes);
    Grad::Some(attained * (keep(&v.cotangent) / ways))
}
