//! Layers, losses, optimisers, training and data for the [wengert](https://docs.rs/wengert) automatic differentiation engine.
#![forbid(unsafe_code)]

pub mod activations;
mod choice;
pub mod data;
mod error;
mod files;
pub mod initializers;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod models;
pub mod optimizers;
#[cfg(feature = "plot")]
pub mod plot;

mod targets;
pub mod training;

pub use choice::Choice;
pub use error::Error;
