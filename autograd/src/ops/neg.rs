//! `neg`: -x.

use super::prelude::*;

/// -x; for integers the two's complement, so that the lowest value stays.
#[derive(Debug)]
struct Rule;

impl UnaryRule for Rule {
    const SCALAR: Unary = Unary::Neg;

    fn vjp(v: &Vjp) -> Grad {
        Grad::Some(-&v.cotangent)
    }
}

pub(super) const SPEC: OpSpec =
    One::<Rule>::spec(&[one(&[(&[3, 5], -2.0, 2.0)], |x| (-&x[0]).exp())], &[misuse!(|_, _, flag| -flag)]);

impl std::ops::Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        self.apply(One::<Rule>::op(), &[], Location::caller())
    }
}

impl std::ops::Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}
