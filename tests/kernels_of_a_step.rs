//! How few kernels a step of training is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert::prelude::*;

/// The kernels of the step that `fit` runs for 784-512-512-10, in order.
fn kernels(metrics: &[&'static str]) -> String {
    let data = data::Dataset::new(Array::zeros(F32, &[128, 784]).unwrap(), Array::zeros(I64, &[128]).unwrap()).unwrap();
    let mut model = Sequential::new()
        .device(Device::cpu().threads(1))
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    model.compile(Adam::default(), CategoricalCrossentropy, metrics.to_vec()).unwrap();
    let step = model.train_step(&data).unwrap();
    let planned = step.function().plan(&[&[128, 784], &[128]]).unwrap();
    planned.program().steps.iter().map(|step| step.kernel.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_mlp_with_adam_trains_in_thirteen_kernels() {
    // Forward; the loss's gradient; two products back; three weights' gradients with their biases' and updates; the loss; the
    // biases' updates; the number of the step.
    let wanted = "gemm gemm gemm log_softmax map gemm gemm gemm gemm gemm reduce map map";
    assert_eq!(kernels(&[]), wanted);
    assert_eq!(wanted.split(' ').count(), 13);
}

#[test]
fn accuracy_takes_two_kernels_more() {
    assert_eq!(
        kernels(&["accuracy"]),
        "gemm gemm gemm log_softmax map gemm gemm gemm gemm gemm reduce reduce reduce map map"
    );
}
