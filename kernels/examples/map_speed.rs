//! Measures fused elementwise kernels: `cargo run --release -p wengert-kernels --example map_speed`.
//!
//! Prints the median and the fastest nanoseconds of a call for several expressions, sizes and thread counts.

#![allow(clippy::print_stdout)]

use std::time::Instant;
use wengert_kernels::{
    Array, Base, Binary, DType, Device, Error, Expr, Extern, Kernel, Layout, Literal, Map, Memory, Operand, Program,
    Scalar, Step, Unary, Value,
};

/// Timed rounds of each measurement.
const ROUNDS: usize = 60;

/// How an input of a measured expression lies.
#[derive(Clone, Copy, PartialEq)]
enum View {
    Whole,
    Scalar,
    Row,
    Column,
    Transposed,
}

struct Measured {
    name: &'static str,
    expr: Expr,
    views: Vec<View>,
    /// Outputs that overwrite inputs, by input; `None` has its own memory.
    in_place: Vec<Option<usize>>,
}

fn binary(expr: &mut Expr, op: Binary, a: Value, b: Value) -> Result<Value, Error> {
    expr.push(Scalar::Binary(op, a, b))
}

fn new(dtype: DType, inputs: usize) -> Result<Expr, Error> {
    let mut expr = Expr::new(vec![dtype; inputs]);
    (0..inputs).try_for_each(|n| expr.push(Scalar::Input(n as u32)).map(|_| ()))?;
    Ok(expr)
}

fn unary(name: &'static str, op: Unary, dtype: DType) -> Result<Measured, Error> {
    let mut expr = new(dtype, 1)?;
    let y = expr.push(Scalar::Unary(op, 0))?;
    expr.output(y, expr.dtype(y))?;
    Ok(Measured { name, expr, views: vec![View::Whole], in_place: vec![None] })
}

fn chain(name: &'static str, dtype: DType) -> Result<Measured, Error> {
    let mut expr = new(dtype, 4)?;
    let y = binary(&mut expr, Binary::Mul, 0, 1)?;
    let y = binary(&mut expr, Binary::Add, y, 2)?;
    let y = expr.push(Scalar::Unary(Unary::Tanh, y))?;
    let y = binary(&mut expr, Binary::Mul, y, 3)?;
    expr.output(y, dtype)?;
    Ok(Measured {
        name,
        expr,
        views: vec![View::Whole, View::Scalar, View::Scalar, View::Scalar],
        in_place: vec![None],
    })
}

fn add(name: &'static str, view: View) -> Result<Measured, Error> {
    let mut expr = new(DType::F32, 2)?;
    let y = binary(&mut expr, Binary::Add, 0, 1)?;
    expr.output(y, DType::F32)?;
    Ok(Measured { name, expr, views: vec![View::Whole, view], in_place: vec![None] })
}

fn relu_mask() -> Result<Measured, Error> {
    let mut expr = new(DType::F32, 2)?;
    let zero = expr.push(Scalar::Const(Literal::new(DType::F32, 0.0)))?;
    let positive = binary(&mut expr, Binary::Greater, 0, zero)?;
    let y = expr.push(Scalar::Select(positive, 1, zero))?;
    expr.output(y, DType::F32)?;
    Ok(Measured { name: "relu mask", expr, views: vec![View::Whole; 2], in_place: vec![None] })
}

fn adam() -> Result<Measured, Error> {
    let mut expr = new(DType::F32, 5)?;
    let e = &mut expr;
    let constant = |e: &mut Expr, x| e.push(Scalar::Const(Literal::new(DType::F32, x)));
    let (b1, c1) = (constant(e, 0.9)?, constant(e, 0.1)?);
    let (b2, c2, epsilon) = (constant(e, 0.999)?, constant(e, 0.001)?, constant(e, 1e-8)?);
    let (old, new) = (binary(e, Binary::Mul, 1, b1)?, binary(e, Binary::Mul, 3, c1)?);
    let m = binary(e, Binary::Add, old, new)?;
    let square = e.push(Scalar::Unary(Unary::Square, 3))?;
    let (old, new) = (binary(e, Binary::Mul, 2, b2)?, binary(e, Binary::Mul, square, c2)?);
    let v = binary(e, Binary::Add, old, new)?;
    let root = e.push(Scalar::Unary(Unary::Sqrt, v))?;
    let divisor = binary(e, Binary::Add, root, epsilon)?;
    let step = binary(e, Binary::Mul, m, 4)?;
    let step = binary(e, Binary::Div, step, divisor)?;
    let p = binary(e, Binary::Sub, 0, step)?;
    for value in [p, m, v] {
        e.output(value, DType::F32)?;
    }
    let mut views = vec![View::Whole; 4];
    views.push(View::Scalar);
    Ok(Measured { name: "adam in place", expr, views, in_place: vec![Some(0), Some(1), Some(2)] })
}

