//! `softmax` along an axis.

use super::prelude::*;

/// e^x / sum e^x along the last axis.
#[derive(Debug)]
struct Softmax;

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        infer(inputs)
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (y, g) = (&v.output, &v.cotangent);
        vec![Grad::Some(y * (g - (g * y).sum_keepdims([-1])))]
    }

    fn lower(&self) -> Lower {
        Lower::Softmax { log: false }
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "softmax",
    parse: |_| Ok(Arc::new(Softmax)),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 5], -2.0, 2.0), (&[5], -1.0, 1.0)], |x| x[0].softmax(-1) * &x[1]),
        one(&[(&[3, 2, 4], -2.0, 2.0), (&[2, 1], -1.0, 1.0)], |x| x[0].softmax(0) * &x[1]),
    ],
    #[cfg(test)]
    misuses: &[misuse!(|a, _, _| a.softmax(2)), misuse!(|_, _, flag| flag.softmax(-1))],
};

impl Tensor {
    /// e^x / sum e^x along `axis`, for floats: positive numbers whose sum is 1. Shifted by the maximum, so that nothing
    /// overflows.
    #[must_use]
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        let place = Location::caller();
        last_axis(self, axis, "softmax", place, |x| x.apply(Softmax, &[], place))
    }
}

pub(super) fn infer(inputs: &[TensorType]) -> Result<TensorType, Refusal> {
    let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
    if !x.dtype.is_float() {
        return Err(Refusal::new(format!("it is not defined for {}", x.dtype)).hint("cast() the operand first"));
    }
    if x.rank() == 0 {
        return Err(Refusal::new("a scalar has no axis"));
    }
    Ok(x.clone())
}

/// Runs what works along the last axis along another.
pub(super) fn last_axis(
    x: &Tensor,
    axis: isize,
    name: &str,
    place: Place,
    run: impl FnOnce(&Tensor) -> Tensor,
) -> Tensor {
    let (axis, rank) = match (x.axis(axis, name, place), x.ty()) {
        (Ok(axis), Ok(ty)) => (axis, ty.rank()),
        (Err(error), _) | (_, Err(error)) => return x.graph().poisoned(error),
    };
    if axis + 1 == rank {
        return run(x);
    }
    let mut swap: Vec<usize> = (0..rank).collect();
    swap.swap(axis, rank - 1);
    x.graph().composed(place, || run(&x.transpose(&swap)).transpose(&swap))
}
