//! `reshape`: the same elements, in row-major order, under another shape.

use super::prelude::*;

/// The elements in row-major order under a shape of as many elements.
#[derive(Debug)]
struct Reshape(Vec<Dim>);

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("shape", self.0.as_slice())
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        let (have, want) = (x.len(), Dim::product(&self.0));
        context
            .dims
            .unify(&have, &want, context.origin)
            .map(|_| TensorType::new(x.dtype, self.0.clone()))
            .ok_or_else(|| Refusal::new(format!("{have} elements do not make a shape of {want}")))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![Grad::Some(v.cotangent.reshape_like(&v.inputs[0]))]
    }

    fn lower(&self) -> Lower {
        Lower::View(View::Reshape)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "reshape",
    parse: |attributes| Ok(Arc::new(Reshape(attributes.dims("shape")?))),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 4], -2.0, 2.0)], |x| x[0].reshape([2, -1]).exp()),
        one(&[(&[3, 4], -2.0, 2.0)], |x| x[0].flatten().exp()),
        one(&[(&[1, 3], -2.0, 2.0)], |x| x[0].squeeze(0).expand_dims(-1).exp()),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.reshape([4])),
        misuse!(|a, _, _| a.reshape([-1, 4])),
        misuse!(|a, _, _| a.reshape([-1, -1])),
        misuse!(|a, _, _| a.expand_dims(7)),
        misuse!(|a, _, _| a.squeeze(0)),
    ],
};

impl Tensor {
    /// The same elements in row-major order as `shape`, in which one size may be -1: whatever is left.
    #[must_use]
    #[track_caller]
    pub fn reshape(&self, shape: impl AsRef<[isize]>) -> Tensor {
        let (place, shape) = (Location::caller(), shape.as_ref());
        let Ok(ty) = self.ty() else { return self.clone() };
        if shape.iter().filter(|&&size| size < 0).count() > 1 || shape.iter().any(|&size| size < -1) {
            return self.refuse(
                format!("reshape of {ty} to {shape:?}: one size at most may be -1, the others are not negative"),
                place,
            );
        }
        let known = Dim::product(
            &shape.iter().filter_map(|&size| usize::try_from(size).ok()).map(Dim::Known).collect::<Vec<_>>(),
        );
        let rest = if known == 0 { Dim::Known(0) } else { ty.len().over(&known) };
        let rest = if ty.len().known().is_some() && !ty.len().is_multiple_of(&known) && known != 0 {
            Dim::Known(0)
        } else {
            rest
        };
        let dims: Vec<Dim> =
            shape.iter().map(|&size| usize::try_from(size).map_or_else(|_| rest.clone(), Dim::Known)).collect();
        self.reshape_dims(&dims, place)
    }

    /// All axes but the first `[n, ..]` as one: `[n, rest]`.
    #[must_use]
    #[track_caller]
    pub fn flatten(&self) -> Tensor {
        let place = Location::caller();
        match self.shape() {
            Ok(shape) if !shape.is_empty() => self.reshape_dims(&[shape[0].clone(), Dim::product(&shape[1..])], place),
            Ok(_) => self.refuse("flatten of a scalar: there is no first axis", place),
            Err(_) => self.clone(),
        }
    }

    /// The tensor with another axis of size 1, before the place where `axis` then is.
    #[must_use]
    #[track_caller]
    pub fn expand_dims(&self, axis: isize) -> Tensor {
        let place = Location::caller();
        let Ok(ty) = self.ty() else { return self.clone() };
        match crate::tensor::normal_axis(axis, ty.rank() + 1) {
            Some(axis) => {
                let mut shape = ty.shape;
                shape.insert(axis, Dim::Known(1));
                self.reshape_dims(&shape, place)
            }
            None => self.refuse(format!("expand_dims of {ty}: there is no place {axis}"), place),
        }
    }

    /// The tensor without `axis`, whose size must be 1.
    #[must_use]
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Tensor {
        let place = Location::caller();
        let Ok(ty) = self.ty() else { return self.clone() };
        match crate::tensor::normal_axis(axis, ty.rank()) {
            Some(axis) if ty.shape[axis] == 1 => {
                let mut shape = ty.shape;
                shape.remove(axis);
                self.reshape_dims(&shape, place)
            }
            _ => self.refuse(format!("squeeze of {ty}: axis {axis} does not have size 1"), place),
        }
    }

    pub(crate) fn reshape_dims(&self, shape: &[Dim], place: Place) -> Tensor {
        match self.shape() {
            Ok(have) if have == shape => self.clone(),
            _ => self.apply(Reshape(shape.to_vec()), &[], place),
        }
    }

    /// The elements in the shape of `other`.
    #[must_use]
    #[track_caller]
    pub fn reshape_like(&self, other: &Tensor) -> Tensor {
        match other.shape() {
            Ok(shape) => self.reshape_dims(&shape, Location::caller()),
            Err(_) => other.clone(),
        }
    }
}
