//! `minimum`: the smaller of two.

use super::maximum::share;
use super::prelude::*;

binary! {
    /// The smaller of two elements, with NumPy's broadcasting; NaN if either is NaN. At a tie both operands get half of
    /// the gradient.
    minimum => Minimum,
    |v| [share(v, v.inputs[0].less(&v.inputs[1])), share(v, v.inputs[1].less(&v.inputs[0]))],
    checks: [
        one(&[(&[3, 5], -2.0, -0.1), (&[3, 5], 0.1, 2.0)], |x| x[0].minimum(&x[1]).square()),
        one(&[(&[3, 1, 2], 0.1, 2.0), (&[5, 1], -2.0, -0.1)], |x| x[0].minimum(&x[1]).square()),
        one(&[(&[5], -2.0, 2.0)], |x| x[0].minimum(&x[0])),
    ],
    misuses: [misuse!(|a, b, _| a.minimum(b))],
}
