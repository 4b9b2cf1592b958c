//! `log1p`: ln(1 + x).

use super::prelude::*;

unary! {
    /// ln(1 + x), elementwise, for floats; exact to the last bits near 0, where `(1 + x).log()` is not.
    log1p => Log1p,
    |v| Grad::Some(&v.cotangent / (&v.inputs[0] + 1.0)),
    checks: [one(&[(&[3, 5], -0.5, 3.0)], |x| x[0].log1p())],
    misuses: [misuse!(|_, _, flag| flag.log1p())],
}
