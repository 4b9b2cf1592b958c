//! The family's part of the conformance suite.

use super::{Reduce, ReduceOp};
use crate::{Array, Binary, DType, Error, Expr, Kernel, Layout, Literal, Scalar, Unary, conformance::Case};

const OPS: [ReduceOp; 6] =
    [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Max, ReduceOp::Min, ReduceOp::ArgMax, ReduceOp::ArgMin];

/// Deterministic values of all sizes near 1, of either sign where the dtype has signs; with ties for integers.
pub(crate) fn noise(dtype: DType, shape: &[usize], seed: usize) -> Result<Array, Error> {
    Array::from_fn(dtype, shape, |i| {
        let hash = (i as u64 ^ (seed as u64) << 32).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let unit = ((hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1u64 << 53) as f64;
        match dtype {
            DType::Bool => f64::from(u8::from(unit < 0.5)),
            DType::U8 => (unit * 4.0).floor(),
            DType::I32 | DType::I64 => (unit * 9.0).floor() - 4.0,
            _ => 2.0 * unit - 1.0,
        }
    })
}

/// What a device may differ by from the reference, for sums of up to some hundred thousand terms.
pub(crate) fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
        DType::F32 => 2e-6,
        _ => 1e-12,
    }
}

fn is_arg(op: ReduceOp) -> bool {
    matches!(op, ReduceOp::ArgMax | ReduceOp::ArgMin)
}

fn without(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect()
}

fn view(op: ReduceOp, axes: &[usize], array: Array, start: usize, layout: Layout) -> Result<Case, Error> {
    let dtype = array.dtype();
    let kernel = Kernel::Reduce(Reduce { op, axes: axes.to_vec(), prologue: None, epilogue: None });
    let name = format!("{op:?} of {dtype} {layout} over {axes:?}");
    let shape = without(&layout.shape, axes);
    let case = Case::new(name, kernel, tolerance(dtype)).input_view(array, start, layout);
    case.output(if is_arg(op) { DType::I64 } else { dtype }, &shape)
}

/// Every operation over one shape; products get factors near 1, so that they neither vanish nor overflow.
fn all_ops(cases: &mut Vec<Case>, dtype: DType, shape: &[usize], axes: &[usize]) -> Result<(), Error> {
    for op in OPS {
        let array = match (op, dtype) {
            (ReduceOp::Prod, DType::Bool) => Array::from_fn(dtype, shape, |i| f64::from(u8::from(i % 97 != 5)))?,
            (ReduceOp::Prod, _) if dtype.is_float() => Array::from_fn(dtype, shape, |i| match i % 1000 {
                3 => 2.0,
                7 => 0.5,
                _ => [1.0, -1.0, 1.0][i % 3],
            })?,
            (ReduceOp::Prod, _) => Array::from_fn(dtype, shape, |i| if i % 331 == 3 { 2.0 } else { 1.0 })?,
            (ReduceOp::Sum, DType::U8) => Array::from_fn(dtype, shape, |i| f64::from(u8::from(i % 50 == 7)))?,
            _ => noise(dtype, shape, 1)?,
        };
        cases.push(view(op, axes, array, 0, Layout::contiguous(shape))?);
    }
    Ok(())
}

fn square(dtype: DType) -> Result<Expr, Error> {
    let mut expr = Expr::new([dtype]);
    let x = expr.push(Scalar::Input(0))?;
    let y = expr.push(Scalar::Unary(Unary::Square, x))?;
    expr.output(y, dtype)?;
    Ok(expr)
}

fn times(dtype: DType, factor: f64) -> Result<Expr, Error> {
    let mut expr = Expr::new([dtype]);
    let x = expr.push(Scalar::Input(0))?;
    let factor = expr.push(Scalar::Const(Literal::new(dtype.compute(), factor)))?;
    let y = expr.push(Scalar::Binary(Binary::Mul, x, factor))?;
    expr.output(y, dtype)?;
    Ok(expr)
}

/// a * b for inputs of one dtype.
fn product(dtype: DType) -> Result<Expr, Error> {
    let mut expr = Expr::new([dtype, dtype]);
    let a = expr.push(Scalar::Input(0))?;
    let b = expr.push(Scalar::Input(1))?;
    let y = expr.push(Scalar::Binary(Binary::Mul, a, b))?;
    expr.output(y, dtype)?;
    Ok(expr)
}

