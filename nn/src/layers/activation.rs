//! An activation as a layer of its own.

use super::{Layer, Mode, Output};
use crate::activations::Activation;
use wengert_autograd::Tensor;

impl Layer for Activation {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.of(x)
    }

    fn output(&self, x: &Tensor, _: Mode) -> Output {
        Output::of(*self, x)
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn kind(&self) -> &'static str {
        "Activation"
    }
}
