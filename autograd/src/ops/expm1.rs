//! `expm1`: e^x - 1.

use super::prelude::*;

unary! {
    /// e^x - 1, elementwise, for floats; exact to the last bits near 0, where `exp() - 1` is not.
    expm1 => Expm1,
    |v| Grad::Some(&v.cotangent * v.inputs[0].exp()),
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].expm1())],
    misuses: [misuse!(|_, _, flag| flag.expm1())],
}
