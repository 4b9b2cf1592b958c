//! The family's part of the conformance suite.

use crate::{
    Array, Binary, DType, Error, Expr, Kernel, Layout, Literal, Map, Scalar, Unary, Value, checked_len,
    conformance::Case,
};
use DType::{BF16, Bool, F16, F32, F64, I32, I64, U8};

/// What arithmetic is done in.
const COMPUTED: [DType; 6] = [Bool, U8, I32, I64, F32, F64];

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    operators(&mut cases)?;
    special_values(&mut cases)?;
    conversions(&mut cases)?;
    sizes(&mut cases)?;
    layouts(&mut cases)?;
    memory(&mut cases)?;
    fusion(&mut cases)?;
    Ok(cases)
}

fn tolerance(dtype: DType) -> f64 {
    match dtype {
        F64 => 1e-15,
        F16 => 1e-3,
        BF16 => 8e-3,
        _ => 3e-7,
    }
}

fn map(expr: Expr) -> Kernel {
    Kernel::Map(Map { expr, segments: 1 })
}

/// An expression of inputs of these dtypes whose body `build` adds; its results are stored as they are computed.
fn expr(inputs: &[DType], build: impl FnOnce(&mut Expr) -> Result<Vec<Value>, Error>) -> Result<Expr, Error> {
    let mut expr = Expr::new(inputs.iter().copied());
    for n in 0..inputs.len() {
        expr.push(Scalar::Input(n as u32))?;
    }
    for value in build(&mut expr)? {
        expr.output(value, expr.dtype(value))?;
    }
    Ok(expr)
}

fn one(inputs: &[DType], build: impl FnOnce(&mut Expr) -> Result<Value, Error>) -> Result<Expr, Error> {
    expr(inputs, |expr| Ok(vec![build(expr)?]))
}

/// Values spread over `low..high` that repeat late.
fn spread(dtype: DType, shape: &[usize], low: f64, high: f64) -> Result<Array, Error> {
    Array::from_fn(dtype, shape, |i| {
        let x = low + (high - low) * ((i * 7919 + 13) % 1009) as f64 / 1009.0;
        // Whole numbers at times, so that equal operands and ties of rounding occur.
        if i % 5 == 0 { (x * 2.0).round() / 2.0 } else { x }
    })
}

/// The values on which an operator is finite and its result of moderate size.
fn domain(op: Unary) -> (f64, f64) {
    match op {
        Unary::Exp | Unary::Expm1 => (-6.0, 2.0),
        Unary::Log | Unary::Rsqrt => (0.1, 50.0),
        Unary::Sqrt => (0.0, 50.0),
        Unary::Log1p => (-0.9, 20.0),
        Unary::Reciprocal => (0.3, 9.0),
        _ => (-9.0, 9.0),
    }
}

fn operators(cases: &mut Vec<Case>) -> Result<(), Error> {
    for dtype in COMPUTED {
        for &op in Unary::ALL.iter().filter(|op| op.accepts(dtype)) {
            let (low, high) = domain(op);
            for n in [3, 530] {
                let kernel = map(one(&[dtype], |expr| expr.push(Scalar::Unary(op, 0)))?);
                cases.push(
                    Case::new(format!("{} of {n} {dtype}", op.name()), kernel, tolerance(dtype))
                        .input(spread(dtype, &[n], low, high)?)
                        .output(op.result(dtype), &[n])?,
                );
            }
        }
        for &op in Binary::ALL.iter().filter(|op| op.accepts(dtype)) {
            let low = if op == Binary::Pow { 0.2 } else { -9.0 };
            for n in [1, 523] {
                let kernel = map(one(&[dtype; 2], |expr| expr.push(Scalar::Binary(op, 0, 1)))?);
                cases.push(
                    Case::new(format!("{} of {n} {dtype}", op.name()), kernel, tolerance(dtype))
                        .input(spread(dtype, &[n], low, 4.0)?)
                        .input(spread(dtype, &[n], -3.0, 7.0)?)
                        .output(op.result(dtype), &[n])?,
                );
            }
        }
        let kernel = map(one(&[Bool, dtype, dtype], |expr| expr.push(Scalar::Select(0, 1, 2)))?);
        cases.push(
            Case::new(format!("select of {dtype}"), kernel, 0.0)
                .input(Array::from_fn(Bool, &[700], |i| f64::from(u8::from(i % 3 == 0)))?)
                .input(spread(dtype, &[700], -9.0, 9.0)?)
                .input(spread(dtype, &[700], 0.0, 200.0)?)
                .output(dtype, &[700])?,
        );
    }
    Ok(())
}

