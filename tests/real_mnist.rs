//! What the engine learns from handwriting.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use wengert::prelude::*;

fn accuracy(mut model: Sequential, optimizer: Adam, train: &data::Dataset, test: &data::Dataset, fit: Fit) -> f64 {
    model.compile(optimizer, CategoricalCrossentropy, [Accuracy]).unwrap();
    model.fit(train, fit.verbose(0)).unwrap();
    model.evaluate(test).unwrap().get("accuracy").unwrap()
}

#[test]
fn the_embedded_digits_are_read_right_93_times_in_100() {
    let (train, test) = data::digits().unwrap();
    let model = Sequential::new()
        .add(Flatten)
        .add(Dense::new(32).activation(Relu))
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    let accuracy = accuracy(model, Adam::new(0.01), &train, &test, Fit::epochs(30));
    assert!(accuracy >= 0.93, "{accuracy}");
}

#[test]
fn mnist_is_read_right_975_times_in_1000_after_five_epochs() {
    let (train, test) = match data::mnist(None) {
        Ok(found) => found,
        // Damaged data are no reason to skip, only missing ones.
        Err(error) if error.is_missing() => {
            assert!(std::env::var("CI").is_err(), "in CI nothing is skipped: {error}");
            // Past the test harness, which hides what a test that passes prints.
            let line = "SKIPPED: MNIST is not there (WENGERT_DATA names the folder above its folder `mnist`)";
            writeln!(std::io::stderr(), "{line}").unwrap();
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let model = Sequential::new()
        .add(Flatten)
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    let accuracy = accuracy(model, Adam::default(), &train, &test, Fit::epochs(5).batch_size(128));
    assert!(accuracy >= 0.975, "{accuracy}");
}
