//! `argmax`: where the largest element is.

use super::prelude::*;
use super::reduction::ReduceRule;

/// The row-major number of the first largest element among the reduced axes.
const ARGMAX: ReduceRule = ReduceRule { name: "argmax", op: ReduceOp::ArgMax, vjp: |_, _, _| Grad::Disconnected };

pub(super) const SPEC: OpSpec = spec(
    ARGMAX.name,
    |attributes| ARGMAX.parsed(attributes),
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmax(-1)), one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmax(0))],
    &[misuse!(|a, _, _| a.argmax(2)), misuse!(|a, _, _| a.argmax(-3))],
);

impl Tensor {
    /// The index (`i64`) of the largest element along `axis`, which disappears; the first of several, the first NaN
    /// before all.
    #[must_use]
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        ARGMAX.record(self, Some(&[axis]), false, Location::caller())
    }
}
