//! `matmul`: products of matrices.

use super::prelude::*;

/// `[batch.., m, k] [batch.., k, n] -> [batch.., m, n]`, batch axes equal.
#[derive(Debug)]
struct MatMul;

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [a, b] = inputs else { return Err(Refusal::new("it takes two operands")) };
        if a.dtype != b.dtype || a.dtype == DType::Bool {
            return Err(
                Refusal::new(format!("it does not multiply {} and {}", a.dtype, b.dtype)).hint("cast() the operands")
            );
        }
        let rank = a.rank();
        if rank < 2 || b.rank() != rank {
            return Err(Refusal::new("both need two or more axes, and as many"));
        }
        let (m, k, n) = (&a.shape[rank - 2], &a.shape[rank - 1], &b.shape[rank - 1]);
        if context.dims.unify(k, &b.shape[rank - 2], context.origin).is_none() {
            return Err(Refusal::new(format!("the inner sizes {k} and {} differ", b.shape[rank - 2]))
                .hint("the columns of the left matrix must be as many as the rows of the right one; t() transposes"));
        }
        let mut shape = Vec::with_capacity(rank);
        for (left, right) in a.shape[..rank - 2].iter().zip(&b.shape[..rank - 2]) {
            let size = context.dims.unify(left, right, context.origin);
            shape.push(size.ok_or_else(|| Refusal::new(format!("the batch sizes {left} and {right} differ")))?);
        }
        shape.extend([m.clone(), n.clone()]);
        Ok(TensorType::new(a.dtype, shape))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (a, b) = (&v.inputs[0], &v.inputs[1]);
        let left = if v.wanted[0] { Grad::Some(v.cotangent.matmul(&b.t())) } else { Grad::Disconnected };
        let right = if v.wanted[1] { Grad::Some(a.t().matmul(&v.cotangent)) } else { Grad::Disconnected };
        vec![left, right]
    }

    fn lower(&self) -> Lower {
        Lower::MatMul
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "matmul",
    parse: |_| Ok(Arc::new(MatMul)),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 4], -1.0, 1.0), (&[4, 2], -1.0, 1.0)], |x| x[0].matmul(&x[1])),
        one(&[(&[3, 4], -1.0, 1.0)], |x| x[0].matmul(&x[0].t())),
        one(&[(&[2, 1, 3, 4], -1.0, 1.0), (&[3, 4, 2], -1.0, 1.0)], |x| x[0].matmul(&x[1])),
        one(&[(&[4], -1.0, 1.0), (&[4, 3], -1.0, 1.0)], |x| x[0].matmul(&x[1])),
        one(&[(&[4], -1.0, 1.0), (&[4], -1.0, 1.0)], |x| x[0].matmul(&x[1])),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, b, _| a.matmul(b)),
        misuse!(|a, _, _| a.matmul(&a.sum())),
        misuse!(|_, _, flag| flag.matmul(&flag.t())),
    ],
};

impl Tensor {
    /// The matrix product, by NumPy's rules: leading axes broadcast, a vector on the left is a row, one on the right a
    /// column, and its axis disappears from the result.
    ///
    /// Shapes: `[.., m, k]` with `[.., k, n]` gives `[.., m, n]`.
    #[must_use]
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        let place = Location::caller();
        let (mut a, mut b) = super::cast::promoted(self, other, place);
        let (Ok(mut left), Ok(mut right)) = (a.shape(), b.shape()) else { return a.apply(MatMul, &[&b], place) };
        if left.is_empty() || right.is_empty() {
            return a.apply(MatMul, &[&b], place);
        }
        let (row, column) = (left.len() == 1, right.len() == 1);
        if row {
            left.insert(0, Dim::Known(1));
            a = a.reshape_dims(&left, place);
        }
        if column {
            right.push(Dim::Known(1));
            b = b.reshape_dims(&right, place);
        }
        // Batch axes that differ are repeated; for equal ones this records nothing.
        let (batch_left, batch_right) = (&left[..left.len() - 2], &right[..right.len() - 2]);
        if batch_left != batch_right {
            let origin = Origin::new(place, None);
            let batch = crate::broadcast(&[batch_left, batch_right], &mut self.graph().state().dims, &origin);
            if let Ok(batch) = batch {
                a = a.broadcast_dims(&[&batch, &left[left.len() - 2..]].concat(), place);
                b = b.broadcast_dims(&[&batch, &right[right.len() - 2..]].concat(), place);
            }
        }
        let product = a.apply(MatMul, &[&b], place);
        if !row && !column {
            return product;
        }
        let Ok(mut shape) = product.shape() else { return product };
        if column {
            shape.pop();
        }
        if row {
            shape.remove(shape.len() - usize::from(!column) - 1);
        }
        product.reshape_dims(&shape, place)
    }
}
