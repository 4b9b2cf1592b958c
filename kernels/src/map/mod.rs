//! Map: a fused scalar expression over whole arrays, with broadcasting.

use crate::Expr;

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// Evaluates `expr` at every index of an iteration space.
///
/// One step may run the same expression over several *segments* (the parameters an optimiser updates, say); its operands
/// are those of each segment in turn.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | inputs, per segment: `expr.inputs().len()` | as the expression says | any; the segment's shape, broadcast by zero strides |
/// | outputs, per segment: `expr.outputs().len()` | as the expression says | the segment's shape; no two indices at one place |
///
/// An output may be the very memory of an input of the same layout and element size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Map {
    /// What is computed for one index.
    pub expr: Expr,
    /// How many times the operand list repeats.
    pub segments: usize,
}
