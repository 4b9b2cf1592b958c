//! `maximum`: the larger of two.

use super::prelude::*;

binary! {
    /// The larger of two elements, with NumPy's broadcasting; NaN if either is NaN. At a tie both operands get half of
    /// the gradient.
    maximum => Maximum,
    |v| [share(v, v.inputs[0].greater(&v.inputs[1])), share(v, v.inputs[1].greater(&v.inputs[0]))],
    checks: [
        one(&[(&[3, 5], -2.0, -0.1), (&[3, 5], 0.1, 2.0)], |x| x[0].maximum(&x[1]).square()),
        one(&[(&[3, 1, 2], 0.1, 2.0), (&[5, 1], -2.0, -0.1)], |x| x[0].maximum(&x[1]).square()),
        one(&[(&[5], -2.0, 2.0)], |x| x[0].maximum(&x[0])),
    ],
    misuses: [misuse!(|a, b, _| a.maximum(b))],
}

/// The cotangent where this operand wins, half of it at a tie.
pub(super) fn share(v: &Vjp, wins: Tensor) -> Grad {
    let tie = v.inputs[0].equal(&v.inputs[1]);
    Grad::Some(wins.select(&v.cotangent, tie.select(&v.cotangent * 0.5, 0.0)))
}
