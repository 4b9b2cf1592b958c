//! Orders of axes, moved behind what does not care for them: how a network on images with channels first computes with
//! channels last, where that is quicker.

use super::canonical::Builder;
use crate::op::{Attributes, Lower, Op, View};
use crate::{Dim, Error, Origin, TensorType};
use std::sync::Arc;
use wengert_kernels::ReduceOp;

/// What computes the same as `op` over `inputs` on operands in their own order, if that helps:
///
/// * an elementwise op over operands of one other order is put in that order (Exact);
/// * a reduction over such an operand reduces the axes where they lie (Rounding for sums and products).
pub(super) fn simplify(
    builder: &mut Builder,
    op: &Arc<dyn Op>,
    inputs: &[usize],
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    match op.lower() {
        Lower::Unary(_) | Lower::Binary(_) | Lower::Select | Lower::Cast => {
            elementwise(builder, op, inputs, ty, origins)
        }
        Lower::Reduce(reduce, axes) if !matches!(reduce, ReduceOp::ArgMax | ReduceOp::ArgMin) => {
            let Some((base, order)) = reordered(builder, inputs[0]) else { return Ok(None) };
            let (mut lying, mut kept) = (Vec::new(), Vec::new());
            for (axis, &place) in order.iter().enumerate() {
                if axes.contains(&axis) { lying.push(place) } else { kept.push(place) }
            }
            // The axes that are left must come in the order in which they lie.
            if !kept.is_sorted() {
                return Ok(None);
            }
            lying.sort_unstable();
            let attributes = Attributes::none().with("axes", lying.as_slice());
            builder.emit_named(op.name(), &attributes, &[base], origins).map(Some)
        }
        _ => Ok(None),
    }
}

fn elementwise(
    builder: &mut Builder,
    op: &Arc<dyn Op>,
    inputs: &[usize],
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    let found = inputs.iter().find_map(|&input| {
        let (_, order) = reordered(builder, input)?;
        builder.same_shape(builder.ty(input), ty).then_some(order)
    });
    let Some(order) = found else { return Ok(None) };
    let mut operands = Vec::with_capacity(inputs.len());
    for &input in inputs {
        match reordered(builder, input) {
            Some((base, other)) if other == order && builder.same_shape(builder.ty(input), ty) => operands.push(base),
            _ => match in_order(builder, input, &order, origins)? {
                Some(operand) => operands.push(operand),
                None => return Ok(None),
            },
        }
    }
    let inner = builder.emit(op.clone(), &operands, origins)?;
    let attributes = Attributes::none().with("axes", order.as_slice());
    builder.emit_named("transpose", &attributes, &[inner], origins).map(Some)
}

/// What a node is in another order of, and that order, if it separates what lies side by side in memory. Other orders keep
/// rows whole and cost little to read.
fn reordered(builder: &Builder, n: usize) -> Option<(usize, Vec<usize>)> {
    match builder.nodes[n].lower() {
        Lower::View(View::Permute(axes)) if axes.len() > 2 && axes.last() != Some(&(axes.len() - 1)) => {
            Some((builder.nodes[n].inputs[0], axes))
        }
        _ => None,
    }
}

/// An operand with more than one element along one axis at most, with its axes where `order` takes them from.
fn in_order(builder: &mut Builder, n: usize, order: &[usize], origins: &[Origin]) -> Result<Option<usize>, Error> {
    let mut base = n;
    while let Lower::View(View::Broadcast) = builder.nodes[base].lower() {
        base = builder.nodes[base].inputs[0];
    }
    let shape = &builder.ty(base).shape;
    if shape.iter().all(|dim| *dim == 1) && shape.len() <= 1 {
        return Ok(Some(base));
    }
    let missing = order.len().saturating_sub(shape.len());
    if shape.len() > order.len() || shape.iter().filter(|dim| **dim != 1).count() > 1 {
        return Ok(None);
    }
    let mut lying = vec![Dim::Known(1); order.len()];
    for (axis, dim) in shape.iter().enumerate() {
        lying[order[missing + axis]] = dim.clone();
    }
    let attributes = Attributes::none().with("shape", lying.as_slice());
    builder.emit_named("reshape", &attributes, &[base], origins).map(Some)
}
