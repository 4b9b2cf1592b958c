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

#[cfg(test)]
mod tests {
    use super::super::tests::{passes, refuses};

    const ADD: &str = "epilogue=|f32, f32| {v0 = in0; v1 = in1; v2 = add(v0, v1); v2:f32}";
    const TWO: &str = "epilogue=|f32| {v0 = in0; v1 = neg(v0); v0:f32, v1:f16}";
    const NONE: &str = "epilogue=|f32| {}";
    const LONG: &str = "epilogue=|i64| {v0 = in0; v0:i64}";

    #[test]
    fn sound_convolutions_pass() {
        let (x, f, y) = ("f32[1, 3, 3, 1]", "f32[2, 2, 1, 2]", "f32[1, 2, 2, 2]");
        for step in [
            format!("conv (extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y})"),
            format!("conv{{{ADD}}} (extern0@0 {x}/[0, 1, 3, 9], extern0@0 {f}, arena@0 {y}) -> (arena@0 {y})"),
            format!("conv{{{TWO}}} (extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y}, arena@32 f16[1, 2, 2, 2])"),
            format!("conv_input_gradient (extern0@0 {y}, extern0@0 {f}) -> (arena@0 {x})"),
            format!("conv_weight_gradient (extern0@0 {x}, extern0@0 {y}) -> (arena@0 {f})"),
            format!(
                "conv_weight_gradient{{channel_sums}} (extern0@0 {x}, extern0@0 {y}) -> (arena@0 {f}, arena@64 f32[2])"
            ),
            "conv{groups=2, padding=[1, 0], strides=[3, 1], dilation=[1, 2]} \
             (extern0@0 f32[1, 2, 3, 2], arena@64 f32[3, 2, 1, 4]) -> (arena@0 f32[1, 1, 1, 4])"
                .into(),
            "conv (arena@0 f16[0, 3, 3, 1], arena@0 f16[2, 2, 1, 2]) -> (arena@64 f16[0, 2, 2, 2])".into(),
        ] {
            passes(&step);
        }
    }

