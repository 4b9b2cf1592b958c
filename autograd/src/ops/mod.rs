//! The ops: one file each, and one line each in [`OPS`].
//!
//! A file holds the op's meaning, its gradient, the methods that record it, and the cases by which it is tested: every case
//! is checked against the reference, its first and second derivatives against finite differences, compiled plainly and
//! optimised; every misuse must be an error that names the line where it stands.

use crate::Tensor;
use crate::op::{Attributes, Op};
use std::sync::Arc;

mod prelude;

mod reduction;

mod add;
mod broadcast_to;
mod cast;
mod exp;
mod leaves;
mod matmul;
mod mul;
mod reshape;
mod sum;
mod transpose;

pub(crate) use add::add;
pub(crate) use leaves::{Constant, Placeholder, Poisoned, Size, Variable};
pub use prelude::Operand;

/// Every op that the text form can name and the generated tests visit.
pub(crate) const OPS: &[OpSpec] = &[
    add::SPEC,
    broadcast_to::SPEC,
    cast::SPEC,
    exp::SPEC,
    matmul::SPEC,
    mul::SPEC,
    reshape::SPEC,
    sum::SPEC,
    transpose::SPEC,
];

/// An op's entry in the table.
pub(crate) struct OpSpec {
    /// The name in the text form.
    pub(crate) name: &'static str,
    /// Makes the op from the attributes of its text form.
    pub(crate) parse: fn(&Attributes) -> Result<Arc<dyn Op>, String>,
    /// Uses that are right.
    pub(crate) checks: &'static [Check],
    /// Uses that are wrong.
    pub(crate) misuses: &'static [Misuse],
}

/// A use of an op on inputs drawn from intervals.
pub(crate) struct Check {
    /// Shape, lowest and highest value of each input.
    pub(crate) inputs: &'static [(&'static [usize], f64, f64)],
    /// The use.
    pub(crate) build: fn(&[Tensor]) -> Tensor,
}

/// A use of an op that must poison its result with an error naming this line.
pub(crate) struct Misuse {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    /// The use, on f32 tensors of shape `[2, 3]` and `[4, 5]` and a bool tensor of shape `[2, 3]`.
    pub(crate) build: fn(&Tensor, &Tensor, &Tensor) -> Tensor,
}

/// The op of that name with those attributes.
pub(crate) fn make(name: &str, attributes: &Attributes) -> Result<Arc<dyn Op>, String> {
    let spec = OPS.iter().find(|spec| spec.name == name).ok_or_else(|| format!("there is no op `{name}`"))?;
    (spec.parse)(attributes)
}
