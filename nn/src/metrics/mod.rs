//! Metrics: numbers for people, beside the loss that is minimised.

mod accuracy;

pub use accuracy::Accuracy;

use crate::Error;
use crate::choice::{Named, by_name};
use crate::layers::Output;
use crate::losses::{Loss, MeanAbsoluteError, MeanSquaredError};
use wengert_autograd::Tensor;

/// A number for each example, whose mean over an epoch is reported. Each batch gives the sum over its examples, so that the mean
/// is exact when the last batch is smaller.
pub trait Metric: Send + Sync {
    /// The name in reports: a column of the history.
    fn name(&self) -> &str;

    /// The metric of each example, `[n]`.
    #[track_caller]
    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor;
}

impl<L: Loss> Metric for L {
    fn name(&self) -> &str {
        Loss::name(self)
    }

    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor {
        Loss::per_example(self, output, target)
    }
}

const TABLE: &[Named<Box<dyn Metric>>] = &[
    ("accuracy", || Box::new(Accuracy)),
    ("acc", || Box::new(Accuracy)),
    ("mean_absolute_error", || Box::new(MeanAbsoluteError)),
    ("mae", || Box::new(MeanAbsoluteError)),
    ("mean_squared_error", || Box::new(MeanSquaredError)),
    ("mse", || Box::new(MeanSquaredError)),
];

/// A metric, by value or by name: `accuracy` (`acc`), `mean_absolute_error` (`mae`), `mean_squared_error` (`mse`).
pub trait IntoMetric {
    /// The metric.
    ///
    /// # Errors
    /// When there is none of that name; lists the known ones.
    fn into_metric(self) -> Result<Box<dyn Metric>, Error>;
}

impl<M: Metric + 'static> IntoMetric for M {
    fn into_metric(self) -> Result<Box<dyn Metric>, Error> {
        Ok(Box::new(self))
    }
}

impl IntoMetric for Box<dyn Metric> {
    fn into_metric(self) -> Result<Box<dyn Metric>, Error> {
        Ok(self)
    }
}

impl IntoMetric for &str {
    fn into_metric(self) -> Result<Box<dyn Metric>, Error> {
        by_name("metric", TABLE, self)
    }
}

/// Any number of metrics: `()` for none, an array, a list, or a tuple of different ones.
pub trait IntoMetrics {
    /// The metrics.
    ///
    /// # Errors
    /// As [`IntoMetric::into_metric`].
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error>;
}

impl IntoMetrics for () {
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error> {
        Ok(vec![])
    }
}

impl<M: IntoMetric, const N: usize> IntoMetrics for [M; N] {
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

impl<M: IntoMetric> IntoMetrics for Vec<M> {
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

impl<A: IntoMetric, B: IntoMetric> IntoMetrics for (A, B) {
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error> {
        Ok(vec![self.0.into_metric()?, self.1.into_metric()?])
    }
}

impl<A: IntoMetric, B: IntoMetric, C: IntoMetric> IntoMetrics for (A, B, C) {
    fn into_metrics(self) -> Result<Vec<Box<dyn Metric>>, Error> {
        Ok(vec![self.0.into_metric()?, self.1.into_metric()?, self.2.into_metric()?])
    }
}
