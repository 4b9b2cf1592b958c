//! Rewrites of sums whose patterns involve axes, which formulas cannot name.

use super::canonical::Builder;
use crate::op::{Attributes, Lower, View};
use crate::{DType, Error, Origin, TensorType};
use wengert_kernels::{Binary, ReduceOp, Unary};

/// What computes the sum of `input` over `axes` more simply, if anything does.
///
/// * the sum of a sum is one sum over the axes of both (class Rounding);
/// * a factor that is one number comes out of the sum (Rounding), and so does a sign (Exact);
/// * a one-hot vector sums to 1 if its label is in range, else to 0 (Exact).
pub(super) fn simplify_sum(
    builder: &mut Builder,
    axes: &[usize],
    input: usize,
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    let node = builder.nodes[input].clone();
    match node.lower() {
        Lower::Reduce(ReduceOp::Sum, inner) => {
            // Axes of the outer sum are counted without those that the inner one removed.
            let rank = builder.ty(node.inputs[0]).rank();
            let kept: Vec<usize> = (0..rank).filter(|axis| !inner.contains(axis)).collect();
            let mut both: Vec<usize> = axes.iter().map(|&axis| kept[axis]).chain(inner).collect();
            both.sort_unstable();
            let attributes = Attributes::none().with("axes", both.as_slice());
            builder.emit_named("sum", &attributes, &[node.inputs[0]], origins).map(Some)
        }
        Lower::Binary(Binary::Mul) if ty.dtype.is_float() => {
            let Some((number, other)) = one_number(builder, &node.inputs) else { return Ok(None) };
            if !builder.same_shape(builder.ty(other), &node.ty) {
                return Ok(None);
            }
            let sum = builder.emit_named("sum", &Attributes::none().with("axes", axes), &[other], origins)?;
            // A reshape stays outermost, where it can cancel with that of a reader.
            let inner = match builder.nodes[sum].lower() {
                Lower::View(View::Reshape) => builder.nodes[sum].inputs[0],
                _ => sum,
            };
            let product = builder.emit_named("mul", &Attributes::none(), &[number, inner], origins)?;
            builder
                .emit_named("reshape", &Attributes::none().with("shape", ty.shape.as_slice()), &[product], origins)
                .map(Some)
        }
        Lower::Unary(Unary::Neg) if ty.dtype.is_float() => {
            let attributes = Attributes::none().with("axes", axes);
            let sum = builder.emit_named("sum", &attributes, &node.inputs, origins)?;
            builder.emit_named("neg", &Attributes::none(), &[sum], origins).map(Some)
        }
        Lower::Cast => one_hot_sum(builder, axes, node.inputs[0], ty, origins),
        _ => Ok(None),
    }
}

/// The one number that a node repeats.
pub(super) fn number(builder: &Builder, mut n: usize) -> Option<usize> {
    while let Lower::View(View::Broadcast | View::Reshape) = builder.nodes[n].lower() {
        n = builder.nodes[n].inputs[0];
    }
    (builder.ty(n).rank() == 0).then_some(n)
}

/// The operand of a product that is one number repeated, without the repetition, and the other operand.
fn one_number(builder: &Builder, inputs: &[usize]) -> Option<(usize, usize)> {
    match (number(builder, inputs[0]), number(builder, inputs[1])) {
        (Some(number), None) => Some((number, inputs[1])),
        (None, Some(number)) => Some((number, inputs[0])),
        _ => None,
    }
}

/// The sum of `equal(label, index along the summed axis)`.
fn one_hot_sum(
    builder: &mut Builder,
    axes: &[usize],
    n: usize,
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    let (node, &[axis]) = (builder.nodes[n].clone(), axes) else { return Ok(None) };
    if !matches!(node.lower(), Lower::Binary(Binary::Equal)) {
        return Ok(None);
    }
    let along = |n: usize| {
        let ty = builder.ty(n);
        let from_right = node.ty.rank() - axis;
        matches!(builder.nodes[n].lower(), Lower::Index(index) if ty.rank() >= index && ty.rank() - index == from_right)
    };
    let (label, index) = match (along(node.inputs[0]), along(node.inputs[1])) {
        (true, false) => (node.inputs[1], node.inputs[0]),
        (false, true) => (node.inputs[0], node.inputs[1]),
        _ => return Ok(None),
    };
    let (label_ty, index_ty) = (builder.ty(label).clone(), builder.ty(index).clone());
    // The label must not vary along the axis, and must have every other axis of the result.
    let depth = index_ty.shape[index_ty.rank() - (node.ty.rank() - axis)].clone();
    let mut unit = node.ty.clone();
    unit.shape[axis] = crate::Dim::Known(1);
    unit.dtype = label_ty.dtype;
    if label_ty.dtype != DType::I64 || !builder.same_shape(&label_ty, &unit) {
        return Ok(None);
    }
    let size = Attributes::none().with("dim", std::slice::from_ref(&depth)).with("dtype", DType::I64);
    let depth = builder.emit_named("size", &size, &[], origins)?;
    let zero = builder.emit_scalar(DType::I64, 0.0, origins)?;
    let below = builder.emit_named("less", &Attributes::none(), &[label, depth], origins)?;
    let above = builder.emit_named("greater_equal", &Attributes::none(), &[label, zero], origins)?;
    let inside = builder.emit_named("and", &Attributes::none(), &[below, above], origins)?;
    let number = builder.emit_named("cast", &Attributes::none().with("to", ty.dtype), &[inside], origins)?;
    builder.emit_named("reshape", &Attributes::none().with("shape", ty.shape.as_slice()), &[number], origins).map(Some)
}