fn special_values(cases: &mut Vec<Case>) -> Result<(), Error> {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let near = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 1e-40, -1e-40, 1e-30, -1e-30, 3e-5, -3e-5];
    for dtype in [F32, F64] {
        for &op in Unary::ALL.iter().filter(|op| op.accepts(dtype)) {
            let kernel = || one(&[dtype], |expr| expr.push(Scalar::Unary(op, 0))).map(map);
            // What overflows in f32 only would not in the reference, and 1 / 1e-40 drowns the rest.
            let values: Vec<f64> = match op {
                Unary::Reciprocal | Unary::Rsqrt => {
                    near.iter().copied().filter(|x| x.abs() > 1e-3 || *x == 0.0).collect()
                }
                _ => near.to_vec(),
            };
            cases.push(
                Case::new(format!("{} of special {dtype}", op.name()), kernel()?, tolerance(dtype))
                    .input(Array::from_fn(dtype, &[values.len()], |i| values[i])?)
                    .output(op.result(dtype), &[values.len()])?,
            );
            let huge: &[f64] = match op {
                Unary::Sin | Unary::Cos | Unary::Square => &[1e3, -1e3, 300.0],
                _ => &[-1e30, 1e30, -200.0, -1e4, 1e4],
            };
            let values: Vec<f64> = match op {
                Unary::Exp | Unary::Expm1 => huge.iter().copied().filter(|&x| x < 0.0).collect(),
                _ => huge.to_vec(),
            };
            cases.push(
                Case::new(format!("{} of huge {dtype}", op.name()), kernel()?, tolerance(dtype))
                    .input(Array::from_fn(dtype, &[values.len()], |i| values[i])?)
                    .output(op.result(dtype), &[values.len()])?,
            );
        }
        // Every special value against every other.
        let mut values = near.to_vec();
        values.retain(|x| !(*x != 0.0 && x.abs() < 1e-3));
        let count = values.len();
        for &op in Binary::ALL.iter().filter(|op| op.accepts(dtype)) {
            let divisor = |i: usize| match (op, values[i / count]) {
                // -1 mod infinity: fmod and the textbook formula disagree on every device.
                (Binary::Mod, x) if x.is_infinite() => 3.0,
                (_, x) => x,
            };
            let kernel = map(one(&[dtype; 2], |expr| expr.push(Scalar::Binary(op, 0, 1)))?);
            cases.push(
                Case::new(format!("{} of special {dtype}", op.name()), kernel, tolerance(dtype))
                    .input(Array::from_fn(dtype, &[count * count], |i| values[i % count])?)
                    .input(Array::from_fn(dtype, &[count * count], divisor)?)
                    .output(op.result(dtype), &[count * count])?,
            );
        }
    }
    for dtype in [U8, I32, I64] {
        // Borders where arithmetic wraps, and divisors of zero. Products of i64 would be beyond 2^53.
        let values: &[f64] = match dtype {
            U8 => &[0.0, 1.0, 2.0, 127.0, 128.0, 254.0, 255.0],
            I32 => &[0.0, 1.0, -1.0, 7.0, -7.0, 2147483647.0, -2147483648.0, 65537.0],
            _ => &[0.0, 1.0, -1.0, 7.0, -7.0, 94906265.0, -94906265.0],
        };
        let count = values.len();
        for &op in Binary::ALL.iter().filter(|op| op.accepts(dtype)) {
            let kernel = map(one(&[dtype; 2], |expr| expr.push(Scalar::Binary(op, 0, 1)))?);
            cases.push(
                Case::new(format!("{} of borders of {dtype}", op.name()), kernel, 0.0)
                    .input(Array::from_fn(dtype, &[count, count], |i| values[i % count])?)
                    .input(Array::from_fn(dtype, &[count, count], |i| values[i / count])?)
                    .output(op.result(dtype), &[count, count])?,
            );
        }
    }
    Ok(())
}

