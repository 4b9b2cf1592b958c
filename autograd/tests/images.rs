//! Convolution and pooling as part of functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{
    Array, ConvOptions, DType, DataFormat, Device, Function, GradOptions, Graph, Padding, Policy, PoolOptions, Session,
    Tensor, gradients,
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
        let gradient = eval(&y.sum().grad(&[&x])[0]);
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

#[test]
fn errors_show_images_in_the_order_in_which_they_were_written() {
    // semantics 1.13
    let g = Graph::new();
    let images = g.placeholder("images", DType::F32, [None, Some(4), Some(5), Some(6)]);
    let filters = g.constant(Array::zeros(DType::F32, &[3, 3, 3, 2]).unwrap());
    let first = ConvOptions::new().data_format(DataFormat::ChannelsFirst);
    let error = images.conv2d(&filters, &first).ty().unwrap_err().to_string();
    assert!(error.starts_with("conv2d of f32[images.0, 4, 5, 6], channels first, and f32[3, 3, 3, 2]: "), "{error}");
    assert!(error.contains("data_format()") && error.contains("tests/images.rs:"), "{error}");
    let pool = PoolOptions::new([7, 1]).data_format(DataFormat::ChannelsFirst);
    let error = images.average_pool2d(&pool).ty().unwrap_err().to_string();
    assert!(error.starts_with("average_pool2d of f32[images.0, 4, 5, 6]: "), "{error}");
}

#[test]
fn the_gradient_of_padded_averages_with_all_sides_open_is_that_of_differences() {
    // semantics 8.15
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None; 4]);
    for format in [DataFormat::ChannelsLast, DataFormat::ChannelsFirst] {
        let options = PoolOptions::new([3, 2]).strides([2, 1]).padding(Padding::Same).data_format(format);
        let loss = x.average_pool2d(&options).square().sum();
        let f = g.function(&[&x], &[&loss, &loss.grad(&[&x])[0]]).compile().unwrap();
        let mut session = Session::new(Device::cpu().threads(1)).unwrap();
        for shape in [[2, 5, 4, 3], [1, 1, 1, 1], [2, 0, 3, 1], [0, 3, 3, 2]] {
            let mut at = |moved: Option<(usize, f64)>| {
                let value =
                    |i: usize| ((i * 7) % 11) as f64 / 3.0 + moved.map_or(0.0, |(n, by)| if n == i { by } else { 0.0 });
                f.call(&mut session, &[(&Array::from_fn(DType::F64, &shape, value).unwrap()).into()]).unwrap()
            };
            for (n, slope) in at(None)[1].to_f64().into_iter().enumerate() {
                let [up, down] = [1e-5, -1e-5].map(|by| at(Some((n, by)))[0].to_f64()[0]);
                assert!(((up - down) / 2e-5 - slope).abs() < 1e-5, "{shape:?}, element {n}");
            }
        }
    }
}

