//! The tape of the [wengert](https://docs.rs/wengert) automatic differentiation engine.
#![forbid(unsafe_code)]

mod dim;
mod error;
mod feed;
mod grad;
mod graph;
mod op;
mod ops;
mod origin;
mod tensor;
mod types;

pub use dim::{Dim, Dims, Poly, Symbol};
pub use error::Error;
pub use feed::{Feed, Initial};
pub use grad::{Grad, GradOptions, gradients};
pub use graph::Graph;
pub use op::{Attribute, Attributes, Infer, Lower, Op, Refusal, View, Vjp};
pub use ops::{Operand, Span, custom_vjp};
pub use origin::Origin;
pub use tensor::Tensor;
pub use types::{TensorType, broadcast, promote};
pub use wengert_kernels::{Array, ArrayView, DType, Device};

/// A variable and what it becomes.
#[derive(Clone, Debug)]
pub struct Update {
    pub(crate) variable: Tensor,
    pub(crate) value: Tensor,
}

impl Update {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
