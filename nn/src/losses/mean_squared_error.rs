//! The mean squared error.

super::elementwise! {
    /// The mean of (output - target)^2.
    MeanSquaredError, "mean_squared_error", |output, target| (output - target).square()
}
