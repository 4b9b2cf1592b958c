//! `mul`: a b.

use super::prelude::*;

/// a b with NumPy's broadcasting.
#[derive(Debug)]
struct Mul;

impl BinaryRule for Mul {
    const SCALAR: Binary = Binary::Mul;

    fn vjp(v: &Vjp) -> [Grad; 2] {
        [Grad::Some(&v.cotangent * &v.inputs[1]), Grad::Some(&v.cotangent * &v.inputs[0])]
    }
}

pub(super) const SPEC: OpSpec = Two::<Mul>::spec(
    &[
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], -2.0, 2.0)], |x| &x[0] * &x[1]),
        one(&[(&[5], -2.0, 2.0)], |x| &x[0] * &x[0]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, 2.0)], |x| &x[0] * &x[1]),
    ],
    &[misuse!(|a, b, _| a * b), misuse!(|_, _, flag| flag * flag)],
);

operator!(Mul, mul, Two::<Mul>::record);