    #[test]
    fn each_refusal_of_a_convolution_says_why() {
        let (x, f, y) = ("f32[1, 3, 3, 1]", "f32[2, 2, 1, 2]", "f32[1, 2, 2, 2]");
        let plain = format!("(extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y})");
        let unfit = |groups: usize| format!("shapes [1, 3, 3, 1], [2, 2, 1, 2] and [1, 2, 2, 2] with {groups} groups");
        for (wanted, step) in [
            ("an epilogue takes the result".into(), format!("conv{{{NONE}}} (extern0@0 {x}, extern0@0 {f}) -> ()")),
            ("takes 2 inputs and 1 outputs, got 1 and 1".into(), format!("conv (extern0@0 {x}) -> (arena@0 {y})")),
            ("takes 3 inputs and 1 outputs, got 2 and 1".into(), format!("conv{{{ADD}}} {plain}")),
            ("takes 2 inputs and 2 outputs, got 2 and 1".into(), format!("conv{{channel_sums}} {plain}")),
            (
                "dtypes [I64, I64]".into(),
                "conv (extern2@0 i64[1, 3, 3, 1], extern2@0 i64[2, 2, 1, 2]) -> (arena@0 i64[1, 2, 2, 2])".into(),
            ),
            ("dtypes [F32, F16]".into(), format!("conv (extern0@0 {x}, arena@64 f16[2, 2, 1, 2]) -> (arena@0 {y})")),
            (
                "shapes [3, 3, 1], [2, 2, 1, 2]".into(),
                format!("conv (extern0@0 f32[3, 3, 1], extern0@0 {f}) -> (arena@0 {y})"),
            ),
            (
                "shapes [2, 3, 2, 1], [2, 2, 1, 2] and [1, 2, 2, 2]".into(),
                format!("conv (extern0@0 f32[2, 3, 2, 1], extern0@0 {f}) -> (arena@0 {y})"),
            ),
            (
                "shapes [1, 3, 2, 2], [2, 2, 1, 2] and [1, 2, 2, 2]".into(),
                format!("conv (extern0@0 f32[1, 3, 2, 2], extern0@0 {f}) -> (arena@0 {y})"),
            ),
            (
                "shapes [1, 3, 3, 1], [2, 2, 1, 2] and [1, 2, 2, 3]".into(),
                format!("conv (extern0@0 {x}, extern0@0 {f}) -> (arena@0 f32[1, 2, 2, 3])"),
            ),
            (unfit(0), format!("conv{{groups=0}} {plain}")),
            (unfit(2), format!("conv{{groups=2}} {plain}")),
            (unfit(1), format!("conv{{strides=[0, 1]}} {plain}")),
            (unfit(1), format!("conv{{dilation=[1, 0]}} {plain}")),
            (unfit(1), format!("conv{{padding=[0, 18446744073709551615]}} {plain}")),
            (
                "channel sums beside no weight gradient".into(),
                format!("conv{{channel_sums}} (extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y}, arena@64 f32[2])"),
            ),
            (
                "channel sums of another shape".into(),
                format!(
                    "conv_weight_gradient{{channel_sums}} (extern0@0 {x}, extern0@0 {y}) -> (arena@0 {f}, arena@64 f32[3])"
                ),
            ),
            (
                "channel sums of another shape".into(),
                format!(
                    "conv_weight_gradient{{channel_sums}} (extern0@0 {x}, extern0@0 {y}) -> (arena@0 {f}, arena@64 f16[2])"
                ),
            ),
            (
                "the result is not row-major".into(),
                format!("conv (extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y}/[8, 1, 2, 4])"),
            ),
            (
                "output of f16 [1, 2, 2, 2], expected f32 [1, 2, 2, 2]".into(),
                format!("conv (extern0@0 {x}, extern0@0 {f}) -> (arena@0 f16[1, 2, 2, 2])"),
            ),
            (
                "the epilogue takes another dtype".into(),
                format!("conv{{{LONG}}} (extern0@0 {x}, extern0@0 {f}) -> (arena@0 i64[1, 2, 2, 2])"),
            ),
            (
                "input 0 is f32 [2], expected f32 [1, 2, 2, 2]".into(),
                format!("conv{{{ADD}}} (extern0@0 {x}, extern0@0 {f}, extern0@0 f32[2]) -> (arena@0 {y})"),
            ),
            (
                "output 1 is not f16 [1, 2, 2, 2]".into(),
                format!("conv{{{TWO}}} (extern0@0 {x}, extern0@0 {f}) -> (arena@0 {y}, arena@64 {y})"),
            ),
            ("output 0 overwrites input 1".into(), format!("conv (extern0@0 {x}, arena@0 {f}) -> (arena@0 {y})")),
        ] {
            refuses(&wanted, &step);
        }
    }

    #[test]
    fn sound_poolings_pass() {
        let (x, y) = ("f32[1, 4, 2, 2]", "f32[1, 2, 1, 2]");
        let with = "window=[2, 2], strides=[2, 2]";
        for step in [
            format!("max_pool{{{with}}} (extern0@0 {x}) -> (arena@0 {y})"),
            format!("max_pool_gather{{{with}}} (extern0@0 {x}, extern0@0 {x}/[0, 2, 1, 8]) -> (arena@0 {y})"),
            format!("max_pool_scatter{{{with}, {ADD}}} (extern0@0 {x}, extern0@0 {y}, arena@0 {x}) -> (arena@0 {x})"),
            format!("sum_pool{{{with}, {TWO}}} (extern0@0 {x}) -> (arena@0 {y}, arena@32 f16[1, 2, 1, 2])"),
            format!("sum_pool_scatter{{{with}}} (extern0@0 {y}) -> (arena@0 {x})"),
            "max_pool{window=[9, 1], padding=[4, 0], dilation=[2, 7]} (arena@0 f16[1, 2, 2, 0]) -> (arena@0 f16[1, 3, 2, 0])".into(),
        ] {
            passes(&step);
        }
    }

