//! `greater_equal`: whether this element is greater or equal.

use super::prelude::*;

binary! {
    /// Whether this element is greater or equal, as `bool`, with NumPy's broadcasting; `false` beside NaN.
    greater_equal => GreaterEqual,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].greater_equal(&x[1]))],
    misuses: [misuse!(|a, b, _| a.greater_equal(b))],
}
