//! Arrays, devices and kernels of the [wengert](https://docs.rs/wengert) automatic differentiation engine.
//!
//! A *kernel* is a description in plain data ([`Map`], [`Reduce`], [`Gemm`], [`Conv`], [`Pool`], [`Softmax`],
//! [`Gather`], [`ScatterAdd`], [`Random`], a user's [`Custom`]); a [`Program`] is a list of them over planned memory; a [`Device`] loads a program and runs it. Each family
//! is one folder: description and contract in `mod.rs`, a naive `f64` reference, and one implementation per device.

mod array;
mod buffer;
#[cfg(any(test, feature = "conformance"))]
#[doc(hidden)]
pub mod conformance;
mod conv;
mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod custom;
mod device;
mod dtype;
mod error;
mod expr;
pub mod files;
mod gather;
mod gemm;
mod layout;
mod map;
mod plain;
mod pool;
mod program;
mod random;
mod reduce;
mod reference;
mod resident;
mod slide;
mod softmax;
#[doc(hidden)]
pub mod text;

pub use array::{Array, ArrayView, ArrayViewMut};
pub use buffer::Buffer;
pub use conv::{Conv, ConvPass};
pub use custom::{CudaKernel, Custom, CustomKernel};
pub use device::{Device, Executor, Isa, Loaded, Memory};
pub use dtype::{DType, Element};
pub use error::Error;
pub use expr::{Binary, Expr, Literal, Scalar, Unary, Value};
pub use gather::{Gather, ScatterAdd};
pub use gemm::Gemm;
#[doc(hidden)]
pub use half;
pub use layout::{Layout, checked_len};
pub use map::Map;
pub use pool::{Pool, PoolOp};
pub use program::{Base, Extern, Kernel, Operand, Program, Step};
pub use random::{Distribution, Philox, Random};
pub use reduce::{Reduce, ReduceOp};
pub use resident::Resident;
pub use slide::Slide;
pub use softmax::Softmax;
