//! `scatter_add`: rows added where an index says.

use super::gather::{gather, rows};
use super::prelude::*;

/// The first operand with rows of the third added where the second says.
#[derive(Debug)]
struct ScatterAdd(usize);

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("axis", self.0)
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x, index, updates] = inputs else { return Err(Refusal::new("it takes three operands")) };
        if x.dtype == DType::Bool || x.dtype != updates.dtype {
            return Err(Refusal::new(format!("it does not add {} to {}", updates.dtype, x.dtype)).hint("cast() one"));
        }
        let wanted = rows(x, index, self.0)?;
        let fit = wanted.len() == updates.rank()
            && wanted.iter().zip(&updates.shape).all(|(a, b)| context.dims.unify(a, b, context.origin).is_some());
        if fit { Ok(x.clone()) } else { Err(Refusal::new(format!("the updates should have the shape {wanted:?}"))) }
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let rows = || gather(&v.cotangent, &v.inputs[1], self.0, Location::caller());
        let updates = if v.wanted[2] { Grad::Some(rows()) } else { Grad::Disconnected };
        vec![Grad::Some(v.cotangent.clone()), Grad::Disconnected, updates]
    }

    fn lower(&self) -> Lower {
        Lower::ScatterAdd(self.0)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "scatter_add",
    parse: |attributes| {
        Ok(Arc::new(ScatterAdd(usize::try_from(attributes.int("axis")?).map_err(|_| "axis is negative")?)))
    },
    #[cfg(test)]
    checks: &[
        one(&[(&[4, 3], -2.0, 2.0), (&[3, 3], -2.0, 2.0)], |x| {
            x[0].scatter_add(x[0].graph().constant([2i64, 0, 2]), &x[1], 0).exp()
        }),
        one(&[(&[4, 3], -2.0, 2.0), (&[4, 2, 2], -2.0, 2.0)], |x| {
            x[0].scatter_add(x[0].graph().arange(4).reshape([2, 2]) % 3, &x[1], -1).exp()
        }),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, b, _| a.scatter_add(b, a, 0)),
        misuse!(|a, b, _| a.scatter_add(b.cast(DType::I64), a, 0)),
        misuse!(|a, _, _| a.scatter_add(a.argmax(1), a, 2)),
    ],
};

pub(super) fn scatter_add(x: &Tensor, index: &Tensor, updates: &Tensor, axis: usize, place: Place) -> Tensor {
    x.apply(ScatterAdd(axis), &[index, updates], place)
}

impl Tensor {
    /// This tensor `[before.., n, after..]` with the rows of `updates` `[before.., index.., after..]` added along
    /// `axis` where the integers `index` `[index..]` say; rows that name one place add up there, in the order of the
    /// index.
    ///
    /// Negative indices count from the end. An index out of range is an error of the call.
    #[must_use]
    #[track_caller]
    pub fn scatter_add(&self, index: impl Operand, updates: &Tensor, axis: isize) -> Tensor {
        let place = Location::caller();
        match self.axis(axis, "scatter_add", place) {
            Ok(axis) => scatter_add(self, &index.beside(self, place), updates, axis, place),
            Err(error) => self.graph().poisoned(error),
        }
    }
}
