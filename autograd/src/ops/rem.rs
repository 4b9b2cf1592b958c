//! `mod`: the remainder that has the sign of the divisor, a - b floor(a / b), as in NumPy and Python.

use super::prelude::*;

binary! {
    Mod,
    |v| [Grad::Some(v.cotangent.clone()), Grad::Some(-&v.cotangent * (&v.inputs[0] / &v.inputs[1]).floor())],
    checks: [
        one(&[(&[3, 5], 2.1, 2.9), (&[3, 5], 1.1, 1.4)], |x| &x[0] % &x[1]),
        one(&[(&[3, 5], -0.9, -0.1), (&[5], 1.0, 2.0)], |x| (&x[0] % &x[1]).square()),
    ],
    misuses: [misuse!(|a, b, _| a % b), misuse!(|_, _, flag| flag % flag)],
}

operator!(Rem, rem, |a, b, place| RULE.record(a, b, place));
