use super::*;
use crate::activations::Activation::Softmax;
use crate::data::{self, Augmentation, Dataset};
use crate::layers::{Dense, Flatten};
use crate::losses::CategoricalCrossentropy;
use crate::metrics::Accuracy;
use crate::models::Sequential;
use crate::optimizers::Adam;
use crate::scratch::Folder;
use wengert_autograd::Device;

fn digits() -> Dataset {
    data::digits::load().unwrap().take(300).unwrap().scaled(16.0).unwrap()
}

fn model(threads: usize) -> Sequential {
    let model = Sequential::new().device(Device::cpu().threads(threads)).seed(3).add(Flatten);
    let mut model = model.add(Dense::new(10).activation(Softmax));
    model.compile(Adam::new(0.01), CategoricalCrossentropy, [Accuracy]).unwrap();
    model
}

fn fit(epochs: usize) -> Fit {
    Fit::epochs(epochs).batch_size(32).verbose(0)
}

fn augmented(epochs: usize) -> Fit {
    fit(epochs).augment(Augmentation::new().flip_horizontal().crop(1).cutout(2))
}

fn weights(threads: usize, fits: impl IntoIterator<Item = Fit>) -> Vec<Vec<u8>> {
    let (mut model, data) = (model(threads), digits());
    for fit in fits {
        model.fit(&data, fit).unwrap();
    }
    model.get_weights().unwrap().iter().map(|weight| weight.bytes().to_vec()).collect()
}

#[test]
fn an_augmented_training_repeats_whoever_prepares_its_batches() {
    // semantics 10.10
    // semantics 10.11
    let one = weights(1, [augmented(3)]);
    assert_eq!(one, weights(2, [augmented(3)]));
    assert_eq!(one, weights(1, [augmented(3).prefetch(false)]));
    assert_eq!(one, weights(1, [augmented(1), augmented(2)]));
    assert_ne!(one, weights(1, [fit(3)]));
    assert_ne!(one, weights(1, [augmented(3).seed(4)]));
    assert_eq!(weights(1, [fit(3)]), weights(1, [fit(3).prefetch(true)]));
    let folder = Folder::new();
    let path = folder.path("last.ckpt");
    weights(1, [augmented(2).seed(9).checkpoint(&path)]);
    assert_eq!(weights(1, [augmented(3).seed(9)]), weights(2, [augmented(3).resume(&path)]));
    // semantics 9.16
    let error = model(1).fit(&digits(), fit(3).resume(&path)).unwrap_err().to_string();
    assert!(
        error.contains("training is flip_horizontal, crop(1), cutout(2), here nothing")
            && error.contains("load_checkpoint"),
        "{error}"
    );
    weights(1, [augmented(2).seed(9).shuffle(false).checkpoint(&path)]);
    let plain = |fit: Fit| fit.shuffle(false);
    assert_eq!(weights(1, [plain(augmented(3).seed(9))]), weights(2, [plain(augmented(3)).resume(&path)]));
    let error = model(1).fit(&digits(), plain(augmented(3).seed(1)).resume(&path)).unwrap_err().to_string();
    assert!(error.contains("with seed 9, here not shuffled, with seed 1"), "{error}");
}

#[test]
fn training_and_evaluation_leave_bytes_in_bytes() {
    // semantics 10.2
    let (train, test) = digits().split_at(200).unwrap();
    let mut model = model(1);
    model.fit(&train, fit(1).validation(&test)).unwrap();
    model.fit(&train, augmented(1).validation_split(0.5)).unwrap();
    model.evaluate(&test).unwrap();
    model.train_step(&train).unwrap();
    assert!(!train.is_whole() && !test.is_whole(), "all examples were computed");
}

#[test]
fn what_cannot_be_augmented_is_an_error_before_training() {
    let points = data::make_blobs(50, 2, 2, 1.0, 0).unwrap();
    let mut model = model(1);
    let error = model.fit(&points, augmented(1)).unwrap_err();
    assert!(error.is_shape() && error.to_string().contains("only images"), "{error}");
    let error = model.fit(&digits(), fit(1).augment(Augmentation::new().crop(8))).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("8 x 8"), "{error}");
}
