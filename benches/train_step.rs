//! Whole steps of training: forward, backward and update. An element is a sample: `Kelem/s` are thousands of samples a second.
//!
//! `peers/train_step.py` makes the same steps with PyTorch and JAX. A step takes the next of 8 batches and gives its loss to the
//! host, so that it is over on every device when it is measured; `in one call` makes 1000 steps over data that is there, as JAX
//! does by a scan inside one compiled function. Where there is a GPU, `resident batch` takes one batch every time, which lies on the
//! device.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{devices, for_gpu, group, values};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wengert::data::Dataset;
use wengert::prelude::*;
use wengert::{Function, Tensor};

const BATCHES: usize = 8;
const STEPS: usize = 1000;

struct Network {
    name: &'static str,
    /// Sizes of the layers, the input's first.
    layers: &'static [usize],
    batch: usize,
    optimizer: fn() -> Box<dyn Optimizer>,
    /// Whether the output is one of two, by a sigmoid and the squared error; else it is one of many, by a softmax.
    binary: bool,
}

/// A convolutional network, by layers. It has ten classes and trains by Adam.
struct Convolutional {
    name: &'static str,
    /// Height, width and channels.
    image: [usize; 3],
    batch: usize,
    model: fn() -> Sequential,
}

const CIFAR: Convolutional = Convolutional { name: "cifar10 cnn adam", image: [32, 32, 3], batch: 64, model: cifar };
const MNIST: Convolutional = Convolutional { name: "mnist cnn adam", image: [28, 28, 1], batch: 128, model: mnist };

const MLP: Network = Network {
    name: "mlp 784-512-512-10 adam",
    layers: &[784, 512, 512, 10],
    batch: 128,
    optimizer: || Box::new(Adam::default()),
    binary: false,
};
const DIGITS: Network = Network {
    name: "mlp 64-32-16-10 sgd",
    layers: &[64, 32, 16, 10],
    batch: 10,
    optimizer: || Box::new(GradientDescent::new(0.01)),
    binary: false,
};
const XOR: Network = Network {
    name: "xor 2-2-1 sgd",
    layers: &[2, 2, 1],
    batch: 1,
    optimizer: || Box::new(GradientDescent::new(0.01)),
    binary: true,
};

impl Network {
    /// Examples and targets for so many batches.
    fn data(&self, batches: usize) -> (Array, Array) {
        let rows = batches * self.batch;
        if self.binary {
            let bit = |row: usize, column: usize| (row >> column) & 1;
            let x = Array::from_fn(F32, &[rows, 2], |i| bit(i / 2, i % 2) as f64);
            return (x.unwrap(), Array::from_fn(F32, &[rows, 1], |row| (bit(row, 0) ^ bit(row, 1)) as f64).unwrap());
        }
        (values(&[rows, self.layers[0]]), Array::from_fn(I64, &[rows], |row| (row % 10) as f64).unwrap())
    }

    /// The step out of tensors: its loss, by a function of a batch and its targets.
    fn step(&self) -> Function {
        let (graph, x, t, loss) = self.loss();
        graph.function(&[&x, &t], &[&loss]).updates(&(self.optimizer)().minimize(&loss)).compile().unwrap()
    }

    /// The step on one batch that stays where the device computes.
    fn step_on(&self, batch: &[Array; 2]) -> Function {
        let (graph, x, t, loss) = self.loss();
        let [own_x, own_t] = [0, 1].map(|number| graph.state_variable("batch", batch[number].clone()));
        let step = graph.function(&[], &[&loss]).updates(&(self.optimizer)().minimize(&loss));
        step.given(&x, &own_x).given(&t, &own_t).compile().unwrap()
    }

    /// A batch and its targets, and the loss.
    fn loss(&self) -> (Graph, Tensor, Tensor, Tensor) {
        let graph = Graph::new();
        let x = graph.placeholder("x", F32, [None, Some(self.layers[0])]);
        let mut h = x.clone();
        for (number, sizes) in self.layers.windows(2).enumerate() {
            let limit = (6.0 / (sizes[0] + sizes[1]) as f64).sqrt();
            let start: Vec<f32> = values(sizes).to_f64().into_iter().map(|value| (value * limit) as f32).collect();
            let w = graph.variable("w", Array::new(sizes, &start));
            let b = graph.variable("b", Array::zeros(F32, &[sizes[1]]));
            h = h.matmul(&w) + b;
            h = match number + 2 == self.layers.len() {
                _ if self.binary => h.sigmoid(),
                true => h,
                false => h.relu(),
            };
        }
        let (t, loss) = if self.binary {
            let t = graph.placeholder("t", F32, [None, Some(1)]);
            let loss = (h - &t).square().mean();
            (t, loss)
        } else {
            let t = graph.placeholder("t", I64, [None]);
            let loss = -(t.one_hot(10, F32) * h.log_softmax(-1)).sum_axes([-1]).mean();
            (t, loss)
        };
        (graph, x, t, loss)
    }

    /// The same by layers, loss and optimiser.
    fn model(&self) -> Sequential {
        let mut model = Sequential::new();
        for (number, &units) in self.layers[1..].iter().enumerate() {
            let last = number + 2 == self.layers.len();
            model = model.add(Dense::new(units).activation(if last { Softmax } else { Relu }));
        }
        model
    }

