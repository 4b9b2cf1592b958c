//! `equal`: whether the elements are equal.

use super::prelude::*;

binary! {
    /// Whether the elements are equal, as `bool`, with NumPy's broadcasting; `false` beside NaN.
    equal => Equal,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].equal(&x[1]))],
    misuses: [misuse!(|a, b, _| a.equal(b))],
}