/// Median and fastest nanoseconds of a call over `rows` x `columns`.
fn measure(what: &Measured, device: &Device, rows: usize, columns: usize) -> Result<(f64, f64), Error> {
    let shape = [rows, columns];
    let mut program = Program::default();
    let mut memory = Vec::new();
    let mut inputs = Vec::new();
    for (n, (&dtype, &view)) in what.expr.inputs().iter().zip(&what.views).enumerate() {
        let (stored, layout) = match view {
            View::Whole => (shape.to_vec(), Layout::contiguous(&shape)),
            View::Scalar => (vec![], Layout::contiguous(&[]).broadcast_to(&shape)?),
            View::Row => (vec![columns], Layout::contiguous(&[columns]).broadcast_to(&shape)?),
            View::Column => (vec![rows, 1], Layout::contiguous(&[rows, 1]).broadcast_to(&shape)?),
            View::Transposed => (vec![columns, rows], Layout::contiguous(&[columns, rows]).permuted(&[1, 0])),
        };
        let array = Array::from_fn(dtype, &stored, |i| 0.1 + (i % 97) as f64 / 97.0)?;
        let written = what.in_place.contains(&Some(n));
        program.externs.push(Extern { name: format!("in{n}"), dtype, len: array.len(), written });
        inputs.push(Operand { base: Base::Extern(n as u32), offset: 0, dtype, layout });
        memory.push(array);
    }
    let mut outputs = Vec::new();
    for (n, &(_, dtype)) in what.expr.outputs().iter().enumerate() {
        match what.in_place[n] {
            Some(input) => outputs.push(inputs[input].clone()),
            None => {
                outputs.push(Operand::contiguous(Base::Extern(memory.len() as u32), dtype, &shape));
                program.externs.push(Extern { name: format!("out{n}"), dtype, len: rows * columns, written: true });
                memory.push(Array::zeros(dtype, &shape)?);
            }
        }
    }
    let kernel = Kernel::Map(Map { expr: what.expr.clone(), segments: 1 });
    program.steps.push(Step { kernel, inputs, outputs, label: what.name.into() });
    let mut executor = device.executor()?;
    let mut loaded = executor.load(&program)?;
    let written: Vec<bool> = program.externs.iter().map(|spec| spec.written).collect();
    let calls = (2_000_000 / (rows * columns)).clamp(1, 2000);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut bytes = Vec::new();
        for (array, &written) in memory.iter_mut().zip(&written) {
            bytes.push(if written { Memory::Write(array.bytes_mut()?) } else { Memory::Read(array.bytes()) });
        }
        let start = Instant::now();
        executor.run(&mut loaded, calls, bytes.into_iter())?;
        times.push(start.elapsed().as_nanos() as f64 / calls as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[0]))
}

fn main() -> Result<(), Error> {
    let measured = [
        chain("tanh(a x + b) c", DType::F32)?,
        chain("tanh(a x + b) c, f64", DType::F64)?,
        adam()?,
        relu_mask()?,
        add("x + y", View::Whole)?,
        add("x + row", View::Row)?,
        add("x + column", View::Column)?,
        add("x + y transposed", View::Transposed)?,
        unary("exp", Unary::Exp, DType::F32)?,
        unary("exp, f64", Unary::Exp, DType::F64)?,
        unary("log", Unary::Log, DType::F32)?,
        unary("log, f64", Unary::Log, DType::F64)?,
        unary("tanh", Unary::Tanh, DType::F32)?,
        unary("sigmoid", Unary::Sigmoid, DType::F32)?,
        unary("softplus", Unary::Softplus, DType::F32)?,
        unary("erf", Unary::Erf, DType::F32)?,
        unary("sin", Unary::Sin, DType::F32)?,
        unary("neg, i32", Unary::Neg, DType::I32)?,
        unary("square, f16", Unary::Square, DType::F16)?,
    ];
    // Optionally a part of a name, and a shape as it is printed.
    let only = std::env::args().nth(1).unwrap_or_default();
    let only_shape = std::env::args().nth(2);
    println!("{:24} {:>12} {:>8} {:>12} {:>12} {:>10}", "ns", "shape", "threads", "median", "fastest", "ns/element");
    for what in measured.iter().filter(|what| what.name.contains(&only)) {
        for (rows, columns) in [(1, 1), (1, 4), (4, 16), (64, 64), (128, 512), (512, 512), (26214, 10)] {
            let shape = format!("{rows}x{columns}");
            for threads in [1, 2] {
                if rows * columns < 4096 && threads == 2 || only_shape.as_ref().is_some_and(|only| *only != shape) {
                    continue;
                }
                let (median, fastest) = measure(what, &Device::cpu().threads(threads), rows, columns)?;
                println!(
                    "{:24} {:>12} {threads:>8} {median:>12.1} {fastest:>12.1} {:>10.4}",
                    what.name,
                    shape,
                    fastest / (rows * columns) as f64
                );
            }
        }
    }
    Ok(())
}
