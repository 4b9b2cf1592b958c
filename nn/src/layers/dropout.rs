//! `Dropout`: a network that cannot rely on any one unit.

use super::weight::setters;
use super::{Identity, Layer, Mode};
use wengert_autograd::{Graph, Tensor};

/// In training, each element is replaced by 0 with probability `rate`, 0 <= rate < 1, and the others are divided by
/// 1 - rate; at inference nothing happens. Each step draws anew, from the session's seed.
///
/// Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Dropout, Layer, Mode};
/// let g = Graph::new();
/// let x = g.constant([1.0f32, 1.0]);
/// assert_eq!(Dropout::new(0.5).apply(&x, Mode::Infer), x);
/// ```
#[derive(Clone, Debug)]
pub struct Dropout {
    identity: Identity,
    rate: f64,
}

impl Dropout {
    /// A layer that drops this share of its inputs.
    #[must_use]
    #[track_caller]
    pub fn new(rate: f64) -> Dropout {
        Dropout { identity: Identity::new("dropout"), rate }
    }
}

setters!(Dropout, "dropout");

impl Layer for Dropout {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.identity.apply(x, |_| x.dropout(self.rate, mode == Mode::Train))
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
