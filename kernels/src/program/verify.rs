//! What makes a program sound: the contracts of the kernels' documentation, checked.

use super::{Base, Kernel, Operand, Program, Step};
use crate::{DType, Distribution, Error, Expr, Layout, ReduceOp, checked_len};

mod images;

type Check = Result<(), String>;

pub(super) fn program(program: &Program) -> Result<(), Error> {
    for (number, step) in program.steps.iter().enumerate() {
        operands_inside(program, step)
            .and_then(|()| contract(step))
            .and_then(|()| aliasing(step))
            .map_err(|why| Error::invalid(format!("step {number} ({}, {}): {why}", step.kernel.name(), step.label)))?;
    }
    Ok(())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(why()) }
}

/// First and one-past-last byte that an operand touches.
fn bytes(operand: &Operand) -> Option<(i128, i128)> {
    let size = operand.dtype.size() as i128;
    let (low, high) = operand.layout.extent()?;
    let start = operand.offset as i128;
    Some((start + low as i128 * size, start + (high as i128 + 1) * size))
}

fn operands_inside(program: &Program, step: &Step) -> Check {
    for (role, operand) in roles(step) {
        ensure(operand.layout.shape.len() == operand.layout.strides.len(), || {
            format!("{role}: shape and strides differ in rank")
        })?;
        ensure(addressable(operand), || format!("{role}: its layout is larger than memory can be"))?;
        let (size, writable, dtype) = match operand.base {
            Base::Arena => (program.arena, true, None),
            Base::Extern(n) => {
                let memory =
                    program.externs.get(n as usize).ok_or_else(|| format!("{role}: there is no extern {n}"))?;
                let size = memory.bytes().map_err(|_| format!("{role}: extern {n} is larger than memory can be"))?;
                (size, memory.written, Some(memory.dtype))
            }
        };
        ensure(dtype.is_none_or(|dtype| dtype == operand.dtype), || {
            format!("{role}: {} memory read as {}", dtype.map_or("", DType::name), operand.dtype)
        })?;
        ensure(operand.offset % operand.dtype.size() == 0, || format!("{role}: misaligned"))?;
        ensure(role.is_input() || writable, || format!("{role}: written, but its memory is read-only"))?;
        if let Some((low, high)) = bytes(operand) {
            ensure(low >= 0 && high <= size as i128, || format!("{role}: bytes {low}..{high} of {size}"))?;
        }
    }
    Ok(())
}

/// Whether the bytes that the layout reaches over can be counted: from here on its arithmetic cannot overflow.
fn addressable(operand: &Operand) -> bool {
    let size = operand.dtype.size() as i128;
    let axes = operand.layout.shape.iter().zip(&operand.layout.strides);
    let reach = axes.map(|(&size, &stride)| size.saturating_sub(1) as i128 * (stride as i128).abs());
    let reach = reach.fold(0i128, i128::saturating_add).saturating_add(1).saturating_mul(size);
    checked_len(&operand.layout.shape, operand.dtype.size()).is_ok() && reach <= isize::MAX as i128
}

#[derive(Clone, Copy)]
enum Role {
    Input(usize),
    Output(usize),
}

impl Role {
    fn is_input(self) -> bool {
        matches!(self, Role::Input(_))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Input(n) => write!(f, "input {n}"),
            Role::Output(n) => write!(f, "output {n}"),
        }
    }
}

fn roles(step: &Step) -> impl Iterator<Item = (Role, &Operand)> {
    let inputs = step.inputs.iter().enumerate().map(|(n, operand)| (Role::Input(n), operand));
    inputs.chain(step.outputs.iter().enumerate().map(|(n, operand)| (Role::Output(n), operand)))
}

fn counts(step: &Step, inputs: usize, outputs: usize) -> Check {
    ensure(step.inputs.len() == inputs && step.outputs.len() == outputs, || {
        format!("takes {inputs} inputs and {outputs} outputs, got {} and {}", step.inputs.len(), step.outputs.len())
    })
}

