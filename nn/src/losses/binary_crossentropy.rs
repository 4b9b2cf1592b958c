//! The cross-entropy of yes and no.

use super::{EPSILON, Loss, rows};
use crate::activations::Activation;
use crate::layers::Output;
use crate::targets;
use wengert_autograd::Tensor;

/// -(t ln p + (1 - t) ln(1 - p)), averaged over the outputs of each example.
///
/// Targets are 0 or 1, or probabilities, in the shape of the output; the last axis may be missing where the output's has
/// size 1. Of an output that ends in a sigmoid this takes what the sigmoid was applied to: exact however certain the network is.
/// Other outputs are probabilities, and brought to the range from 1e-7 to 1 - 1e-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryCrossentropy;

impl Loss for BinaryCrossentropy {
    fn name(&self) -> &'static str {
        "binary_crossentropy"
    }

    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor {
        let t = &targets::like(target, &output.value);
        rows(&match output.before(Activation::Sigmoid) {
            Some(logits) => logits.softplus() - logits * t,
            None => {
                let p = output.value.clip(EPSILON, 1.0 - EPSILON);
                -(t * p.log() + (1.0 - t) * (1.0 - &p).log())
            }
        })
    }

    fn check(&self, targets: &wengert_kernels::Array, outputs: &[usize]) -> Result<(), crate::Error> {
        targets::check_probabilities(self.name(), targets, outputs)
    }
}
