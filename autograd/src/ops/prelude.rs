//! What every op's file needs.

pub(super) use super::{Check, Misuse, OpSpec};
pub(super) use crate::op::{Attributes, Infer, Lower, Op, Refusal, View, Vjp};
pub(super) use crate::{DType, Dim, Grad, Origin, Tensor, TensorType};
pub(super) use std::{panic::Location, sync::Arc};
pub(super) use wengert_kernels::{Binary, ReduceOp, Unary};

use std::fmt;

/// A place in the user's program.
pub(super) type Place = &'static Location<'static>;

/// A wrong use of an op, and the line where it stands.
macro_rules! misuse {
    ($build:expr) => {
        Misuse { file: file!(), line: line!(), text: stringify!($build), build: $build }
    };
}
pub(super) use misuse;

/// Operands for the elementwise checks: a vector that crosses no vector width evenly.
pub(super) const fn one(check: &'static [(&'static [usize], f64, f64)], build: fn(&[Tensor]) -> Tensor) -> Check {
    Check { inputs: check, build }
}

/// An elementwise op of one operand.
#[derive(Clone, Copy)]
pub(super) struct One {
    /// What is computed.
    pub(super) scalar: Unary,
    /// The gradient.
    pub(super) vjp: fn(&Vjp) -> Grad,
}

impl fmt::Debug for One {
    /// The operator, which determines the gradient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scalar.fmt(f)
    }
}

impl One {
    /// What the text form reads.
    pub(super) fn parsed(self) -> Result<Arc<dyn Op>, String> {
        Ok(Arc::new(self))
    }

    /// Records the op.
    pub(super) fn record(self, x: &Tensor, place: Place) -> Tensor {
        x.apply(self, &[], place)
    }
}

impl Op for One {
    fn name(&self) -> &'static str {
        self.scalar.name()
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        if !self.scalar.accepts(x.dtype.compute()) {
            return Err(Refusal::new(format!("it is not defined for {}", x.dtype)).hint("cast() the operand first"));
        }
        let dtype = if self.scalar.result(DType::F32) == DType::Bool { DType::Bool } else { x.dtype };
        Ok(TensorType { dtype, shape: x.shape.clone() })
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![(self.vjp)(v)]
    }

    fn lower(&self) -> Lower {
        Lower::Unary(self.scalar)
    }
}

/// An elementwise op of two operands of one dtype, which broadcast.
#[derive(Clone, Copy)]
pub(super) struct Two {
    /// What is computed.
    pub(super) scalar: Binary,
    /// The gradients by the two operands, in the result's shape; they are summed back to the operands' shapes.
    pub(super) vjp: [fn(&Vjp) -> Grad; 2],
}

impl fmt::Debug for Two {
    /// The operator, which determines the gradient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scalar.fmt(f)
    }
}

impl Two {
    /// What the text form reads.
    pub(super) fn parsed(self) -> Result<Arc<dyn Op>, String> {
        Ok(Arc::new(self))
    }

    /// Records the op after promoting both operands.
    pub(super) fn record(self, a: &Tensor, b: &Tensor, place: Place) -> Tensor {
        let (a, b) = super::cast::promoted(a, b, place);
        a.apply(self, &[&b], place)
    }
}

impl Op for Two {
    fn name(&self) -> &'static str {
        self.scalar.name()
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [a, b] = inputs else { return Err(Refusal::new("it takes two operands")) };
        if a.dtype != b.dtype {
            return Err(Refusal::new("its operands differ in dtype").hint("cast() one of them"));
        }
        if !self.scalar.accepts(a.dtype.compute()) {
            return Err(Refusal::new(format!("it is not defined for {}", a.dtype)).hint("cast() the operands first"));
        }
        let shape = crate::broadcast(&[&a.shape, &b.shape], context.dims, context.origin).map_err(|why| {
            Refusal::new(why).hint("give one of them a size of 1 there, with expand_dims() or reshape()")
        })?;
        let dtype = if self.scalar.is_comparison() { DType::Bool } else { a.dtype };
        Ok(TensorType { dtype, shape })
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let gradient = |operand: usize| match self.vjp[operand](v) {
            Grad::Some(gradient) => Grad::Some(gradient.sum_to(&v.inputs[operand])),
            other => other,
        };
        (0..2).map(|operand| if v.wanted[operand] { gradient(operand) } else { Grad::Disconnected }).collect()
    }

    fn lower(&self) -> Lower {
        Lower::Binary(self.scalar)
    }
}

