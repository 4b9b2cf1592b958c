//! `reciprocal`: 1 / x.

use super::prelude::*;

unary! {
    /// 1 / x, elementwise, for floats: inf at 0.
    reciprocal => Reciprocal,
    |v| Grad::Some(-&v.cotangent * v.output.square()),
    checks: [
        one(&[(&[3, 5], 0.5, 3.0)], |x| x[0].reciprocal()),
        one(&[(&[3, 5], -3.0, -0.5)], |x| x[0].reciprocal()),
    ],
    misuses: [misuse!(|_, _, flag| flag.reciprocal())],
}
