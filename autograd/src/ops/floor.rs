//! `floor`: the next integer below or at x.

use super::prelude::*;

unary! {
    /// The next integer below or at x, elementwise, for floats. The gradient is 0.
    floor => Floor,
    |_| Grad::Zero,
    checks: [
        one(&[(&[3, 5], 0.6, 0.9)], |x| x[0].floor()),
        one(&[(&[3, 5], -1.4, -1.1)], |x| x[0].floor()),
    ],
    misuses: [misuse!(|_, _, flag| flag.floor())],
}
