//! `mul`: a b with NumPy's broadcasting.

use super::prelude::*;

binary! {
    Mul,
    |v| [Grad::Some(&v.cotangent * &v.inputs[1]), Grad::Some(&v.cotangent * &v.inputs[0])],
    checks: [
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], -2.0, 2.0)], |x| &x[0] * &x[1]),
        one(&[(&[5], -2.0, 2.0)], |x| &x[0] * &x[0]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, 2.0)], |x| &x[0] * &x[1]),
    ],
    misuses: [misuse!(|a, b, _| a * b), misuse!(|_, _, flag| flag * flag)],
}

operator!(Mul, mul, |a, b, place| RULE.record(a, b, place));
