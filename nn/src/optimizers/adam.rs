//! Adam.

use super::common::shared;
use super::{Common, Optimizer, Step};
use wengert_autograd::{Tensor, Update};

/// Running means m of the gradient and v of its square; w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).
///
/// Default: rate 0.001, b1 0.9, b2 0.999, epsilon 1e-7, as in Keras.
///
/// Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015; the form before its section 2.1,
/// whose epsilon is not scaled by the correction.
///
/// ```
/// use wengert_nn::optimizers::Adam;
/// let adam = Adam::new(3e-4).betas(0.9, 0.98).epsilon(1e-9);
/// ```
#[derive(Clone, Debug)]
pub struct Adam {
    common: Common,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Adam {
    /// Adam at this rate.
    #[must_use]
    #[track_caller]
    pub fn new(learning_rate: f64) -> Adam {
        Adam { common: Common::new("adam", learning_rate), beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
    }

    /// How much of the running means of the gradient and of its square is kept.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Adam {
        (self.beta1, self.beta2) = (beta1, beta2);
        self
    }

    /// What is added to the denominator.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Adam {
        self.epsilon = epsilon;
        self
    }

    shared!();
}

impl Default for Adam {
    #[track_caller]
    fn default() -> Adam {
        Adam::new(0.001)
    }
}

impl Optimizer for Adam {
    fn common(&self) -> &Common {
        &self.common
    }

    fn step(&self, step: &Step<'_>, w: &Tensor, g: &Tensor) -> Vec<Update> {
        let t = step.number(w);
        // 1 - b^t without the cancellation that f32 suffers at small t.
        let remaining = |beta: f64| -(&t * beta.ln()).expm1();
        let rate = step.learning_rate(w) * remaining(self.beta2).sqrt() / remaining(self.beta1);
        let (m, v) = (step.state("m", w, 0.0), step.state("v", w, 0.0));
        let mean = &m + (g - &m) * (1.0 - self.beta1);
        let square = &v + (g.square() - &v) * (1.0 - self.beta2);
        let next = w - &mean * rate / (square.sqrt() + self.epsilon);
        vec![m.becomes(&mean), v.becomes(&square), w.becomes(&next)]
    }
}
