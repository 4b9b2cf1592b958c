//! The networks that tutorials write by hand in NumPy, from the same weights: their printed losses to six digits.
//!
//! A bias is a column of ones before the data, and a unit of the hidden layer. Each row is a step of gradient descent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Function, Graph, Session, Tensor};
use wengert_nn::data::{self, RandomState};

struct ByHand {
    step: Function,
    loss: Function,
    predict: Function,
    session: Session,
}

/// Sigmoid layers without separate biases, trained on the sum of squared errors.
fn network(layers: &[usize], rate: f64, seed: u32) -> ByHand {
    let g = Graph::new();
    let mut random = RandomState::new(seed);
    let last = layers.len() - 1;
    let mut weights = Vec::new();
    for n in 0..last {
        let shape = [layers[n] + 1, layers[n + 1] + usize::from(n + 1 < last)];
        weights.push(g.variable("w", Array::from_fn(DType::F64, &shape, |_| random.randn())));
    }
    let x = g.placeholder("x", DType::F64, [None, Some(layers[0] + 1)]);
    let y = g.placeholder("y", DType::F64, [None, Some(layers[last])]);
    let output = weights.iter().fold(x.clone(), |h, w| h.matmul(w).sigmoid());
    let error = (&output - &y).square().sum();
    let refs: Vec<&Tensor> = weights.iter().collect();
    let gradients = error.grad(&refs);
    let updates: Vec<_> =
        weights.iter().zip(&gradients).map(|(w, gradient)| w.becomes(&(w - gradient * rate))).collect();
    ByHand {
        step: g.function(&[&x, &y], &[]).updates(&updates).compile().unwrap(),
        loss: g.function(&[&x, &y], &[&error]).compile().unwrap(),
        predict: g.function(&[&x], &[&output]).compile().unwrap(),
        session: Session::new(Device::cpu().threads(1)).unwrap(),
    }
}

impl ByHand {
    fn epoch(&mut self, x: &Array, y: &Array) -> f64 {
        let rows = x.shape()[0];
        let (steps_x, steps_y) =
            (x.reshape(&[rows, 1, x.shape()[1]]).unwrap(), y.reshape(&[rows, 1, y.shape()[1]]).unwrap());
        self.step.call_n(&mut self.session, rows, &[steps_x.view(), steps_y.view()], &mut []).unwrap();
        self.loss.call(&mut self.session, &[x.into(), y.into()]).unwrap()[0].item::<f64>().unwrap()
    }
}

fn close(got: f64, wanted: f64, digits: f64) {
    assert!((got - wanted).abs() <= digits, "{got} is not {wanted}");
}

#[test]
fn exclusive_or() {
    let mut net = network(&[2, 2, 1], 0.5, 42);
    let x = Array::new(&[4, 3], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
    let y = Array::new(&[4, 1], &[0.0, 1.0, 1.0, 0.0]).unwrap();
    let losses: Vec<f64> = (0..1000).map(|_| net.epoch(&x, &y)).collect();
    // The tutorial prints three digits of most of these; NumPy gives the others.
    let printed = [
        (1, 0.977274),
        (50, 0.949949),
        (100, 0.890865),
        (200, 0.602552),
        (300, 0.181228),
        (500, 0.032560),
        (1000, 0.008432),
    ];
    for (epoch, printed) in printed {
        close(losses[epoch - 1], printed, 5e-7);
    }
    let outputs = net.predict.call(&mut net.session, &[(&x).into()]).unwrap()[0].to_f64();
    for (got, printed) in outputs.iter().zip([0.043, 0.970, 0.943, 0.050]) {
        close(*got, printed, 0.0005);
    }
}

#[test]
fn digits() {
    let all = data::digits::load().unwrap();
    let (train, test) = all.train_test_split(0.25, 13).unwrap();
    let with_ones = |set: &data::Dataset| {
        let pixels = set.x().to_f64();
        let x = Array::from_fn(DType::F64, &[set.len(), 65], |i| {
            if i % 65 == 0 { 1.0 } else { pixels[i / 65 * 64 + i % 65 - 1] / 16.0 }
        });
        let labels = set.labels().unwrap();
        let y =
            Array::from_fn(DType::F64, &[set.len(), 10], |i| f64::from(u8::from(labels[i / 10] == (i % 10) as i64)));
        (x.unwrap(), y.unwrap(), labels)
    };
    let (x, y, _) = with_ones(&train);
    let mut net = network(&[64, 32, 16, 10], 0.1, 42);
    let losses: Vec<f64> = (0..100).map(|_| net.epoch(&x, &y)).collect();
    for (epoch, printed) in [(1, 1078.892), (10, 123.737), (20, 51.494), (50, 10.914), (90, 6.382), (100, 5.792)] {
        close(losses[epoch - 1], printed, 0.0005);
    }
    let (x, _, labels) = with_ones(&test);
    let outputs = net.predict.call(&mut net.session, &[(&x).into()]).unwrap().remove(0);
    let right = (labels.iter().enumerate())
        .filter(|&(row, &label)| {
            let scores = outputs.row(row).unwrap().to_f64();
            let best = (0..10).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
            best as i64 == label
        })
        .count();
    assert_eq!((right, labels.len()), (434, 450));
}
