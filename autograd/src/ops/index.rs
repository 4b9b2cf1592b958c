//! `index`: each element's index along an axis.

use super::prelude::*;
use crate::Graph;

/// The index along an axis of a shape.
#[derive(Debug)]
struct Index {
    shape: Vec<Dim>,
    axis: usize,
}

impl Op for Index {
    fn name(&self) -> &'static str {
        "index"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("shape", self.shape.as_slice()).with("axis", self.axis)
    }

    fn infer(&self, _: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        if self.axis >= self.shape.len() {
            return Err(Refusal::new(format!("there is no axis {}", self.axis)));
        }
        Ok(TensorType::new(DType::I64, self.shape.clone()))
    }

    fn vjp(&self, _: &Vjp) -> Vec<Grad> {
        vec![]
    }

    fn lower(&self) -> Lower {
        Lower::Index(self.axis)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "index",
    parse: |attributes| {
        let axis = usize::try_from(attributes.int("axis")?).map_err(|_| "axis is negative")?;
        Ok(Arc::new(Index { shape: attributes.dims("shape")?, axis }))
    },
    #[cfg(test)]
    checks: &[one(&[(&[3, 5], -2.0, 2.0)], |x| &x[0] * x[0].index_along(-1).cast(DType::F64))],
    #[cfg(test)]
    misuses: &[misuse!(|a, _, _| a.index_along(2))],
};

pub(super) fn index(graph: &Graph, shape: Vec<Dim>, axis: usize, place: Place) -> Tensor {
    graph.record(Arc::new(Index { shape, axis }), &[], place)
}

impl Tensor {
    /// Each element's index along `axis`, as `i64`, in the shape of this tensor.
    #[must_use]
    #[track_caller]
    pub fn index_along(&self, axis: isize) -> Tensor {
        let place = Location::caller();
        match (self.axis(axis, "index", place), self.shape()) {
            (Ok(axis), Ok(shape)) => index(self.graph(), shape, axis, place),
            (Err(error), _) | (_, Err(error)) => self.graph().poisoned(error),
        }
    }
}

impl Graph {
    /// The integers 0, 1, .. below `len`, as `i64`.
    #[must_use]
    #[track_caller]
    pub fn arange(&self, len: impl Into<Dim>) -> Tensor {
        index(self, vec![len.into()], 0, Location::caller())
    }
}
