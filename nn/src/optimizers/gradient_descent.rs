//! Gradient descent, with momentum if asked.

use super::common::shared;
use super::{Common, Optimizer, Step};
use wengert_autograd::{Tensor, Update};

/// w - rate * g. With momentum m, v = m v - rate * g and w + v; in Nesterov's form w + m v - rate * g with the new v, as in
/// Keras and Lasagne.
///
/// Default: rate 0.01, no momentum.
///
/// Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
///
/// ```
/// use wengert_nn::optimizers::GradientDescent;
/// let plain = GradientDescent::new(0.1);
/// let fast = GradientDescent::new(0.01).momentum(0.9).nesterov();
/// ```
#[derive(Clone, Debug)]
pub struct GradientDescent {
    common: Common,
    momentum: f64,
    nesterov: bool,
}

impl GradientDescent {
    /// Plain gradient descent at this rate.
    #[must_use]
    #[track_caller]
    pub fn new(learning_rate: f64) -> GradientDescent {
        GradientDescent { common: Common::new("gradient_descent", learning_rate), momentum: 0.0, nesterov: false }
    }

    /// The share of the last step that is kept, from 0 to 1.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> GradientDescent {
        self.momentum = momentum;
        self
    }

    /// Takes the gradient as if the step were already made.
    #[must_use]
    pub fn nesterov(mut self) -> GradientDescent {
        self.nesterov = true;
        self
    }

    shared!();
}

impl Default for GradientDescent {
    #[track_caller]
    fn default() -> GradientDescent {
        GradientDescent::new(0.01)
    }
}

impl Optimizer for GradientDescent {
    fn common(&self) -> &Common {
        &self.common
    }

    fn step(&self, step: &Step<'_>, w: &Tensor, g: &Tensor) -> Vec<Update> {
        let descent = g * step.learning_rate(w);
        if self.momentum == 0.0 {
            return vec![w.becomes(&(w - descent))];
        }
        let v = step.state("velocity", w, 0.0);
        let velocity = &v * self.momentum - &descent;
        let next = if self.nesterov { w + &velocity * self.momentum - descent } else { w + &velocity };
        vec![v.becomes(&velocity), w.becomes(&next)]
    }
}
