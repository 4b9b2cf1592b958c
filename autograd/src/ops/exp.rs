//! `exp`: e^x.

use super::prelude::*;

unary! {
    /// e^x, elementwise, for floats.
    exp => Exp,
    |v| Grad::Some(&v.cotangent * &v.output),
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].exp())],
    misuses: [misuse!(|_, _, flag| flag.exp())],
}
