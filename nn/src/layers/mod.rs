//! Layers: immutable descriptions that turn one tensor into another.
//!
//! A layer's variables come to be when it is first applied in a graph, because only then the size of its input is known,
//! and every later application in that graph shares them. A clone is a new layer with variables of its own; [`Arc`] shares
//! one. A wrong input poisons the result with an error that names the line where the layer was made.
//!
//! A layer, and so a model, of one's own is a struct of layers and a function over tensors:
//!
//! ```
//! use wengert_autograd::{DType, Graph, Tensor};
//! use wengert_nn::layers::{Dense, Layer, Mode};
//!
//! struct Residual { a: Dense, b: Dense }
//!
//! impl Layer for Residual {
//!     fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
//!         let y = self.a.apply(x, mode).relu();
//!         (x + self.b.apply(&y, mode)).relu()
//!     }
//! }
//!
//! let g = Graph::new();
//! let x = g.placeholder("x", DType::F32, [None, Some(8)]);
//! let block = Residual { a: Dense::new(16), b: Dense::new(8) };
//! assert_eq!(block.apply(&x, Mode::Train).shape()?[1], 8);
//! assert_eq!(g.trainable_variables().len(), 4);
//! block.apply(&x, Mode::Infer);
//! assert_eq!(g.trainable_variables().len(), 4);
//! # Ok::<(), wengert_autograd::Error>(())
//! ```

mod activation;
mod batch_normalization;
mod conv2d;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod global_pool2d;
mod identity;
mod images;
mod layer_normalization;
mod normalize;
mod pool2d;
mod reshape;
#[cfg(test)]
mod tests;
mod weight;
mod zero_padding2d;

pub use batch_normalization::BatchNormalization;
pub use conv2d::Conv2D;
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use global_pool2d::{GlobalAveragePool2D, GlobalMaxPool2D};
pub use identity::{At, Identity};
pub use layer_normalization::LayerNormalization;
pub use pool2d::{AveragePool2D, MaxPool2D};
pub use reshape::Reshape;
pub use zero_padding2d::ZeroPadding2D;

/// What surrounds images, and the order of their axes.
pub use wengert_autograd::{DataFormat, Padding};

use crate::activations::Activation;
use crate::choice::Choice;
use std::sync::Arc;
use wengert_autograd::{Graph, Tensor};

/// What an application is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Training: dropout drops, statistics are gathered.
    Train,
    /// Prediction and evaluation: the same result every time.
    Infer,
}

/// A description of how one tensor follows from another.
pub trait Layer: Send + Sync {
    /// The layer's output for `x`, whose first axis counts examples.
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor;

    /// As [`apply`](Layer::apply), with what the last activation was applied to, for a loss that is computed from that: a
    /// layer that ends in an activation overrides this.
    #[track_caller]
    fn output(&self, x: &Tensor, mode: Mode) -> Output {
        self.apply(x, mode).into()
    }

    /// Whether the layer has no place of its own, so that its errors should name the line where it was added to a model.
    fn is_plain(&self) -> bool {
        false
    }

    /// The layer's name in `graph`, if it has one there.
    fn name(&self, _graph: &Graph) -> Option<String> {
        None
    }

    /// The kind of layer, as the summary of a model shows it: the name of the type.
    fn kind(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path)
    }
}

/// What a layer gives: its value, and how it was made at last.
#[derive(Clone, Debug)]
pub struct Output {
    /// The value.
    pub value: Tensor,
    /// The last activation and its operand, when the layer ends in one.
    before: Option<(Activation, Tensor)>,
}

impl Output {
    /// The output that `activation` gives for `x`.
    #[must_use]
    #[track_caller]
    pub fn of(activation: Activation, x: &Tensor) -> Output {
        Output { value: activation.of(x), before: Some((activation, x.clone())) }
    }

    /// The same for an activation that was chosen by a name, which may be unknown.
    #[track_caller]
    pub(crate) fn chosen(activation: &Choice<Activation>, x: &Tensor) -> Output {
        match &activation.0 {
            Ok(activation) => Output::of(*activation, x),
            Err(why) => x.poisoned(why).into(),
        }
    }

    /// What `activation` was applied to, if the output ends in it.
    #[must_use]
    pub fn before(&self, activation: Activation) -> Option<&Tensor> {
        self.before.as_ref().filter(|(last, _)| *last == activation).map(|(_, x)| x)
    }
}

impl From<Tensor> for Output {
    fn from(value: Tensor) -> Output {
        Output { value, before: None }
    }
}

macro_rules! through_pointer {
    ($($pointer:ty),*) => {$(
        impl<L: Layer + ?Sized> Layer for $pointer {
            fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
                (**self).apply(x, mode)
            }

            fn output(&self, x: &Tensor, mode: Mode) -> Output {
                (**self).output(x, mode)
            }

            fn is_plain(&self) -> bool {
                (**self).is_plain()
            }

            fn name(&self, graph: &Graph) -> Option<String> {
                (**self).name(graph)
            }

            fn kind(&self) -> &'static str {
                (**self).kind()
            }
        }
    )*};
}

through_pointer!(Box<L>, Arc<L>);
