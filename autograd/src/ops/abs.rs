//! `abs`: |x|.

use super::prelude::*;

unary! {
    /// |x|, elementwise. The derivative at 0 is taken as 0.
    abs => Abs,
    |v| Grad::Some(&v.cotangent * v.inputs[0].sign()),
    checks: [
        one(&[(&[3, 5], 0.5, 2.0)], |x| x[0].abs()),
        one(&[(&[3, 5], -2.0, -0.5)], |x| x[0].abs()),
    ],
    misuses: [misuse!(|_, _, flag| flag.abs())],
}
