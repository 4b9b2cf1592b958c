//! `gather`: rows by index, NumPy's `take`.

use super::prelude::*;

/// Rows of the first operand along an axis, chosen by the second.
#[derive(Debug)]
struct Gather(usize);

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("axis", self.0)
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x, index] = inputs else { return Err(Refusal::new("it takes two operands")) };
        Ok(TensorType::new(x.dtype, rows(x, index, self.0)?))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let place = Location::caller();
        let (x, index) = (&v.inputs[0], &v.inputs[1]);
        let zeros = x.filled_like(0.0, place);
        let gradient = super::scatter_add::scatter_add(&zeros, index, &v.cotangent, self.0, place);
        vec![Grad::Some(gradient), Grad::Disconnected]
    }

    fn lower(&self) -> Lower {
        Lower::Gather(self.0)
    }
}

/// The shape of the rows of `x` that `index` chooses: its own shape in the place of `axis`.
pub(super) fn rows(x: &TensorType, index: &TensorType, axis: usize) -> Result<Vec<Dim>, Refusal> {
    if !index.dtype.is_integer() {
        return Err(Refusal::new(format!("the index is {}, not of integers", index.dtype)).hint("cast() it to i64"));
    }
    if axis >= x.rank() {
        return Err(Refusal::new(format!("there is no axis {axis}")));
    }
    Ok([&x.shape[..axis], &index.shape, &x.shape[axis + 1..]].concat())
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "gather",
    parse: |attributes| Ok(Arc::new(Gather(usize::try_from(attributes.int("axis")?).map_err(|_| "axis is negative")?))),
    #[cfg(test)]
    checks: &[
        one(&[(&[4, 3], -2.0, 2.0)], |x| x[0].gather(x[0].graph().constant([2i64, 0, 2, -1]), 0).exp()),
        one(&[(&[4, 3], -2.0, 2.0)], |x| x[0].gather(x[0].graph().arange(4).reshape([2, 2]) % 3, 1).exp()),
        one(&[(&[4, 3], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].embedding(x[1].greater(0.0).cast(DType::I64)).exp()),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, b, _| a.gather(b, 0)),
        misuse!(|a, b, _| a.gather(b.cast(DType::I64), 2)),
        misuse!(|a, b, _| a.sum().embedding(b.cast(DType::I64))),
    ],
};

pub(super) fn gather(x: &Tensor, index: &Tensor, axis: usize, place: Place) -> Tensor {
    x.apply(Gather(axis), &[index], place)
}

impl Tensor {
    /// The rows along `axis` that `index` names, as NumPy's `take`: `[before.., n, after..]` and integers `[index..]`
    /// give `[before.., index.., after..]`.
    ///
    /// Negative indices count from the end. An index out of range is an error of the call. The gradients of a row that
    /// is taken more than once add up.
    #[must_use]
    #[track_caller]
    pub fn gather(&self, index: impl Operand, axis: isize) -> Tensor {
        let place = Location::caller();
        match self.axis(axis, "gather", place) {
            Ok(axis) => gather(self, &index.beside(self, place), axis, place),
            Err(error) => self.graph().poisoned(error),
        }
    }

    /// The rows of this table `[n, d..]` with the numbers `ids`: `[ids.., d..]`; [`gather`](Tensor::gather) along axis
    /// 0.
    #[must_use]
    #[track_caller]
    pub fn embedding(&self, ids: impl Operand) -> Tensor {
        let place = Location::caller();
        gather(self, &ids.beside(self, place), 0, place)
    }
}
