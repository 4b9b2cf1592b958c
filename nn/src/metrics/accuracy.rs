//! The share of examples that are right.

use super::Metric;
use crate::activations::Activation::{Sigmoid, Softmax};
use crate::layers::Output;
use crate::{losses::rows, targets};
use wengert_autograd::{DType, Tensor};

/// 1 for an example whose prediction is right, 0 for one whose is wrong.
///
/// An output of several classes `[n, .., classes]` is right where its largest element is at the label, or where the one-hot
/// target has its own largest. An output whose last axis has size 1 is right where it and the target lie on the same side of .5.
///
/// ```
/// use wengert_autograd::Graph;
/// use wengert_nn::metrics::{Accuracy, Metric};
/// let g = Graph::new();
/// let output = g.constant([0.2f32, 0.8, 0.6, 0.4]).reshape([2, 2]);
/// let right = Accuracy.per_example(&output.into(), &g.constant([1i64, 1]));
/// assert_eq!(right.eval(&[])?.to_vec::<f32>()?, [1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor {
        let value = &output.value;
        let (Ok(wanted), Ok(ty)) = (value.ty(), target.ty()) else {
            return if value.ty().is_err() { value.clone() } else { target.clone() };
        };
        let right = if wanted.shape.last().is_some_and(|last| *last == 1) {
            let yes = output.before(Sigmoid).map_or_else(|| value.greater(0.5), |logits| logits.greater(0.0));
            yes.equal(targets::like(target, value).greater(0.5))
        } else {
            // The largest logit is the largest probability, without the softmax.
            let chosen = output.before(Softmax).unwrap_or(value).argmax(-1);
            let label = if ty.dtype.is_integer() {
                targets::labels(target, value).cast(DType::I64)
            } else {
                targets::like(target, value).argmax(-1)
            };
            chosen.equal(label)
        };
        rows(&right.cast(DType::F32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::IntoMetric;
    use wengert_autograd::Graph;

    fn accuracy(output: impl Into<Output>, target: &Tensor) -> Vec<f32> {
        Accuracy.per_example(&output.into(), target).eval(&[]).unwrap().to_vec().unwrap()
    }

    #[test]
    fn labels_rows_and_columns() {
        let g = Graph::new();
        let output = g.constant([0.1f32, 0.7, 0.2, 0.5, 0.3, 0.2]).reshape([2, 3]);
        assert_eq!(accuracy(output.clone(), &g.constant([1u8, 2])), [1.0, 0.0]);
        assert_eq!(accuracy(Output::of(Softmax, &output), &g.constant([1i64, 0])), [1.0, 1.0]);
        let rows = g.constant([0.0f32, 1.0, 0.0, 0.0, 0.0, 1.0]).reshape([2, 3]);
        assert_eq!(accuracy(output, &rows), [1.0, 0.0]);
        let column = g.constant([0.7f32, 0.2, 0.5]).reshape([3, 1]);
        assert_eq!(accuracy(column.clone(), &g.constant([1.0f32, 1.0, 0.0])), [1.0, 0.0, 1.0]);
        assert_eq!(accuracy(Output::of(Sigmoid, &(column - 0.3)), &g.constant([1i64, 0, 0])), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn names_are_looked_up() {
        assert_eq!("acc".into_metric().unwrap().name(), "accuracy");
        assert_eq!(crate::losses::MeanSquaredError.into_metric().unwrap().name(), "mean_squared_error");
        assert!("precision".into_metric().map(|_| ()).unwrap_err().to_string().contains("known are accuracy"));
    }
}
