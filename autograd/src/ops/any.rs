//! `any` along axes.

use super::max::MAX;
use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};

pub(super) const SPEC: OpSpec = composite(
    "any",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].greater(1.0).any()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].less(1.0).any_axes([1])),
    ],
    &[misuse!(|_, _, flag| flag.any_axes([2]))],
);

reduction_methods! {
    /// Whether any element holds, as `bool`; `false` for no elements. A number holds unless it is 0.
    any, any_axes, any_keepdims,
    |x: &Tensor, axes, keepdims, place| match normal_axes(x, axes, "any", place) {
        Ok(_) => MAX.record(&super::cast::cast(x, DType::Bool, place), axes, keepdims, place),
        Err(error) => x.graph().poisoned(error),
    }
}
