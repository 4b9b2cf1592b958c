//! Convolution and pooling as part of functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{
    Array, ConvOptions, DType, DataFormat, Function, GradOptions, Graph, Padding, PoolOptions, Tensor, gradients,
};

/// Two convolutions with biases, relu and pooling; the loss and the gradients of all weights.
fn network(format: DataFormat) -> Function {
    let g = Graph::new();
    let image = match format {
        DataFormat::ChannelsLast => [None, Some(8), Some(8), Some(3)],
        DataFormat::ChannelsFirst => [None, Some(3), Some(8), Some(8)],
    };
    let x = g.placeholder("x", DType::F32, image);
    let weight = |name: &str, shape: &[usize]| g.variable(name, Array::full(DType::F32, shape, 0.01).unwrap());
    let (a, b) = (weight("a", &[3, 3, 3, 4]), weight("b", &[3, 3, 4, 5]));
    let (c, d) = (weight("c", &[4]), weight("d", &[5]));
    let layer = |x: &Tensor, filters: &Tensor, bias: &Tensor| {
        let y = x.conv2d(filters, &ConvOptions::new().padding(Padding::Same).data_format(format));
        let bias = if format == DataFormat::ChannelsFirst { bias.reshape([-1, 1, 1]) } else { bias.clone() };
        (y + bias).relu().max_pool2d(&PoolOptions::new([2, 2]).data_format(format))
    };
    let y = layer(&layer(&x, &a, &c), &b, &d);
    let loss = y.square().sum();
    let weights = [&a, &b, &c, &d];
    let gradients = gradients(&[&loss], &weights, &GradOptions::default());
    let outputs: Vec<&Tensor> = std::iter::once(&loss).chain(&gradients).collect();
    g.function(&[&x], &outputs).compile().unwrap()
}

/// The kernels of the plan for two images, by name.
fn kernels(function: &Function, shape: &[usize]) -> String {
    let planned = function.plan(&[shape]).unwrap();
    planned.program().steps.iter().map(|step| step.kernel.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn biases_activations_and_masks_are_computed_inside_of_convolutions_and_poolings() {
    // semantics 5.3
    let wanted = "conv max_pool conv max_pool map max_pool_scatter conv_input_gradient max_pool_scatter \
                  conv_weight_gradient conv_weight_gradient reduce";
    let mut kernels: Vec<String> =
        kernels(&network(DataFormat::ChannelsLast), &[2, 8, 8, 3]).split(' ').map(str::to_owned).collect();
    let mut wanted: Vec<&str> = wanted.split_whitespace().collect();
    kernels.sort();
    wanted.sort();
    assert_eq!(kernels, wanted);
}

#[test]
fn channels_first_takes_the_kernels_of_channels_last() {
    // semantics 1.13
    let (last, first) = (network(DataFormat::ChannelsLast), network(DataFormat::ChannelsFirst));
    assert_eq!(kernels(&first, &[2, 3, 8, 8]), kernels(&last, &[2, 8, 8, 3]), "{}", first.fused());
}
