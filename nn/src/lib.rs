//! stub
#![forbid(unsafe_code)]

pub mod data;
mod error;
mod files;
#[cfg(feature = "plot")]
pub mod plot;

pub use error::Error;
