//! `neg`: -x.

use super::prelude::*;

/// -x; for integers the two's complement, so that the lowest value stays.
const RULE: One = One { scalar: Unary::Neg, vjp: |v| Grad::Some(-&v.cotangent) };

pub(super) const SPEC: OpSpec =
    spec("neg", |_| RULE.parsed(), &[one(&[(&[3, 5], -2.0, 2.0)], |x| (-&x[0]).exp())], &[misuse!(|_, _, flag| -flag)]);

impl std::ops::Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        RULE.record(self, Location::caller())
    }
}

impl std::ops::Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}
