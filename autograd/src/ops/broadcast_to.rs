//! `broadcast_to`: elements repeated along unit or new axes.

use super::prelude::*;

/// The operand repeated to a shape by NumPy's rule.
#[derive(Debug)]
struct BroadcastTo(Vec<Dim>);

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("shape", self.0.as_slice())
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        let met = crate::broadcast(&[&x.shape, &self.0], context.dims, context.origin)?;
        if met.len() != self.0.len() || !met.iter().zip(&self.0).all(|(a, b)| context.dims.equal(a, b)) {
            return Err(Refusal::new(format!("it does not repeat to {:?}", self.0)));
        }
        Ok(TensorType::new(x.dtype, self.0.clone()))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![Grad::Some(v.cotangent.sum_to(&v.inputs[0]))]
    }

    fn lower(&self) -> Lower {
        Lower::View(View::Broadcast)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "broadcast_to",
    parse: |attributes| Ok(Arc::new(BroadcastTo(attributes.dims("shape")?))),
    #[cfg(test)]
    checks: &[one(&[(&[3, 1], -2.0, 2.0)], |x| x[0].broadcast_to([2, 3, 4]).exp())],
    #[cfg(test)]
    misuses: &[misuse!(|a, _, _| a.broadcast_to([3])), misuse!(|a, _, _| a.broadcast_to([2, 4]))],
};

impl Tensor {
    /// The tensor repeated to `shape`: axes are matched from the right, those of size 1 and missing ones repeat.
    #[must_use]
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Tensor {
        let dims: Vec<Dim> = shape.as_ref().iter().map(|&size| Dim::Known(size)).collect();
        self.broadcast_dims(&dims, Location::caller())
    }

    /// The tensor repeated to the shape of `other`.
    #[must_use]
    #[track_caller]
    pub fn broadcast_like(&self, other: &Tensor) -> Tensor {
        match other.shape() {
            Ok(shape) => self.broadcast_dims(&shape, Location::caller()),
            Err(_) => other.clone(),
        }
    }

    pub(crate) fn broadcast_dims(&self, shape: &[Dim], place: Place) -> Tensor {
        match self.shape() {
            Ok(have) if have == shape => self.clone(),
            _ => self.apply(BroadcastTo(shape.to_vec()), &[], place),
        }
    }
}
