//! `isinf`: which elements are infinite.

use super::prelude::*;

unary! {
    /// Which elements are inf or -inf, as `bool`, for floats.
    isinf => IsInf,
    |_| Grad::Disconnected,
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].isinf())],
    misuses: [misuse!(|_, _, flag| flag.isinf())],
}