fn contract(step: &Step) -> Check {
    let counts = |inputs: usize, outputs: usize| counts(step, inputs, outputs);
    match &step.kernel {
        Kernel::Map(map) => {
            let (inputs, outputs) = (map.expr.inputs().len(), map.expr.outputs().len());
            ensure(outputs > 0 && map.segments > 0, || "computes nothing".into())?;
            let all = |each: usize| each.checked_mul(map.segments).ok_or("too many segments");
            counts(all(inputs)?, all(outputs)?)?;
            for segment in 0..map.segments {
                let read = &step.inputs[segment * inputs..][..inputs];
                let written = &step.outputs[segment * outputs..][..outputs];
                expression(&map.expr, read, written, 0, &written[0].layout.shape)?;
                written.iter().try_for_each(injective)?;
            }
            Ok(())
        }
        Kernel::Reduce(reduce) => {
            let taken = reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len());
            ensure(taken > 0, || "the prologue takes nothing".into())?;
            let extra = further_inputs(reduce.epilogue.as_ref())?;
            counts(taken + extra, reduce.epilogue.as_ref().map_or(1, |expr| expr.outputs().len()))?;
            let space = &step.inputs.first().ok_or("reduces nothing")?.layout.shape;
            ensure(reduce.axes.windows(2).all(|pair| pair[0] < pair[1]), || "axes are not ascending".into())?;
            ensure(reduce.axes.iter().all(|&axis| axis < space.len()), || {
                format!("axes {:?} of {space:?}", reduce.axes)
            })?;
            let kept: Vec<usize> =
                (0..space.len()).filter(|axis| !reduce.axes.contains(axis)).map(|axis| space[axis]).collect();
            let value = match &reduce.prologue {
                None => step.inputs[0].dtype,
                Some(expr) => {
                    ensure(expr.outputs().len() == 1, || "a prologue has one result".into())?;
                    inputs_match(expr, &step.inputs[..taken], 0, space)?;
                    expr.outputs()[0].1
                }
            };
            let result = if matches!(reduce.op, ReduceOp::ArgMax | ReduceOp::ArgMin) { DType::I64 } else { value };
            finish(reduce.epilogue.as_ref(), &step.inputs[taken..], &step.outputs, result, &kept)
        }
        Kernel::Gemm(gemm) => {
            let extra = further_inputs(gemm.epilogue.as_ref())?;
            let results = gemm.epilogue.as_ref().map_or(1, |expr| expr.outputs().len());
            counts(2 + extra, results + usize::from(gemm.column_sums))?;
            let (a, b) = (&step.inputs[0], &step.inputs[1]);
            let (sa, sb) = (&a.layout.shape, &b.layout.shape);
            ensure(sa.len() >= 2 && sa.len() == sb.len(), || format!("shapes {sa:?} and {sb:?}"))?;
            let batch = sa.len() - 2;
            ensure(sa[..batch] == sb[..batch] && sa[batch + 1] == sb[batch], || format!("shapes {sa:?} and {sb:?}"))?;
            ensure(a.dtype == b.dtype && a.dtype != DType::Bool, || format!("dtypes {} and {}", a.dtype, b.dtype))?;
            let mut shape = sa[..=batch].to_vec();
            shape.push(sb[batch + 1]);
            if gemm.column_sums {
                ensure(batch == 0, || "column sums of a batch".into())?;
                let sums = &step.outputs[results];
                ensure(sums.dtype == a.dtype && sums.layout == Layout::contiguous(&shape[1..]), || {
                    "column sums of another shape".into()
                })?;
            }
            let written = &step.outputs[..results];
            ensure(written.iter().all(|output| output.layout.is_contiguous()), || {
                "the result is not row-major".into()
            })?;
            finish(gemm.epilogue.as_ref(), &step.inputs[2..], written, a.dtype, &shape)
        }
        Kernel::Conv(conv) => images::conv(conv, step),
        Kernel::Pool(pool) => images::pool(pool, step),
        Kernel::Softmax(_) => {
            counts(1, 1)?;
            let (x, y) = (&step.inputs[0], &step.outputs[0]);
            ensure(x.dtype.is_float() && x.dtype == y.dtype, || format!("dtypes {} and {}", x.dtype, y.dtype))?;
            ensure(x.layout.rank() > 0 && x.layout.shape == y.layout.shape && y.layout.is_contiguous(), || {
                format!("layouts {} and {}", x.layout, y.layout)
            })
        }
        Kernel::Gather(gather) => {
            counts(2, 1)?;
            let (x, index, y) = (&step.inputs[0], &step.inputs[1], &step.outputs[0]);
            indexed(&x.layout.shape, index, &y.layout.shape, gather.axis)?;
            ensure(x.dtype == y.dtype && y.layout.is_contiguous(), || "the output's dtype or layout".into())
        }
        Kernel::ScatterAdd(scatter) => {
            counts(3, 1)?;
            let (x, index, updates, y) = (&step.inputs[0], &step.inputs[1], &step.inputs[2], &step.outputs[0]);
            indexed(&x.layout.shape, index, &updates.layout.shape, scatter.axis)?;
            ensure(x.dtype == y.dtype && updates.dtype == y.dtype && x.dtype != DType::Bool, || {
                "dtypes differ".into()
            })?;
            ensure(x.layout.shape == y.layout.shape && y.layout.is_contiguous(), || "the output's layout".into())
        }
        Kernel::Random(random) => {
            counts(2, 1)?;
            let scalar = |operand: &Operand| operand.dtype == DType::I64 && operand.layout.rank() == 0;
            ensure(step.inputs.iter().all(scalar), || "key and counter are i64 scalars".into())?;
            let y = &step.outputs[0];
            let fits = match random.distribution {
                Distribution::Bits => y.dtype == DType::I64,
                Distribution::Uniform | Distribution::Normal => matches!(y.dtype, DType::F32 | DType::F64),
            };
            ensure(fits && y.layout.is_contiguous(), || format!("cannot draw {:?} as {}", random.distribution, y.dtype))
        }
        Kernel::Custom(_) => {
            counts(step.inputs.len(), 1)?;
            let mut operands = step.inputs.iter().chain(&step.outputs);
            ensure(operands.all(|operand| operand.layout.is_contiguous()), || "an operand is not row-major".into())
        }
    }
}

