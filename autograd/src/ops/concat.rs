//! `concat`: tensors joined along an axis.

use super::prelude::*;
use super::span::Cut;
use crate::Graph;

/// The operands one after another along an axis.
#[derive(Debug)]
struct Concat(usize);

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("axis", self.0)
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let Some((first, others)) = inputs.split_first() else { return Err(Refusal::new("there is nothing to join")) };
        if self.0 >= first.rank() || others.iter().any(|x| x.rank() != first.rank()) {
            return Err(Refusal::new(format!("axis {} must be one of all, and their ranks equal", self.0))
                .hint("stack() joins along a new axis"));
        }
        if others.iter().any(|x| x.dtype != first.dtype) {
            return Err(Refusal::new("its operands differ in dtype").hint("cast() them"));
        }
        let mut shape = first.shape.clone();
        for x in others {
            for (axis, (met, n)) in shape.iter_mut().zip(&x.shape).enumerate() {
                *met = if axis == self.0 {
                    met.plus(n)
                } else {
                    let what = format!("the sizes {met} and {n} of axis {axis} differ");
                    context.dims.unify(met, n, context.origin).ok_or(what)?
                };
            }
        }
        Ok(TensorType::new(first.dtype, shape))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let place = Location::caller();
        let mut first = Dim::Known(0);
        let mut part = |(x, wanted): (&Tensor, &bool)| {
            let Ok(mut shape) = x.shape() else { return Grad::Disconnected };
            let size = shape.remove(self.0);
            let cut = Cut { first: first.clone(), step: 1, size };
            first = first.plus(&cut.size);
            let gradient = || Grad::Some(super::slice::cut_axis(&v.cotangent, self.0, cut, place).reshape_like(x));
            if *wanted { gradient() } else { Grad::Disconnected }
        };
        v.inputs.iter().zip(&v.wanted).map(&mut part).collect()
    }

    fn lower(&self) -> Lower {
        Lower::Concat(self.0)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "concat",
    parse: |attributes| Ok(Arc::new(Concat(usize::try_from(attributes.int("axis")?).map_err(|_| "axis is negative")?))),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 4], -2.0, 2.0), (&[2, 4], -2.0, 2.0)], |x| Tensor::concat(&[&x[0], &x[1], &x[0]], 0).exp()),
        one(&[(&[3, 4], -2.0, 2.0), (&[3, 1], -2.0, 2.0)], |x| Tensor::concat(&[&x[0], &x[1]], -1).exp()),
        one(&[(&[3, 4], -2.0, 2.0), (&[3, 4], -2.0, 2.0)], |x| Tensor::stack(&[&x[0], &x[1]], 1).exp()),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, b, _| Tensor::concat(&[a, b], 0)),
        misuse!(|a, _, _| Tensor::concat(&[a, a], 2)),
        misuse!(|a, _, _| Tensor::concat(&[a, &a.sum()], 0)),
        misuse!(|_, _, _| Tensor::concat(&[], 0)),
        misuse!(|a, b, _| Tensor::stack(&[a, b], 0)),
    ],
};

pub(super) fn concat(tensors: &[&Tensor], axis: usize, place: Place) -> Tensor {
    let Some(first) = tensors.first() else {
        let graph = Graph::new();
        return graph.poisoned(crate::Error::build("concat: there is nothing to join", &graph.origin(place)));
    };
    let dtype = tensors.iter().filter_map(|x| x.dtype().ok()).reduce(crate::promote);
    let cast = |x: &&Tensor| dtype.map_or_else(|| (*x).clone(), |dtype| super::cast::cast(x, dtype, place));
    let tensors: Vec<Tensor> = tensors.iter().map(cast).collect();
    first.graph().record(Arc::new(Concat(axis)), &tensors.iter().collect::<Vec<_>>(), place)
}

impl Tensor {
    /// The tensors one after another along `axis`, in which alone their sizes may differ; dtypes promote.
    #[must_use]
    #[track_caller]
    pub fn concat(tensors: &[&Tensor], axis: isize) -> Tensor {
        let place = Location::caller();
        match tensors.first().map(|first| first.axis(axis, "concat", place)) {
            Some(Err(error)) => tensors[0].graph().poisoned(error),
            Some(Ok(axis)) => concat(tensors, axis, place),
            None => concat(tensors, 0, place),
        }
    }

    /// The tensors, which have one shape, side by side along a new axis, which is `axis` of the result; dtypes promote.
    #[must_use]
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], axis: isize) -> Tensor {
        let place = Location::caller();
        let with_axis: Vec<Tensor> = match tensors.first() {
            Some(first) => first.graph().composed(place, || tensors.iter().map(|x| x.expand_dims(axis)).collect()),
            None => vec![],
        };
        let axis = match with_axis.first().map(|x| x.axis(axis, "stack", place)) {
            Some(Err(error)) => return with_axis[0].graph().poisoned(error),
            Some(Ok(axis)) => axis,
            None => 0,
        };
        concat(&with_axis.iter().collect::<Vec<_>>(), axis, place)
    }
}
