//! `slice`: every so many elements along each axis, as NumPy's `x[1:3, ::-1]`.

use super::prelude::*;
use super::span::{Cut, Span};

/// A regular part of the operand.
#[derive(Debug)]
struct Slice(Vec<Cut>);

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn attributes(&self) -> Attributes {
        let dims = |of: fn(&Cut) -> &Dim| self.0.iter().map(|cut| of(cut).clone()).collect::<Vec<Dim>>();
        Attributes::none()
            .with("first", dims(|cut| &cut.first).as_slice())
            .with("step", self.0.iter().map(|cut| cut.step as i64).collect::<Vec<i64>>())
            .with("size", dims(|cut| &cut.size).as_slice())
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        if x.rank() != self.0.len() {
            return Err(Refusal::new(format!("it is for {} axes", self.0.len())));
        }
        match self.0.iter().zip(&x.shape).position(|(cut, n)| !cut.fits(&context.dims.resolve(n))) {
            Some(axis) => Err(Refusal::new(format!("it reaches beyond axis {axis}"))),
            None => Ok(TensorType::new(x.dtype, self.0.iter().map(|cut| cut.size.clone()))),
        }
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![Grad::Some(match v.inputs[0].shape() {
            Ok(shape) => adjoint(&v.cotangent, &self.0, &shape),
            Err(_) => v.inputs[0].clone(),
        })]
    }

    fn lower(&self) -> Lower {
        Lower::View(View::Slice(self.0.iter().map(|cut| (cut.first.clone(), cut.step)).collect()))
    }
}

/// `g` put back where the cuts took it from a tensor of `shape`, and zeros around it.
fn adjoint(g: &Tensor, cuts: &[Cut], shape: &[Dim]) -> Tensor {
    let place = Location::caller();
    let mut widths = vec![(0, 0); shape.len()];
    let mut g = g.clone();
    for (axis, (cut, n)) in cuts.iter().zip(shape).enumerate() {
        let after = n.minus(&cut.first).minus(&cut.size);
        g = match (cut.step, cut.first.known(), after.known()) {
            (1, Some(before), Some(after)) => {
                widths[axis] = (before, after);
                g
            }
            (1, ..) => {
                let zeros = |size: Dim| zeros_along(&g, axis, size, place);
                super::concat::concat(&[&zeros(cut.first.clone()), &g, &zeros(after)], axis, place)
            }
            (-1, ..) if cut.size == *n => cut_axis(&g, axis, cut.clone(), place),
            _ => {
                let number = |dim: &Dim| super::leaves::size(g.graph(), dim.clone(), DType::I64, place);
                let steps = g.graph().arange(cut.size.clone()) * g.scalar(DType::I64, cut.step as f64, place);
                let rows = steps + number(&cut.first);
                super::scatter_add::scatter_add(&zeros_along(&g, axis, n.clone(), place), &rows, &g, axis, place)
            }
        };
    }
    if widths.iter().all(|&width| width == (0, 0)) { g } else { g.pad(widths, 0.0) }
}

