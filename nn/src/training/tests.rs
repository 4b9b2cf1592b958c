use super::*;
use crate::Error;
use crate::activations::Activation::{Relu, Sigmoid, Softmax, Tanh};
use crate::data::{self, Dataset};
use crate::layers::{Dense, Dropout, Flatten};
use crate::losses::{BinaryCrossentropy, CategoricalCrossentropy};
use crate::metrics::Accuracy;
use crate::models::Sequential;
use crate::optimizers::{Adam, GradientDescent};
use crate::scratch::Folder;
use std::sync::{Arc, Mutex};
use wengert_autograd::{DType, Device};
use wengert_kernels::Array;

fn model() -> Sequential {
    Sequential::new().device(Device::cpu().threads(1))
}

fn blobs() -> Dataset {
    data::make_blobs(200, 2, 4, 1.0, 3).unwrap()
}

fn small() -> Sequential {
    let mut model =
        model().add(Dense::new(8).activation(Tanh)).add(Dropout::new(0.1)).add(Dense::new(4).activation(Softmax));
    model.compile(Adam::new(0.01), CategoricalCrossentropy, [Accuracy]).unwrap();
    model
}

fn xor() -> Dataset {
    let x = Array::new(&[4, 2], &[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]).unwrap();
    Dataset::new(x, Array::new(&[4], &[0.0f32, 1.0, 1.0, 0.0]).unwrap()).unwrap()
}

#[test]
fn xor_is_learned() {
    let mut model = model().seed(1).add(Dense::new(8).activation(Tanh)).add(Dense::new(1).activation(Sigmoid));
    model.compile(Adam::new(0.05), BinaryCrossentropy, [Accuracy]).unwrap();
    let history = model.fit(&xor(), Fit::epochs(300).batch_size(4).verbose(0)).unwrap();
    assert_eq!(history.last("accuracy"), Some(1.0), "{history}");
    let output = model.predict(xor().x()).unwrap().to_f64();
    assert!(output.iter().zip([0.0, 1.0, 1.0, 0.0]).all(|(o, t)| (o - t).abs() < 0.2), "{output:?}");
}

#[test]
fn digits_are_learned() {
    let all = data::digits::load().unwrap().scaled(16.0).unwrap();
    let (train, test) = all.train_test_split(0.25, 13).unwrap();
    let mut model = model()
        .add(Flatten)
        .add(Dense::new(32).activation(Relu))
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    model.compile("adam", "categorical_crossentropy", ["accuracy"]).unwrap();
    let history = model.fit(&train, Fit::epochs(30).validation(&test).verbose(0)).unwrap();
    let evaluation = model.evaluate(&test).unwrap();
    assert!((evaluation.get("accuracy").unwrap() - history.last("val_accuracy").unwrap()).abs() < 1e-9);
    assert!(evaluation.get("accuracy").unwrap() >= 0.93, "{evaluation}");
    assert!(history.last("accuracy").unwrap() >= 0.97, "{history}");
}

