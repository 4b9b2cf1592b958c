//! `clip`: elements brought between two bounds.

use super::prelude::*;

pub(super) const SPEC: OpSpec = composite(
    "clip",
    &[
        one(&[(&[3, 5], -0.9, 0.9)], |x| x[0].clip(-1.0, 1.0).exp()),
        one(&[(&[3, 5], 1.1, 2.0)], |x| x[0].clip(-1.0, 1.0).exp()),
        one(&[(&[3, 5], -2.0, 2.0), (&[5], 2.5, 3.0)], |x| x[0].clip(-&x[1], 1.0).exp()),
    ],
    &[misuse!(|a, b, _| a.clip(b, 1.0)), misuse!(|a, b, _| a.clip(0.0, b))],
);

impl Tensor {
    /// min(max(x, lo), hi), elementwise; NaN for NaN. The gradient passes where lo < x < hi, and not at the bounds;
    /// bounds that are tensors get that of the elements which they replaced.
    #[must_use]
    #[track_caller]
    pub fn clip(&self, lo: impl Operand, hi: impl Operand) -> Tensor {
        let place = Location::caller();
        let (lo, hi) = (lo.beside(self, place), hi.beside(self, place));
        let raised = self.less_equal(&lo).select(&lo, self);
        let clipped = raised.greater_equal(&hi).select(&hi, &raised);
        match (self.ty(), lo.ty(), hi.ty(), clipped.ty()) {
            (Ok(x), Ok(lo), Ok(hi), Err(_)) => {
                self.refuse(format!("clip of {x} between {lo} and {hi}: the bounds do not broadcast with it"), place)
            }
            _ => clipped,
        }
    }
}
