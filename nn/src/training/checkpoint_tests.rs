use super::*;
use crate::Error;
use crate::activations::Activation::{Softmax, Tanh};
use crate::data::{self, Dataset};
use crate::layers::{BatchNormalization, Dense, Dropout};
use crate::losses::CategoricalCrossentropy;
use crate::metrics::Accuracy;
use crate::models::Sequential;
use crate::optimizers::{Adam, GradientDescent};
use crate::scratch::Folder;
use std::fs;
use std::path::Path;
use wengert_autograd::{DType, Device};

fn blobs() -> Dataset {
    let blobs = data::make_blobs(150, 2, 4, 1.0, 3).unwrap();
    Dataset::new(blobs.x().cast(DType::F32).unwrap(), blobs.y().clone()).unwrap()
}

fn uncompiled(units: usize, drop: bool, seed: u64) -> Sequential {
    let model = Sequential::new().device(Device::cpu().threads(1)).seed(seed).add(Dense::new(units).activation(Tanh));
    let model = if drop { model.add(Dropout::new(0.2)) } else { model };
    model.add(Dense::new(4).activation(Softmax))
}

fn model(seed: u64) -> Sequential {
    let mut model = uncompiled(8, true, seed);
    model.compile(Adam::new(0.02), CategoricalCrossentropy, [Accuracy]).unwrap();
    model
}

/// Shuffled, validated, with callbacks that remember something.
fn fit(epochs: usize) -> Fit {
    Fit::epochs(epochs)
        .batch_size(16)
        .validation_split(0.2)
        .verbose(0)
        .callback(LearningRateSchedule::new(|epoch, rate| if epoch == 4 { rate * 0.5 } else { rate }))
        .callback(ReduceLROnPlateau::on("accuracy").patience(1).factor(0.9))
        .callback(EarlyStopping::on("val_loss").patience(4).min_delta(0.01))
}

/// All that a training leaves behind, but for the time it took.
fn outcome(model: &mut Sequential, fit: Fit) -> (Vec<Vec<f64>>, Vec<Vec<u8>>, f64) {
    let history = model.fit(&blobs(), fit).unwrap();
    let columns = ["loss", "accuracy", "val_loss", "val_accuracy"].map(|name| history[name].to_vec()).to_vec();
    let weights = model.get_weights().unwrap().iter().map(|weight| weight.bytes().to_vec()).collect();
    (columns, weights, model.learning_rate().unwrap())
}

