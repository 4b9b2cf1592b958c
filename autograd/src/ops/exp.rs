//! `exp`: e^x.

use super::prelude::*;

/// e^x; its own derivative.
#[derive(Debug)]
struct Exp;

impl UnaryRule for Exp {
    const SCALAR: Unary = Unary::Exp;

    fn vjp(v: &Vjp) -> Grad {
        Grad::Some(&v.cotangent * &v.output)
    }
}

pub(super) const SPEC: OpSpec =
    One::<Exp>::spec(&[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].exp())], &[misuse!(|_, _, flag| flag.exp())]);

impl Tensor {
    /// e^x, elementwise, for floats.
    #[must_use]
    #[track_caller]
    pub fn exp(&self) -> Tensor {
        self.apply(One::<Exp>::op(), &[], Location::caller())
    }
}
