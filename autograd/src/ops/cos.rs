//! `cos`: the cosine.

use super::prelude::*;

unary! {
    /// The cosine of an angle in radians, elementwise, for floats.
    cos => Cos,
    |v| Grad::Some(-&v.cotangent * v.inputs[0].sin()),
    checks: [one(&[(&[3, 5], -4.0, 4.0)], |x| x[0].cos())],
    misuses: [misuse!(|_, _, flag| flag.cos())],
}