fn indexed(x: &[usize], index: &Operand, y: &[usize], axis: usize) -> Check {
    ensure(index.dtype.is_integer(), || format!("an index of {}", index.dtype))?;
    ensure(axis < x.len(), || format!("axis {axis} of {x:?}"))?;
    let wanted: Vec<usize> = x[..axis].iter().chain(&index.layout.shape).chain(&x[axis + 1..]).copied().collect();
    ensure(wanted == y, || format!("rows of shape {y:?}, expected {wanted:?}"))
}

/// How many operands an epilogue reads beside the result.
fn further_inputs(epilogue: Option<&Expr>) -> Result<usize, String> {
    let Some(expr) = epilogue else { return Ok(0) };
    match expr.inputs().len().checked_sub(1) {
        Some(further) if !expr.outputs().is_empty() => Ok(further),
        _ => Err("an epilogue takes the result and gives at least one".into()),
    }
}

/// Epilogue inputs and outputs, or the plain result.
fn finish(epilogue: Option<&Expr>, extra: &[Operand], outputs: &[Operand], result: DType, shape: &[usize]) -> Check {
    outputs.iter().try_for_each(injective)?;
    match epilogue {
        None => ensure(outputs[0].dtype == result && outputs[0].layout.shape == shape, || {
            format!("output of {} {:?}, expected {result} {shape:?}", outputs[0].dtype, outputs[0].layout.shape)
        }),
        Some(expr) => {
            ensure(expr.inputs()[0].compute() == result.compute(), || "the epilogue takes another dtype".into())?;
            expression(expr, extra, outputs, 1, shape)
        }
    }
}

