//! Models: layers that can be trained, asked and saved.

mod built;
mod checkpoint;
mod file;
mod json;
mod sequential;
mod summary;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use built::{Built, Recipe, Tally};
pub(crate) use checkpoint::{Checkpoint, Extra};
pub(crate) use json::Json;
pub use sequential::Sequential;
