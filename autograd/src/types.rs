//! Tensor types: dtype and shape, and the one table of promotion.

use crate::{DType, Dim, Dims, Origin};
use std::fmt;

/// What is known of a tensor before it has a value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Dtype of the elements.
    pub dtype: DType,
    /// Size along each axis.
    pub shape: Vec<Dim>,
}

impl TensorType {
    /// A type.
    #[must_use]
    pub fn new(dtype: DType, shape: impl IntoIterator<Item = Dim>) -> TensorType {
        TensorType { dtype, shape: shape.into_iter().collect() }
    }

    /// Number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> Dim {
        Dim::product(&self.shape)
    }

    /// Whether it is known that there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.iter().any(|dim| *dim == 0)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

impl fmt::Debug for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The dtype in which two dtypes meet: JAX's lattice. Its only path from integers to floats goes to the float's own width.
///
/// ```
/// # use wengert_autograd::{promote, DType};
/// assert_eq!(promote(DType::F32, DType::F64), DType::F64);
/// assert_eq!(promote(DType::I64, DType::F16), DType::F16);
/// assert_eq!(promote(DType::F16, DType::BF16), DType::F32);
/// ```
#[must_use]
pub fn promote(a: DType, b: DType) -> DType {
    // `DType::ALL` is in lattice order but for the two 16-bit floats, which meet in f32.
    match (a, b) {
        (DType::F16, DType::BF16) | (DType::BF16, DType::F16) => DType::F32,
        _ => a.max(b),
    }
}

/// The shape that several shapes broadcast to: axes are matched from the right, a known 1 repeats, open sizes never do.
///
/// # Errors
/// Says which axes do not fit.
pub fn broadcast(shapes: &[&[Dim]], dims: &mut Dims, origin: &Origin) -> Result<Vec<Dim>, String> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![Dim::Known(1); rank];
    for shape in shapes {
        let missing = rank - shape.len();
        for (axis, dim) in shape.iter().enumerate() {
            let met = &mut result[missing + axis];
            let (left, right) = (dims.resolve(met), dims.resolve(dim));
            *met = match (&left, &right) {
                (_, Dim::Known(1)) => left,
                (Dim::Known(1), _) => right,
                _ => dims.unify(&left, &right, origin).ok_or_else(|| {
                    format!(
                        "sizes {left} and {right} of axis {} (counted from the last) do not broadcast",
                        rank - missing - axis
                    )
                })?,
            };
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_a_lattice() {
        // semantics 1.2
        for a in DType::ALL {
            for b in DType::ALL {
                assert_eq!(promote(a, b), promote(b, a));
                for c in DType::ALL {
                    assert_eq!(promote(promote(a, b), c), promote(a, promote(b, c)), "{a} {b} {c}");
                }
            }
        }
        assert_eq!(promote(DType::Bool, DType::U8), DType::U8);
        assert_eq!(promote(DType::U8, DType::I32), DType::I32);
    }

    #[test]
    fn open_sizes_never_repeat() {
        // semantics 1.4
        let mut dims = Dims::default();
        let n = dims.symbol("n");
        let origin = Origin::here();
        let shape = broadcast(&[&[n.clone(), Dim::Known(1)], &[Dim::Known(5)]], &mut dims, &origin).unwrap();
        assert_eq!(shape, [n.clone(), Dim::Known(5)]);
        assert_eq!(
            broadcast(&[std::slice::from_ref(&n), &[Dim::Known(3)]], &mut dims, &origin).unwrap(),
            [Dim::Known(3)]
        );
        assert!(broadcast(&[&[Dim::Known(2)], &[Dim::Known(3)]], &mut dims, &origin).is_err());
    }
}
