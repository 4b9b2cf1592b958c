//! Optimisers: what becomes of the parameters after each batch.
//!
//! An optimiser turns a loss into [`Update`]s, which a compiled function makes in the same call that computes the loss:
//!
//! ```
//! use wengert_autograd::{Array, Device, Graph, Session};
//! use wengert_nn::optimizers::{GradientDescent, Optimizer};
//!
//! // x^4 - 3x^2 + x has two minima; which one is found depends on where one starts.
//! for (start, minimum) in [(-2.0f64, -1.3008), (2.0, 1.1309)] {
//!     let g = Graph::new();
//!     let x = g.variable("x", Array::scalar(start));
//!     let f = x.powi(4) - 3.0 * x.powi(2) + &x;
//!     let step = GradientDescent::new(0.01).minimize(&f);
//!     let mut session = Session::new(Device::cpu().threads(1))?;
//!     for _ in 0..1000 {
//!         session.run(&step, &[])?;
//!     }
//!     assert!((session.get(&x)?.item::<f64>()? - minimum).abs() < 1e-3);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The learning rate and everything else that an optimiser remembers are variables of the graph, under the optimiser's name:
//! they can be read, set and saved, and setting one compiles nothing anew.

mod adagrad;
mod adam;
mod common;
mod gradient_descent;
mod rms_prop;
#[cfg(test)]
mod tests;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use common::{Common, Step, clip_by_global_norm};
pub use gradient_descent::GradientDescent;
pub use rms_prop::RmsProp;

/// [`GradientDescent`], as Keras and PyTorch call it.
pub use GradientDescent as Sgd;

use crate::Error;
use crate::choice::{Named, by_name};
use wengert_autograd::{Graph, Tensor, Update};

/// A rule by which parameters follow their gradients.
pub trait Optimizer: Send + Sync {
    /// What every optimiser has.
    fn common(&self) -> &Common;

    /// What becomes of one parameter, and of what the rule remembers about it.
    fn step(&self, step: &Step<'_>, parameter: &Tensor, gradient: &Tensor) -> Vec<Update>;

    /// The updates that minimise `loss`, a scalar, over the trainable variables that it depends on.
    ///
    /// A loss that has no gradient gives updates whose error shows when they are compiled.
    #[track_caller]
    fn minimize(&self, loss: &Tensor) -> Vec<Update> {
        let variables = loss.graph().trainable_variables();
        let wrt: Vec<&Tensor> = variables.iter().collect();
        match loss.connected_grad(&wrt) {
            Ok(gradients) if gradients.iter().any(Option::is_some) => {
                let pairs = variables.iter().cloned().zip(gradients);
                self.updates(&pairs.filter_map(|(v, gradient)| Some((v, gradient?))).collect::<Vec<_>>())
            }
            // Nothing to train, or no gradient: asked for one by one, the gradients say why.
            _ => self.minimize_over(loss, &wrt),
        }
    }

    /// The updates that minimise `loss`, a scalar, over these variables. One that the loss does not depend on gives an update
    /// whose error names it.
    #[track_caller]
    fn minimize_over(&self, loss: &Tensor, variables: &[&Tensor]) -> Vec<Update> {
        let gradients = loss.grad(variables);
        self.updates(&variables.iter().map(|&variable| variable.clone()).zip(gradients).collect::<Vec<_>>())
    }

    /// The updates for pairs of a parameter and its gradient: for gradients that were changed on the way.
    #[track_caller]
    fn updates(&self, gradients: &[(Tensor, Tensor)]) -> Vec<Update> {
        self.common().updates(gradients, |step, parameter, gradient| self.step(step, parameter, gradient))
    }

    /// The variable that holds the learning rate in `graph`, once there are updates in it.
    fn learning_rate(&self, graph: &Graph) -> Option<Tensor> {
        self.common().existing(graph, "learning_rate")
    }
}

const TABLE: &[Named<Box<dyn Optimizer>>] = &[
    ("adagrad", || Box::new(Adagrad::default())),
    ("adam", || Box::new(Adam::default())),
    ("gradient_descent", || Box::new(GradientDescent::default())),
    ("rmsprop", || Box::new(RmsProp::default())),
    ("sgd", || Box::new(GradientDescent::default())),
];

/// An optimiser, by value or by name: `adagrad`, `adam`, `gradient_descent` (`sgd`), `rmsprop`, each with Keras's defaults.
pub trait IntoOptimizer {
    /// The optimiser.
    ///
    /// # Errors
    /// When there is none of that name; lists the known ones.
    fn into_optimizer(self) -> Result<Box<dyn Optimizer>, Error>;
}

impl<O: Optimizer + 'static> IntoOptimizer for O {
    fn into_optimizer(self) -> Result<Box<dyn Optimizer>, Error> {
        Ok(Box::new(self))
    }
}

impl IntoOptimizer for Box<dyn Optimizer> {
    fn into_optimizer(self) -> Result<Box<dyn Optimizer>, Error> {
        Ok(self)
    }
}

impl IntoOptimizer for &str {
    fn into_optimizer(self) -> Result<Box<dyn Optimizer>, Error> {
        by_name("optimizer", TABLE, self)
    }
}
