//! What the reductions share: their axes.

use super::prelude::*;
use std::fmt;

/// Gives a tensor of the result's shape the reduced axes back, with size 1.
pub(super) type Keep<'a> = &'a dyn Fn(&Tensor) -> Tensor;

/// What tells the reductions apart.
#[derive(Clone, Copy)]
pub(super) struct ReduceRule {
    /// The name in the text form.
    pub(super) name: &'static str,
    /// What is computed.
    pub(super) op: ReduceOp,
    /// The gradient by axes.
    pub(super) vjp: fn(&Vjp, &[usize], Keep<'_>) -> Grad,
}

/// A reduction over axes that disappear from the shape.
#[derive(Debug)]
struct Reduction {
    rule: ReduceRule,
    axes: Vec<usize>,
}

impl fmt::Debug for ReduceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ReduceRule {
    /// What the text form reads.
    pub(super) fn parsed(self, attributes: &Attributes) -> Result<Arc<dyn Op>, String> {
        Ok(Arc::new(Reduction { rule: self, axes: attributes.sizes("axes")? }))
    }

    /// Records the reduction over `axes` (all when `None`), which stay as unit axes if `keepdims`.
    pub(super) fn record(self, x: &Tensor, axes: Option<&[isize]>, keepdims: bool, place: Place) -> Tensor {
        let normal = match normal_axes(x, axes, self.name, place) {
            Ok(normal) => normal,
            Err(error) => return x.graph().poisoned(error),
        };
        let result = x.apply(Reduction { rule: self, axes: normal.clone() }, &[], place);
        if keepdims { keep(&result, &normal, place) } else { result }
    }
}

/// The axes (all when `None`) counted from the front, ascending.
pub(super) fn normal_axes(
    x: &Tensor,
    axes: Option<&[isize]>,
    name: &str,
    place: Place,
) -> Result<Vec<usize>, crate::Error> {
    let mut normal = match axes {
        None => (0..x.ty()?.rank()).collect(),
        Some(axes) => axes.iter().map(|&axis| x.axis(axis, name, place)).collect::<Result<Vec<_>, _>>()?,
    };
    normal.sort_unstable();
    if normal.windows(2).any(|pair| pair[0] == pair[1]) {
        let what = format!("{name} of {}: an axis is named twice in {:?}", x.ty()?, axes.unwrap_or_default());
        return Err(crate::Error::build(what, &x.graph().origin(place)));
    }
    Ok(normal)
}

/// Gives a reduced tensor its axes back, with size 1.
pub(super) fn keep(reduced: &Tensor, axes: &[usize], place: Place) -> Tensor {
    let Ok(mut shape) = reduced.shape() else { return reduced.clone() };
    for &axis in axes {
        shape.insert(axis, Dim::Known(1));
    }
    reduced.reshape_dims(&shape, place)
}

impl Op for Reduction {
    fn name(&self) -> &'static str {
        self.rule.name
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("axes", self.axes.as_slice())
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        if self.axes.iter().any(|&axis| axis >= x.rank()) {
            return Err(Refusal::new(format!("there are no axes {:?}", self.axes)));
        }
        let arg = matches!(self.rule.op, ReduceOp::ArgMax | ReduceOp::ArgMin);
        if x.dtype == DType::Bool && matches!(self.rule.op, ReduceOp::Sum | ReduceOp::Prod) {
            return Err(Refusal::new("it is not defined for bool").hint("cast() the operand to i64 first"));
        }
        if arg && self.axes.iter().any(|&axis| x.shape[axis] == 0) {
            return Err(Refusal::new("there is no extreme of nothing"));
        }
        let kept = (0..x.rank()).filter(|axis| !self.axes.contains(axis)).map(|axis| x.shape[axis].clone());
        Ok(TensorType::new(if arg { DType::I64 } else { x.dtype }, kept))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![(self.rule.vjp)(v, &self.axes, &|reduced| keep(reduced, &self.axes, Location::caller()))]
    }

    fn lower(&self) -> Lower {
        Lower::Reduce(self.rule.op, self.axes.clone())
    }
}

/// The three methods of a reduction: over everything, over axes, over axes that stay as unit axes.
macro_rules! reduction_methods {
    ($(#[$doc:meta])* $all:ident, $axes:ident, $keep:ident, $record:expr) => {
        impl Tensor {
            $(#[$doc])*
            ///
            /// Over all axes: the result is a scalar.
            #[must_use]
            #[track_caller]
            pub fn $all(&self) -> Tensor {
                $record(self, None, false, Location::caller())
            }

            $(#[$doc])*
            ///
            /// Over the given axes, which disappear from the shape.
            #[must_use]
            #[track_caller]
            pub fn $axes(&self, axes: impl AsRef<[isize]>) -> Tensor {
                $record(self, Some(axes.as_ref()), false, Location::caller())
            }

            $(#[$doc])*
            ///
            /// Over the given axes, which stay with size 1.
            #[must_use]
            #[track_caller]
            pub fn $keep(&self, axes: impl AsRef<[isize]>) -> Tensor {
                $record(self, Some(axes.as_ref()), true, Location::caller())
            }
        }
    };
}
pub(super) use reduction_methods;
