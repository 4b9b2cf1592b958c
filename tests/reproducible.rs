//! One seed, one result: training gives the same weights bit for bit, whatever else is different.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use wengert::optimizers::Optimizer;
use wengert::prelude::*;

/// Tells this test binary that it was started to train and print.
const CHILD: &str = "WENGERT_TEST_PRINT_WEIGHTS";

fn network() -> Sequential {
    Sequential::new()
        .add(Flatten)
        .add(Dense::new(128).activation(Relu))
        .add(Dropout::new(0.3))
        .add(Dense::new(64).activation(Tanh))
        .add(Dropout::new(0.1))
        .add(Dense::new(10).activation(Softmax))
}

/// The weights' bytes after two epochs of digits, whose last batch is smaller than the others.
fn trained(mut model: Sequential, threads: usize, metrics: &[&'static str]) -> Vec<u8> {
    let (train, test) = data::digits().unwrap();
    model = model.device(Device::cpu().threads(threads));
    model.compile(Adam::default(), CategoricalCrossentropy, metrics.to_vec()).unwrap();
    model.fit(&train, Fit::epochs(2).batch_size(100).validation(&test).verbose(0)).unwrap();
    model.get_weights().unwrap().iter().flat_map(|weight| weight.bytes().to_vec()).collect()
}

#[test]
fn the_number_of_threads_changes_no_bit_of_the_weights() {
    // semantics 8.10, semantics 9.7
    let alone = trained(network().seed(7), 1, &["accuracy"]);
    for threads in [2, 3, 7] {
        assert!(trained(network().seed(7), threads, &["accuracy"]) == alone, "{threads} threads differ from one");
    }
    assert!(trained(network().seed(8), 1, &["accuracy"]) != alone, "the seed does nothing");
}

#[test]
fn a_convolutional_network_with_normalisation_learns_changed_images_the_same() {
    // semantics 8.10, semantics 10.10
    let (train, _) = data::digits().unwrap();
    let trained = |threads: usize, seed: u64, prefetch: bool| -> Vec<u8> {
        let mut model = Sequential::new()
            .add(Reshape::new([8, 8, 1]))
            .add(Conv2D::new(16, [3, 3]).padding(Padding::Same).no_bias())
            .add(BatchNormalization::new())
            .add(Relu)
            .add(MaxPool2D::new([2, 2]))
            .add(Conv2D::new(24, [3, 3]).padding(Padding::Same).activation(Relu))
            .add(AveragePool2D::new([3, 3]).strides([1, 1]).padding(Padding::Same))
            .add(Flatten)
            .add(Dropout::new(0.3))
            .add(Dense::new(10).activation(Softmax))
            .device(Device::cpu().threads(threads))
            .seed(seed);
        model.compile(Adam::default(), CategoricalCrossentropy, ()).unwrap();
        let changes = data::Augmentation::new().flip_horizontal().crop(1).cutout(2);
        let fit = Fit::epochs(2).batch_size(100).augment(changes).prefetch(prefetch).verbose(0);
        model.fit(&train, fit).unwrap();
        model.get_weights().unwrap().iter().flat_map(|weight| weight.bytes().to_vec()).collect()
    };
    let alone = trained(1, 7, false);
    for (threads, prefetch) in [(2, true), (3, false), (7, true)] {
        assert!(
            trained(threads, 7, prefetch) == alone,
            "{threads} threads, prefetch {prefetch}: differs from one thread"
        );
    }
    assert!(trained(2, 8, true) != alone, "the seed does nothing");
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn another_process_trains_the_same_weights() {
    // semantics 8.11
    let own = format!("weights {:016x}", hash(&trained(network().seed(7), 2, &["accuracy"])));
    if std::env::var_os(CHILD).is_some() {
        println!("{own}");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "another_process_trains_the_same_weights", "--nocapture"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&own), "{own} is not in what the other process printed:\n{text}");
}

#[test]
fn a_metric_changes_no_bit_of_the_weights() {
    // semantics 7.4
    let without = trained(network().seed(7), 2, &[]);
    assert!(trained(network().seed(7), 2, &["accuracy"]) == without, "accuracy is not only measured");
}

#[test]
fn what_is_fetched_changes_no_mask_and_no_weight() {
    // semantics 7.4
    let g = Graph::new();
    let x = g.placeholder("x", F32, [None, Some(64)]);
    let t = g.placeholder("t", I64, [None]);
    let hidden = Dense::new(96).activation(Relu).apply(&x, Mode::Train);
    let dropped = Dropout::new(0.4).apply(&hidden, Mode::Train);
    let logits = Dense::new(10).apply(&dropped, Mode::Train);
    let loss = CategoricalCrossentropy.from_logits().mean(&logits.clone().into(), &t);
    let updates = Adam::default().minimize(&loss);
    let weights = g.trainable_variables();
    let gradient = loss.grad(&[&weights[0]]).remove(0);
    let fetches: [&[&Tensor]; 5] =
        [&[&loss], &[], &[&loss, &dropped], &[&hidden, &logits, &loss], &[&gradient, &loss, &dropped]];

    let images = Array::from_fn(F32, &[50, 64], |i| (i * 7 % 17) as f64 / 16.0).unwrap();
    let labels = Array::from_fn(I64, &[50], |i| (i * 3 % 10) as f64).unwrap();
    let run = |fetches: &[&Tensor], seed| {
        let step = g.function(&[&x, &t], fetches).updates(&updates).compile().unwrap();
        let mut session = Session::with_seed(Device::cpu().threads(2), seed).unwrap();
        let mut masks = vec![];
        for _ in 0..5 {
            let values = step.call(&mut session, &[(&images).into(), (&labels).into()]).unwrap();
            masks.extend(fetches.iter().zip(values).filter(|(fetch, _)| **fetch == &dropped).map(|(_, value)| value));
        }
        let weights: Vec<Array> = weights.iter().map(|weight| session.get(weight).unwrap()).collect();
        (masks, weights)
    };
    let (_, alone) = run(fetches[0], 3);
    let (masks, _) = run(fetches[2], 3);
    assert_ne!(masks[0], masks[1], "each step draws anew");
    for fetch in fetches {
        let (own, weights) = run(fetch, 3);
        assert!(own.is_empty() || own == masks, "the mask is another one");
        for (weight, wanted) in weights.iter().zip(&alone) {
            assert!(weight.bytes() == wanted.bytes(), "with {} fetches the weights differ", fetch.len());
        }
    }
}

#[test]
fn two_sessions_of_one_graph_draw_alike_if_their_seeds_are_alike() {
    // semantics 7.3
    let g = Graph::new();
    let drawn = g.uniform(F32, [1000]);
    let weight = Dense::new(7).apply(&g.constant([0.5f32; 6]).reshape([2, 3]), Mode::Train);
    let values = |seed| {
        let mut session = Session::with_seed(Device::cpu().threads(1), seed).unwrap();
        [0, 1].map(|_| session.run([&drawn, &weight], &[]).unwrap())
    };
    let (one, other, different) = (values(1), values(1), values(2));
    assert_eq!(one, other);
    assert_ne!(one[0][0], one[1][0], "each run draws anew");
    assert!(one[0][0] != different[0][0] && one[0][1] != different[0][1], "the seed does nothing");
}
