//! Measures Gemm on this machine: `cargo run --release --example gemm_speed -p wengert-kernels [isa]`.

use std::{hint::black_box, time::Instant};
use wengert_kernels::{
    Array, Base, Binary, DType, Device, Error, Expr, Extern, Gemm, Isa, Kernel, Layout, Memory, Operand, Program,
    Scalar, Step, Unary,
};

/// `m`, `k`, `n`, and whether A and B are transposed views.
type Shape = (usize, usize, usize, bool, bool);

const SHAPES: &[(DType, Shape)] = &[
    (DType::F32, (256, 256, 256, false, false)),
    (DType::F32, (512, 512, 512, false, false)),
    (DType::F32, (1024, 1024, 1024, false, false)),
    (DType::F32, (2048, 2048, 2048, false, false)),
    (DType::F32, (64, 784, 128, false, false)),
    (DType::F32, (128, 784, 512, false, false)),
    (DType::F32, (128, 512, 512, false, false)),
    (DType::F32, (128, 1152, 128, false, false)),
    (DType::F32, (4096, 64, 27, false, false)),
    (DType::F32, (4096, 64, 32, false, false)),
    (DType::F32, (128, 512, 10, false, false)),
    (DType::F32, (784, 128, 512, true, false)),
    (DType::F32, (512, 128, 512, true, false)),
    (DType::F32, (512, 128, 10, true, false)),
    (DType::F32, (1024, 1024, 1024, true, false)),
    (DType::F32, (128, 512, 512, false, true)),
    (DType::F32, (128, 10, 512, false, true)),
    (DType::F32, (1024, 1024, 1024, false, true)),
    (DType::F32, (32, 256, 1024, false, false)),
    (DType::F32, (1, 256, 1024, false, false)),
    (DType::F32, (1, 1024, 256, false, true)),
    (DType::F32, (1024, 1024, 1, false, false)),
    (DType::F32, (10, 64, 32, false, false)),
    (DType::F32, (1, 3, 2, false, false)),
    (DType::F32, (2, 1, 2, false, true)),
    (DType::F64, (512, 512, 512, false, false)),
    (DType::F64, (512, 512, 512, false, true)),
    (DType::F16, (128, 512, 512, false, false)),
    (DType::I32, (128, 128, 128, false, false)),
];

/// What a dense layer computes of each element: `relu(c + bias)`.
fn bias_relu(dtype: DType) -> Result<Expr, Error> {
    let mut expr = Expr::new([dtype, dtype]);
    let c = expr.push(Scalar::Input(0))?;
    let bias = expr.push(Scalar::Input(1))?;
    let sum = expr.push(Scalar::Binary(Binary::Add, c, bias))?;
    let relu = expr.push(Scalar::Unary(Unary::Relu, sum))?;
    expr.output(relu, dtype)?;
    Ok(expr)
}

fn program(dtype: DType, (m, k, n, ta, tb): Shape, fused: bool) -> Result<Program, Error> {
    let memory = |name: &str, len, written| Extern { name: name.into(), dtype, len, written };
    let operand = |number, rows, columns, transposed| {
        let layout = match transposed {
            true => Layout::contiguous(&[columns, rows]).permuted(&[1, 0]),
            false => Layout::contiguous(&[rows, columns]),
        };
        Operand { base: Base::Extern(number), offset: 0, dtype, layout }
    };
    let mut inputs = vec![operand(0, m, k, ta), operand(1, k, n, tb)];
    if fused {
        let layout = Layout::contiguous(&[n]).broadcast_to(&[m, n])?;
        inputs.push(Operand { base: Base::Extern(3), offset: 0, dtype, layout });
    }
    let epilogue = if fused { Some(bias_relu(dtype)?) } else { None };
    let step = Step {
        kernel: Kernel::Gemm(Gemm { column_sums: false, epilogue }),
        inputs,
        outputs: vec![operand(2, m, n, false)],
        label: String::new(),
    };
    let externs =
        vec![memory("a", m * k, false), memory("b", k * n, false), memory("c", m * n, true), memory("bias", n, false)];
    Ok(Program { arena: 0, externs, steps: vec![step] })
}

/// Nanoseconds of one product: the median and the least of several measurements.
fn measure(device: &Device, dtype: DType, shape: Shape, fused: bool) -> Result<(f64, f64), Error> {
    let program = program(dtype, shape, fused)?;
    let mut executor = device.executor()?;
    let mut loaded = executor.load(&program)?;
    let ones = |n: usize| Array::from_fn(dtype, &[program.externs[n].len], |i| (i % 3) as f64 - 1.0);
    let (a, b, mut c, bias) = (ones(0)?, ones(1)?, ones(2)?, ones(3)?);
    let c = c.bytes_mut()?;
    let mut run = |steps: usize| {
        let start = Instant::now();
        let read = |array| Memory::Read(Array::bytes(black_box(array)));
        executor.run(&mut loaded, steps, [read(&a), read(&b), Memory::Write(c), read(&bias)].into_iter())?;
        Ok::<f64, Error>(start.elapsed().as_nanos() as f64)
    };
    let once = run(1)?.min(run(1)?).min(run(1)?);
    let steps = ((2e6 / once) as usize).clamp(1, 10_000);
    let mut times = (0..31).map(|_| run(steps)).collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] / steps as f64, times[0] / steps as f64))
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Error> {
    let isa = match std::env::args().nth(1).as_deref() {
        Some("avx512") => Isa::Avx512,
        Some("avx2") => Isa::Avx2,
        Some("portable") => Isa::Portable,
        _ => Isa::detect(),
    };
    println!("{isa}: GF/s (median, best) and median ns with 1 and 2 threads, and with 2 and relu(c + bias)");
    for &(dtype, shape @ (m, k, n, ta, tb)) in SHAPES {
        print!("{dtype} {m:>5} x {k:>4} x {n:>4} {}", ["NN", "NT", "TN", "TT"][usize::from(ta) * 2 + usize::from(tb)]);
        for (threads, fused) in [(1, false), (2, false), (2, true)] {
            let (median, best) = measure(&Device::cpu().isa(isa)?.threads(threads), dtype, shape, fused)?;
            let flops = (2 * m * k * n) as f64;
            print!("   {:7.1} ({:5.1}) {median:>12.1}", flops / median, flops / best);
        }
        println!();
    }
    Ok(())
}