fn conversions(cases: &mut Vec<Case>) -> Result<(), Error> {
    for from in DType::ALL {
        for to in DType::ALL {
            for n in [5, 517] {
                let mut cast = Expr::new([from]);
                let x = cast.push(Scalar::Input(0))?;
                let y = cast.push(Scalar::Cast(to, x))?;
                cast.output(y, to)?;
                cases.push(
                    Case::new(format!("cast of {n} {from} to {to}"), map(cast), 0.0)
                        .input(spread(from, &[n], -300.0, 300.0)?)
                        .output(to, &[n])?,
                );
            }
            cases.push(
                Case::new(format!("copy of {from} to {to}"), map(Expr::copy(from, to)), tolerance(to))
                    .input(spread(from, &[33], 0.0, 200.0)?)
                    .output(to, &[33])?,
            );
            // A literal is rounded to its dtype, then converted.
            let mut constant = Expr::new([]);
            let x = constant.push(Scalar::Const(Literal::new(from, 1.3)))?;
            let y = constant.push(Scalar::Cast(to, x))?;
            constant.output(y, to)?;
            cases.push(Case::new(format!("literal of {from} to {to}"), map(constant), 0.0).output(to, &[2, 9])?);
        }
        if from.is_float() {
            let values = [f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0, 3e9, -3e9, 1e20, -1e20, 255.5, 0.3];
            for to in [Bool, U8, I32] {
                let kernel = map(one(&[from], |expr| expr.push(Scalar::Cast(to, 0)))?);
                cases.push(
                    Case::new(format!("cast of special {from} to {to}"), kernel, 0.0)
                        .input(Array::from_fn(from, &[values.len()], |i| values[i])?)
                        .output(to, &[values.len()])?,
                );
            }
        }
    }
    Ok(())
}

/// tanh(a x + b) c
fn chain() -> Result<Expr, Error> {
    one(&[F32; 4], |expr| {
        let product = expr.push(Scalar::Binary(Binary::Mul, 0, 1))?;
        let sum = expr.push(Scalar::Binary(Binary::Add, product, 2))?;
        let tanh = expr.push(Scalar::Unary(Unary::Tanh, sum))?;
        expr.push(Scalar::Binary(Binary::Mul, tanh, 3))
    })
}

fn sizes(cases: &mut Vec<Case>) -> Result<(), Error> {
    let shapes: [&[usize]; 22] = [
        &[],
        &[0],
        &[1],
        &[2],
        &[15],
        &[16],
        &[17],
        &[31],
        &[511],
        &[512],
        &[513],
        &[1031],
        &[1024],
        &[3, 0, 2],
        &[1, 1, 1],
        &[7, 1, 13],
        &[3, 5, 7, 11],
        &[2, 3, 2, 5, 3],
        &[1, 600, 1],
        &[37, 41],
        &[20_011],
        &[70_000],
    ];
    for shape in shapes {
        let mut case = Case::new(format!("chain over {shape:?}"), map(chain()?), 3e-7);
        for n in 0..4 {
            case = case.input(spread(F32, shape, f64::from(n) - 2.0, 2.0)?);
        }
        cases.push(case.output(F32, shape)?);

        // The index along every axis, weighted.
        let indices = one(&[], |expr| {
            let mut sum = expr.push(Scalar::Const(Literal::int(I64, 1)))?;
            for axis in 0..shape.len() {
                let weight = expr.push(Scalar::Const(Literal::int(I64, 10i64.pow(axis as u32))))?;
                let index = expr.push(Scalar::Index(axis as u32))?;
                let product = expr.push(Scalar::Binary(Binary::Mul, index, weight))?;
                sum = expr.push(Scalar::Binary(Binary::Add, sum, product))?;
            }
            Ok(sum)
        })?;
        cases.push(Case::new(format!("indices over {shape:?}"), map(indices), 0.0).output(I64, shape)?);
    }
    Ok(())
}

