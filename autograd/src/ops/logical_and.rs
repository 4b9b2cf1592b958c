//! `and`: whether both hold.

use super::prelude::*;

binary! {
    /// Whether both hold, for `bool`, with NumPy's broadcasting; bit by bit for integers.
    logical_and => And,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].greater(0.5).logical_and(x[1].less(0.5)))],
    misuses: [
        misuse!(|a, _, _| a.logical_and(a)),
        misuse!(|_, b, flag| flag.logical_and(b.less(0.0))),
    ],
}
