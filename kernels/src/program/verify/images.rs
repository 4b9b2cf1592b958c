//! The contracts of the families that work on images.

use super::{Check, counts, ensure, finish, further_inputs};
use crate::{Conv, ConvPass, DType, Layout, Operand, Pool, Step};

pub(super) fn conv(conv: &Conv, step: &Step) -> Check {
    let extra = further_inputs(conv.epilogue.as_ref())?;
    let results = conv.epilogue.as_ref().map_or(1, |expr| expr.outputs().len());
    counts(step, 2 + extra, results + usize::from(conv.channel_sums))?;
    let (a, b, result) = (&step.inputs[0], &step.inputs[1], &step.outputs[0]);
    same_float(&[a, b])?;
    let shapes = [a, b, result].map(|operand| operand.layout.shape.as_slice());
    let sizes = conv.sizes(shapes[0], shapes[1], shapes[2]).ok_or_else(|| {
        format!("shapes {:?}, {:?} and {:?} with {} groups", shapes[0], shapes[1], shapes[2], conv.groups)
    })?;
    if conv.channel_sums {
        ensure(conv.pass == ConvPass::WeightGradient, || "channel sums beside no weight gradient".into())?;
        let sums = &step.outputs[results];
        ensure(sums.dtype == a.dtype && sums.layout == Layout::contiguous(&[sizes.filters]), || {
            "channel sums of another shape".into()
        })?;
    }
    row_major(&step.outputs[..results])?;
    finish(conv.epilogue.as_ref(), &step.inputs[2..], &step.outputs[..results], a.dtype, shapes[2])
}

pub(super) fn pool(pool: &Pool, step: &Step) -> Check {
    let taken = pool.op.inputs();
    let extra = further_inputs(pool.epilogue.as_ref())?;
    counts(step, taken + extra, pool.epilogue.as_ref().map_or(1, |expr| expr.outputs().len()))?;
    let (inputs, extra) = step.inputs.split_at(taken);
    same_float(&inputs.iter().collect::<Vec<_>>())?;
    let shapes: Vec<&[usize]> = inputs.iter().map(|operand| operand.layout.shape.as_slice()).collect();
    let result = &step.outputs[0].layout.shape;
    ensure(pool.sizes(&shapes, result).is_some(), || format!("shapes {shapes:?} and {result:?}"))?;
    row_major(&step.outputs)?;
    finish(pool.epilogue.as_ref(), extra, &step.outputs, inputs[0].dtype, result)
}

fn same_float(inputs: &[&Operand]) -> Check {
    let dtypes: Vec<DType> = inputs.iter().map(|operand| operand.dtype).collect();
    ensure(dtypes.iter().all(|dtype| dtype.is_float() && *dtype == dtypes[0]), || format!("dtypes {dtypes:?}"))
}

fn row_major(outputs: &[Operand]) -> Check {
    ensure(outputs.iter().all(|output| output.layout.is_contiguous()), || "the result is not row-major".into())
}