/// The input plus the index along each of the axes.
fn indexed(axes: usize) -> Result<Expr, Error> {
    let mut expr = Expr::new([DType::F32]);
    let mut sum = expr.push(Scalar::Input(0))?;
    for axis in 0..axes {
        let index = expr.push(Scalar::Index(axis as u32))?;
        let index = expr.push(Scalar::Cast(DType::F32, index))?;
        sum = expr.push(Scalar::Binary(Binary::Add, sum, index))?;
    }
    expr.output(sum, DType::F32)?;
    Ok(expr)
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = plain()?;
    cases.extend(fused()?);
    for (shape, axes) in [
        (&[16, 64][..], &[1][..]),
        (&[64, 16], &[0]),
        (&[7, 3, 64], &[0, 2]),
        (&[4, 3, 5, 6], &[1, 2]),
        (&[5000, 40], &[0]),
        (&[20_000], &[0]),
    ] {
        for op in [ReduceOp::Sum, ReduceOp::ArgMin, ReduceOp::Max] {
            let kept = without(shape, axes);
            let epilogue = if is_arg(op) { None } else { Some(indexed(kept.len())?) };
            let reduce = Reduce { op, axes: axes.to_vec(), prologue: Some(indexed(shape.len())?), epilogue };
            let name = format!("{op:?} of {shape:?} plus indices over {axes:?}");
            let case = Case::new(name, Kernel::Reduce(reduce), 2e-6).input(noise(DType::F32, shape, 15)?);
            cases.push(case.output(if is_arg(op) { DType::I64 } else { DType::F32 }, &kept)?);
        }
    }
    Ok(cases)
}

fn plain() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], &[usize]); 23] = [
        (&[], &[]),
        (&[1], &[0]),
        (&[7], &[]),
        (&[4], &[0]),
        (&[100_003], &[0]),
        (&[3, 1], &[1]),
        (&[13, 10], &[1]),
        (&[13, 10], &[0]),
        (&[5, 1031], &[1]),
        (&[1031, 5], &[0]),
        (&[129, 67], &[0]),
        (&[300, 600], &[0]),
        (&[3, 1100], &[0]),
        (&[40_000, 3], &[0]),
        (&[2, 65_537], &[1]),
        (&[3, 5, 7], &[1]),
        (&[3, 5, 7], &[0, 2]),
        (&[40, 3, 700], &[0, 2]),
        (&[2, 3, 5, 7], &[0, 2]),
        (&[2, 3, 5, 7], &[1, 3]),
        (&[3, 2, 1, 3, 5], &[0, 2, 4]),
        (&[2, 3, 2, 2, 3], &[1, 2, 3]),
        (&[70, 2, 600], &[0]),
    ];
    for (shape, axes) in shapes {
        all_ops(&mut cases, DType::F32, shape, axes)?;
    }
    for dtype in DType::ALL {
        for (shape, axes) in [(&[6, 31][..], &[1][..]), (&[31, 6], &[0]), (&[2, 9, 3], &[0, 2]), (&[1000], &[0])] {
            all_ops(&mut cases, dtype, shape, axes)?;
        }
        for (shape, axes) in [(&[0][..], &[0][..]), (&[3, 0], &[1]), (&[0, 3], &[0]), (&[0, 3], &[1])] {
            all_ops(&mut cases, dtype, shape, axes)?;
        }
    }
    for op in OPS {
        let layouts = [
            (0, Layout::contiguous(&[37, 53]).permuted(&[1, 0]), &[1][..]),
            (0, Layout::contiguous(&[37, 53]).permuted(&[1, 0]), &[0]),
            (0, Layout { shape: vec![37, 20], strides: vec![53, 1] }, &[1]),
            (3, Layout { shape: vec![37, 20], strides: vec![53, 1] }, &[0]),
            (0, Layout { shape: vec![700, 29], strides: vec![1, 67] }, &[0]),
            (1960, Layout { shape: vec![37, 53], strides: vec![-53, -1] }, &[1]),
            (0, Layout { shape: vec![37, 600], strides: vec![3, 0] }, &[0]),
            (0, Layout { shape: vec![600, 37], strides: vec![0, 2] }, &[1]),
        ];
        for (start, layout, axes) in layouts {
            let layout_op = if op == ReduceOp::Prod { ReduceOp::Sum } else { op };
            cases.push(view(layout_op, axes, noise(DType::F32, &[1961], 5)?, start, layout)?);
        }
        for (place, value) in [(0, f64::NAN), (777, f64::NAN), (1030, f64::NAN), (5, f64::INFINITY)] {
            let special = |i: usize| if i % 1031 == place { value } else { (i % 7) as f64 - 3.0 };
            for (shape, axes) in [(&[2, 1031][..], &[1][..]), (&[2062], &[0]), (&[1031, 3], &[0])] {
                let array = Array::from_fn(DType::F32, shape, special)?;
                cases.push(view(op, axes, array, 0, Layout::contiguous(shape))?);
            }
        }
    }
    let kernel = || Kernel::Reduce(Reduce { op: ReduceOp::Sum, axes: vec![1], prologue: None, epilogue: None });
    let case = Case::new("sum into a view", kernel(), 1e-6).input(noise(DType::F32, &[9, 4, 5], 6)?);
    cases.push(case.output_view(DType::F32, 100, 2, Layout { shape: vec![9, 5], strides: vec![1, 11] })?);
    Ok(cases)
}

