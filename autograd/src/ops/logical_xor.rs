//! `xor`: whether exactly one holds.

use super::prelude::*;

binary! {
    /// Whether exactly one holds, for `bool`, with NumPy's broadcasting; bit by bit for integers.
    logical_xor => Xor,
    |_| [Grad::Disconnected, Grad::Disconnected],
    checks: [one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].greater(0.5).logical_xor(x[1].less(0.5)))],
    misuses: [
        misuse!(|a, _, _| a.logical_xor(a)),
        misuse!(|_, b, flag| flag.logical_xor(b.less(0.0))),
    ],
}
