//! `softplus`: ln(1 + e^x).

use super::prelude::*;

unary! {
    /// ln(1 + e^x), elementwise, for floats; without overflow.
    softplus => Softplus,
    |v| Grad::Some(&v.cotangent * v.inputs[0].sigmoid()),
    checks: [one(&[(&[3, 5], -3.0, 3.0)], |x| x[0].softplus())],
    misuses: [misuse!(|_, _, flag| flag.softplus())],
}
