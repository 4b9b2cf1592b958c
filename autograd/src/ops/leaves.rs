//! Leaves: what a graph starts from.

use super::prelude::*;
use wengert_kernels::Array;

macro_rules! leaf {
    ($name:literal, $ty:ty, |$this:ident| $attributes:expr, $infer:expr, $lower:expr) => {
        impl Op for $ty {
            fn name(&self) -> &'static str {
                $name
            }

            fn attributes(&self) -> Attributes {
                let $this = self;
                $attributes
            }

            fn infer(&self, _: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
                let $this = self;
                $infer
            }

            fn vjp(&self, _: &Vjp) -> Vec<Grad> {
                vec![]
            }

            fn lower(&self) -> Lower {
                let $this = self;
                $lower
            }
        }
    };
}

/// A value to be fed.
#[derive(Debug)]
pub(crate) struct Placeholder {
    pub(crate) name: String,
    pub(crate) ty: TensorType,
}

leaf!("placeholder", Placeholder, |p| Attributes::none().with("name", p.name.as_str()), Ok(p.ty.clone()), {
    let _ = p;
    Lower::Input
});

/// A value that lives between calls.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) ty: Result<TensorType, String>,
}

leaf!(
    "variable",
    Variable,
    |v| Attributes::none().with("name", v.name.as_str()),
    v.ty.clone().map_err(Refusal::new),
    {
        let _ = v;
        Lower::Input
    }
);

/// A value that never changes.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) value: Array,
}

leaf!(
    "constant",
    Constant,
    |c| Attributes::none()
        .with("value", if c.value.len() <= 8 { format!("{:?}", c.value.to_f64()) } else { "..".into() }),
    Ok(TensorType::new(c.value.dtype(), c.value.shape().iter().map(|&size| Dim::Known(size)))),
    Lower::Constant(c.value.clone())
);

/// A size as a number: what `mean` divides by.
#[derive(Debug)]
pub(crate) struct Size {
    pub(crate) dim: Dim,
    pub(crate) dtype: DType,
}

leaf!(
    "size",
    Size,
    |s| Attributes::none().with("dim", std::slice::from_ref(&s.dim)).with("dtype", s.dtype),
    Ok(TensorType::new(s.dtype, [])),
    Lower::Size(s.dim.clone())
);

pub(super) const SIZE: OpSpec = OpSpec {
    name: "size",
    parse: |attributes| match attributes.dims("dim")?.as_slice() {
        [dim] => Ok(Arc::new(Size { dim: dim.clone(), dtype: attributes.dtype("dtype")? })),
        dims => Err(format!("one size is needed, got {dims:?}")),
    },
    #[cfg(test)]
    checks: &[],
    #[cfg(test)]
    misuses: &[],
};

/// What an operation on a poisoned tensor leaves: a node without a value.
#[derive(Debug)]
pub(crate) struct Poisoned;

leaf!(
    "poisoned",
    Poisoned,
    |p| {
        let _ = p;
        Attributes::none()
    },
    {
        let _ = p;
        Err(Refusal::new("it has no value"))
    },
    {
        let _ = p;
        Lower::Input
    }
);

/// A size as a scalar of `dtype`.
pub(super) fn size(graph: &crate::Graph, dim: Dim, dtype: DType, place: Place) -> Tensor {
    graph.record(Arc::new(Size { dim, dtype }), &[], place)
}

impl Tensor {
    /// A scalar constant of this tensor's graph.
    pub(crate) fn scalar(&self, dtype: DType, value: f64, place: Place) -> Tensor {
        match Array::full(dtype, &[], value) {
            Ok(value) => self.graph().record(Arc::new(Constant { value }), &[], place),
            Err(why) => self.refuse(format!("constant: {why}"), place),
        }
    }

    /// The number of elements along `axes`, as a scalar of `dtype`.
    pub(crate) fn size_along(&self, axes: &[usize], dtype: DType, place: Place) -> Tensor {
        match self.shape() {
            Ok(shape) => {
                let dim = Dim::product(axes.iter().map(|&axis| &shape[axis]));
                size(self.graph(), dim, dtype, place)
            }
            Err(_) => self.clone(),
        }
    }

    /// A tensor of this one's dtype and shape, filled with `value`.
    pub(crate) fn filled_like(&self, value: f64, place: Place) -> Tensor {
        match self.ty() {
            Ok(ty) => self.scalar(ty.dtype, value, place).broadcast_dims(&ty.shape, place),
            Err(_) => self.clone(),
        }
    }
}
