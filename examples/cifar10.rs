//! Learns photographs of ten kinds of things: CIFAR-10 if it is found or can be downloaded, else the small digits stand in.
//! xtask-run: --offline --epochs 1
//! xtask-real: cifar10 0.69 --epochs 5
//!
//!     cargo run --release --example cifar10
//!     cargo run --release --example cifar10 -- --augment --epochs 30

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use clap::Parser;
use common::{Data, Outcome, Training};
use std::{path::Path, process::ExitCode};
use wengert::data::{Augmentation, Source};
use wengert::plot::image_grid;
use wengert::prelude::*;

/// Trains a convolutional network on photographs and shows what it learned.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Mirrors and moves the images at random while it learns
    #[arg(long)]
    augment: bool,
    #[command(flatten)]
    training: Training,
}

fn main() -> ExitCode {
    common::start(run)
}

fn run(arguments: &Arguments) -> Outcome {
    let training = &arguments.training;
    let device = training.device()?;
    let out = training.out("cifar10", &["filters.png"])?;
    let data = Data::find(Source::Cifar10, training)?;
    println!("{} images to learn from, {} to be tested on; {device}", data.train.len(), data.test.len());

    let layer = |filters| Conv2D::new(filters, [3, 3]).padding(Padding::Same).activation(Relu);
    let mut input = Sequential::new().input(data.train.example_shape());
    if data.small {
        // These images have no axis for channels.
        input = input.add(Reshape::new([8, 8, 1]));
    }
    let mut model = input
        .add(layer(32))
        .add(layer(32))
        .add(MaxPool2D::new([2, 2]))
        .add(layer(64))
        .add(layer(64))
        .add(MaxPool2D::new([2, 2]))
        .add(layer(128))
        .add(layer(128))
        .add(MaxPool2D::new([2, 2]))
        .add(Flatten)
        .add(Dense::new(128).activation(Relu))
        .add(Dense::new(10).activation(Softmax))
        .device(device)
        .seed(training.seed);
    let mut fit = training.plan(&data, 64, &out);
    if arguments.augment {
        fit = fit.augment(Augmentation::new().flip_horizontal().crop(if data.small { 1 } else { 4 }));
    }
    training.learn(&mut model, &data, fit, "CIFAR-10", &out)?;
    filters(&mut model, &out.join("filters.png"))
}

/// Draws the first layer's filters, each scaled to the range of colours.
fn filters(model: &mut Sequential, path: &Path) -> Outcome {
    let Some(kernel) = model.get_weights()?.into_iter().next() else { return Ok(()) };
    let &[height, width, channels, filters] = kernel.shape() else { return Ok(()) };
    let values = kernel.as_slice::<f32>()?;
    let size = height * width * channels;
    let filter = |number: usize| (0..size).map(move |i| values[i * filters + number]);
    let scaled = |number: usize| {
        let low = filter(number).fold(f32::INFINITY, f32::min);
        let high = filter(number).fold(f32::NEG_INFINITY, f32::max);
        filter(number).map(move |value| (value - low) / (high - low).max(f32::MIN_POSITIVE))
    };
    let pixels: Vec<f32> = (0..filters).flat_map(scaled).collect();
    image_grid(path, &Array::new(&[filters, height, width, channels], &pixels)?, &[], &[], 8)?;
    Ok(())
}
