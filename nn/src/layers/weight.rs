//! A weight of a layer: how it starts, and what is paid for its size.

use super::At;
use crate::choice::Choice;
use crate::initializers::Initializer;
use crate::regularizers::{COLLECTION, Regularizer};
use wengert_autograd::{DType, Initial, Tensor};

/// What a layer says of one of its weights.
#[derive(Clone, Debug)]
pub(super) struct Weight {
    pub(super) initializer: Choice<Initializer>,
    pub(super) regularizer: Option<Choice<Regularizer>>,
}

impl Weight {
    pub(super) fn new(initializer: Initializer) -> Weight {
        Weight { initializer: initializer.into(), regularizer: None }
    }

    /// The layer's variable for `role`: the one of an earlier application, or a new one with its penalty.
    pub(super) fn variable(&self, at: &At<'_>, role: &str, dtype: DType, shape: &[usize]) -> Tensor {
        if let Some(variable) = at.existing(role) {
            return variable;
        }
        let regularizer = self.regularizer.as_ref().map(|chosen| chosen.0.as_ref()).transpose();
        let variable = at.variable(role, || match (&self.initializer.0, &regularizer) {
            (Err(why), _) => Initial::failed(why),
            (_, Err(why)) => Initial::failed(*why),
            (Ok(initializer), Ok(_)) => initializer.initial(dtype, shape),
        });
        if let Ok(Some(regularizer)) = regularizer {
            variable.graph().add_to_collection(COLLECTION, &regularizer.of(&variable));
        }
        variable
    }
}

/// The dtype of the weights beside an input: its own if it is a float, else `f32`.
pub(super) fn weight_dtype(input: DType) -> DType {
    if input.is_float() { input } else { DType::F32 }
}

/// The methods that choose the initialiser and the regulariser of each weight of a layer, and its name.
macro_rules! setters {
    ($layer:ident, $kind:literal $(, $weight:ident: $initializer:ident $regularizer:ident)*) => {
        impl $layer {
            $(
                #[doc = concat!("How the ", stringify!($weight), " starts, by value or by name.")]
                #[must_use]
                pub fn $initializer(
                    mut self,
                    initializer: impl Into<crate::Choice<crate::initializers::Initializer>>,
                ) -> $layer {
                    self.$weight.initializer = initializer.into();
                    self
                }

                #[doc = concat!("What the loss pays for the size of the ", stringify!($weight), ", by value or by name.")]
                #[must_use]
                pub fn $regularizer(
                    mut self,
                    regularizer: impl Into<crate::Choice<crate::regularizers::Regularizer>>,
                ) -> $layer {
                    self.$weight.regularizer = Some(regularizer.into());
                    self
                }
            )*

            #[doc = concat!("A name in place of `", $kind, "`, `", $kind, "_1`, ...")]
            #[must_use]
            pub fn name(mut self, name: &str) -> $layer {
                self.identity = self.identity.named(name);
                self
            }
        }
    };
}
pub(super) use setters;
