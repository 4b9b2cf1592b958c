//! Reduce: sums, products and extremes along axes.

use crate::Expr;

mod arg;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod fold;
pub(crate) mod reference;
mod source;

/// What a [`Reduce`] computes along its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// Sum, 0 when empty.
    Sum,
    /// Product, 1 when empty.
    Prod,
    /// Largest element, NaN if any is NaN; `bool`: whether any holds. Empty: the dtype's lowest value (-inf for floats).
    Max,
    /// Smallest element, NaN if any is NaN; `bool`: whether all hold. Empty: the dtype's highest value (inf for floats).
    Min,
    /// Row-major number (`I64`) of the first largest element among the reduced axes; the first NaN wins.
    ArgMax,
    /// Row-major number (`I64`) of the first smallest element among the reduced axes; the first NaN wins.
    ArgMin,
}

/// Reduces `axes` of an iteration space.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | inputs: those of `prologue`, or one | any | the iteration space, any strides |
/// | inputs: those of `epilogue` after its first | as it says | the result's shape, any strides |
/// | outputs: those of `epilogue`, or one | the value's dtype (`I64` for `ArgMax`, `ArgMin`) | the iteration space without `axes`, in order |
///
/// A sum or product of `bool` is whether any or all hold; integers wrap; `ArgMax` and `ArgMin` of nothing are 0.
/// Sums of `f32` keep their error near that of a pairwise sum; the order of summation depends on the sizes only (on CUDA also
/// on the strides), never on the number of threads. An output must not share memory with an input of the iteration space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reduce {
    /// The operation.
    pub op: ReduceOp,
    /// The axes reduced, ascending.
    pub axes: Vec<usize>,
    /// What is computed for each element before it is reduced; one result.
    pub prologue: Option<Expr>,
    /// What is computed from each result, which is the expression's input 0.
    pub epilogue: Option<Expr>,
}