/// Views of one shape: whole, broadcast along some axes, transposed, backwards, with gaps.
fn views(dtype: DType, shape: &[usize]) -> Result<Vec<(String, Array, usize, Layout)>, Error> {
    let mut views = Vec::new();
    let len = checked_len(shape, 1)?;
    let rank = shape.len();
    for mask in 0..1usize << rank {
        let kept: Vec<usize> = (0..rank).map(|axis| if mask >> axis & 1 == 1 { 1 } else { shape[axis] }).collect();
        let layout = Layout::contiguous(&kept).broadcast_to(shape)?;
        views.push((format!("broadcast from {kept:?}"), spread(dtype, &kept, -2.0, 2.0)?, 0, layout));
    }
    let reversed: Vec<usize> = (0..rank).rev().collect();
    let stored: Vec<usize> = reversed.iter().map(|&axis| shape[axis]).collect();
    let transposed = Layout::contiguous(&stored).permuted(&reversed);
    views.push(("transposed".into(), spread(dtype, &stored, -2.0, 2.0)?, 0, transposed));
    let mut backwards = Layout::contiguous(shape);
    backwards.strides.iter_mut().for_each(|stride| *stride = -*stride);
    views.push(("backwards".into(), spread(dtype, shape, -2.0, 2.0)?, len - 1, backwards));
    let mut gaps = Layout::contiguous(shape);
    gaps.strides.iter_mut().for_each(|stride| *stride *= 3);
    views.push(("with gaps".into(), spread(dtype, &[3 * len + 1], -2.0, 2.0)?, 1, gaps));
    if let [rows @ .., last] = shape {
        let padded: Vec<usize> = rows.iter().copied().chain([last + 2]).collect();
        let layout = Layout { shape: shape.to_vec(), strides: Layout::contiguous(&padded).strides };
        views.push(("columns of a wider array".into(), spread(dtype, &padded, -2.0, 2.0)?, 1, layout));
    }
    Ok(views)
}

