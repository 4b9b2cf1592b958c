//! `sum` along axes, and what sums a broadcast gradient back.

use super::prelude::*;
use super::reduction::{ReduceRule, reduction_methods};

/// The sum along axes; each element's derivative is 1.
const SUM: ReduceRule = ReduceRule {
    name: "sum",
    op: ReduceOp::Sum,
    vjp: |v, _, keep| Grad::Some(keep(&v.cotangent).broadcast_like(&v.inputs[0])),
};

pub(super) const SPEC: OpSpec = spec(
    SUM.name,
    |attributes| SUM.parsed(attributes),
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].sum()), one(&[(&[3, 1, 4], -2.0, 2.0)], |x| x[0].sum_axes([0, 2]).exp())],
    &[misuse!(|a, _, _| a.sum_axes([2])), misuse!(|a, _, _| a.sum_axes([0, -2]))],
);

reduction_methods! {
    /// The sum; 0 for no elements. Sums of `bool` and small integers are `i64`.
    sum, sum_axes, sum_keepdims,
    |x: &Tensor, axes, keepdims, place| SUM.record(&super::cast::to_wide(x, place), axes, keepdims, place)
}

/// The sum of floats over `axes` (all when `None`).
pub(super) fn sum(x: &Tensor, axes: Option<&[isize]>, keepdims: bool, place: Place) -> Tensor {
    SUM.record(x, axes, keepdims, place)
}

impl Tensor {
    /// This tensor summed over the axes along which `x` was broadcast to its shape: the shape of `x`.
    pub(crate) fn sum_to(&self, x: &Tensor) -> Tensor {
        let place = Location::caller();
        let (Ok(wide), Ok(narrow)) = (self.shape(), x.shape()) else { return self.clone() };
        let missing = wide.len().saturating_sub(narrow.len());
        let axes: Vec<isize> = (0..wide.len())
            .filter(|&axis| axis < missing || (narrow[axis - missing] == 1 && wide[axis] != 1))
            .map(|axis| axis as isize)
            .collect();
        if axes.is_empty() {
            return self.clone();
        }
        SUM.record(self, Some(&axes), false, place).reshape_dims(&narrow, place)
    }
}