fn message<T>(result: Result<T, Error>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn ten_epochs_are_five_and_five_in_another_model() {
    // semantics 9.15
    let folder = Folder::new();
    let path = folder.path("last.ckpt");
    let whole = outcome(&mut model(7), fit(10));
    assert!(whole.2 < 0.02 && whole.0[0].len() == 10, "the callbacks have something to do: {whole:?}");
    outcome(&mut model(7), fit(5).checkpoint(&path));
    let five = fs::read(&path).unwrap();
    for seed in [7, 99] {
        fs::write(&path, &five).unwrap();
        let resumed = outcome(&mut model(seed), fit(10).checkpoint(&path).resume(&path));
        assert!(resumed == whole, "seed {seed}: {resumed:?} is not {whole:?}");
    }
    // The checkpoint after the last epoch holds the end.
    assert!(outcome(&mut model(1), fit(10).resume(&path)) == whole);
    assert!(outcome(&mut model(1), fit(3).resume(&path)) == whole, "no epoch is left");
    assert!(outcome(&mut model(8), fit(10)) != whole, "the seed does nothing");
}

#[test]
fn a_training_goes_on_from_every_batch() {
    // semantics 9.15
    let folder = Folder::new();
    let every = |fit: Fit| fit.callback(ModelCheckpoint::new(folder.path("{epoch}-{batch}")).every_batches(1));
    let whole = outcome(&mut model(7), every(fit(5)));
    assert!(outcome(&mut model(7), fit(5)) == whole, "looking on changes nothing");
    let checkpoints: Vec<_> = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(checkpoints.len(), 5 * 8);
    for path in checkpoints {
        let resumed = outcome(&mut model(0), fit(5).resume(&path));
        assert!(resumed == whole, "{}: {resumed:?} is not {whole:?}", path.display());
    }
}

#[test]
fn running_statistics_are_part_of_a_checkpoint() {
    // semantics 9.15
    let folder = Folder::new();
    let model = |seed| {
        let model = Sequential::new().device(Device::cpu().threads(1)).seed(seed).add(Dense::new(8));
        let mut model = model.add(BatchNormalization::new()).add(Dense::new(4).activation(Softmax));
        model.compile(GradientDescent::new(0.1).momentum(0.9), CategoricalCrossentropy, [Accuracy]).unwrap();
        model
    };
    let plain = |epochs| Fit::epochs(epochs).batch_size(16).validation_split(0.2).verbose(0);
    let every = ModelCheckpoint::new(folder.path("{epoch}-{batch}")).every_batches(5);
    let mut first = model(7);
    let whole = outcome(&mut first, plain(3).callback(every));
    let names = first.weight_names().unwrap();
    let moving = names.iter().position(|name| name.contains("moving_mean")).unwrap();
    assert!(first.get_weights().unwrap()[moving].to_f64().iter().any(|mean| *mean != 0.0), "{names:?}");
    for at in ["1-5", "2-5", "3-5"] {
        assert!(outcome(&mut model(0), plain(3).resume(folder.path(at))) == whole, "from {at}");
    }
}

#[test]
fn a_training_that_was_stopped_stays_stopped() {
    // semantics 9.15, semantics 9.19
    let folder = Folder::new();
    let path = folder.path("{epoch}");
    let stopping = |checkpoint: bool| {
        // Asked for before the one that stops, and yet written after it has seen the epoch.
        let fit = Fit::epochs(50).verbose(0).validation_split(0.2);
        let fit = if checkpoint { fit.checkpoint(&path) } else { fit.callback(ModelCheckpoint::new(folder.path("x"))) };
        fit.callback(EarlyStopping::on("val_loss").patience(3).min_delta(0.05))
    };
    let whole = outcome(&mut model(3), stopping(true));
    let epochs = whole.0[0].len();
    assert!((4..50).contains(&epochs), "{epochs} epochs");
    for epoch in 1..=epochs {
        let resumed = outcome(&mut model(0), stopping(false).resume(folder.path(&epoch.to_string())));
        assert!(resumed == whole, "from epoch {epoch}: {resumed:?} is not {whole:?}");
    }
}

#[test]
fn a_saved_model_trains_on_as_the_one_that_saved_it() {
    // semantics 9.15
    let folder = Folder::new();
    let path = folder.path("model.ckpt");
    let plain = || Fit::epochs(3).batch_size(16).validation_split(0.2).verbose(0);
    let mut first = model(7);
    outcome(&mut first, plain());
    first.set_learning_rate(0.011).unwrap();
    first.save_checkpoint(&path).unwrap();
    let wanted = outcome(&mut first, plain());
    for used in [false, true] {
        let mut second = model(9);
        if used {
            outcome(&mut second, plain());
        }
        second.load_checkpoint(&path).unwrap();
        assert_eq!(second.learning_rate().unwrap(), 0.011);
        assert!(outcome(&mut second, plain()) == wanted, "used before: {used}");
    }
    // A model that was compiled again has the names of one that was compiled once.
    let recompile = |model: &mut Sequential| {
        model.compile(GradientDescent::new(0.1).momentum(0.5), CategoricalCrossentropy, [Accuracy]).unwrap();
    };
    recompile(&mut first);
    let before = first.get_weights().unwrap();
    outcome(&mut first, Fit::epochs(0).validation_split(0.2).verbose(0));
    assert_eq!(first.get_weights().unwrap(), before);
    first.save_checkpoint(&path).unwrap();
    let wanted = outcome(&mut first, plain());
    let mut second = model(9);
    recompile(&mut second);
    second.load_checkpoint(&path).unwrap();
    assert!(outcome(&mut second, plain()) == wanted);
    // Before anything was compiled there are the initial weights.
    let mut third = uncompiled(8, true, 5).input([2]);
    third.save_checkpoint(&path).unwrap();
    let mut fourth = model(6);
    fourth.load_checkpoint(&path).unwrap();
    assert!(outcome(&mut fourth, fit(2)) == outcome(&mut model(5), fit(2)));
}

#[test]
fn a_later_training_goes_on_after_the_epochs_that_were_run() {
    // semantics 9.15
    let folder = Folder::new();
    let path = folder.path("last.ckpt");
    let plain = |epochs| Fit::epochs(epochs).batch_size(16).validation_split(0.2).verbose(0);
    let mut first = model(7);
    outcome(&mut first, plain(4).checkpoint(&path));
    let mut second = model(7);
    outcome(&mut second, plain(2).resume(&path));
    assert!(
        outcome(&mut second, plain(2)) == outcome(&mut first, plain(2)),
        "fewer epochs were asked for than are done"
    );
    // A training that is stopped after two epochs was one of two, however many were asked for.
    let mut stopped = model(7);
    let stopping = EarlyStopping::on("loss").patience(1).min_delta(100.0).restore_best_weights(false);
    assert_eq!(outcome(&mut stopped, plain(usize::MAX).callback(stopping)).0[0].len(), 2);
    let mut whole = model(7);
    outcome(&mut whole, plain(2));
    assert!(outcome(&mut stopped, plain(2)) == outcome(&mut whole, plain(2)));
}

#[test]
fn what_belongs_to_another_training_is_refused_and_changes_nothing() {
    // semantics 9.16
    let folder = Folder::new();
    let (path, own) = (folder.path("theirs.ckpt"), folder.path("own.ckpt"));
    let theirs = |mut model: Sequential, fit: Fit, data: &Dataset| {
        model.fit(data, fit.batch_size(16).verbose(0).checkpoint(&path)).unwrap();
        path.clone()
    };
    let split = || Fit::epochs(2).validation_split(0.2);
    let compiled = |mut model: Sequential, optimizer: &str| {
        model.compile(optimizer, CategoricalCrossentropy, [Accuracy]).unwrap();
        model
    };
    let mut subject = model(7);
    outcome(&mut subject, fit(2).checkpoint(&own));
    let before = {
        let mut copy = model(0);
        copy.load_checkpoint(&own).unwrap();
        outcome(&mut copy, fit(2))
    };
    let refused = |subject: &mut Sequential, path: &Path, words: &[&str]| {
        let error = message(subject.fit(&blobs(), fit(9).resume(path)));
        for word in words {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
        assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    };
    let wider = compiled(uncompiled(9, true, 7), "adam");
    refused(
        &mut subject,
        &theirs(wider, split(), &blobs()),
        &["`dense/kernel` is f32 [2, 9] in the file and f32 [2, 8] in the model", "differences more"],
    );
    assert!(message(subject.load_checkpoint(&path)).contains("another model or optimiser"));
    let sgd = compiled(uncompiled(8, true, 7), "sgd");
    refused(
        &mut subject,
        &theirs(sgd, split(), &blobs()),
        &["`adam/learning_rate` is missing", "the model has no `gradient_descent/learning_rate`"],
    );
    let dry = compiled(uncompiled(8, false, 7), "adam");
    refused(&mut subject, &theirs(dry, split(), &blobs()), &["`random/key` is missing"]);
    refused(&mut subject, &theirs(model(7), Fit::epochs(2), &blobs()), &["measures loss, accuracy, seconds"]);
    let fewer = blobs().take(100).unwrap();
    refused(&mut subject, &theirs(model(7), split(), &fewer), &["number of examples of its training is 80, here 120"]);
    let rows = blobs().one_hot(4).unwrap();
    refused(&mut subject, &theirs(model(7), split(), &rows), &["targets of f32 [4]", "to i64 []"]);
    refused(&mut subject, &theirs(model(7), split().shuffle(false), &blobs()), &["is not shuffled, here shuffled by"]);
    let one = |fit: Fit| fit.callback(EarlyStopping::on("loss").patience(9));
    let two = |fit: Fit| fit.callback(LearningRateSchedule::new(|_, rate| rate)).callback(EarlyStopping::on("loss"));
    refused(
        &mut subject,
        &theirs(model(7), one(one(one(one(split())))), &blobs()),
        &["callback number 4, this one has 3"],
    );
    refused(
        &mut subject,
        &theirs(model(7), two(split()), &blobs()),
        &["callback number 2", "nothing is remembered as"],
    );
    subject.save_checkpoint(&path).unwrap();
    refused(&mut subject, &path, &["not written during fit", "load_checkpoint"]);
    subject.save_weights(&path).unwrap();
    refused(&mut subject, &path, &["no checkpoint", "load_weights"]);
    assert!(
        message(subject.fit(&blobs(), fit(9).batch_size(32).resume(&own))).contains("batch size of its training is 16")
    );
    assert!(message(subject.fit(&blobs(), fit(9).seed(1).resume(&own))).contains("by seed 7, here shuffled by seed 1"));
    let none = subject.fit(&blobs(), fit(9).resume(folder.path("none"))).unwrap_err();
    assert!(none.is_io() && none.to_string().starts_with("cannot go on from a checkpoint: cannot read"), "{none}");
    let error = message(uncompiled(8, true, 7).input([3]).load_checkpoint(&own));
    assert!(error.contains("examples of shape [2]") && error.contains("[3]"), "{error}");
    assert!(message(uncompiled(8, true, 7).load_checkpoint(&own)).contains("call compile("));
    assert!(outcome(&mut subject, fit(2)) == before, "a refused checkpoint changed something");
}

#[test]
fn checkpoints_are_written_when_they_are_asked_for() {
    // semantics 9.19
    let folder = Folder::new();
    let names = || {
        let mut names: Vec<String> = fs::read_dir(folder.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names.iter().for_each(|name| fs::remove_file(folder.path(name)).unwrap());
        names
    };
    let run = |callback: ModelCheckpoint| model(7).fit(&blobs(), Fit::epochs(5).verbose(0).callback(callback)).unwrap();
    let at = |name: &str| ModelCheckpoint::new(folder.path(name));
    run(at("{epoch:2}"));
    assert_eq!(names(), ["01", "02", "03", "04", "05"]);
    run(at("{epoch}").every(2));
    assert_eq!(names(), ["2", "4"]);
    run(at("{epoch}-{batch}").every_batches(3));
    assert_eq!(names(), ["1-3", "2-3", "3-3", "4-3", "5-3"]);
    let history = run(at("{epoch}").save_best_only("accuracy"));
    let mut best = f64::NEG_INFINITY;
    let improvements = (1..).zip(&history["accuracy"]).filter(|(_, value)| {
        **value > best && {
            best = **value;
            true
        }
    });
    assert_eq!(names(), improvements.map(|(epoch, _)| epoch.to_string()).collect::<Vec<_>>());
    run(at("{epoch}").save_best_only("accuracy").mode(Extremum::Min));
    assert_eq!(names()[0], "1");
    run(at("w").save_weights_only(true));
    let mut trained = model(7);
    trained.fit(&blobs(), Fit::epochs(5).verbose(0)).unwrap();
    let mut loaded = model(0).input([2]);
    loaded.load_weights(folder.path("w")).unwrap();
    assert_eq!(loaded.get_weights().unwrap(), trained.get_weights().unwrap());
    names();

    let refused = |callback: ModelCheckpoint| {
        let mut model = model(7);
        let error = message(model.fit(&blobs(), Fit::epochs(1).verbose(0).callback(callback)));
        let untouched = model.get_weights().unwrap();
        (error, untouched == uncompiled(8, true, 7).input([2]).get_weights().unwrap())
    };
    for (callback, words, before) in [
        (at("x").every(0), "every 0", true),
        (at("x").every_batches(1).save_best_only("loss"), "after an epoch", true),
        (at("x").every_batches(1).save_weights_only(true), "after epochs", true),
        (at("no/such/folder"), "cannot write", true),
        (at(""), "cannot write", true),
        (at("x").save_best_only("val_loss"), "there are loss, accuracy", false),
        (at("{val_loss}"), "there are epoch, batch, loss, accuracy", false),
    ] {
        let (error, untouched) = refused(callback);
        assert!(error.contains(words) && untouched == before, "{words}: {error}");
    }
    assert!(names().is_empty());
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_training_and_nothing_else() {
    // semantics 9.17
    let folder = Folder::new();
    /// Removes the folder, so that nothing can be written to it.
    struct Remove(std::path::PathBuf);
    impl Callback for Remove {
        fn epoch_end(&mut self, report: &Report<'_>, _: &mut Live<'_>) -> Result<Flow, Error> {
            if report.epoch() == 3 {
                fs::remove_dir_all(&self.0).unwrap();
            }
            Ok(Flow::Continue)
        }
    }
    let inner = folder.path("inner");
    fs::create_dir(&inner).unwrap();
    let mut subject = model(7);
    let plain = |epochs| Fit::epochs(epochs).verbose(0);
    let error =
        subject.fit(&blobs(), plain(9).checkpoint(inner.join("x")).callback(Remove(inner.clone()))).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("cannot write"), "{error}");
    let mut three = model(7);
    three.fit(&blobs(), plain(3)).unwrap();
    assert_eq!(subject.get_weights().unwrap(), three.get_weights().unwrap());
    subject.fit(&blobs(), plain(1)).unwrap();
}
