//! A model and a training loop of one's own: a small residual network as a plain struct, on the embedded digits.
//! xtask-run: --epochs 2
//!
//!     cargo run --release --example custom_model

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use clap::Parser;
use std::process::ExitCode;
use wengert::prelude::*;

/// Trains a residual network on small digits, step by step.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Times that the whole training set is seen
    #[arg(long, value_name = "N", default_value_t = 10)]
    epochs: u64,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto")]
    device: String,
    /// Seed of weights and order
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

/// Two convolutions, whose result is added to what they were given.
struct Residual {
    a: Conv2D,
    b: Conv2D,
    norm_a: BatchNormalization,
    norm_b: BatchNormalization,
}

impl Residual {
    fn new(filters: usize) -> Residual {
        let layer = || Conv2D::new(filters, [3, 3]).padding(Padding::Same).no_bias();
        Residual {
            a: layer(),
            b: layer(),
            norm_a: BatchNormalization::new().momentum(0.9),
            norm_b: BatchNormalization::new().momentum(0.9),
        }
    }
}

impl Layer for Residual {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        let y = self.norm_a.apply(&self.a.apply(x, mode), mode).relu();
        let y = self.norm_b.apply(&self.b.apply(&y, mode), mode);
        (x + y).relu()
    }
}

/// From digits `[n, 8, 8]` to scores `[n, 10]`.
struct Network {
    first: Conv2D,
    blocks: Vec<Residual>,
    pool: GlobalAveragePool2D,
    last: Dense,
}

impl Network {
    fn new() -> Network {
        Network {
            first: Conv2D::new(16, [3, 3]).padding(Padding::Same).activation(Relu),
            blocks: (0..3).map(|_| Residual::new(16)).collect(),
            pool: GlobalAveragePool2D::new(),
            last: Dense::new(10),
        }
    }
}

impl Layer for Network {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        let mut y = self.first.apply(&x.expand_dims(-1), mode);
        for block in &self.blocks {
            y = block.apply(&y, mode);
        }
        self.last.apply(&self.pool.apply(&y, mode), mode)
    }
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
    let (train, test) = data::digits()?;

    // The graph: a network applied twice shares its weights; in training it gathers statistics, in testing it uses them.
    let g = Graph::new();
    let x = g.placeholder("x", F32, [None, Some(8), Some(8)]);
    let t = g.placeholder("t", I64, [None]);
    let network = Network::new();
    let loss = CategoricalCrossentropy.from_logits().mean(&network.apply(&x, Mode::Train).into(), &t);
    let step = g.function(&[&x, &t], &[&loss]).updates(&Adam::new(0.003).minimize(&loss)).compile()?;
    let correct = network.apply(&x, Mode::Infer).argmax(-1).equal(&t).sum();
    let count = g.function(&[&x, &t], &[&correct]).compile()?;

    let mut session = Session::with_seed(device, arguments.seed)?;
    let mut batches = train.batches(32)?.shuffle(arguments.seed).reader(0)?;
    for epoch in 0..arguments.epochs {
        batches.start(epoch);
        let mut losses = Vec::new();
        while let Some(batch) = batches.next_batch()? {
            let results = step.call(&mut session, &[batch.x.into(), batch.y.into()])?;
            losses.push(f64::from(results[0].item::<f32>()?));
        }
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let right = count.call(&mut session, &[test.x().into(), test.y().into()])?[0].item::<i64>()?;
        println!("epoch {}: loss {mean:.4}, test accuracy {:.4}", epoch + 1, right as f64 / test.len() as f64);
    }
    Ok(())
}
