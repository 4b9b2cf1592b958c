//! `not_equal`: whether the elements differ.

use super::prelude::*;

binary! {
    /// Whether the elements differ, as `bool`, with NumPy's broadcasting; `true` beside NaN.
    not_equal => NotEqual,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].not_equal(&x[1]))],
    misuses: [misuse!(|a, b, _| a.not_equal(b))],
}
