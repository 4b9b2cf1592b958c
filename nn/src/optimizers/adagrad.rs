//! Adagrad.

use super::common::shared;
use super::{Common, Optimizer, Step};
use wengert_autograd::{Tensor, Update};

/// The sum s of all squared gradients; w - rate * g / sqrt(s + epsilon).
///
/// Default: rate 0.001, initial sum 0.1, epsilon 1e-7, as in Keras 3. Keras 2 had rate 0.01 and initial sum 0.
///
/// Source: J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods", JMLR 12 (2011).
#[derive(Clone, Debug)]
pub struct Adagrad {
    common: Common,
    initial: f64,
    epsilon: f64,
}

impl Adagrad {
    /// Adagrad at this rate.
    #[must_use]
    #[track_caller]
    pub fn new(learning_rate: f64) -> Adagrad {
        Adagrad { common: Common::new("adagrad", learning_rate), initial: 0.1, epsilon: 1e-7 }
    }

    /// The sum before the first step.
    #[must_use]
    pub fn initial_accumulator(mut self, value: f64) -> Adagrad {
        self.initial = value;
        self
    }

    /// What is added under the root.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Adagrad {
        self.epsilon = epsilon;
        self
    }

    shared!();
}

impl Default for Adagrad {
    #[track_caller]
    fn default() -> Adagrad {
        Adagrad::new(0.001)
    }
}

impl Optimizer for Adagrad {
    fn common(&self) -> &Common {
        &self.common
    }

    fn step(&self, step: &Step<'_>, w: &Tensor, g: &Tensor) -> Vec<Update> {
        let s = step.state("accumulator", w, self.initial);
        let sum = &s + g.square();
        let next = w - g * step.learning_rate(w) / (&sum + self.epsilon).sqrt();
        vec![s.becomes(&sum), w.becomes(&next)]
    }
}
