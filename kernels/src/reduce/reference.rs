use super::ReduceOp;
use crate::{
    DType, Error, Operand, Reduce, map,
    reference::{Results, Values, finish, unravel},
};

pub(crate) fn reduce(reduce: &Reduce, inputs: &[Values], outputs: &[Operand]) -> Results {
    let missing = || Error::invalid("a reduction without an operand");
    let shape = &inputs.first().ok_or_else(missing)?.shape;
    let taken = reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len());
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !reduce.axes.contains(axis)).collect();
    let kept_shape: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();

    let mut groups: Vec<Vec<f64>> = vec![vec![]; kept_shape.iter().product()];
    for flat in 0..shape.iter().product() {
        let index = unravel(shape, flat);
        let element: Vec<f64> = inputs[..taken].iter().map(|input| input.data[flat]).collect();
        let value = match &reduce.prologue {
            Some(expr) => map::reference::eval(expr, &element, &index)[0],
            None => element[0],
        };
        let group = kept.iter().fold(0, |group, &axis| group * shape[axis] + index[axis]);
        groups[group].push(value);
    }

    // What nothing reduces to depends on the dtype; floats and the wider integers saturate when they are stored.
    let dtype = match (&reduce.prologue, &reduce.epilogue) {
        (Some(expr), _) => expr.outputs()[0].1,
        (None, Some(expr)) => expr.inputs()[0],
        (None, None) => outputs.first().ok_or_else(missing)?.dtype,
    };
    let (lowest, highest) = match dtype {
        DType::Bool => (0.0, 1.0),
        DType::U8 => (0.0, 255.0),
        DType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let extreme = |group: &[f64], start: f64, better: fn(f64, f64) -> bool| {
        group.iter().fold(start, |best, &x| if best.is_nan() || better(best, x) { best } else { x })
    };
    let first = |group: &[f64], better: fn(f64, f64) -> bool| {
        let mut best = 0;
        for (n, &x) in group.iter().enumerate() {
            if !group[best].is_nan() && (x.is_nan() || better(x, group[best])) {
                best = n;
            }
        }
        best as f64
    };
    let values = groups.iter().map(|group| match reduce.op {
        ReduceOp::Sum => group.iter().sum(),
        ReduceOp::Prod => group.iter().product(),
        ReduceOp::Max => extreme(group, lowest, |best, x| best >= x),
        ReduceOp::Min => extreme(group, highest, |best, x| best <= x),
        ReduceOp::ArgMax => first(group, |x, best| x > best),
        ReduceOp::ArgMin => first(group, |x, best| x < best),
    });
    // The sum of no floats is 0, not the -0 that an empty `sum` gives.
    let values: Vec<f64> = values.map(|value: f64| value + 0.0).collect();

    Ok(finish(reduce.epilogue.as_ref(), values, &inputs[taken..], &kept_shape))
}
