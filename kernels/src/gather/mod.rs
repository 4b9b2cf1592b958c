//! Gather and ScatterAdd: rows by index, and their adjoint.

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// Rows of the first input along `axis`, as NumPy's `take`.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | input | any | `[before.., n, after..]`, any |
/// | index | `I32`, `I64`, `U8` | `[index..]`, any; `-n <= i < n`, negative ones count from the end |
/// | output | as the input | `[before.., index.., after..]`, row-major |
///
/// An index out of range is an error of the run ([`Error::is_index`](crate::Error::is_index)) that names the first one in
/// row-major order; nothing is written then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    /// The axis that the index replaces.
    pub axis: usize,
}

/// A copy of the first input to which rows are added along `axis`; repeated indices add in row-major order of the index,
/// each sum rounded to the dtype.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | input | any numeric | `[before.., n, after..]`, any |
/// | index | `I32`, `I64`, `U8` | `[index..]`, any; as for [`Gather`] |
/// | updates | as the input | `[before.., index.., after..]`, any |
/// | output | as the input | as the input's shape, row-major; it may be the input's memory |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScatterAdd {
    /// The axis that the index replaces.
    pub axis: usize,
}

/// The words for an index out of range, the same on every device.
fn out_of_range(index: i64, axis: usize, size: usize) -> crate::Error {
    crate::Error::index(format!("index {index} is out of range for axis {axis} of size {size}"))
}
