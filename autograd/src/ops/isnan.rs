//! `isnan`: which elements are NaN.

use super::prelude::*;

unary! {
    /// Which elements are NaN, as `bool`, for floats.
    isnan => IsNan,
    |_| Grad::Disconnected,
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].isnan())],
    misuses: [misuse!(|_, _, flag| flag.isnan())],
}
