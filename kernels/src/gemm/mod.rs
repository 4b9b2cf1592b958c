//! Gemm: batched matrix multiplication.

use crate::Expr;

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// `C = A B` for each matrix of a batch, then an epilogue.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | input A | any numeric | `[batch.., m, k]`, any strides: a transposed matrix is one with swapped strides |
/// | input B | as A | `[batch.., k, n]`, any strides |
/// | inputs of `epilogue` after its first | as it says | `[batch.., m, n]`, any strides |
/// | outputs: those of `epilogue`, or C | as A | `[batch.., m, n]`, row-major |
/// | output, if `column_sums` (then no batch) | as A | `[n]`: the sum over `k` of B |
///
/// 16-bit floats accumulate in `f32`. `k` is never split between threads, so results do not depend on their number.
/// An output may be the memory of an epilogue's input of the same layout, never of A or B.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gemm {
    /// Whether the sums of B's columns are a further output: the bias gradient that accompanies a weight gradient.
    pub column_sums: bool,
    /// What is computed from each element of C, which is the expression's input 0.
    pub epilogue: Option<Expr>,
}
