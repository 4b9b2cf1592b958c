//! `argmin`: where the smallest element is.

use super::prelude::*;
use super::reduction::ReduceRule;

/// The row-major number of the first smallest element among the reduced axes.
const ARGMIN: ReduceRule = ReduceRule { name: "argmin", op: ReduceOp::ArgMin, vjp: |_, _, _| Grad::Disconnected };

pub(super) const SPEC: OpSpec = spec(
    ARGMIN.name,
    |attributes| ARGMIN.parsed(attributes),
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmin(-1)), one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmin(0))],
    &[misuse!(|a, _, _| a.argmin(2)), misuse!(|a, _, _| a.argmin(-3))],
);

impl Tensor {
    /// The index (`i64`) of the smallest element along `axis`, which disappears; the first of several, the first NaN
    /// before all.
    #[must_use]
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        ARGMIN.record(self, Some(&[axis]), false, Location::caller())
    }
}
