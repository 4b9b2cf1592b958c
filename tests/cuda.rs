//! Training on a CUDA device beside the CPU. Needs one, or the emulated one: `cargo xtask emulate -- cargo test ...`.

#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use wengert::prelude::*;

/// The first device. A machine without one says so and passes; in CI there is the emulated one.
fn device() -> Option<Device> {
    match Device::cuda(0) {
        Ok(device) => Some(device),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}, and in CI nothing is skipped");
            eprintln!("skipped: {why}");
            None
        }
    }
}

fn perceptron() -> Sequential {
    Sequential::new()
        .add(Flatten)
        .add(Dense::new(32).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(10).activation(Softmax))
}

fn convolutional() -> Sequential {
    Sequential::new()
        .add(Reshape::new([8, 8, 1]))
        .add(Conv2D::new(8, [3, 3]).padding(Padding::Same).no_bias())
        .add(BatchNormalization::new())
        .add(Relu)
        .add(MaxPool2D::new([2, 2]))
        .add(Conv2D::new(16, [3, 3]).padding(Padding::Same).activation(Relu))
        .add(AveragePool2D::new([2, 2]))
        .add(Flatten)
        .add(Dense::new(10).activation(Softmax))
}

/// The loss before each step, and the weights' bytes after the last.
fn trained(model: Sequential, device: Device, steps: usize, batch: usize) -> (Vec<f64>, Vec<u8>) {
    let (train, _) = data::digits().unwrap();
    let mut model = model.device(device).seed(3);
    model.compile(Adam::default(), CategoricalCrossentropy, ["accuracy"]).unwrap();
    let mut step = model.train_step(&train).unwrap();
    let rows = train.len() / batch;
    let losses = (0..steps)
        .map(|number| {
            let rows = (number % rows * batch)..(number % rows + 1) * batch;
            let (x, y) = (train.x().view().slice_rows(rows.clone()), train.y().view().slice_rows(rows));
            step.run(&x.unwrap(), &y.unwrap()).unwrap().loss
        })
        .collect();
    drop(step);
    let weights = model.get_weights().unwrap();
    (losses, weights.iter().flat_map(|weight| weight.bytes().to_vec()).collect())
}

/// The losses of both devices differ by rounding only, which training lets grow; on CUDA two runs are the same bits.
fn hold(model: fn() -> Sequential, steps: usize, batch: usize, bound: f64) {
    let Some(device) = device() else { return };
    let (wanted, _) = trained(model(), Device::cpu(), steps, batch);
    let (losses, weights) = trained(model(), device.clone(), steps, batch);
    for (step, (loss, wanted)) in losses.iter().zip(&wanted).enumerate() {
        assert!((loss - wanted).abs() <= bound * wanted.max(1.0), "step {step}: {loss}, on the CPU {wanted}");
    }
    assert!(losses.last() < losses.first(), "it does not learn: {losses:?}");
    let again = trained(model(), device, steps, batch);
    assert!(again.0 == losses && again.1 == weights, "two runs differ");
}

#[test]
fn a_perceptron_learns_digits_as_on_the_cpu() {
    // semantics 8.10
    hold(perceptron, 200, 32, 1e-3);
}

#[test]
fn a_convolutional_network_learns_digits_as_on_the_cpu() {
    // semantics 8.10
    hold(convolutional, 50, 16, 1e-3);
}