#[test]
fn one_seed_gives_the_same_losses_bit_for_bit() {
    // semantics 9.7
    let run = |seed| {
        let mut model = small().seed(seed);
        let history = model.fit(&blobs(), Fit::epochs(5).batch_size(16).verbose(0)).unwrap();
        (history["loss"].to_vec(), model.get_weights().unwrap())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_epochs_numbers_are_exact_means_over_the_examples() {
    // semantics 9.5
    let mut model = model().add(Dense::new(4).activation(Softmax));
    model.compile(GradientDescent::new(0.0), CategoricalCrossentropy, [Accuracy]).unwrap();
    let history = model.fit(&blobs(), Fit::epochs(1).batch_size(64).validation_split(0.25).verbose(0)).unwrap();
    let (train, rest) = blobs().split_last(0.25).unwrap();
    for (data, prefix) in [(train, ""), (rest, "val_")] {
        let evaluation = model.evaluate(&data).unwrap();
        assert!((history[&format!("{prefix}loss")][0] - evaluation.loss).abs() < 1e-6, "{history} {evaluation}");
        assert_eq!(history.last(&format!("{prefix}accuracy")), evaluation.get("accuracy"));
    }
    assert_eq!(
        history.names().collect::<Vec<_>>(),
        ["loss", "accuracy", "val_loss", "val_accuracy", "seconds", "samples_per_second"]
    );
}

#[test]
fn labels_and_rows_train_alike() {
    let losses = |data: &Dataset| {
        let mut model = model().add(Dense::new(4).activation(Softmax));
        model.compile("sgd", CategoricalCrossentropy, [Accuracy]).unwrap();
        let history = model.fit(data, Fit::epochs(3).verbose(0)).unwrap();
        (history["loss"].to_vec(), history["accuracy"].to_vec())
    };
    let (labels, rows) = (losses(&blobs()), losses(&blobs().one_hot(4).unwrap()));
    assert_eq!(labels.1, rows.1);
    assert!(labels.0.iter().zip(&rows.0).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn wrong_data_and_wrong_arguments_are_errors_before_training() {
    // semantics 9.8
    let array = |shape: &[usize], value: f64| Array::full(DType::F32, shape, value).unwrap();
    let labels = |values: &[i64]| Array::new(&[values.len()], values).unwrap();
    let set = |x: Array, y: Array| Dataset::new(x, y).unwrap();
    let fit = |data: &Dataset, fit: Fit| small().fit(data, fit.verbose(0)).unwrap_err();
    let mut spoiled = blobs().x().cast(DType::F32).unwrap().to_vec::<f32>().unwrap();
    spoiled[7] = f32::NAN;
    let spoiled = set(Array::new(&[200, 2], &spoiled).unwrap(), blobs().y().clone());
    type Case = (Error, fn(&Error) -> bool, &'static str);
    let cases: Vec<Case> = vec![
        (fit(&spoiled, Fit::epochs(1)), Error::is_data, "NaN in row 3, column 1"),
        (fit(&blobs(), Fit::epochs(1).batch_size(0)), Error::is_invalid, "batch size is 0"),
        (fit(&set(array(&[0, 2], 0.0), labels(&[])), Fit::epochs(1)), Error::is_data, "no examples"),
        (fit(&set(array(&[2, 2], 0.0), labels(&[0, 4])), Fit::epochs(1)), Error::is_data, "row 1 has label 4"),
        (fit(&set(array(&[2, 2], 0.0), labels(&[0, -1])), Fit::epochs(1)), Error::is_data, "row 1 has label -1"),
        (fit(&set(array(&[2, 2], 0.0), array(&[2, 3], 0.0)), Fit::epochs(1)), Error::is_shape, "[2, 3]"),
        (
            fit(&set(array(&[2, 2], 0.0), array(&[2, 4], f64::NAN)), Fit::epochs(1)),
            Error::is_data,
            "y holds NaN in row 0",
        ),
        (fit(&set(array(&[2], 0.0), labels(&[0, 1])), Fit::epochs(1)), Error::is_graph, "two axes or more"),
        (fit(&blobs(), Fit::epochs(1).validation_split(1.5)), Error::is_invalid, "between 0 and 1"),
        (
            fit(&blobs(), Fit::epochs(1).validation(&set(array(&[2, 3], 0.0), labels(&[0, 1])))),
            Error::is_shape,
            "the validation data: the model takes examples of shape [2], these have shape [3]",
        ),
    ];
    for (error, is_kind, words) in cases {
        assert!(is_kind(&error) && error.to_string().contains(words), "{words}: {error:?}");
    }
    let error = model().add(Dense::new(1)).fit(&xor(), Fit::epochs(1)).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("compile("), "{error}");
    let mut idle = model().add(Flatten);
    idle.compile("sgd", "mse", ()).unwrap();
    let data = set(array(&[2, 2], 0.0), array(&[2, 2], 0.0));
    let error = idle.fit(&data, Fit::epochs(1)).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("nothing to train"), "{error}");
}

#[test]
fn zero_epochs_train_nothing() {
    let mut model = small();
    let history = model.fit(&blobs(), Fit::epochs(0).verbose(0)).unwrap();
    assert_eq!((history.epochs(), history.get("loss")), (0, Some(&[][..])));
    assert_eq!(model.get_weights().unwrap().len(), 4);
}

#[test]
fn a_diverging_loss_ends_nothing() {
    let mut model = model().add(Dense::new(1));
    model.compile(GradientDescent::new(1e20), "mse", ()).unwrap();
    let history = model.fit(&xor(), Fit::epochs(20).verbose(0)).unwrap();
    assert!(!history.last("loss").unwrap().is_finite());
}

#[test]
fn steps_by_hand_are_those_of_fit() {
    // semantics 9.6
    let losses = {
        let mut model = small();
        let history = model.fit(&blobs(), Fit::epochs(2).batch_size(64).verbose(0)).unwrap();
        (history["loss"].to_vec(), model.get_weights().unwrap())
    };
    let mut model = small();
    let mut batches = blobs().batches(64).unwrap().shuffle(0).reader(0).unwrap();
    let data = blobs();
    let mut step = model.train_step(&data).unwrap();
    let mut means = vec![];
    for epoch in 0..2 {
        batches.start(epoch);
        let mut total = 0.0;
        while let Some(batch) = batches.next_batch().unwrap() {
            let result = step.run(&batch.x, &batch.y).unwrap();
            total += result.loss * result.examples as f64;
        }
        means.push(total / 200.0);
    }
    assert_eq!((means, model.get_weights().unwrap()), losses);
}

#[test]
fn the_learning_rate_is_read_and_set() {
    let mut model = small();
    assert!(model.learning_rate().is_err());
    model.fit(&blobs(), Fit::epochs(1).verbose(0)).unwrap();
    assert_eq!(model.learning_rate().unwrap(), 0.01);
    model
        .fit(&blobs(), Fit::epochs(3).verbose(0).callback(LearningRateSchedule::new(|epoch, rate| rate / epoch as f64)))
        .unwrap();
    assert!((model.learning_rate().unwrap() - 0.01 / 6.0).abs() < 1e-9);
    let before = model.get_weights().unwrap();
    model.set_learning_rate(0.0).unwrap();
    model.fit(&blobs(), Fit::epochs(1).verbose(0)).unwrap();
    assert_eq!(model.get_weights().unwrap(), before);
}

#[test]
fn early_stopping_gives_the_best_weights_back() {
    let mut model = model().add(Dense::new(4).activation(Softmax));
    model.compile(GradientDescent::new(0.0), CategoricalCrossentropy, ()).unwrap();
    let fit = || Fit::epochs(50).verbose(0).validation_split(0.2);
    let history = model.fit(&blobs(), fit().callback(EarlyStopping::on("val_loss").patience(2))).unwrap();
    assert_eq!(history.epochs(), 3);
    let error = model.fit(&blobs(), fit().callback(EarlyStopping::on("val_accuracy"))).unwrap_err();
    assert!(error.to_string().contains("there are loss, val_loss"), "{error}");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn progress_is_a_line_an_epoch() {
    let shown = Shared::default();
    let fit = Fit::epochs(2).verbose(0).validation_split(0.25).callback(Progress::to(shown.clone()));
    small().fit(&blobs(), fit).unwrap();
    let text = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Train on 150 samples, validate on 50 samples");
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with("Epoch 2/2 - ") && lines[2].contains(" - val_accuracy: "), "{text}");
}

#[test]
fn the_history_is_a_table() {
    let folder = Folder::new();
    let history = small().fit(&blobs(), Fit::epochs(2).verbose(0)).unwrap();
    history.to_csv(folder.path("history.csv")).unwrap();
    let text = std::fs::read_to_string(folder.path("history.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "epoch,loss,accuracy,seconds,samples_per_second");
    assert!(lines.len() == 3 && lines[2].starts_with(&format!("2,{},", history["loss"][1])), "{text}");
    assert!(history["val_loss"].is_empty());
}
