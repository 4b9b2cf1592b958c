//! `round`: the nearest integer, a half to the even one.

use super::prelude::*;

unary! {
    /// The nearest integer, a half to the even one, elementwise, for floats. The gradient is 0.
    round => Round,
    |_| Grad::Zero,
    checks: [
        one(&[(&[3, 5], 0.6, 0.9)], |x| x[0].round()),
        one(&[(&[3, 5], -1.4, -1.1)], |x| x[0].round()),
    ],
    misuses: [misuse!(|_, _, flag| flag.round())],
}
