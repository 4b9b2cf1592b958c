//! `tanh`: the hyperbolic tangent.

use super::prelude::*;

unary! {
    /// The hyperbolic tangent, elementwise, for floats.
    tanh => Tanh,
    |v| Grad::Some(&v.cotangent * (1.0 - v.output.square())),
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].tanh())],
    misuses: [misuse!(|_, _, flag| flag.tanh())],
}
