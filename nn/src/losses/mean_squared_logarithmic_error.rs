//! The mean squared logarithmic error.

use super::EPSILON;

super::elementwise! {
    /// The mean of (ln(1 + output) - ln(1 + target))^2, where both are at least 1e-7: negative numbers count as 0.
    MeanSquaredLogarithmicError, "mean_squared_logarithmic_error", |output, target| {
        (output.maximum(EPSILON).log1p() - target.maximum(EPSILON).log1p()).square()
    }
}
