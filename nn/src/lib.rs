//! Layers, losses, optimisers, training and data for the [wengert](https://docs.rs/wengert) automatic differentiation engine.
//!
//! ```
//! use wengert_nn::prelude::*;
//!
//! let (train, test) = data::digits()?;
//! let mut model = Sequential::new()
//!     .add(Flatten)
//!     .add(Dense::new(32).activation(Relu))
//!     .add(Dropout::new(0.1))
//!     .add(Dense::new(10).activation(Softmax));
//! model.compile(Adam::default(), CategoricalCrossentropy, [Accuracy])?;
//! let history = model.fit(&train, Fit::epochs(3).batch_size(32).validation(&test))?;
//! println!("{history}");
//! # assert!(history["loss"][2] < history["loss"][0]);
//! # Ok::<(), wengert_nn::Error>(())
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | [`layers`], [`activations`], [`initializers`], [`regularizers`] | what a network is made of |
//! | [`losses`], [`metrics`] | how wrong it is |
//! | [`optimizers`] | how it follows the gradient |
//! | [`models`], [`training`] | layers together, and the loops around them |
//! | [`data`] | examples, and their way into training |
//!
//! Each layer, loss, metric and optimiser is one file; those that a name will do for stand in one table beside it.
#![forbid(unsafe_code)]

pub mod activations;
mod choice;
pub mod data;
mod error;
pub mod initializers;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod models;
pub mod optimizers;
#[cfg(feature = "plot")]
pub mod plot;
pub mod prelude;
pub mod regularizers;
#[cfg(test)]
mod scratch;
mod targets;
pub mod training;

pub use choice::Choice;
pub use error::Error;
