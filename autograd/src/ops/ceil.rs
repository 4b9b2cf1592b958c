//! `ceil`: the next integer above or at x.

use super::prelude::*;

unary! {
    /// The next integer above or at x, elementwise, for floats. The gradient is 0.
    ceil => Ceil,
    |_| Grad::Zero,
    checks: [
        one(&[(&[3, 5], 0.6, 0.9)], |x| x[0].ceil()),
        one(&[(&[3, 5], -1.4, -1.1)], |x| x[0].ceil()),
    ],
    misuses: [misuse!(|_, _, flag| flag.ceil())],
}
