//! `log`: the natural logarithm.

use super::prelude::*;

unary! {
    /// ln x, elementwise, for floats: -inf at 0, NaN below.
    log => Log,
    |v| Grad::Some(&v.cotangent / &v.inputs[0]),
    checks: [one(&[(&[3, 5], 0.2, 3.0)], |x| x[0].log())],
    misuses: [misuse!(|_, _, flag| flag.log())],
}
