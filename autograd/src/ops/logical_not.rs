//! `not`: the opposite of a condition.

use super::prelude::*;

unary! {
    /// Whether the condition does not hold, elementwise, for `bool`.
    logical_not => Not,
    |_| Grad::Disconnected,
    checks: [one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].greater(0.0).logical_not())],
    misuses: [misuse!(|a, _, _| a.logical_not())],
}
