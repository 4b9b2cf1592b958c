//! A CUDA device on the CPU, for development: it runs the PTX that NVRTC emits and reports what hardware hides.
//!
//! The way of a kernel: [`ptx`] reads its text into a tree, [`lower`] decodes each instruction once into a typed form,
//! [`machine`] runs a launch of it warp by warp over [`memory`], whose shadow knows who wrote what when. What goes wrong is a
//! [`Report`] that names kernel, source line, block, thread and address.
//!
//! Numbers come out of [`alu`], pure functions over the 32 lanes of a warp.
//!
//! It cannot model timing, the rounding of approximate functions beyond their documented error, the summation order of tensor
//! cores, or bugs of ptxas.
#![forbid(unsafe_code)]

pub mod alu;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
pub mod lower;
pub mod machine;
pub mod memory;
mod module;
pub mod ptx;
mod report;

pub use error::{Error, ErrorKind};
pub use module::{Module, NEWEST_PTX};
pub use report::{Access, Finding, Place, Report, SourcePlace};
