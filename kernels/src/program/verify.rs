//! What makes a program sound: the contracts of the kernels' documentation, checked.

use super::{Base, Kernel, Operand, Program, Step};
use crate::{DType, Distribution, Error, Expr, Layout, ReduceOp};

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
        let (size, writable, dtype) = match operand.base {
            Base::Arena => (program.arena, true, None),
            Base::Extern(n) => {
                let memory =
                    program.externs.get(n as usize).ok_or_else(|| format!("{role}: there is no extern {n}"))?;
                (memory.len * memory.dtype.size(), memory.written, Some(memory.dtype))
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

fn contract(step: &Step) -> Check {
    let counts = |inputs: usize, outputs: usize| {
        ensure(step.inputs.len() == inputs && step.outputs.len() == outputs, || {
            format!("takes {inputs} inputs and {outputs} outputs, got {} and {}", step.inputs.len(), step.outputs.len())
        })
    };
    match &step.kernel {
        Kernel::Map(map) => {
            let (inputs, outputs) = (map.expr.inputs().len(), map.expr.outputs().len());
            ensure(outputs > 0 && map.segments > 0, || "computes nothing".into())?;
            counts(inputs * map.segments, outputs * map.segments)?;
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
            let extra = reduce.epilogue.as_ref().map_or(0, |expr| expr.inputs().len() - 1);
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
            let extra = gemm.epilogue.as_ref().map_or(0, |expr| expr.inputs().len() - 1);
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
    }
}

fn indexed(x: &[usize], index: &Operand, y: &[usize], axis: usize) -> Check {
    ensure(index.dtype.is_integer(), || format!("an index of {}", index.dtype))?;
    ensure(axis < x.len(), || format!("axis {axis} of {x:?}"))?;
    let wanted: Vec<usize> = x[..axis].iter().chain(&index.layout.shape).chain(&x[axis + 1..]).copied().collect();
    ensure(wanted == y, || format!("rows of shape {y:?}, expected {wanted:?}"))
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
        Kernel::Gemm(_) => 2,
        Kernel::Reduce(reduce) => reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len()),
        Kernel::Gather(_) | Kernel::Random(_) => usize::MAX,
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
