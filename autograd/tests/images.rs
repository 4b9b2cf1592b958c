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

fn eval(y: &Tensor) -> Vec<f64> {
    y.eval(&[]).unwrap().to_f64()
}

#[test]
fn a_maximum_is_the_first_of_equals_and_a_nan_before_all() {
    // semantics 8.14
    let g = Graph::new();
    let image = |values: [f64; 4]| g.constant(Array::new(&[1, 2, 2, 1], &values).unwrap());
    for (values, maximum, place) in [
        ([1.0, 3.0, 3.0, 2.0], 3.0, 1),
        ([-0.0, 0.0, 0.0, -0.0], 0.0, 0),
        ([f64::NEG_INFINITY; 4], f64::NEG_INFINITY, 0),
        ([7.0, 1.0, f64::NAN, f64::NAN], f64::NAN, 2),
    ] {
        let x = image(values);
        let y = x.max_pool2d(&PoolOptions::new([2, 2]));
        let got = eval(&y)[0];
        assert!(got == maximum || (got.is_nan() && maximum.is_nan()), "{values:?}: {got}");
        let gradient = eval(&gradients(&[&y], &[&x], &GradOptions::default())[0]);
        let wanted: Vec<f64> = (0..4).map(|i| f64::from(u8::from(i == place))).collect();
        assert_eq!(gradient, wanted, "{values:?}");
    }
    let sixteen = g.constant(Array::from_fn(DType::F32, &[1, 4, 4, 1], |i| i as f64).unwrap());
    assert_eq!(eval(&sixteen.max_pool2d(&PoolOptions::new([2, 2]))), [5.0, 7.0, 13.0, 15.0]);
}

#[test]
fn an_average_is_over_the_pixels_under_the_window() {
    // semantics 8.15
    let g = Graph::new();
    let sixteen = g.constant(Array::from_fn(DType::F32, &[1, 4, 4, 1], |i| i as f64).unwrap());
    assert_eq!(eval(&sixteen.average_pool2d(&PoolOptions::new([2, 2]))), [2.5, 4.5, 10.5, 12.5]);
    let row = g.constant(Array::new(&[1, 1, 3, 1], &[2.0, 4.0, 9.0]).unwrap());
    let padded = PoolOptions::new([1, 3]).strides([1, 1]).padding(Padding::Same);
    assert_eq!(eval(&row.average_pool2d(&padded)), [3.0, 5.0, 6.5]);
    let counted = eval(&row.average_pool2d(&padded.count_include_pad(true)));
    assert!(counted.iter().zip([2.0, 5.0, 13.0 / 3.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-15), "{counted:?}");
}

#[test]
fn two_open_sides_go_through_forward_and_gradient() {
    // semantics 1.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None, None, None, Some(2)]);
    let filters = g.constant(Array::from_fn(DType::F64, &[3, 3, 2, 2], |i| (i % 5) as f64 - 2.0).unwrap());
    let y = x.conv2d(&filters, &ConvOptions::new().padding(Padding::Same).strides([2, 2]));
    let pooled = y.max_pool2d(&PoolOptions::new([2, 2]).strides([1, 1]).padding(Padding::Same));
    let gradient = gradients(&[&pooled.sum()], &[&x], &GradOptions::default()).remove(0);
    let f = g.function(&[&x], &[&pooled, &gradient]).compile().unwrap();
    let mut session = wengert_autograd::Session::new(wengert_autograd::Device::cpu()).unwrap();
    let mut reference = wengert_autograd::Session::new(wengert_autograd::Device::reference()).unwrap();
    for [n, h, w] in [[0, 5, 5], [1, 1, 1], [2, 7, 4], [1, 0, 3], [3, 2, 9]] {
        let image = Array::from_fn(DType::F64, &[n, h, w, 2], |i| ((i * 7) % 11) as f64).unwrap();
        let got = f.call(&mut session, &[(&image).into()]).unwrap();
        let wanted = f.call(&mut reference, &[(&image).into()]).unwrap();
        assert_eq!(got[0].shape(), [n, h.div_ceil(2), w.div_ceil(2), 2]);
        assert_eq!(got[1].shape(), [n, h, w, 2]);
        for (got, wanted) in got.iter().zip(&wanted) {
            assert!(got.is_empty() || got.max_abs_diff(wanted).unwrap() < 1e-12, "{n} {h} {w}");
        }
    }
}
