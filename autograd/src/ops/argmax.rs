//! `argmax`: where the largest element is.

use super::prelude::*;
use super::reduction::{ReduceRule, Reduction};

/// The row-major number of the first largest element among the reduced axes.
#[derive(Debug)]
struct ArgMax;

impl ReduceRule for ArgMax {
    const NAME: &'static str = "argmax";
    const OP: ReduceOp = ReduceOp::ArgMax;

    fn vjp(_: &Vjp, _: &[usize], _: &dyn Fn(&Tensor) -> Tensor) -> Grad {
        Grad::Disconnected
    }
}

pub(super) const SPEC: OpSpec = Reduction::<ArgMax>::spec(
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmax(-1)), one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmax(0))],
    &[misuse!(|a, _, _| a.argmax(2)), misuse!(|a, _, _| a.argmax(-3))],
);

impl Tensor {
    /// The index (`i64`) of the largest element along `axis`, which disappears; the first of several, the first NaN
    /// before all.
    #[must_use]
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        Reduction::<ArgMax>::record(self, Some(&[axis]), false, Location::caller())
    }
}
