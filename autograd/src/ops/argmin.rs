//! `argmin`: where the smallest element is.

use super::prelude::*;
use super::reduction::{ReduceRule, Reduction};

/// The row-major number of the first smallest element among the reduced axes.
#[derive(Debug)]
struct ArgMin;

impl ReduceRule for ArgMin {
    const NAME: &'static str = "argmin";
    const OP: ReduceOp = ReduceOp::ArgMin;

    fn vjp(_: &Vjp, _: &[usize], _: &dyn Fn(&Tensor) -> Tensor) -> Grad {
        Grad::Disconnected
    }
}

pub(super) const SPEC: OpSpec = Reduction::<ArgMin>::spec(
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmin(-1)), one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmin(0))],
    &[misuse!(|a, _, _| a.argmin(2)), misuse!(|a, _, _| a.argmin(-3))],
);

impl Tensor {
    /// The index (`i64`) of the smallest element along `axis`, which disappears; the first of several, the first NaN
    /// before all.
    #[must_use]
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        Reduction::<ArgMin>::record(self, Some(&[axis]), false, Location::caller())
    }
}
