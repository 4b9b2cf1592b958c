//! `dropout`: elements replaced by zeros at random.

use super::prelude::*;

pub(super) const SPEC: OpSpec = composite(
    "dropout",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].dropout(0.5, false)),
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].dropout(0.0, true)),
    ],
    &[misuse!(|a, _, _| a.dropout(1.5, true)), misuse!(|_, _, flag| flag.dropout(0.5, true))],
);

impl Tensor {
    /// When `train`ing, each element is replaced by 0 with probability `rate`, 0 <= rate < 1, and the others are
    /// divided by 1 - rate, so that the mean stays; else the tensor as it is.
    ///
    /// Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15
    /// (2014).
    #[must_use]
    #[track_caller]
    pub fn dropout(&self, rate: f64, train: bool) -> Tensor {
        let place = Location::caller();
        match self.ty() {
            Ok(ty) if !(0.0..1.0).contains(&rate) || !ty.dtype.is_float() => {
                self.refuse(format!("dropout of {ty} at rate {rate}: it is for floats and 0 <= rate < 1"), place)
            }
            Ok(_) if train && rate > 0.0 => {
                self.uniform_like(DType::F32).greater_equal(rate).select(self * (1.0 / (1.0 - rate)), 0.0)
            }
            _ => self.clone(),
        }
    }
}