/// An elementwise op of one operand: method, scalar operator, gradient, cases.
macro_rules! unary {
    (
        $(#[$doc:meta])*
        $method:ident => $scalar:ident,
        |$v:pat_param| $gradient:expr,
        checks: [$($check:expr),* $(,)?],
        misuses: [$($misuse:expr),* $(,)?] $(,)?
    ) => {
        const RULE: One = One { scalar: Unary::$scalar, vjp: |$v| $gradient };

        pub(super) const SPEC: OpSpec = spec(RULE.scalar.name(), |_| RULE.parsed(), &[$($check),*], &[$($misuse),*]);

        impl Tensor {
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $method(&self) -> Tensor {
                RULE.record(self, Location::caller())
            }
        }
    };
}
pub(super) use unary;

/// An elementwise op of two operands: method (unless the op is an operator), scalar operator, gradients by the left and
/// the right operand, cases.
macro_rules! binary {
    (
        $scalar:ident,
        |$v:pat_param| [$left:expr, $right:expr],
        checks: [$($check:expr),* $(,)?],
        misuses: [$($misuse:expr),* $(,)?] $(,)?
    ) => {
        const RULE: Two = Two { scalar: Binary::$scalar, vjp: [|$v| $left, |$v| $right] };

        pub(super) const SPEC: OpSpec = spec(RULE.scalar.name(), |_| RULE.parsed(), &[$($check),*], &[$($misuse),*]);
    };
    ($(#[$doc:meta])* $method:ident => $scalar:ident, $($rest:tt)*) => {
        binary! { $scalar, $($rest)* }

        impl Tensor {
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Tensor {
                let place = Location::caller();
                RULE.record(self, &other.beside(self, place), place)
            }
        }
    };
}
pub(super) use binary;

/// An entry of the table. The uses are there for tests only, which keeps them out of everybody's build.
#[cfg_attr(not(test), expect(unused_variables, reason = "uses are for tests"))]
pub(super) const fn spec(
    name: &'static str,
    parse: fn(&Attributes) -> Result<Arc<dyn Op>, String>,
    checks: &'static [Check],
    misuses: &'static [Misuse],
) -> OpSpec {
    OpSpec {
        name,
        parse,
        #[cfg(test)]
        checks,
        #[cfg(test)]
        misuses,
    }
}

/// A table entry for a function over other ops: the text form shows those, so there is nothing to read.
pub(super) const fn composite(name: &'static str, checks: &'static [Check], misuses: &'static [Misuse]) -> OpSpec {
    spec(name, |_| Err("it is a function over other ops".into()), checks, misuses)
}

/// What stands on one side of an operator: a tensor, or a plain number that takes the dtype of the other side.
pub trait Operand: sealed::Sealed {
    #[doc(hidden)]
    fn beside(&self, other: &Tensor, place: Place) -> Tensor;

    /// The tensor, if it is one.
    #[doc(hidden)]
    fn tensor(&self) -> Option<&Tensor> {
        None
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Tensor {}
    impl Sealed for &crate::Tensor {}
    impl Sealed for f64 {}
    impl Sealed for i32 {}
}

impl Operand for Tensor {
    fn beside(&self, _: &Tensor, _: Place) -> Tensor {
        self.clone()
    }

    fn tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl Operand for &Tensor {
    fn beside(&self, _: &Tensor, _: Place) -> Tensor {
        (*self).clone()
    }

    fn tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl Operand for f64 {
    /// A float beside integers makes both `f32`.
    fn beside(&self, other: &Tensor, place: Place) -> Tensor {
        let dtype = other.dtype().ok().filter(|dtype| dtype.is_float()).unwrap_or(DType::F32);
        other.scalar(dtype, *self, place)
    }
}

impl Operand for i32 {
    /// An integer beside `bool` makes both `i64`.
    fn beside(&self, other: &Tensor, place: Place) -> Tensor {
        let dtype = other.dtype().ok().filter(|dtype| *dtype != DType::Bool).unwrap_or(DType::I64);
        other.scalar(dtype, f64::from(*self), place)
    }
}

/// Implements a `std::ops` trait for every pair of tensor, reference and number, by a function of (a, b, place).
macro_rules! operator {
    ($name:ident, $method:ident, $record:expr) => {
        operator!(@left $name $method $record; Tensor: Tensor, &Tensor, f64, i32);
        operator!(@left $name $method $record; &Tensor: Tensor, &Tensor, f64, i32);
        operator!(@right $name $method $record; f64: Tensor, &Tensor);
        operator!(@right $name $method $record; i32: Tensor, &Tensor);
    };
    (@left $name:ident $method:ident $record:expr; $a:ty: $($b:ty),*) => {$(
        impl std::ops::$name<$b> for $a {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: $b) -> Tensor {
                let place = Location::caller();
                ($record)(&self, &Operand::beside(&other, &self, place), place)
            }
        }
    )*};
    (@right $name:ident $method:ident $record:expr; $a:ty: $($b:ty),*) => {$(
        impl std::ops::$name<$b> for $a {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: $b) -> Tensor {
                let place = Location::caller();
                ($record)(&Operand::beside(&self, &other, place), &other, place)
            }
        }
    )*};
}
pub(super) use operator;
