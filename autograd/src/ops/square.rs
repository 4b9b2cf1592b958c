//! `square`: x^2.

use super::prelude::*;

unary! {
    /// x^2, elementwise.
    square => Square,
    |v| Grad::Some(&v.cotangent * (&v.inputs[0] * 2.0)),
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].square())],
    misuses: [misuse!(|_, _, flag| flag.square())],
}
