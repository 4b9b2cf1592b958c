//! An op of one's own, with a kernel for the CPU and one for CUDA: x + sin(x)^2, with which a network learns a wave.
//! xtask-run: --steps 300
//!
//!     cargo run --release --example custom_op
//!     cargo run --release --features cuda --example custom_op -- --device cuda:0

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use clap::Parser;
use std::{process::ExitCode, sync::Arc};
use wengert::prelude::*;
use wengert::{
    ArrayView, ArrayViewMut, CudaKernel, CustomKernel, Grad, Infer, KernelError, Lower, Op, Refusal, Tensor,
    TensorType, Vjp, check_gradients, custom_op,
};

/// Trains a network with an activation of its own.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Steps of training
    #[arg(long, value_name = "N", default_value_t = 2000)]
    steps: usize,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto")]
    device: String,
    /// Seed of the weights
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

/// x + sin(x)^2 of each element: it rises like x and is a wave too.
#[derive(Debug)]
struct Snake;

/// The kernel for CUDA, once the type of a number is put in. It names no size, so it is compiled once for all.
const SOURCE: &str = r#"
extern "C" __global__ void snake(const NUMBER* x, NUMBER* y, long long n) {
    long long i = blockIdx.x * 256ll + threadIdx.x;
    if (i < n) {
        NUMBER wave = sin(x[i]);
        y[i] = x[i] + wave * wave;
    }
}"#;

impl CustomKernel for Snake {
    fn name(&self) -> &str {
        "custom_op_example::snake"
    }

    fn cpu(&self, inputs: &[ArrayView<'_>], mut output: ArrayViewMut<'_>) -> Result<(), KernelError> {
        let x = &inputs[0];
        // `infer` lets these two in.
        if x.dtype() == F64 {
            let pairs = output.as_mut_slice::<f64>()?.iter_mut().zip(x.as_slice::<f64>()?);
            pairs.for_each(|(y, x)| *y = x + x.sin().powi(2));
        } else {
            let pairs = output.as_mut_slice::<f32>()?.iter_mut().zip(x.as_slice::<f32>()?);
            pairs.for_each(|(y, x)| *y = x + x.sin().powi(2));
        }
        Ok(())
    }

    fn cuda(&self, _: &[(DType, &[usize])], (dtype, shape): (DType, &[usize])) -> Option<CudaKernel> {
        let len: usize = shape.iter().product();
        Some(CudaKernel {
            source: SOURCE.replace("NUMBER", if dtype == F64 { "double" } else { "float" }),
            name: "snake".into(),
            grid: [len.div_ceil(256) as u32, 1, 1],
            block: [256, 1, 1],
            shared: 0,
            arguments: vec![len as i64],
        })
    }
}

impl Op for Snake {
    fn name(&self) -> &'static str {
        "snake"
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        match inputs {
            [x] if x.dtype == F32 || x.dtype == F64 => Ok(x.clone()),
            _ => Err(Refusal::new("it takes one tensor of f32 or f64").hint("cast() it")),
        }
    }

    /// In ops of the graph, so that gradients have gradients: the derivative is 1 + sin(2 x).
    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        vec![Grad::Some(&v.cotangent * ((&v.inputs[0] * 2.0).sin() + 1.0))]
    }

    fn lower(&self) -> Lower {
        Lower::Custom(Arc::new(Snake))
    }
}

fn snake(x: &Tensor) -> Tensor {
    custom_op(Snake, x, &[])
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let device: Device = arguments.device.parse()?;
    // Both derivatives against finite differences; the kernel's own arithmetic is in them.
    let at = [Array::from_fn(F64, &[3, 4], |i| i as f64 / 2.0 - 3.0)?];
    check_gradients(|x| snake(&x[0]), &at, 2)?;
    println!("first and second derivatives agree with finite differences");

    let g = Graph::new();
    let x = g.placeholder("x", F32, [None, Some(1)]);
    let t = g.placeholder("t", F32, [None, Some(1)]);
    let hidden = snake(&Dense::new(32).apply(&x, Mode::Train));
    let y = Dense::new(1).apply(&hidden, Mode::Train);
    let loss = (&y - &t).square().mean();
    let step = g.function(&[&x, &t], &[&loss]).updates(&Adam::new(0.01).minimize(&loss)).compile()?;

    let place = |i: usize| i as f64 / 8.0 - 8.0;
    let places = Array::from_fn(F32, &[129, 1], place)?;
    let wave = Array::from_fn(F32, &[129, 1], |i| place(i).sin() + place(i) / 2.0)?;
    println!("learns sin(x) + x / 2 on {device}");
    let mut session = Session::with_seed(device, arguments.seed)?;
    let (mut first, mut last) = (None, f32::NAN);
    for number in 1..=arguments.steps {
        last = step.call(&mut session, &[(&places).into(), (&wave).into()])?[0].item()?;
        first.get_or_insert(last);
        if number % 500 == 0 {
            println!("step {number}: loss {last:.5}");
        }
    }
    println!("first loss {:.5}, final loss {last:.5}", first.unwrap_or(last));
    Ok(())
}
