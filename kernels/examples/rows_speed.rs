//! Measures reductions, softmax, random numbers and gathers: `cargo run --release --example rows_speed [threads..]`.
//!
//! Prints the median and the fastest time of a call, and the bytes that it reads and writes by the median.

#![allow(clippy::print_stdout)]

use std::time::Instant;
use wengert_kernels::{
    Array, Base, DType, Device, Distribution, Error, Extern, Gather, Kernel, Memory, Operand, Program, Random, Reduce,
    ReduceOp, ScatterAdd, Softmax, Step,
};

/// One kernel over whole arrays; the last of `arrays` is the output.
fn measure(device: &Device, name: &str, kernel: Kernel, arrays: &[Array]) -> Result<(), Error> {
    let last = arrays.len() - 1;
    let externs = arrays.iter().enumerate().map(|(n, array)| Extern {
        name: format!("m{n}"),
        dtype: array.dtype(),
        len: array.len(),
        written: n == last,
    });
    let mut operands: Vec<Operand> = (0u32..)
        .zip(arrays)
        .map(|(n, array)| Operand::contiguous(Base::Extern(n), array.dtype(), array.shape()))
        .collect();
    let outputs = operands.split_off(last);
    let step = Step { kernel, inputs: operands, outputs, label: name.into() };
    let program = Program { arena: 0, externs: externs.collect(), steps: vec![step] };

    let mut executor = device.executor()?;
    let mut loaded = executor.load(&program)?;
    let mut memory = arrays.to_vec();
    // A call of many steps, so that small kernels are measured without the call's own cost.
    let mut time = |steps: usize| -> Result<f64, Error> {
        let mut bytes = Vec::with_capacity(memory.len());
        for (n, array) in memory.iter_mut().enumerate() {
            bytes.push(if n == last { Memory::Write(array.bytes_mut()?) } else { Memory::Read(array.bytes()) });
        }
        let start = Instant::now();
        executor.run(&mut loaded, steps, bytes.into_iter())?;
        Ok(start.elapsed().as_secs_f64() / steps as f64)
    };
    let once = time(1)?.min(time(1)?).max(1e-9);
    let steps = ((2e-3 / once) as usize).clamp(1, 100_000);
    let mut times = (0..25).map(|_| time(steps)).collect::<Result<Vec<f64>, Error>>()?;
    times.sort_by(f64::total_cmp);
    let bytes: usize = arrays.iter().map(|array| array.bytes().len()).sum();
    let (median, best) = (times[times.len() / 2], times[0]);
    println!("{name:34} {:10.3} us {:10.3} us {:8.1} GB/s", median * 1e6, best * 1e6, bytes as f64 / median * 1e-9);
    Ok(())
}

fn values(shape: &[usize]) -> Result<Array, Error> {
    Array::from_fn(DType::F32, shape, |i| ((i * 7919) % 1009) as f64 * 0.01 - 5.0)
}

fn main() -> Result<(), Error> {
    let threads: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    for threads in if threads.is_empty() { vec![1, 2] } else { threads } {
        let device = Device::cpu().threads(threads);
        println!("{device}\n{:34} {:>13} {:>13}", "", "median", "best");
        let reduce = |name: &str, op: ReduceOp, shape: &[usize], axes: &[usize]| {
            let kept: Vec<usize> =
                (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
            let arg = matches!(op, ReduceOp::ArgMax | ReduceOp::ArgMin);
            let kernel = Kernel::Reduce(Reduce { op, axes: axes.to_vec(), prologue: None, epilogue: None });
            let y = Array::zeros(if arg { DType::I64 } else { DType::F32 }, &kept)?;
            measure(&device, name, kernel, &[values(shape)?, y])
        };
        reduce("sum 4", ReduceOp::Sum, &[4], &[0])?;
        reduce("sum 16M", ReduceOp::Sum, &[1 << 24], &[0])?;
        reduce("max 16M", ReduceOp::Max, &[1 << 24], &[0])?;
        reduce("row sums 4096x1000", ReduceOp::Sum, &[4096, 1000], &[1])?;
        reduce("row sums 128x10", ReduceOp::Sum, &[128, 10], &[1])?;
        reduce("column sums 128x512", ReduceOp::Sum, &[128, 512], &[0])?;
        reduce("column sums 128x10", ReduceOp::Sum, &[128, 10], &[0])?;
        reduce("column sums 65536x32", ReduceOp::Sum, &[65536, 32], &[0])?;
        reduce("argmax 128x10", ReduceOp::ArgMax, &[128, 10], &[1])?;
        reduce("argmax 4096x1000", ReduceOp::ArgMax, &[4096, 1000], &[1])?;
        for log in [false, true] {
            for shape in [[4096, 1000], [128, 10], [128, 1000]] {
                let name = format!("{}softmax {}x{}", if log { "log_" } else { "" }, shape[0], shape[1]);
                let y = Array::zeros(DType::F32, &shape)?;
                measure(&device, &name, Kernel::Softmax(Softmax { log }), &[values(&shape)?, y])?;
            }
        }
        for (distribution, dtype) in [
            (Distribution::Bits, DType::I64),
            (Distribution::Uniform, DType::F32),
            (Distribution::Uniform, DType::F64),
            (Distribution::Normal, DType::F32),
            (Distribution::Normal, DType::F64),
        ] {
            let kernel = Kernel::Random(Random { distribution, stream: 0 });
            let y = Array::zeros(dtype, &[1 << 16])?;
            let name = format!("{distribution:?} {dtype} 64K");
            measure(&device, &name, kernel, &[Array::scalar(1i64)?, Array::scalar(2i64)?, y])?;
        }
        for (rows, width, count) in [(10_000, 64, 8192), (50_000, 1, 8192), (1000, 512, 1024)] {
            let index = Array::from_fn(DType::I64, &[count], |i| ((i * 7919) % rows) as f64)?;
            let (x, y) = (values(&[rows, width])?, values(&[count, width])?);
            let name = format!("gather {count} of {rows}x{width}");
            measure(&device, &name, Kernel::Gather(Gather { axis: 0 }), &[x.clone(), index.clone(), y.clone()])?;
            let name = format!("scatter_add {count} to {rows}x{width}");
            measure(&device, &name, Kernel::ScatterAdd(ScatterAdd { axis: 0 }), &[x.clone(), index, y, x])?;
        }
    }
    Ok(())
}
