//! `less`: whether this element is less.

use super::prelude::*;

binary! {
    /// Whether this element is less, as `bool`, with NumPy's broadcasting; `false` beside NaN.
    less => Less,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].less(&x[1]))],
    misuses: [misuse!(|a, b, _| a.less(b))],
}