    #[test]
    fn each_refusal_of_a_pooling_says_why() {
        let (x, y) = ("f32[1, 4, 2, 2]", "f32[1, 2, 1, 2]");
        let unfit = "shapes [[1, 4, 2, 2]] and [1, 2, 1, 2]";
        let with = "window=[2, 2], strides=[2, 2]";
        for (wanted, step) in [
            ("an epilogue takes the result", format!("max_pool{{{with}, {NONE}}} (extern0@0 {x}) -> ()")),
            (
                "takes 1 inputs and 1 outputs, got 2 and 1",
                format!("sum_pool{{{with}}} (extern0@0 {x}, extern0@0 {x}) -> (arena@0 {y})"),
            ),
            (
                "takes 2 inputs and 1 outputs, got 1 and 1",
                format!("max_pool_gather{{{with}}} (extern0@0 {x}) -> (arena@0 {y})"),
            ),
            (
                "takes 3 inputs and 1 outputs, got 2 and 1",
                format!("max_pool_scatter{{{with}, {ADD}}} (extern0@0 {x}, extern0@0 {y}) -> (arena@0 {x})"),
            ),
            ("dtypes [I64]", format!("max_pool{{{with}}} (extern2@0 i64[1, 4, 2, 2]) -> (arena@0 i64[1, 2, 1, 2])")),
            (
                "dtypes [F32, F16]",
                format!("max_pool_gather{{{with}}} (extern0@0 {x}, arena@64 f16[1, 4, 2, 2]) -> (arena@0 {y})"),
            ),
            (
                "shapes [[4, 2, 2]] and [1, 2, 1, 2]",
                format!("max_pool{{{with}}} (extern0@0 f32[4, 2, 2]) -> (arena@0 {y})"),
            ),
            (
                "shapes [[1, 4, 2, 2]] and [1, 2, 1, 1]",
                format!("max_pool{{{with}}} (extern0@0 {x}) -> (arena@0 f32[1, 2, 1, 1])"),
            ),
            (
                "shapes [[1, 4, 2, 2]] and [2, 2, 1, 2]",
                format!("max_pool{{{with}}} (extern0@0 {x}) -> (arena@0 f32[2, 2, 1, 2])"),
            ),
            (
                "shapes [[1, 4, 2, 2], [1, 4, 2, 1]] and",
                format!("max_pool_gather{{{with}}} (extern0@0 {x}, extern0@0 f32[1, 4, 2, 1]) -> (arena@0 {y})"),
            ),
            (
                "shapes [[1, 4, 2, 2], [1, 2, 1, 2]] and [1, 4, 1, 2]",
                format!("max_pool_scatter{{{with}}} (extern0@0 {x}, extern0@0 {y}) -> (arena@0 f32[1, 4, 1, 2])"),
            ),
            (unfit, format!("max_pool{{window=[2, 2], strides=[2, 0]}} (extern0@0 {x}) -> (arena@0 {y})")),
            (unfit, format!("max_pool{{window=[2, 2], dilation=[0, 1]}} (extern0@0 {x}) -> (arena@0 {y})")),
            (unfit, format!("max_pool{{window=[9223372036854775807, 2]}} (extern0@0 {x}) -> (arena@0 {y})")),
            (
                "the result is not row-major",
                format!("max_pool{{{with}}} (extern0@0 {x}) -> (arena@0 {y}/[4, 1, 1, 2])"),
            ),
            (
                "output of f16 [1, 2, 1, 2], expected f32 [1, 2, 1, 2]",
                format!("max_pool{{{with}}} (extern0@0 {x}) -> (arena@0 f16[1, 2, 1, 2])"),
            ),
            (
                "the epilogue takes another dtype",
                format!("sum_pool{{{with}, {LONG}}} (extern0@0 {x}) -> (arena@0 i64[1, 2, 1, 2])"),
            ),
            (
                "input 0 is f32 [2], expected f32 [1, 2, 1, 2]",
                format!("sum_pool{{{with}, {ADD}}} (extern0@0 {x}, extern0@0 f32[2]) -> (arena@0 {y})"),
            ),
            (
                "output 1 is not f16 [1, 2, 1, 2]",
                format!("sum_pool{{{with}, {TWO}}} (extern0@0 {x}) -> (arena@0 {y}, arena@64 {y})"),
            ),
            (
                "output 0 overwrites input 0",
                format!("max_pool_scatter{{{with}}} (arena@0 {x}, extern0@0 {y}) -> (arena@0 {x})"),
            ),
            (
                "output 0 overwrites input 1",
                format!("max_pool_scatter{{{with}}} (extern0@0 {x}, arena@0 {y}) -> (arena@0 {x})"),
            ),
        ] {
            refuses(wanted, &step);
        }
    }
}