fn expression(expr: &Expr, inputs: &[Operand], outputs: &[Operand], skip: usize, shape: &[usize]) -> Check {
    inputs_match(expr, inputs, skip, shape)?;
    for (n, (output, (_, dtype))) in outputs.iter().zip(expr.outputs()).enumerate() {
        ensure(output.dtype == *dtype && output.layout.shape == shape, || {
            format!("output {n} is not {dtype} {shape:?}")
        })?;
    }
    Ok(())
}

fn inputs_match(expr: &Expr, inputs: &[Operand], skip: usize, shape: &[usize]) -> Check {
    for (n, (input, dtype)) in inputs.iter().zip(&expr.inputs()[skip..]).enumerate() {
        ensure(input.dtype == *dtype && input.layout.shape == shape, || {
            format!("input {n} is {} {:?}, expected {dtype} {shape:?}", input.dtype, input.layout.shape)
        })?;
    }
    let axes = expr
        .body()
        .iter()
        .filter_map(|scalar| if let crate::Scalar::Index(axis) = scalar { Some(*axis as usize) } else { None });
    ensure(axes.max().is_none_or(|axis| axis < shape.len()), || "an index along an axis that is not there".into())
}

/// No two indices of an output at one place.
fn injective(output: &Operand) -> Check {
    let mut axes: Vec<(usize, usize)> = (output.layout.shape.iter().zip(&output.layout.strides))
        .filter(|&(&size, _)| size > 1)
        .map(|(&size, &stride)| (stride.unsigned_abs(), size))
        .collect();
    axes.sort_unstable();
    let mut reach = 0;
    for (stride, size) in axes {
        ensure(stride > reach, || format!("output layout {} overlaps itself", output.layout))?;
        reach += stride * (size - 1);
    }
    Ok(())
}

/// Inputs from this number on may be the memory of an output (with the same layout).
fn overwritable_from(kernel: &Kernel) -> usize {
    match kernel {
        Kernel::Map(_) | Kernel::Softmax(_) => 0,
        Kernel::ScatterAdd(_) => 0,
        Kernel::Gemm(_) | Kernel::Conv(_) => 2,
        Kernel::Pool(pool) => pool.op.inputs(),
        Kernel::Reduce(reduce) => reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len()),
        Kernel::Gather(_) | Kernel::Random(_) | Kernel::Custom(_) => usize::MAX,
    }
}

