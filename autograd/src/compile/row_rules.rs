//! Rewrites of softmax as people write it, whose patterns involve an axis.

use super::canonical::Builder;
use crate::op::{Attributes, Lower, Op, View};
use crate::{Error, Origin};
use std::sync::Arc;
use wengert_kernels::{Binary, ReduceOp, Unary};

/// What computes the same as `op` over `inputs` more simply, if anything does. All of class Stabilising:
///
/// * e^x / sum e^x along the last axis is softmax(x);
/// * softmax and log_softmax of x - max x are those of x, which subtract the maximum anyway.
pub(super) fn simplify(
    builder: &mut Builder,
    op: &Arc<dyn Op>,
    inputs: &[usize],
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    let found = match (op.lower(), inputs) {
        (Lower::Binary(Binary::Div), &[exp, sum]) => {
            let is_exp = matches!(builder.nodes[exp].lower(), Lower::Unary(Unary::Exp));
            (is_exp && along_rows(builder, ReduceOp::Sum, sum, exp)).then(|| ("softmax", builder.nodes[exp].inputs[0]))
        }
        (Lower::Softmax { .. }, &[shifted]) => {
            let node = &builder.nodes[shifted];
            match (node.lower(), node.inputs.as_slice()) {
                (Lower::Binary(Binary::Sub), &[x, max]) if along_rows(builder, ReduceOp::Max, max, x) => {
                    Some((op.name(), x))
                }
                _ => None,
            }
        }
        _ => None,
    };
    let Some((name, x)) = found else { return Ok(None) };
    builder.emit_named(name, &Attributes::none(), &[x], origins).map(Some)
}

/// Whether `n` is the reduction of `of` along its last axis, which stays with size 1.
fn along_rows(builder: &Builder, op: ReduceOp, n: usize, of: usize) -> bool {
    let node = &builder.nodes[n];
    let (Lower::View(View::Reshape), Some(last)) = (node.lower(), builder.ty(of).rank().checked_sub(1)) else {
        return false;
    };
    let reduced = &builder.nodes[node.inputs[0]];
    let mut kept = builder.ty(of).clone();
    kept.shape[last] = crate::Dim::Known(1);
    matches!(reduced.lower(), Lower::Reduce(have, axes) if have == op && axes == [last])
        && reduced.inputs == [of]
        && builder.same_shape(&node.ty, &kept)
}