fn layouts(cases: &mut Vec<Case>) -> Result<(), Error> {
    let shapes: [&[usize]; 9] =
        [&[3], &[600], &[5, 7], &[33, 31], &[2, 1030], &[700, 3], &[4, 1, 9], &[3, 17, 13], &[2, 3, 5, 2, 11]];
    for shape in shapes {
        for dtype in [F32, F64, U8, F16] {
            for (name, array, start, layout) in views(dtype, shape)? {
                let computed = dtype.compute();
                let mut sum = Expr::new([dtype, dtype]);
                let a = sum.push(Scalar::Input(0))?;
                let b = sum.push(Scalar::Input(1))?;
                let y = sum.push(Scalar::Binary(Binary::Add, a, b))?;
                sum.output(y, computed)?;
                cases.push(
                    Case::new(format!("{dtype} {shape:?} {name}"), map(sum), tolerance(dtype))
                        .input_view(array.clone(), start, layout.clone())
                        .input(spread(dtype, shape, 0.0, 5.0)?)
                        .output(computed, shape)?,
                );
                if !name.starts_with("broadcast") {
                    let kernel = map(Expr::copy(dtype, dtype));
                    cases.push(
                        Case::new(format!("{dtype} {shape:?} to a view {name}"), kernel, 0.0)
                            .input(spread(dtype, shape, 0.0, 5.0)?)
                            .output_view(dtype, array.len(), start, layout.clone())?,
                    );
                    let kernel = map(one(&[dtype], |expr| expr.push(Scalar::Unary(Unary::Square, 0)))?);
                    if dtype != F16 {
                        cases.push(
                            Case::new(format!("{dtype} {shape:?} in place {name}"), kernel, tolerance(dtype))
                                .input_view(array, start, layout)
                                .output_in_place(0),
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

/// A step of Adam: parameter, two moments, gradient, learning rate to the new parameter and moments.
fn adam() -> Result<Expr, Error> {
    let binary = |expr: &mut Expr, op, a, b| expr.push(Scalar::Binary(op, a, b));
    expr(&[F32; 5], |expr| {
        let constant = |expr: &mut Expr, x| expr.push(Scalar::Const(Literal::new(F32, x)));
        let (p, m, v, g, rate) = (0, 1, 2, 3, 4);
        let b1 = constant(expr, 0.9)?;
        let c1 = constant(expr, 0.1)?;
        let b2 = constant(expr, 0.99)?;
        let c2 = constant(expr, 0.01)?;
        let epsilon = constant(expr, 1e-3)?;
        let old = binary(expr, Binary::Mul, b1, m)?;
        let new = binary(expr, Binary::Mul, c1, g)?;
        let m = binary(expr, Binary::Add, old, new)?;
        let square = expr.push(Scalar::Unary(Unary::Square, g))?;
        let old = binary(expr, Binary::Mul, b2, v)?;
        let new = binary(expr, Binary::Mul, c2, square)?;
        let v = binary(expr, Binary::Add, old, new)?;
        let root = expr.push(Scalar::Unary(Unary::Sqrt, v))?;
        let divisor = binary(expr, Binary::Add, root, epsilon)?;
        let step = binary(expr, Binary::Mul, m, rate)?;
        let step = binary(expr, Binary::Div, step, divisor)?;
        let p = binary(expr, Binary::Sub, p, step)?;
        Ok(vec![p, m, v])
    })
}

fn memory(cases: &mut Vec<Case>) -> Result<(), Error> {
    for sizes in [&[3usize][..], &[1031], &[10, 784, 1, 0, 513], &[100_003, 17, 40_000]] {
        for in_place in [false, true] {
            let kernel = Kernel::Map(Map { expr: adam()?, segments: sizes.len() });
            let mut case = Case::new(format!("adam over {sizes:?}, in place: {in_place}"), kernel, 1e-6);
            for &n in sizes {
                case = case.input(spread(F32, &[n], -1.0, 1.0)?).input(spread(F32, &[n], -1.0, 1.0)?);
                case = case.input(spread(F32, &[n], 0.0, 1.0)?).input(spread(F32, &[n], -1.0, 1.0)?);
                case = case.input_view(Array::scalar(0.01f32)?, 0, Layout { shape: vec![n], strides: vec![0] });
            }
            for (number, &n) in sizes.iter().enumerate() {
                for output in 0..3 {
                    case = if in_place { case.output_in_place(number * 5 + output) } else { case.output(F32, &[n])? };
                }
            }
            cases.push(case);
        }
    }
    for n in [1, 16, 100, 512, 1300] {
        let swap = || expr(&[F32, F32], |_| Ok(vec![1, 0]));
        cases.push(
            Case::new(format!("swap {n} in place"), map(swap()?), 0.0)
                .input(spread(F32, &[n], -1.0, 1.0)?)
                .input(spread(F32, &[n], 2.0, 3.0)?)
                .output_in_place(0)
                .output_in_place(1),
        );
        // The first result overwrites an input that the second still needs.
        let later = expr(&[F32, F32], |expr| {
            let sum = expr.push(Scalar::Binary(Binary::Add, 0, 1))?;
            let tanh = expr.push(Scalar::Unary(Unary::Tanh, sum))?;
            Ok(vec![sum, expr.push(Scalar::Binary(Binary::Sub, tanh, 0))?])
        })?;
        cases.push(
            Case::new(format!("overwritten before its last use, {n}"), map(later), 3e-7)
                .input(spread(F32, &[n], -1.0, 1.0)?)
                .input(spread(F32, &[n], 2.0, 3.0)?)
                .output_in_place(0)
                .output(F32, &[n])?,
        );
        let twice = expr(&[F32], |expr| {
            let y = expr.push(Scalar::Unary(Unary::Exp, 0))?;
            let one = expr.push(Scalar::Const(Literal::new(F32, 1.0)))?;
            Ok(vec![y, y, 0, one])
        })?;
        let mut case = Case::new(format!("results that are one value, {n}"), map(twice), 3e-7).input(spread(
            F32,
            &[n],
            -1.0,
            1.0,
        )?);
        for _ in 0..4 {
            case = case.output(F32, &[n])?;
        }
        cases.push(case);
        for half in [F16, BF16] {
            let mut expr = Expr::new([half, half]);
            let a = expr.push(Scalar::Input(0))?;
            let b = expr.push(Scalar::Input(1))?;
            let y = expr.push(Scalar::Binary(Binary::Mul, a, b))?;
            let z = expr.push(Scalar::Unary(Unary::Exp, a))?;
            expr.output(y, half)?;
            expr.output(z, F32)?;
            expr.output(a, half)?;
            cases.push(
                Case::new(format!("{half} in and out, {n}"), map(expr), tolerance(half))
                    .input(spread(half, &[n], -3.0, 3.0)?)
                    .input_view(Array::full(half, &[1], 0.7)?, 0, Layout { shape: vec![n], strides: vec![0] })
                    .output(half, &[n])?
                    .output(F32, &[n])?
                    .output_in_place(0),
            );
        }
    }
    Ok(())
}

/// Instructions that the CPU merges, and their neighbours that it must not.
fn fusion(cases: &mut Vec<Case>) -> Result<(), Error> {
    use Binary::{Add, Equal, Greater, GreaterEqual, Less, LessEqual, Mul, NotEqual, Sub};
    for dtype in [F32, F64, I32] {
        for (n, op) in [Add, Sub].into_iter().enumerate() {
            for places in 0..4 {
                let kernel = map(one(&[dtype; 3], |expr| {
                    let product = expr.push(Scalar::Binary(Mul, 0, 1))?;
                    let square = expr.push(Scalar::Unary(Unary::Square, 2))?;
                    let (a, b) = [(product, 2), (2, product), (product, square), (product, product)][places];
                    expr.push(Scalar::Binary(op, a, b))
                })?);
                let mut case =
                    Case::new(format!("product and {} of {dtype}, {places}", op.name()), kernel, tolerance(dtype));
                for _ in 0..3 {
                    case = case.input(spread(dtype, &[40 + n], -3.0, 3.0)?);
                }
                cases.push(case.output(dtype, &[40 + n])?);
            }
        }
        for op in [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual] {
            let kernel = map(one(&[dtype; 4], |expr| {
                let condition = expr.push(Scalar::Binary(op, 0, 1))?;
                expr.push(Scalar::Select(condition, 2, 3))
            })?);
            let shape = [101];
            cases.push(
                Case::new(format!("{} and select of {dtype}", op.name()), kernel, 0.0)
                    .input(spread(dtype, &shape, -3.0, 3.0)?)
                    .input(Array::from_fn(dtype, &shape, |i| {
                        if i % 5 == 0 && dtype.is_float() { f64::NAN } else { (i % 4) as f64 }
                    })?)
                    .input(spread(dtype, &shape, -3.0, 3.0)?)
                    .input(spread(dtype, &shape, 4.0, 9.0)?)
                    .output(dtype, &shape)?,
            );
        }
    }
    // Uniform and varying operands in every combination.
    let shape = [523];
    for mask in 0..16 {
        let mut case = Case::new(format!("chain with uniform operands {mask:04b}"), map(chain()?), 3e-7);
        for operand in 0..4 {
            let layout = Layout { shape: shape.to_vec(), strides: vec![if mask >> operand & 1 == 1 { 0 } else { 1 }] };
            case = case.input_view(spread(F32, &shape, -2.0, 2.0)?, 0, layout);
        }
        cases.push(case.output(F32, &shape)?);
    }
    Ok(())
}
