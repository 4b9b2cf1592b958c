//! `sub`: a - b with NumPy's broadcasting.

use super::prelude::*;

binary! {
    Sub,
    |v| [Grad::Some(v.cotangent.clone()), Grad::Some(-&v.cotangent)],
    checks: [
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], -2.0, 2.0)], |x| &x[0] - &x[1]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, 2.0)], |x| (&x[0] - &x[1]).exp()),
    ],
    misuses: [misuse!(|a, b, _| a - b), misuse!(|a, _, flag| flag - a.less(0.0))],
}

operator!(Sub, sub, |a, b, place| RULE.record(a, b, place));
