#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod build_info;
mod error;

pub use build_info::{BuildInfo, build_info};
pub use error::Error;
pub use wengert_autograd::{
    Array, ArrayView, ArrayViewMut, Attribute, Attributes, Class, ConvOptions, CudaKernel, CustomKernel, DType,
    DataFormat, Device, Dim, Feed, Fetches, Function, FunctionBuilder, Grad, GradOptions, Graph, Infer, Initial,
    KernelError, Lower, Op, Operand, Origin, Padding, Policy, PoolOptions, RULES, Refusal, Rule, Session, Sliding,
    Span, Stats, Symbol, Tensor, TensorType, Update, View, Vjp, check_gradients, custom_op, custom_vjp, feed,
    gradients, promote, s,
};
pub use wengert_nn::{
    activations, data, initializers, layers, losses, metrics, models, optimizers, regularizers, training,
};

#[cfg(feature = "plot")]
pub use wengert_nn::plot;

#[cfg(feature = "cuda")]
pub use wengert_kernels::cuda;

/// Arrays, devices and kernels, for those who write kernels or programs of their own.
pub mod kernels {
    pub use wengert_kernels::*;
}

/// What most programs need: `use wengert::prelude::*;`.
pub mod prelude {
    pub use crate::DType::{BF16, Bool, F16, F32, F64, I32, I64, U8};
    pub use crate::{Array, DType, Device, Error, Feed, Graph, Session, Tensor, feed, gradients, s};
    pub use wengert_nn::prelude::*;
}
