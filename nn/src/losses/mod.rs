//! Losses: how wrong an output is.
//!
//! A loss gives one number for each example; training minimises their mean over the batch. The formulas, and the bounds
//! that keep logarithms finite, are those of Keras.

mod binary_crossentropy;
mod categorical_crossentropy;
mod from_logits;
mod mean_absolute_error;
mod mean_squared_error;
mod mean_squared_logarithmic_error;
#[cfg(test)]
mod tests;

pub use binary_crossentropy::BinaryCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use from_logits::FromLogits;
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_squared_error::MeanSquaredError;
pub use mean_squared_logarithmic_error::MeanSquaredLogarithmicError;

/// [`CategoricalCrossentropy`], which takes labels as they are: another name for those who know it from Keras.
pub use CategoricalCrossentropy as SparseCategoricalCrossentropy;

use crate::choice::{Named, by_name};
use crate::layers::Output;
use crate::{Error, targets};
use wengert_autograd::Tensor;
use wengert_kernels::Array;

/// Probabilities stay this far from 0 and 1.
pub(crate) const EPSILON: f64 = 1e-7;

/// A measure of how wrong an output is.
pub trait Loss: Send + Sync {
    /// The name in messages.
    fn name(&self) -> &'static str;

    /// The loss of each example, `[n]`, for an output `[n, ..]` and its target.
    #[track_caller]
    fn per_example(&self, output: &Output, target: &Tensor) -> Tensor;

    /// The mean over all examples: what is minimised.
    #[track_caller]
    fn mean(&self, output: &Output, target: &Tensor) -> Tensor {
        self.per_example(output, target).mean()
    }

    /// Checks targets on the host, once, before training: shape `[n, ..]` for outputs whose sizes behind the first axis are
    /// `outputs`.
    ///
    /// # Errors
    /// When a target cannot be one for such an output.
    fn check(&self, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
        targets::check_numbers(self.name(), targets, outputs)
    }
}

type Table = &'static [Named<Box<dyn Loss>>];

const TABLE: Table = &[
    ("binary_crossentropy", || Box::new(BinaryCrossentropy)),
    ("categorical_crossentropy", || Box::new(CategoricalCrossentropy)),
    ("sparse_categorical_crossentropy", || Box::new(CategoricalCrossentropy)),
    ("mean_absolute_error", || Box::new(MeanAbsoluteError)),
    ("mae", || Box::new(MeanAbsoluteError)),
    ("mean_squared_error", || Box::new(MeanSquaredError)),
    ("mse", || Box::new(MeanSquaredError)),
    ("mean_squared_logarithmic_error", || Box::new(MeanSquaredLogarithmicError)),
    ("msle", || Box::new(MeanSquaredLogarithmicError)),
];

/// A loss, by value or by name: `binary_crossentropy`, `categorical_crossentropy`, `sparse_categorical_crossentropy`,
/// `mean_absolute_error` (`mae`), `mean_squared_error` (`mse`), `mean_squared_logarithmic_error` (`msle`).
pub trait IntoLoss {
    /// The loss.
    ///
    /// # Errors
    /// When there is none of that name; lists the known ones.
    fn into_loss(self) -> Result<Box<dyn Loss>, Error>;
}

impl<L: Loss + 'static> IntoLoss for L {
    fn into_loss(self) -> Result<Box<dyn Loss>, Error> {
        Ok(Box::new(self))
    }
}

impl IntoLoss for Box<dyn Loss> {
    fn into_loss(self) -> Result<Box<dyn Loss>, Error> {
        Ok(self)
    }
}

impl IntoLoss for &str {
    fn into_loss(self) -> Result<Box<dyn Loss>, Error> {
        by_name("loss", TABLE, self)
    }
}

/// The mean over all axes but the first.
pub(crate) fn rows(x: &Tensor) -> Tensor {
    match x.shape() {
        Ok(shape) if shape.len() > 1 => x.mean_axes((1..shape.len() as isize).collect::<Vec<_>>()),
        _ => x.clone(),
    }
}

/// A loss that compares numbers with numbers, elementwise.
macro_rules! elementwise {
    ($(#[$doc:meta])* $type:ident, $name:literal, |$output:ident, $target:ident| $formula:expr) => {
        $(#[$doc])*
        ///
        /// The target has the shape of the output; its last axis may be missing where the output's has size 1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $type;

        impl crate::losses::Loss for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn per_example(
                &self,
                output: &crate::layers::Output,
                target: &wengert_autograd::Tensor,
            ) -> wengert_autograd::Tensor {
                let $output = &output.value;
                let $target = &crate::targets::like(target, $output);
                crate::losses::rows(&$formula)
            }
        }
    };
}
use elementwise;
