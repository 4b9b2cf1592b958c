//! `greater`: whether this element is greater.

use super::prelude::*;

binary! {
    /// Whether this element is greater, as `bool`, with NumPy's broadcasting; `false` beside NaN.
    greater => Greater,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].greater(&x[1]))],
    misuses: [misuse!(|a, b, _| a.greater(b))],
}
