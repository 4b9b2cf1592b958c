//! Losses of outputs that a softmax or a sigmoid should still be applied to.

use super::{BinaryCrossentropy, CategoricalCrossentropy, Loss};
use crate::Error;
use crate::activations::Activation;
use crate::layers::Output;
use wengert_autograd::Tensor;
use wengert_kernels::Array;

/// A cross-entropy whose network ends without its softmax or sigmoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FromLogits<L> {
    loss: L,
    /// What the network leaves to the loss.
    missing: Activation,
}

impl CategoricalCrossentropy {
    /// The same for an output of logits: the softmax is part of the loss.
    #[must_use]
    pub fn from_logits(self) -> FromLogits<CategoricalCrossentropy> {
        FromLogits { loss: self, missing: Activation::Softmax }
    }
}

impl BinaryCrossentropy {
    /// The same for an output of logits: the sigmoid is part of the loss.
    #[must_use]
    pub fn from_logits(self) -> FromLogits<BinaryCrossentropy> {
        FromLogits { loss: self, missing: Activation::Sigmoid }
    }
}

impl<L: Loss> Loss for FromLogits<L> {
    fn name(&self) -> &'static str {
        self.loss.name()
    }

    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor {
        self.loss.per_example(&Output::of(self.missing, &output.value), target)
    }

    fn check(&self, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
        self.loss.check(targets, outputs)
    }
}
