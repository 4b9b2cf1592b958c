//! `all` along axes.

use super::min::MIN;
use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};

pub(super) const SPEC: OpSpec = composite(
    "all",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].greater(1.0).all()),
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].less(1.0).all_axes([1])),
    ],
    &[misuse!(|_, _, flag| flag.all_axes([2]))],
);

reduction_methods! {
    /// Whether all elements hold, as `bool`; `true` for no elements. A number holds unless it is 0.
    all, all_axes, all_keepdims,
    |x: &Tensor, axes, keepdims, place| match normal_axes(x, axes, "all", place) {
        Ok(_) => MIN.record(&super::cast::cast(x, DType::Bool, place), axes, keepdims, place),
        Err(error) => x.graph().poisoned(error),
    }
}
