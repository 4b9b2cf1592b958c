use super::*;
use crate::activations::Activation::{Sigmoid, Softmax};
use wengert_autograd::{DType, Graph};

fn value(loss: &dyn Loss, output: &[[f64; 3]], target: &[[f64; 3]]) -> f64 {
    let g = Graph::new();
    let of = |rows: &[[f64; 3]]| g.constant(Array::from_rows(rows));
    loss.mean(&of(output).into(), &of(target)).eval(&[]).unwrap().item::<f64>().unwrap()
}

fn close(value: f64, wanted: f64) {
    assert!((value - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{value} is not {wanted}");
}

#[test]
fn categorical_crossentropy_is_that_of_keras() {
    // semantics 9.13
    let (p, t) = ([[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    close(value(&CategoricalCrossentropy, &p, &t), 1.176939);
    close(value(&CategoricalCrossentropy, &p.map(|row| row.map(|x| 2.0 * x)), &t), 1.176939);
    close(value(&CategoricalCrossentropy, &[[1.0, 0.0, 0.0]], &[[0.0, 1.0, 0.0]]), 16.118096);
}

#[test]
fn labels_rows_and_logits_give_the_same_loss() {
    // semantics 9.13
    for dtype in [DType::F32, DType::F64] {
        let g = Graph::new();
        let logits = g.constant(Array::from_rows(&[[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]).unwrap().cast(dtype));
        let softmax = Output::of(Softmax, &logits);
        let rows = g.constant(Array::from_rows(&[[0.0f32, 0.0, 1.0], [1.0, 0.0, 0.0]]));
        let labels = g.constant([2u8, 0]);
        let column = labels.expand_dims(-1);
        let losses = [
            CategoricalCrossentropy.mean(&softmax, &rows),
            CategoricalCrossentropy.mean(&softmax, &labels),
            CategoricalCrossentropy.mean(&softmax, &column),
            CategoricalCrossentropy.mean(&softmax.value.clone().into(), &labels),
            CategoricalCrossentropy.from_logits().mean(&logits.clone().into(), &labels),
        ];
        for loss in losses {
            assert_eq!(loss.dtype().unwrap(), dtype);
            // ln(e^1 + e^-2 + e^.5) - .5 and ln(1 + e^3 + e) - 0.
            let rows = [1.0f64.exp() + (-2.0f64).exp() + 0.5f64.exp(), 1.0 + 3.0f64.exp() + 1.0f64.exp()];
            close(loss.eval(&[]).unwrap().to_f64()[0], (rows[0].ln() - 0.5 + rows[1].ln()) / 2.0);
        }
    }
}

#[test]
fn binary_crossentropy_is_that_of_keras() {
    // semantics 9.13
    let loss =
        |output: Output, target: &Tensor| BinaryCrossentropy.mean(&output, target).eval(&[]).unwrap().to_f64()[0];
    let g = Graph::new();
    let rows = |values: [f64; 4]| g.constant(values).reshape([1, 4]);
    let (p, t) = (rows([0.6, 0.4, 0.4, 0.6]), rows([0.0, 1.0, 0.0, 0.0]));
    close(loss(p.clone().into(), &t), 0.814924);
    let logits = p.log() - (1.0 - &p).log();
    close(loss(Output::of(Sigmoid, &logits), &t), 0.814924);
    let impossible = g.constant([0.0f64]).reshape([1, 1]);
    close(loss(impossible.into(), &g.constant([1i64])), 16.118096);
    let certain = g.constant([-1000.0f32]).reshape([1, 1]);
    close(loss(Output::of(Sigmoid, &certain), &g.constant([1i64])), 1000.0);
    close(
        BinaryCrossentropy.from_logits().mean(&certain.into(), &g.constant([true])).eval(&[]).unwrap().to_f64()[0],
        1000.0,
    );
}

#[test]
fn errors_of_numbers_are_those_of_keras() {
    let (output, target) = ([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0], [2.0, 3.0, 0.0]]);
    // Two thirds of the published numbers, for rows of two.
    close(value(&MeanSquaredError, &output, &target), 2.75 * 2.0 / 3.0);
    close(value(&MeanAbsoluteError, &output, &target), 1.25 * 2.0 / 3.0);
    close(value(&MeanSquaredLogarithmicError, &output, &target), 0.641_667 * 2.0 / 3.0);
    close(value(&MeanSquaredLogarithmicError, &[[-5.0; 3]], &[[1.0; 3]]), 0.480_453);
}

#[test]
fn a_column_of_outputs_takes_plain_targets_and_nothing_broadcasts_by_mistake() {
    let g = Graph::new();
    let output = Output::from(g.constant([1.0f32, 2.0]).reshape([2, 1]));
    let loss = MeanSquaredError.mean(&output, &g.constant([1i32, 4]));
    assert_eq!(loss.eval(&[]).unwrap().item::<f32>().unwrap(), 2.0);
    let wide = Output::from(g.constant([1.0f32, 2.0]).reshape([1, 2]));
    for target in [g.constant([1.0f32, 2.0]), g.constant([1.0f32])] {
        let error = MeanSquaredError.mean(&wide, &target).ty().unwrap_err().to_string();
        assert!(error.contains("number of axes"), "{error}");
    }
}

#[test]
fn wrong_targets_are_found_before_training() {
    let labels = |values: &[i64]| Array::new(&[values.len()], values).unwrap();
    let numbers = |shape: &[usize], values: &[f32]| Array::new(shape, values).unwrap();
    assert!(CategoricalCrossentropy.check(&labels(&[0, 2]), &[3]).is_ok());
    for (loss, targets, is_data, words) in [
        (
            &CategoricalCrossentropy as &dyn Loss,
            labels(&[0, 3]),
            true,
            "row 1 has label 3, but with 3 classes labels run from 0 to 2",
        ),
        (&CategoricalCrossentropy, labels(&[-1]), true, "row 0 has label -1"),
        (&CategoricalCrossentropy, numbers(&[1, 2], &[0.0, 1.0]), false, "[1, 2]"),
        (&CategoricalCrossentropy, numbers(&[1, 3], &[0.0, 0.0, 2.0]), true, "row 0 has target 2"),
        (&CategoricalCrossentropy, labels(&[0, 1]).reshape(&[1, 2]).unwrap(), false, "one-hot rows are floats"),
        (&BinaryCrossentropy, numbers(&[1, 3], &[0.0, 0.0, -1.0]), true, "row 0 has target -1"),
        (&MeanSquaredError, numbers(&[1], &[0.0]), false, "outputs of shape [n, 3]"),
    ] {
        let error = loss.check(&targets, &[3]).unwrap_err();
        assert!(
            error.to_string().contains(words) && error.is_data() == is_data && error.is_shape() != is_data,
            "{error}"
        );
    }
    assert!(MeanSquaredError.check(&numbers(&[2], &[0.0, 1.0]), &[1]).is_ok());
}

#[test]
fn names_are_looked_up() {
    for (name, _) in TABLE {
        assert!(name.into_loss().is_ok());
    }
    assert_eq!("mse".into_loss().unwrap().name(), "mean_squared_error");
    let message = "cross_entropy".into_loss().map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("`cross_entropy`; known are binary_crossentropy"), "{message}");
}
