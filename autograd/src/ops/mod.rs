//! The ops: one file each, and one line each in [`OPS`].
//!
//! A file holds the op's meaning, its gradient, the methods that record it, and the cases by which it is tested: every
//! case is checked against the reference, its first and second derivatives against finite differences, compiled plainly
//! and optimised; every misuse must be an error that names the line where it stands.

use crate::Tensor;
use crate::op::{Attributes, Op};
use std::sync::Arc;

#[cfg(test)]
mod evaluate;
mod prelude;
#[cfg(test)]
mod tests;

mod reduction;
mod span;

mod abs;
mod add;
mod all;
mod any;
mod argmax;
mod argmin;
mod broadcast_to;
mod cast;
mod ceil;
mod clip;
mod concat;
mod conv2d;
mod cos;
mod custom_vjp;
mod div;
mod dropout;
mod equal;
mod erf;
mod exp;
mod expm1;
mod floor;
mod gather;
mod greater;
mod greater_equal;
mod index;
mod isfinite;
mod isinf;
mod isnan;
mod leaves;
mod less;
mod less_equal;
mod log;
mod log1p;
mod log_softmax;
mod logical_and;
mod logical_not;
mod logical_or;
mod logical_xor;
mod logsumexp;
mod matmul;
mod max;
mod maximum;
mod mean;
mod min;
mod minimum;
mod mul;
mod neg;
mod not_equal;
mod one_hot;
mod pad;
mod pool2d;
mod pow;
mod prod;
mod random;
mod reciprocal;
mod relu;
mod rem;
mod reshape;
mod round;
mod rsqrt;
mod scatter_add;
mod select;
mod sigmoid;
mod sign;
mod sin;
mod slice;
mod softmax;
mod softplus;
mod split;
mod sqrt;
mod square;
mod stddev;
mod stop_gradient;
mod sub;
mod sum;
mod take_along_axis;
mod tanh;
mod tile;
mod transpose;
mod var;

pub(crate) use add::add;
pub use conv2d::ConvOptions;
pub use custom_vjp::custom_vjp;
pub(crate) use leaves::{Constant, Placeholder, Poisoned, Variable};
pub use pool2d::PoolOptions;
pub use prelude::Operand;
pub use span::Span;

/// Every op that the text form can name and the generated tests visit.
pub(crate) const OPS: &[OpSpec] = &[
    abs::SPEC,
    add::SPEC,
    all::SPEC,
    any::SPEC,
    argmax::SPEC,
    argmin::SPEC,
    pool2d::AVERAGE,
    broadcast_to::SPEC,
    cast::SPEC,
    ceil::SPEC,
    clip::SPEC,
    concat::SPEC,
    conv2d::SPEC,
    conv2d::INPUT_GRADIENT,
    conv2d::WEIGHT_GRADIENT,
    cos::SPEC,
    custom_vjp::SPEC,
    div::SPEC,
    dropout::SPEC,
    equal::SPEC,
    erf::SPEC,
    exp::SPEC,
    expm1::SPEC,
    floor::SPEC,
    gather::SPEC,
    greater::SPEC,
    greater_equal::SPEC,
    index::SPEC,
    isfinite::SPEC,
    isinf::SPEC,
    isnan::SPEC,
    less::SPEC,
    less_equal::SPEC,
    log::SPEC,
    log1p::SPEC,
    log_softmax::SPEC,
    logical_and::SPEC,
    logical_not::SPEC,
    logical_or::SPEC,
    logical_xor::SPEC,
    logsumexp::SPEC,
    matmul::SPEC,
    max::SPEC,
    pool2d::MAX,
    pool2d::MAX_GATHER,
    pool2d::MAX_SCATTER,
    maximum::SPEC,
    mean::SPEC,
    min::SPEC,
    minimum::SPEC,
    mul::SPEC,
    neg::SPEC,
    not_equal::SPEC,
    one_hot::SPEC,
    pad::SPEC,
    pow::SPEC,
    prod::SPEC,
    random::SPEC,
    reciprocal::SPEC,
    relu::SPEC,
    rem::SPEC,
    reshape::SPEC,
    round::SPEC,
    rsqrt::SPEC,
    scatter_add::SPEC,
    select::SPEC,
    sigmoid::SPEC,
    sign::SPEC,
    sin::SPEC,
    leaves::SIZE,
    slice::SPEC,
    softmax::SPEC,
    softplus::SPEC,
    split::SPEC,
    sqrt::SPEC,
    square::SPEC,
    stddev::SPEC,
    stop_gradient::SPEC,
    sub::SPEC,
    sum::SPEC,
    pool2d::SUM,
    pool2d::SUM_SCATTER,
    take_along_axis::SPEC,
    tanh::SPEC,
    tile::SPEC,
    transpose::SPEC,
    var::SPEC,
];

/// An op's entry in the table.
pub(crate) struct OpSpec {
    /// The name in the text form.
    pub(crate) name: &'static str,
    /// Makes the op from the attributes of its text form.
    pub(crate) parse: fn(&Attributes) -> Result<Arc<dyn Op>, String>,
    /// Uses that are right.
    #[cfg(test)]
    pub(crate) checks: &'static [Check],
    /// Uses that are wrong.
    #[cfg(test)]
    pub(crate) misuses: &'static [Misuse],
}

/// A use of an op on inputs drawn from intervals.
#[cfg_attr(not(test), expect(dead_code, reason = "what the generated tests visit"))]
pub(crate) struct Check {
    /// Shape, lowest and highest value of each input.
    pub(crate) inputs: &'static [(&'static [usize], f64, f64)],
    /// The use.
    pub(crate) build: fn(&[Tensor]) -> Tensor,
}

/// A use of an op that must poison its result with an error naming this line.
#[cfg_attr(not(test), expect(dead_code, reason = "what the generated tests visit"))]
pub(crate) struct Misuse {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    /// The use as it is written.
    pub(crate) text: &'static str,
    /// The use, on f32 tensors of shape `[2, 3]` and `[4, 5]` and a bool tensor of shape `[2, 3]`.
    pub(crate) build: fn(&Tensor, &Tensor, &Tensor) -> Tensor,
}

/// The op of that name with those attributes.
pub(crate) fn make(name: &str, attributes: &Attributes) -> Result<Arc<dyn Op>, String> {
    let spec = OPS.iter().find(|spec| spec.name == name).ok_or_else(|| format!("there is no op `{name}`"))?;
    (spec.parse)(attributes)
}
