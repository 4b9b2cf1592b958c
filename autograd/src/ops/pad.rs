//! `pad`: a constant around the elements.

use super::prelude::*;
use super::span::Cut;

/// The second operand, surrounded by the first: for each axis how much before and after.
#[derive(Debug)]
struct Pad(Vec<(usize, usize)>);

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn attributes(&self) -> Attributes {
        let side = |of: fn(&(usize, usize)) -> usize| self.0.iter().map(of).collect::<Vec<usize>>();
        Attributes::none().with("before", side(|w| w.0).as_slice()).with("after", side(|w| w.1).as_slice())
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [value, x] = inputs else { return Err(Refusal::new("it takes a value and what it surrounds")) };
        if value.rank() != 0 || value.dtype != x.dtype {
            return Err(Refusal::new(format!("the value is {value}, not a scalar of {}", x.dtype)));
        }
        if self.0.len() != x.rank() {
            return Err(Refusal::new(format!("there are widths for {} axes, not {}", self.0.len(), x.rank()))
                .hint("give (before, after) for each axis, (0, 0) where nothing is added"));
        }
        let grown = x.shape.iter().zip(&self.0).map(|(n, &(before, after))| {
            let width = before.checked_add(after).filter(|&width| i64::try_from(width).is_ok());
            width.map(|width| n.plus(&Dim::Known(width))).ok_or_else(|| Refusal::new("it is too wide"))
        });
        Ok(TensorType::new(x.dtype, grown.collect::<Result<Vec<Dim>, _>>()?))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (x, g) = (&v.inputs[1], &v.cotangent);
        let Ok(shape) = x.shape() else { return vec![Grad::Disconnected, Grad::Disconnected] };
        let cut = |(&(before, _), size): (&(usize, usize), Dim)| Cut { first: Dim::Known(before), step: 1, size };
        let cuts = self.0.iter().zip(shape).map(cut).collect();
        let inside = super::slice::cuts(g, cuts, Location::caller());
        let value = if v.wanted[0] { Grad::Some(g.sum() - inside.sum()) } else { Grad::Disconnected };
        vec![value, Grad::Some(inside)]
    }

    fn lower(&self) -> Lower {
        Lower::Pad(self.0.clone())
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "pad",
    parse: |attributes| {
        let (before, after) = (attributes.sizes("before")?, attributes.sizes("after")?);
        if before.len() != after.len() {
            return Err("before and after are for different numbers of axes".into());
        }
        Ok(Arc::new(Pad(before.into_iter().zip(after).collect())))
    },
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 4], -2.0, 2.0)], |x| x[0].pad([(1, 2), (0, 3)], 0.5).exp()),
        one(&[(&[3], -2.0, 2.0), (&[2, 2], -2.0, 2.0)], |x| x[0].pad([(2, 1)], x[1].sum()).exp()),
    ],
    #[cfg(test)]
    misuses: &[misuse!(|a, _, _| a.pad([(1, 1)], 0.0)), misuse!(|a, b, _| a.pad([(1, 1), (0, 0)], b))],
};

impl Tensor {
    /// The tensor surrounded by the scalar `value`: `(before, after)` elements more along each axis.
    #[must_use]
    #[track_caller]
    pub fn pad(&self, widths: impl AsRef<[(usize, usize)]>, value: impl Operand) -> Tensor {
        let place = Location::caller();
        let value = value.beside(self, place);
        let value = self.dtype().map_or_else(|_| value.clone(), |dtype| super::cast::cast(&value, dtype, place));
        value.apply(Pad(widths.as_ref().to_vec()), &[self], place)
    }
}
