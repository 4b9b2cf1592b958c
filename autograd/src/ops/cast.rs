//! `cast`: conversion of dtype.

use super::prelude::*;

/// The elements converted: floats to integers truncate toward zero and saturate, to `bool` test for non-zero.
#[derive(Debug)]
struct Cast(DType);

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("to", self.0)
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        Ok(TensorType::new(self.0, x.shape.clone()))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![match v.inputs[0].dtype() {
            Ok(dtype) if dtype.is_float() && self.0.is_float() => Grad::Some(v.cotangent.cast(dtype)),
            _ => Grad::Disconnected,
        }]
    }

    fn lower(&self) -> Lower {
        Lower::Cast
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "cast",
    parse: |attributes| Ok(Arc::new(Cast(attributes.dtype("to")?))),
    #[cfg(test)]
    checks: &[one(&[(&[3, 5], 1.1, 1.9)], |x| x[0].cast(DType::I64).cast(DType::F64) * &x[0])],
    #[cfg(test)]
    misuses: &[],
};

impl Tensor {
    /// The elements as `dtype`. The gradient passes between floats and stops at other dtypes.
    #[must_use]
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        cast(self, dtype, Location::caller())
    }
}

pub(super) fn cast(x: &Tensor, dtype: DType, place: Place) -> Tensor {
    if x.dtype().is_ok_and(|have| have == dtype) { x.clone() } else { x.apply(Cast(dtype), &[], place) }
}

/// The tensor itself if it is one of floats, else as `f32`.
pub(super) fn to_float(x: &Tensor, place: Place) -> Tensor {
    if x.dtype().is_ok_and(|dtype| !dtype.is_float()) { cast(x, DType::F32, place) } else { x.clone() }
}

/// `bool` and small integers as `i64`: what sums and products of them need.
pub(super) fn to_wide(x: &Tensor, place: Place) -> Tensor {
    match x.dtype() {
        Ok(DType::Bool | DType::U8 | DType::I32) => cast(x, DType::I64, place),
        _ => x.clone(),
    }
}

/// Runs `build` on floats in the dtype that arithmetic is done in, and gives what it builds the dtype of `x`, or `f32`.
pub(super) fn computed(x: &Tensor, place: Place, build: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let x = to_float(x, place);
    match x.dtype() {
        Ok(dtype) => cast(&x.graph().composed(place, || build(&cast(&x, dtype.compute(), place))), dtype, place),
        Err(_) => x,
    }
}

/// Both tensors in the dtype where theirs meet.
pub(super) fn promoted(a: &Tensor, b: &Tensor, place: Place) -> (Tensor, Tensor) {
    match (a.dtype(), b.dtype()) {
        (Ok(left), Ok(right)) if left != right => {
            let dtype = crate::promote(left, right);
            (cast(a, dtype, place), cast(b, dtype, place))
        }
        _ => (a.clone(), b.clone()),
    }
}