/// Some ops over images with channels first, a few of their results, and the gradients by all variables; `choose(n)` gives
/// a number below n.
fn random_network(choose: &mut dyn FnMut(usize) -> usize) -> (Graph, Tensor, Vec<Tensor>) {
    let g = Graph::new();
    let open = [[Some(2), Some(3), Some(4), Some(5)], [None, Some(3), None, Some(5)]][choose(2)];
    let x = g.placeholder("x", DType::F64, open);
    let variable = |name: &str, shape: &[usize]| {
        g.variable(
            name,
            Array::from_fn(DType::F64, shape, |i| ((i * 37 + i * i * 11) % 23) as f64 / 23.0 - 0.4).unwrap(),
        )
    };
    let (filters, bias) = (variable("filters", &[3, 3, 3, 3]), variable("bias", &[3, 1, 1]));
    let (scale, row) = (variable("scale", &[3]), variable("row", &[5]));
    let conv = ConvOptions::new().padding(Padding::Same);
    let first = DataFormat::ChannelsFirst;
    let pool = PoolOptions::new([3, 2]).strides([1, 1]).padding(Padding::Same).data_format(first);
    let last = |x: &Tensor| x.transpose([0, 2, 3, 1]);
    let back = |x: &Tensor| x.transpose([0, 3, 1, 2]);
    let mut values = vec![x.clone()];
    for _ in 0..3 + choose(7) {
        let (a, b) = (values[choose(values.len())].clone(), values[choose(values.len())].clone());
        values.push(match choose(16) {
            0 => a.conv2d(&filters, &conv.clone().data_format(first)),
            1 => back(&last(&a).conv2d(&filters, &conv)) + a.mean_keepdims([2, 3]),
            2 => (&a + &bias).relu(),
            3 => &a * scale.reshape([3, 1, 1]) + &row,
            4 => &a - a.mean_keepdims([0, 2, 3]),
            5 => {
                let centred = &a - a.mean_axes([0, 2, 3]).reshape([1, 3, 1, 1]);
                let variance = centred.square().mean_axes([0, 2, 3]);
                centred * (variance + 0.1).rsqrt().reshape([1, 3, 1, 1])
            }
            6 => &a * a.max_keepdims([1]).tanh(),
            7 => a.maximum(&b),
            8 => a.max_pool2d(&pool),
            9 => a.average_pool2d(&pool),
            10 => back(&last(&a).softmax(-1)),
            11 => a.softmax(1),
            12 => a.transpose([0, 3, 2, 1]).tanh().transpose([0, 3, 2, 1]) + &b,
            13 => a.greater(back(&last(&b).exp())).select(&a, &b),
            14 => (&a * a.sum_axes([2]).expand_dims(2)).tanh(),
            _ => (&a - a.sum_keepdims([0]) * 0.1).sigmoid(),
        });
    }
    let y = &values[values.len() - 1];
    let reduced = match choose(4) {
        0 => y.sum_axes([0, 2]),
        1 => y.mean_keepdims([1]),
        2 => y.max_axes([1, 2]),
        _ => y.transpose([2, 0, 3, 1]).sum_axes([1]),
    };
    let mut outputs = vec![y.clone(), values[choose(values.len())].clone(), reduced];
    let loss = y.square().mean() + values[choose(values.len())].tanh().sum();
    let options = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
    outputs.extend(gradients(&[&loss], &[&x, &filters, &bias, &scale, &row], &options));
    (g, x, outputs)
}

#[test]
fn random_networks_with_channels_first_compute_what_was_written() {
    // semantics 1.13, semantics 5.9
    let image =
        Array::from_fn(DType::F64, &[2, 3, 4, 5], |i| ((i * 31 + i * i * 17) % 29) as f64 / 29.0 - 0.45).unwrap();
    let mut state = 1u64;
    let mut choose = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for number in 0..120 {
        let (g, x, outputs) = random_network(&mut choose);
        let known = x.shape().unwrap()[0].known().is_some();
        let results = [Policy::PLAIN, Policy::OPTIMISED].map(|policy| {
            let outputs: Vec<&Tensor> = outputs.iter().collect();
            let kept = g
                .by_name("kept")
                .unwrap_or_else(|| g.state_variable("kept", Array::zeros(DType::F64, &[2, 3, 4, 5]).unwrap()));
            let mut session = Session::new(Device::cpu().threads(1)).unwrap();
            let builder = g.function(&[&x], &outputs).policy(policy);
            let updates = if known { vec![kept.becomes(&(&kept * 0.5 + outputs[0]))] } else { vec![] };
            let f = builder.updates(&updates).compile().unwrap();
            f.call(&mut session, &[(&image).into()]).unwrap();
            let mut results = f.call(&mut session, &[(&image).into()]).unwrap();
            results.push(session.get(&kept).unwrap());
            results
        });
        for (place, (plain, optimised)) in results[0].iter().zip(&results[1]).enumerate() {
            let size = plain.to_f64().iter().fold(1.0f64, |size, value| size.max(value.abs()));
            let difference = plain.max_abs_diff(optimised).unwrap();
            assert!(difference < 1e-9 * size, "network {number}, output {place}: {difference}");
        }
    }
}
