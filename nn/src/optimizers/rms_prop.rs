//! RMSprop.

use super::common::shared;
use super::{Common, Optimizer, Step};
use wengert_autograd::{Tensor, Update};

/// A running mean v of the squared gradient; w - rate * g / sqrt(v + epsilon).
///
/// Default: rate 0.001, rho 0.9, epsilon 1e-7 inside the root, as in Keras 3.
///
/// Source: T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning", 2012.
#[derive(Clone, Debug)]
pub struct RmsProp {
    common: Common,
    rho: f64,
    epsilon: f64,
}

impl RmsProp {
    /// RMSprop at this rate.
    #[must_use]
    #[track_caller]
    pub fn new(learning_rate: f64) -> RmsProp {
        RmsProp { common: Common::new("rmsprop", learning_rate), rho: 0.9, epsilon: 1e-7 }
    }

    /// How much of the running mean is kept.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> RmsProp {
        self.rho = rho;
        self
    }

    /// What is added under the root.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> RmsProp {
        self.epsilon = epsilon;
        self
    }

    shared!();
}

impl Default for RmsProp {
    #[track_caller]
    fn default() -> RmsProp {
        RmsProp::new(0.001)
    }
}

impl Optimizer for RmsProp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn step(&self, step: &Step<'_>, w: &Tensor, g: &Tensor) -> Vec<Update> {
        let v = step.state("v", w, 0.0);
        let square = &v + (g.square() - &v) * (1.0 - self.rho);
        let next = w - g * step.learning_rate(w) / (&square + self.epsilon).sqrt();
        vec![v.becomes(&square), w.becomes(&next)]
    }
}
