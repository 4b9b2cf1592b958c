//! `sqrt`: the square root.

use super::prelude::*;

unary! {
    /// The square root, elementwise, for floats: NaN below 0. The derivative at 0 is inf.
    sqrt => Sqrt,
    |v| Grad::Some(&v.cotangent * 0.5 / &v.output),
    checks: [one(&[(&[3, 5], 0.2, 3.0)], |x| x[0].sqrt())],
    misuses: [misuse!(|_, _, flag| flag.sqrt())],
}
