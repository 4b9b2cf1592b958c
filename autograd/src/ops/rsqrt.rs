//! `rsqrt`: 1 / sqrt(x).

use super::prelude::*;

unary! {
    /// 1 / sqrt(x), elementwise, for floats: inf at 0, NaN below.
    rsqrt => Rsqrt,
    |v| Grad::Some(&v.cotangent * -0.5 * &v.output / &v.inputs[0]),
    checks: [one(&[(&[3, 5], 0.2, 3.0)], |x| x[0].rsqrt())],
    misuses: [misuse!(|_, _, flag| flag.rsqrt())],
}
