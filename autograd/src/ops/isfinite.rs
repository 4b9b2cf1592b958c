//! `isfinite`: which elements are finite.

use super::prelude::*;

unary! {
    /// Which elements are neither infinite nor NaN, as `bool`, for floats.
    isfinite => IsFinite,
    |_| Grad::Disconnected,
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].isfinite())],
    misuses: [misuse!(|_, _, flag| flag.isfinite())],
}