fn fused() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I32] {
        for (shape, axes) in [
            (&[4][..], &[0][..]),
            (&[100_003], &[0]),
            (&[128, 10], &[1]),
            (&[128, 10], &[0]),
            (&[3, 1031], &[1]),
            (&[1031, 70], &[0]),
            (&[2, 3, 5, 7], &[0, 2]),
            (&[3, 0], &[1]),
        ] {
            let count: usize = axes.iter().map(|&axis| shape[axis]).product();
            let scale = if dtype.is_float() { 1.0 / count.max(1) as f64 } else { 3.0 };
            for op in [ReduceOp::Sum, ReduceOp::Max] {
                let reduce = Reduce {
                    op,
                    axes: axes.to_vec(),
                    prologue: Some(square(dtype)?),
                    epilogue: Some(times(dtype, scale)?),
                };
                let name = format!("{op:?} of the squares of {dtype} {shape:?} over {axes:?}, scaled");
                // The long sum of halves leaves their range unless its mean is taken; the reference does not mind.
                if dtype == DType::F16 && count > 1000 && op == ReduceOp::Sum {
                    continue;
                }
                let case = Case::new(name, Kernel::Reduce(reduce), tolerance(dtype)).input(noise(dtype, shape, 8)?);
                cases.push(case.output(dtype, &without(shape, axes))?);
            }
            let mean = Reduce {
                op: ReduceOp::Sum,
                axes: axes.to_vec(),
                prologue: None,
                epilogue: Some(times(dtype.compute(), scale)?),
            };
            let case = Case::new(format!("mean of {dtype} {shape:?} over {axes:?}"), Kernel::Reduce(mean), 2e-6);
            cases.push(case.input(noise(dtype, shape, 9)?).output(dtype.compute(), &without(shape, axes))?);
        }
    }
    for (shape, axes) in [(&[13, 10][..], &[1][..]), (&[10, 130], &[0]), (&[2, 1031], &[1]), (&[3, 4, 5], &[0, 2])] {
        let dot =
            Reduce { op: ReduceOp::Sum, axes: axes.to_vec(), prologue: Some(product(DType::F32)?), epilogue: None };
        let layout = Layout::contiguous(shape);
        let reversed: Vec<usize> = (0..shape.len()).rev().collect();
        let swapped: Vec<usize> = reversed.iter().map(|&axis| shape[axis]).collect();
        let case = Case::new(format!("dot of {layout} with a transposed array"), Kernel::Reduce(dot), 2e-6)
            .input(noise(DType::F32, shape, 10)?)
            .input_view(noise(DType::F32, shape, 11)?, 0, Layout::contiguous(&swapped).permuted(&reversed));
        cases.push(case.output(DType::F32, &without(shape, axes))?);

        let mut weighted = Expr::new([DType::F32, DType::F32]);
        let (a, b) = (weighted.push(Scalar::Input(0))?, weighted.push(Scalar::Input(1))?);
        let sum = weighted.push(Scalar::Binary(Binary::Add, a, b))?;
        weighted.output(sum, DType::F32)?;
        weighted.output(b, DType::F32)?;
        let reduce = Reduce { op: ReduceOp::Max, axes: axes.to_vec(), prologue: None, epilogue: Some(weighted) };
        let kept = without(shape, axes);
        let case = Case::new(format!("max of {layout} plus another array"), Kernel::Reduce(reduce), 2e-6)
            .input(noise(DType::F32, shape, 12)?)
            .input(noise(DType::F32, &kept, 13)?);
        cases.push(case.output(DType::F32, &kept)?.output(DType::F32, &kept)?);

        for op in [ReduceOp::ArgMax, ReduceOp::ArgMin] {
            let reduce = Reduce { op, axes: axes.to_vec(), prologue: Some(square(DType::F32)?), epilogue: None };
            let case = Case::new(format!("{op:?} of the squares of {layout}"), Kernel::Reduce(reduce), 0.0);
            cases.push(case.input(noise(DType::F32, shape, 14)?).output(DType::I64, &kept)?);
        }
    }
    Ok(cases)
}
