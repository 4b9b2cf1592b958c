//! `sigmoid`: the logistic function.

use super::prelude::*;

unary! {
    /// 1 / (1 + e^-x), elementwise, for floats; without overflow.
    sigmoid => Sigmoid,
    |v| Grad::Some(&v.cotangent * &v.output * (1.0 - &v.output)),
    checks: [one(&[(&[3, 5], -3.0, 3.0)], |x| x[0].sigmoid())],
    misuses: [misuse!(|_, _, flag| flag.sigmoid())],
}
