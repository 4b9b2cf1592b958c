//! Learns handwritten digits: MNIST if it is found or can be downloaded, else the 1,797 small digits that come with the engine.
//! xtask-run: --offline --epochs 2
//! xtask-real: mnist 0.975 --epochs 5
//! xtask-real: mnist 0.986 --epochs 5 --model cnn
//!
//!     cargo run --release --example mnist
//!     cargo run --release --example mnist -- --model cnn --epochs 15
//!     cargo run --release --example mnist -- --data DIR --out runs/mnist

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use clap::{Parser, ValueEnum};
use common::{Data, Outcome, Training};
use std::process::ExitCode;
use wengert::data::Source;
use wengert::prelude::*;

/// Trains a network on handwritten digits and shows what it learned.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The network
    #[arg(long, value_enum, default_value = "mlp")]
    model: Model,
    /// What is on the images: mnist (digits), fashion-mnist (clothes)
    #[arg(long, value_name = "NAME", default_value = "mnist")]
    dataset: Source,
    #[command(flatten)]
    training: Training,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    /// 10: softmax regression
    Linear,
    /// 128, 10: one hidden layer
    Dense,
    /// 512, dropout 0.2, 10
    Dropout,
    /// 512, 512, 10: two hidden layers
    Mlp,
    /// convolution 32, pooling, convolution 64, pooling, dropout 0.5, 10
    Cnn,
}

fn main() -> ExitCode {
    common::start(run)
}

fn run(arguments: &Arguments) -> Outcome {
    let training = &arguments.training;
    let device = training.device()?;
    let out = training.out("mnist", &[])?;
    let data = Data::find(arguments.dataset, training)?;
    println!("{} images to learn from, {} to be tested on; {device}", data.train.len(), data.test.len());

    let mut model = network(arguments.model, &data).device(device).seed(training.seed);
    let title = if data.small { "Small digits".into() } else { arguments.dataset.to_string() };
    let fit = training.plan(&data, 128, &out);
    training.learn(&mut model, &data, fit, &title, &out)
}

fn network(model: Model, data: &Data) -> Sequential {
    let shape = data.train.example_shape();
    let input = Sequential::new().input(shape);
    let output = Dense::new(10).activation(Softmax);
    match model {
        Model::Linear => input.add(Flatten).add(output),
        Model::Dense => input.add(Flatten).add(Dense::new(128).activation(Relu)).add(output),
        Model::Dropout => input.add(Flatten).add(Dense::new(512).activation(Relu)).add(Dropout::new(0.2)).add(output),
        Model::Mlp => {
            input.add(Flatten).add(Dense::new(512).activation(Relu)).add(Dense::new(512).activation(Relu)).add(output)
        }
        Model::Cnn => {
            // The small digits have too few pixels for filters that stay inside.
            let padding = if data.small { Padding::Same } else { Padding::Valid };
            let layer = |filters| Conv2D::new(filters, [3, 3]).padding(padding).activation(Relu);
            input
                .add(Reshape::new([shape[0] as isize, shape[1] as isize, 1]))
                .add(layer(32))
                .add(MaxPool2D::new([2, 2]))
                .add(layer(64))
                .add(MaxPool2D::new([2, 2]))
                .add(Flatten)
                .add(Dropout::new(0.5))
                .add(output)
        }
    }
}