    /// Measures steps that are called one by one.
    fn one_by_one(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let (x, y) = self.data(BATCHES);
        let (batches, function) = (batches(&x, &y, self.batch), self.step());
        group.throughput(Throughput::Elements(self.batch as u64));
        for (device, on) in devices() {
            let mut session = Session::new(on).unwrap();
            let (mut loss, mut number) = ([Array::scalar(0.0f32).unwrap()], 0);
            group.bench_function(BenchmarkId::new(self.name, device), |bencher| {
                bencher.iter(|| {
                    let [x, y] = &batches[number % BATCHES];
                    function.call_into(&mut session, &[x.view(), y.view()], &mut loss).unwrap();
                    number += 1;
                });
            });
        }
    }

    /// Measures steps on a batch that is there already: what the feeds of `one_by_one` cost a GPU is the difference.
    fn resident(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let (x, y) = self.data(BATCHES);
        let function = self.step_on(&batches(&x, &y, self.batch)[0]);
        group.throughput(Throughput::Elements(self.batch as u64));
        for (device, on) in for_gpu(&devices()) {
            let mut session = Session::new(on.clone()).unwrap();
            let mut loss = [Array::scalar(0.0f32).unwrap()];
            group.bench_function(BenchmarkId::new(format!("{} resident batch", self.name), device), |bencher| {
                bencher.iter(|| function.call_into(&mut session, &[], &mut loss).unwrap());
            });
        }
    }

    /// Measures steps of which one call makes many.
    fn in_one_call(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let (x, y) = self.data(STEPS);
        let stepwise = |array: Array| {
            let shape = [&[STEPS, self.batch], &array.shape()[1..]].concat();
            if array.dtype() == I64 {
                Array::new(&shape, array.as_slice::<i64>().unwrap())
            } else {
                Array::new(&shape, array.as_slice::<f32>().unwrap())
            }
        };
        let (x, y, function) = (stepwise(x).unwrap(), stepwise(y).unwrap(), self.step());
        group.throughput(Throughput::Elements((STEPS * self.batch) as u64));
        for (device, on) in devices() {
            let mut session = Session::new(on).unwrap();
            let mut loss = [Array::scalar(0.0f32).unwrap()];
            group.bench_function(BenchmarkId::new(format!("{} in one call", self.name), device), |bencher| {
                bencher.iter(|| function.call_n(&mut session, STEPS, &[x.view(), y.view()], &mut loss).unwrap());
            });
        }
    }
}

impl Convolutional {
    /// Measures the step by layers.
    fn by_fit(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let rows = BATCHES * self.batch;
        let x = values(&[&[rows], &self.image[..]].concat());
        let y = Array::from_fn(I64, &[rows], |row| (row % 10) as f64).unwrap();
        by_fit(group, self.name, self.batch, (x, y), self.model, || Box::new(Adam::default()));
    }
}

/// The network of `examples/cifar10.rs`.
fn cifar() -> Sequential {
    let layer = |filters| Conv2D::new(filters, [3, 3]).padding(Padding::Same).activation(Relu);
    let mut model = Sequential::new();
    for filters in [32, 64, 128] {
        model = model.add(layer(filters)).add(layer(filters)).add(MaxPool2D::new([2, 2]));
    }
    model.add(Flatten).add(Dense::new(128).activation(Relu)).add(Dense::new(10).activation(Softmax))
}

/// The convolutional network of `examples/mnist.rs`.
fn mnist() -> Sequential {
    let mut model = Sequential::new();
    for filters in [32, 64] {
        model = model.add(Conv2D::new(filters, [3, 3]).activation(Relu)).add(MaxPool2D::new([2, 2]));
    }
    model.add(Flatten).add(Dropout::new(0.5)).add(Dense::new(10).activation(Softmax))
}

/// Batches of their own: examples and targets.
fn batches(x: &Array, y: &Array, batch: usize) -> Vec<[Array; 2]> {
    let rows = |number: usize| number * batch..(number + 1) * batch;
    let cut = |number| [x, y].map(|array| array.view().slice_rows(rows(number)).unwrap().to_array().unwrap());
    (0..BATCHES).map(cut).collect()
}

/// Measures the step that `Sequential::fit` makes, accuracy included.
fn by_fit(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    batch: usize,
    (x, y): (Array, Array),
    model: impl Fn() -> Sequential,
    optimizer: fn() -> Box<dyn Optimizer>,
) {
    let (batches, data) = (batches(&x, &y, batch), Dataset::new(x, y).unwrap());
    group.throughput(Throughput::Elements(batch as u64));
    for (device, on) in devices() {
        let mut model = model().device(on);
        model.compile(optimizer(), CategoricalCrossentropy, [Accuracy]).unwrap();
        let mut step = model.train_step(&data).unwrap();
        let mut number = 0;
        group.bench_function(BenchmarkId::new(format!("{name} as fit does"), device), |bencher| {
            bencher.iter(|| {
                let [x, y] = &batches[number % BATCHES];
                number += 1;
                step.run(&x.view(), &y.view()).unwrap().loss
            });
        });
    }
}

fn train_step(criterion: &mut Criterion) {
    let mut group = group(criterion, "train_step");
    for network in [&CIFAR, &MNIST] {
        network.by_fit(&mut group);
    }
    by_fit(&mut group, MLP.name, MLP.batch, MLP.data(BATCHES), || MLP.model(), MLP.optimizer);
    for network in [&MLP, &DIGITS, &XOR] {
        network.one_by_one(&mut group);
        network.resident(&mut group);
    }
    for network in [&DIGITS, &XOR] {
        network.in_one_call(&mut group);
    }
    group.finish();
}

criterion_group!(benches, train_step);
criterion_main!(benches);
