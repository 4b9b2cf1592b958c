//! `sign`: the sign.

use super::prelude::*;

unary! {
    /// -1, 0 or 1, elementwise: 0 for both zeros, NaN for NaN. The gradient is 0.
    sign => Sign,
    |_| Grad::Zero,
    checks: [
        one(&[(&[3, 5], 0.5, 2.0)], |x| x[0].sign()),
        one(&[(&[3, 5], -2.0, -0.5)], |x| x[0].sign()),
    ],
    misuses: [misuse!(|_, _, flag| flag.sign())],
}
