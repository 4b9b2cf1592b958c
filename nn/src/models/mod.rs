//! Models: layers that can be trained, asked and saved.

mod built;
mod sequential;
mod summary;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use built::{Built, Recipe, Tally};
pub use sequential::Sequential;
