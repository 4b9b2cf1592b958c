//! `add`: a + b with NumPy's broadcasting.

use super::prelude::*;

binary! {
    Add,
    |v| [Grad::Some(v.cotangent.clone()), Grad::Some(v.cotangent.clone())],
    checks: [
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], -2.0, 2.0)], |x| &x[0] + &x[1]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, 2.0)], |x| &x[0] + &x[1]),
    ],
    misuses: [misuse!(|a, b, _| a + b), misuse!(|_, _, flag| flag + flag)],
}

pub(crate) fn add(a: &Tensor, b: &Tensor, place: Place) -> Tensor {
    RULE.record(a, b, place)
}

operator!(Add, add, add);
