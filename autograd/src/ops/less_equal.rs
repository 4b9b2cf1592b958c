//! `less_equal`: whether this element is less or equal.

use super::prelude::*;

binary! {
    /// Whether this element is less or equal, as `bool`, with NumPy's broadcasting; `false` beside NaN.
    less_equal => LessEqual,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].less_equal(&x[1]))],
    misuses: [misuse!(|a, b, _| a.less_equal(b))],
}
