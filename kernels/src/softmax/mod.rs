//! Softmax and log-softmax along the last axis.

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// `e^(x - max) / sum` or its logarithm along the last axis.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | input | `F16`, `BF16`, `F32`, `F64` | any |
/// | output | as the input | the same shape, row-major; it may be the input's memory |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Softmax {
    /// Whether the logarithm is computed.
    pub log: bool,
}
