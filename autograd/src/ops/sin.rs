//! `sin`: the sine.

use super::prelude::*;

unary! {
    /// The sine of an angle in radians, elementwise, for floats.
    sin => Sin,
    |v| Grad::Some(&v.cotangent * v.inputs[0].cos()),
    checks: [one(&[(&[3, 5], -4.0, 4.0)], |x| x[0].sin())],
    misuses: [misuse!(|_, _, flag| flag.sin())],
}
