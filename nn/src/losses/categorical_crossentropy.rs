//! The cross-entropy of one class among several.

use super::{EPSILON, Loss, rows};
use crate::activations::Activation;
use crate::layers::Output;
use crate::{Error, targets};
use wengert_autograd::Tensor;
use wengert_kernels::Array;

/// -sum t ln p over the classes, the last axis of the output `[n, .., classes]`.
///
/// Targets of floats are one-hot rows (or probabilities) in the shape of the output; targets of integers are labels, of shape
/// `[n, ..]` or `[n, .., 1]`. Of an output that ends in a softmax this takes what the softmax was applied to, through
/// `log_softmax`: exact however certain the network is. Other outputs are taken as probabilities, divided by their sum and
/// brought to the range from 1e-7 to 1 - 1e-7; see [`from_logits`](CategoricalCrossentropy::from_logits) for logits.
///
/// ```
/// use wengert_autograd::Graph;
/// use wengert_nn::layers::Output;
/// use wengert_nn::losses::{CategoricalCrossentropy, Loss};
/// let g = Graph::new();
/// let p = Output::from(g.constant([0.353f32, 0.5, 0.147]).reshape([1, 3]));
/// let loss = CategoricalCrossentropy.mean(&p, &g.constant([0i64]));
/// assert!((loss.eval(&[])?.item::<f32>()? - 1.0413).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoricalCrossentropy;

impl Loss for CategoricalCrossentropy {
    fn name(&self) -> &'static str {
        "categorical_crossentropy"
    }

    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor {
        let t = targets::one_hot(target, &output.value);
        let log = match output.before(Activation::Softmax) {
            Some(logits) => logits.log_softmax(-1),
            None => {
                let p = &output.value / output.value.sum_keepdims([-1]);
                p.clip(EPSILON, 1.0 - EPSILON).log()
            }
        };
        rows(&-(t * log).sum_axes([-1]))
    }

    fn check(&self, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
        if targets.dtype().is_integer() {
            targets::check_labels(self.name(), targets, outputs)
        } else {
            targets::check_probabilities(self.name(), targets, outputs)
        }
    }
}
