//! The tape of the [wengert](https://docs.rs/wengert) automatic differentiation engine.
#![forbid(unsafe_code)]

mod bound;
mod check;
mod compile;
mod custom;
mod dim;
mod error;
mod feed;
mod function;
mod grad;
mod graph;
mod op;
mod ops;
mod origin;
mod session;
mod sliding;
mod tensor;
mod text;
mod trap;
mod types;
mod update;

pub use check::check_gradients;
pub use compile::{Canonical, Class, Fused, Planned, Policy, RULES, Recorded, Rule};
pub use custom::custom_op;
pub use dim::{Dim, Dims, Poly, Symbol};
pub use error::Error;
pub use feed::{Feed, Initial};
pub use function::{Function, FunctionBuilder};
pub use grad::{Grad, GradOptions, gradients};
pub use graph::Graph;
pub use op::{Attribute, Attributes, Infer, Lower, Op, Refusal, View, Vjp};
pub use ops::{ConvOptions, Operand, PoolOptions, Span, custom_vjp};
pub use origin::Origin;
pub use session::{Fetches, Session, Stats};
pub use sliding::{DataFormat, Padding, Sliding};
pub use tensor::Tensor;
pub use types::{TensorType, broadcast, promote};
pub use update::Update;
pub use wengert_kernels::{
    Array, ArrayView, ArrayViewMut, CudaKernel, CustomKernel, DType, Device, Error as KernelError,
};
