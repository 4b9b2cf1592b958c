//! The mean absolute error.

super::elementwise! {
    /// The mean of |output - target|.
    MeanAbsoluteError, "mean_absolute_error", |output, target| (output - target).abs()
}