/// Zeros of the dtype and shape of `x`, but for one size.
fn zeros_along(x: &Tensor, axis: usize, size: Dim, place: Place) -> Tensor {
    let Ok(mut ty) = x.ty() else { return x.clone() };
    ty.shape[axis] = size;
    x.scalar(ty.dtype, 0.0, place).broadcast_dims(&ty.shape, place)
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "slice",
    parse: |attributes| {
        let (first, step, size) = (attributes.dims("first")?, attributes.ints("step")?, attributes.dims("size")?);
        if first.len() != step.len() || first.len() != size.len() {
            return Err("first, step and size are for different numbers of axes".into());
        }
        let cuts = first.into_iter().zip(step).zip(size);
        let cut = |((first, step), size)| {
            Ok::<Cut, String>(Cut { first, step: isize::try_from(step).map_err(|_| "step is too large")?, size })
        };
        Ok(Arc::new(Slice(cuts.map(cut).collect::<Result<_, _>>()?)))
    },
    #[cfg(test)]
    checks: &[
        one(&[(&[4, 5], -2.0, 2.0)], |x| x[0].slice(crate::s![.., 1..3]).exp()),
        one(&[(&[4, 5], -2.0, 2.0)], |x| x[0].slice(crate::s![1.., -1]).exp()),
        one(&[(&[4, 5], -2.0, 2.0)], |x| x[0].slice(crate::s![..-2, 0]).exp()),
        one(&[(&[4, 5], -2.0, 2.0)], |x| x[0].slice([Span::from(..).step(2), Span::new(Some(4), Some(0), -3)]).exp()),
        one(&[(&[4, 5], -2.0, 2.0)], |x| x[0].index_axis(0, -1).exp() * x[0].slice_axis(0, -2..).exp()),
        one(&[(&[4, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| x[0].flip([0, 1]).exp() * &x[1]),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.slice(crate::s![.., .., ..])),
        misuse!(|a, _, _| a.slice(crate::s![.., 3])),
        misuse!(|a, _, _| a.slice([Span::from(..).step(0)])),
        misuse!(|a, _, _| a.slice([Span::from(..).step(isize::MIN)])),
        misuse!(|a, _, _| a.slice_axis(2, 0..1)),
        misuse!(|a, _, _| a.index_axis(0, -3)),
        misuse!(|a, _, _| a.flip([0, 0])),
    ],
};

pub(super) fn cuts(x: &Tensor, cuts: Vec<Cut>, place: Place) -> Tensor {
    match x.shape() {
        Ok(shape) if cuts.iter().zip(&shape).all(|(cut, n)| *cut == Cut::whole(n)) => x.clone(),
        _ => x.apply(Slice(cuts), &[], place),
    }
}

/// One axis cut, the others whole.
pub(super) fn cut_axis(x: &Tensor, axis: usize, cut: Cut, place: Place) -> Tensor {
    let Ok(shape) = x.shape() else { return x.clone() };
    let whole = |(other, n): (usize, &Dim)| if other == axis { cut.clone() } else { Cut::whole(n) };
    cuts(x, shape.iter().enumerate().map(whole).collect(), place)
}

fn slice(x: &Tensor, spans: &[Span], name: &str, place: Place) -> Tensor {
    let Ok(ty) = x.ty() else { return x.clone() };
    let cut = |(axis, n): (usize, &Dim)| spans.get(axis).map_or(Ok(Cut::whole(n)), |span| span.cut(axis, n));
    let found = match ty.shape.iter().enumerate().map(cut).collect::<Result<Vec<Cut>, String>>() {
        _ if spans.len() > ty.rank() => Err(format!("{} indices for {} axes", spans.len(), ty.rank())),
        found => found,
    };
    match found {
        Err(why) => x.refuse(format!("{name} of {ty}: {why}"), place),
        Ok(found) => {
            let dropped = |axis: usize| spans.get(axis).is_some_and(|span| span.drops());
            let kept = (0..found.len()).filter(|&axis| !dropped(axis)).map(|axis| found[axis].size.clone());
            let kept: Vec<Dim> = kept.collect();
            cuts(x, found, place).reshape_dims(&kept, place)
        }
    }
}

impl Tensor {
    /// A part, as NumPy's basic indexing: one [`Span`] for each leading axis, an integer drops its axis.
    /// [`s!`](crate::s) writes the spans.
    ///
    /// Ends are clamped to an axis of known size. On an open axis an end from the back (`..-1`, `2..`) makes the size
    /// an expression; an axis that turns out too short for it is an error of the call.
    ///
    /// ```
    /// # use wengert_autograd::{DType, Graph, s};
    /// let x = Graph::new().placeholder("x", DType::F32, [None, Some(28)]);
    /// assert_eq!(format!("{:?}", x.slice(s![1.., 3]).shape()?), "[x.0-1]");
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn slice(&self, spans: impl AsRef<[Span]>) -> Tensor {
        slice(self, spans.as_ref(), "slice", Location::caller())
    }

    /// The part of `axis` within `range`; see [`slice`](Tensor::slice).
    #[must_use]
    #[track_caller]
    pub fn slice_axis(&self, axis: isize, range: impl Into<Span>) -> Tensor {
        self.along(axis, range.into(), "slice_axis", Location::caller())
    }

    /// The element `index` (from the end, if negative) of `axis`, which disappears.
    #[must_use]
    #[track_caller]
    pub fn index_axis(&self, axis: isize, index: isize) -> Tensor {
        self.along(axis, index.into(), "index_axis", Location::caller())
    }

    /// The elements along each of `axes` in reverse order.
    #[must_use]
    #[track_caller]
    pub fn flip(&self, axes: impl AsRef<[isize]>) -> Tensor {
        let place = Location::caller();
        let (axes, ty) = match (super::reduction::normal_axes(self, Some(axes.as_ref()), "flip", place), self.ty()) {
            (Ok(axes), Ok(ty)) => (axes, ty),
            (Err(error), _) | (_, Err(error)) => return self.graph().poisoned(error),
        };
        let step = |axis| if axes.contains(&axis) { -1 } else { 1 };
        let spans: Vec<Span> = (0..ty.rank()).map(|axis| Span::from(..).step(step(axis))).collect();
        slice(self, &spans, "flip", place)
    }

    fn along(&self, axis: isize, span: Span, name: &str, place: Place) -> Tensor {
        match self.axis(axis, name, place) {
            Ok(axis) => {
                let mut spans = vec![Span::from(..); axis];
                spans.push(span);
                slice(self, &spans, name, place)
            }
            Err(error) => self.graph().poisoned(error),
        }
    }
}