fn aliasing(step: &Step) -> Check {
    let overlap = |a: &Operand, b: &Operand| match (bytes(a), bytes(b)) {
        (Some((low, high)), Some((from, to))) => a.base == b.base && low < to && from < high,
        _ => false,
    };
    let outputs = &step.outputs;
    for (n, output) in outputs.iter().enumerate() {
        for (m, other) in outputs.iter().enumerate().skip(n + 1) {
            // Views of one array side by side (the parts of a concatenation) never belong to one step.
            ensure(!overlap(output, other), || format!("outputs {n} and {m} overlap"))?;
        }
        for (m, input) in step.inputs.iter().enumerate().filter(|(_, input)| overlap(output, input)) {
            let same = output.offset == input.offset
                && output.layout == input.layout
                && output.dtype.size() == input.dtype.size();
            let same_segment = match &step.kernel {
                Kernel::Map(map) => m / map.expr.inputs().len().max(1) == n / map.expr.outputs().len(),
                Kernel::ScatterAdd(_) => m == 0,
                _ => true,
            };
            ensure(same && same_segment && m >= overwritable_from(&step.kernel), || {
                format!("output {n} overwrites input {m}")
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one step over an arena of 256 bytes and a few externs.
    fn check(step: &str) -> Result<(), Error> {
        let text = format!(
            "program arena=256
            extern 0 \"f\" f32[16]
            extern 1 \"w\" f32[16] written
            extern 2 \"i\" i64[16]
            extern 3 \"o\" i64[16] written
            extern 4 \"b\" bool[16]
            extern 5 \"h\" f32[18446744073709551615]
            %0: {step} # here"
        );
        text.parse::<Program>().unwrap().verify()
    }

    #[test]
    fn sound_steps_pass() {
        let unary = "expr=|f32| {v0 = in0; v0:f32}";
        for step in [
            format!("map{{{unary}}} (extern0@0 f32[2, 3]/[0, 1]) -> (extern1@0 f32[2, 3])"),
            format!("map{{{unary}}} (extern1@0 f32[2, 3]) -> (extern1@0 f32[2, 3])"),
            format!("map{{{unary}, segments=2}} (extern0@0 f32[2], extern0@0 f32[3]) -> (arena@0 f32[2], arena@8 f32[3])"),
            format!("map{{{unary}}} (extern0@20 f32[6]/[-1]) -> (extern1@0 f32[6])"),
            format!("map{{{unary}}} (extern0@0 f32[0, 9]/[7, 7]) -> (extern1@0 f32[0, 9])"),
            "map{expr=|| {v0 = index0; v0:i64}} () -> (extern3@0 i64[4])".into(),
            "reduce{op=argmax, axes=[0]} (extern0@0 f32[2, 3]) -> (extern3@0 i64[3])".into(),
            "gemm{column_sums, epilogue=|f32, f32| {v0 = in0; v1 = in1; v2 = add(v0, v1); v2:f32}} \
             (extern0@0 f32[2, 3], extern0@0 f32[3, 2]/[1, 3], arena@0 f32[2, 2]) -> (arena@0 f32[2, 2], arena@64 f32[2])".into(),
            "log_softmax (extern1@0 f32[2, 3]) -> (extern1@0 f32[2, 3])".into(),
            "gather{axis=1} (extern0@0 f32[2, 3], extern2@0 i64[4]) -> (arena@0 f32[2, 4])".into(),
            "scatter_add{axis=0} (arena@0 f32[3, 2], extern2@0 i64[4], extern0@0 f32[4, 2]) -> (arena@0 f32[3, 2])".into(),
            "random{distribution=normal, stream=1} (extern2@0 i64[], extern2@8 i64[]) -> (arena@0 f32[7])".into(),
        ] {
            passes(&step);
        }
    }

    pub(super) fn passes(step: &str) {
        check(step).map_err(|why| format!("{step}: {why}")).unwrap();
    }

    /// Each line: what is wrong, then a step of which that is said.
    #[test]
    fn each_refusal_says_why() {
        let copy = "map{expr=|f32| {v0 = in0; v0:f32}}";
        let pair = "map{expr=|f32| {v0 = in0; v1 = neg(v0); v0:f32, v1:f32}}";
        let cases = [
            ("input 0: shape and strides differ in rank", format!("{copy} (extern0@0 f32[2]/[1, 1]) -> (arena@0 f32[2])")),
            ("input 0: its layout is larger", format!("{copy} (extern0@0 f32[3]/[9223372036854775807]) -> (arena@0 f32[3])")),
            ("input 0: its layout is larger", format!("{copy} (extern0@0 f32[9223372036854775807]/[0]) -> (arena@0 f32[3])")),
            ("input 0: there is no extern 9", format!("{copy} (extern9@0 f32[2]) -> (arena@0 f32[2])")),
            ("input 0: extern 5 is larger", format!("{copy} (extern5@0 f32[2]) -> (arena@0 f32[2])")),
            ("input 0: i64 memory read as f32", format!("{copy} (extern2@0 f32[2]) -> (arena@0 f32[2])")),
            ("input 0: misaligned", format!("{copy} (extern0@2 f32[2]) -> (arena@0 f32[2])")),
            ("output 0: written, but its memory is read-only", format!("{copy} (extern1@0 f32[2]) -> (extern0@0 f32[2])")),
            ("input 0: bytes 8..72 of 64", format!("{copy} (extern0@8 f32[16]) -> (arena@0 f32[16])")),
            ("input 0: bytes -4..4 of 64", format!("{copy} (extern0@0 f32[2]/[-1]) -> (arena@0 f32[2])")),
            ("output 0: bytes 252..260 of 256", format!("{copy} (extern0@0 f32[2]) -> (arena@252 f32[2])")),
            ("computes nothing", "map{expr=|| {}} () -> ()".into()),
            ("computes nothing", "map{expr=|f32| {v0 = in0; v0:f32}, segments=0} () -> ()".into()),
            ("too many segments", format!("{}segments=9223372036854775808}} () -> ()", pair.replace("}}", "}, "))),
            ("takes 1 inputs and 1 outputs, got 2 and 1", format!("{copy} (arena@0 f32[], arena@0 f32[]) -> (arena@8 f32[])")),
            ("input 0 is f32 [3], expected f32 [2]", format!("{copy} (extern0@0 f32[3]) -> (arena@0 f32[2])")),
            ("input 0 is i64 [2], expected f32 [2]", format!("{copy} (extern2@0 i64[2]) -> (arena@0 f32[2])")),
            ("output 0 is not f32 [2]", format!("{copy} (extern0@0 f32[2]) -> (arena@0 i32[2])")),
            ("output layout [3]/[0] overlaps itself", format!("{copy} (extern0@0 f32[3]) -> (arena@0 f32[3]/[0])")),
            ("an index along an axis that is not there", "map{expr=|| {v0 = index1; v0:i64}} () -> (arena@0 i64[4])".into()),
            ("outputs 0 and 1 overlap", format!("{pair} (extern0@0 f32[3]) -> (arena@0 f32[3], arena@8 f32[3])")),
            ("output 0 overwrites input 0", format!("{copy} (arena@4 f32[3]) -> (arena@0 f32[3])")),
            ("output 0 overwrites input 1", "map{expr=|f32| {v0 = in0; v0:f32}, segments=2} (extern0@0 f32[2], arena@0 f32[2]) \
                -> (arena@0 f32[2], arena@8 f32[2])".into()),
            ("axes are not ascending", "reduce{op=sum, axes=[1, 0]} (extern0@0 f32[2, 3]) -> (arena@0 f32[])".into()),
            ("axes [2] of [2, 3]", "reduce{op=sum, axes=[2]} (extern0@0 f32[2, 3]) -> (arena@0 f32[2])".into()),
            ("the prologue takes nothing", "reduce{op=sum, axes=[], prologue=|| {v0 = 1:i64; v0:i64}} () -> (arena@0 i64[])".into()),
            ("a prologue has one result", "reduce{op=sum, axes=[0], prologue=|f32| {}} (extern0@0 f32[2]) -> (arena@0 f32[])".into()),
            ("output of f32 [], expected i64 []", "reduce{op=argmin, axes=[0]} (extern0@0 f32[2]) -> (arena@0 f32[])".into()),
            ("an epilogue takes the result", "reduce{op=sum, axes=[0], epilogue=|| {}} (extern0@0 f32[2]) -> ()".into()),
            ("the epilogue takes another dtype", "reduce{op=sum, axes=[0], epilogue=|i64| {v0 = in0; v0:i64}} (extern0@0 f32[2]) -> (arena@0 i64[])".into()),
            ("output 0 overwrites input 0", "reduce{op=sum, axes=[]} (arena@0 f32[2]) -> (arena@0 f32[2])".into()),
            ("shapes [2] and [2]", "gemm (extern0@0 f32[2], extern0@0 f32[2]) -> (arena@0 f32[])".into()),
            ("shapes [2, 3] and [2, 3]", "gemm (extern0@0 f32[2, 3], extern0@0 f32[2, 3]) -> (arena@0 f32[2, 3])".into()),
            ("dtypes bool and bool", "gemm (extern4@0 bool[2, 2], extern4@0 bool[2, 2]) -> (arena@0 bool[2, 2])".into()),
            ("column sums of a batch", "gemm{column_sums} (extern0@0 f32[1, 2, 2], extern0@0 f32[1, 2, 2]) -> (arena@0 f32[1, 2, 2], arena@64 f32[2])".into()),
            ("column sums of another shape", "gemm{column_sums} (extern0@0 f32[2, 2], extern0@0 f32[2, 2]) -> (arena@0 f32[2, 2], arena@64 f32[3])".into()),
            ("the result is not row-major", "gemm (extern0@0 f32[2, 2], extern0@0 f32[2, 2]) -> (arena@0 f32[2, 2]/[1, 2])".into()),
            ("an epilogue takes the result", "gemm{epilogue=|f32| {}} (extern0@0 f32[2, 2], extern0@0 f32[2, 2]) -> ()".into()),
            ("output 0 overwrites input 1", "gemm (extern0@0 f32[2, 2], arena@0 f32[2, 2]) -> (arena@0 f32[2, 2])".into()),
            ("dtypes i64 and i64", "softmax (extern2@0 i64[2]) -> (arena@0 i64[2])".into()),
            ("layouts [] and []", "softmax (extern0@0 f32[]) -> (arena@0 f32[])".into()),
            ("an index of f32", "gather{axis=0} (extern0@0 f32[2], extern0@0 f32[2]) -> (arena@0 f32[2])".into()),
            ("axis 1 of [2]", "gather{axis=1} (extern0@0 f32[2], extern2@0 i64[2]) -> (arena@0 f32[2])".into()),
            ("rows of shape [2], expected [3]", "gather{axis=0} (extern0@0 f32[2], extern2@0 i64[3]) -> (arena@0 f32[2])".into()),
            ("the output's dtype or layout", "gather{axis=0} (extern0@0 f32[2], extern2@0 i64[3]) -> (arena@0 i32[3])".into()),
            ("output 0 overwrites input 0", "gather{axis=0} (arena@0 f32[2], extern2@0 i64[2]) -> (arena@0 f32[2])".into()),
            ("dtypes differ", "scatter_add{axis=0} (extern0@0 f32[2], extern2@0 i64[2], extern2@0 i64[2]) -> (arena@0 f32[2])".into()),
            ("the output's layout", "scatter_add{axis=0} (extern0@0 f32[2], extern2@0 i64[2], extern0@0 f32[2]) -> (arena@0 f32[3])".into()),
            ("output 0 overwrites input 2", "scatter_add{axis=0} (extern0@0 f32[2], extern2@0 i64[2], arena@0 f32[2]) -> (arena@0 f32[2])".into()),
            ("key and counter are i64 scalars", "random{distribution=bits, stream=0} (extern2@0 i64[1], extern2@0 i64[]) -> (arena@0 i64[2])".into()),
            ("cannot draw Bits as f32", "random{distribution=bits, stream=0} (extern2@0 i64[], extern2@0 i64[]) -> (arena@0 f32[2])".into()),
            ("cannot draw Normal as i64", "random{distribution=normal, stream=0} (extern2@0 i64[], extern2@0 i64[]) -> (arena@0 i64[2])".into()),
        ];
        for (wanted, step) in cases {
            refuses(wanted, &step);
        }
    }

    pub(super) fn refuses(wanted: &str, step: &str) {
        let why = check(step).err().map_or_else(|| "it passed".into(), |why| why.to_string());
        assert!(
            why.starts_with("step 0 (") && why.contains(&format!("here): {wanted}")),
            "{step}: {why}, not {wanted}"
        );
    }
}
