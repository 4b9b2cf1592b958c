//! Data sets, and their way into training.
//!
//! A [`Dataset`] holds examples and what is to be learned about them; [`Dataset::batches`] makes a [`Loader`], which
//! hands out shuffled mini-batches. Images stay in bytes until they are read; [`Normalization`] and [`Augmentation`] say
//! what becomes of them then. The sets that come with the crate or are found on disk:
//!
//! | function | examples | where the data are |
//! |---|---|---|
//! | [`digits()`] | 1,797 images of 8 x 8 | in the crate |
//! | [`mnist()`] | 70,000 images of 28 x 28 | on disk |
//! | [`fashion_mnist`] | 70,000 images of 28 x 28 | on disk |
//! | [`cifar10()`] | 60,000 images of 32 x 32 in colour | on disk |
//! | [`make_blobs`], [`make_moons`] | points | made on the spot |
//!
//! [`Source`] has those on disk by name and, with the feature `data`, downloads them if a program asks for that.
//!
//! Other data come in as [`Array`](wengert_kernels::Array)s or from [`idx`] files.

mod augment;
pub mod cifar10;
mod dataset;
pub mod digits;
#[cfg(feature = "data")]
mod download;
mod examples;
mod find;
mod gather;
mod generate;
pub mod idx;
mod loader;
mod mnist;
mod normalize;
mod numpy;
mod prefetch;
mod reader;
mod shuffle;
mod source;

pub use augment::Augmentation;
pub use cifar10::cifar10;
pub use dataset::Dataset;
pub use digits::digits;
#[cfg(feature = "data")]
pub use download::Progress;
pub use generate::{make_blobs, make_moons};
pub use loader::{Loader, Steps};
pub use mnist::{fashion_mnist, mnist};
pub use normalize::Normalization;
pub use numpy::RandomState;
pub use reader::{Batch, Batches};
pub use source::Source;
