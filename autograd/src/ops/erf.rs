//! `erf`: the error function.

use super::prelude::*;

unary! {
    /// The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x, elementwise, for floats.
    erf => Erf,
    |v| Grad::Some(&v.cotangent * ((-v.inputs[0].square()).exp() * std::f64::consts::FRAC_2_SQRT_PI)),
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].erf())],
    misuses: [misuse!(|_, _, flag| flag.erf())],
}
