//! Where a training is, and how it goes on there.
//!
//! In a checkpoint the JSON `fit` says `first` (epochs before this training), `batch_size`, `examples`, `seed`, `shuffle`,
//! `augmentation`, `epoch` (from 1), `batch` (how many of it are done), `done` (examples in them), `stopped` and `columns` (of
//! the history). Arrays of `f64` have what is measured: `:fit/history` `[columns, epochs]`, `:fit/totals` (sums over the
//! epoch so far), `:fit/seconds`. `:callback/0/number/best` is a number that the first callback remembers,
//! `:callback/0/array/000000/weights` the first of several arrays.

use super::{Callback, History, State};
use crate::Error;
use crate::models::{Checkpoint, Json};
use wengert_kernels::Array;

/// What must be the same for a training to go on with the same batches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course {
    /// Epochs that the model had been trained for before this training.
    pub(super) first: u64,
    pub(super) batch_size: usize,
    pub(super) examples: usize,
    /// The seed of the examples' order and changes.
    pub(super) seed: u64,
    pub(super) shuffle: bool,
    /// How examples are changed, in words.
    pub(super) augmentation: Option<String>,
}

/// Where a training is.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// The epoch that is run, from 1.
    pub(super) epoch: usize,
    /// Batches of it that are done. At 0 the epoch has not begun.
    pub(super) batch: usize,
    /// Examples in these batches.
    pub(super) examples: usize,
    /// Seconds that they took.
    pub(super) seconds: f64,
    /// The sums over these batches: loss, metrics.
    pub(super) totals: Vec<f64>,
    /// Whether a callback stopped the training.
    pub(super) stopped: bool,
}

impl Position {
    /// Before the first epoch of a training that measures so many numbers.
    pub(super) fn first(measured: usize) -> Position {
        Position { epoch: 1, batch: 0, examples: 0, seconds: 0.0, totals: vec![0.0; measured], stopped: false }
    }

    /// After the whole of an epoch.
    pub(super) fn next_epoch(&mut self) {
        (self.epoch, self.batch, self.examples, self.seconds) = (self.epoch + 1, 0, 0, 0.0);
        self.totals.fill(0.0);
    }

    /// The JSON and the arrays of a checkpoint at this place.
    pub(super) fn to_extra(
        &self,
        course: &Course,
        history: &History,
        callbacks: &[Box<dyn Callback>],
    ) -> Result<crate::models::Extra, Error> {
        let columns: Vec<&str> = history.names().collect();
        let fit = Json::object(vec![
            ("first", course.first.into()),
            ("batch_size", course.batch_size.into()),
            ("examples", course.examples.into()),
            ("seed", course.seed.into()),
            ("shuffle", course.shuffle.into()),
            ("augmentation", course.augmentation.as_deref().map_or(Json::Null, Json::from)),
            ("epoch", self.epoch.into()),
            ("batch", self.batch.into()),
            ("done", self.examples.into()),
            ("stopped", self.stopped.into()),
            ("columns", Json::Array(columns.iter().map(|&name| name.into()).collect())),
        ]);
        let rows: Vec<f64> = columns.iter().flat_map(|name| &history[*name]).copied().collect();
        let mut arrays = vec![
            (":fit/history".to_owned(), Array::new(&[columns.len(), history.epochs()], &rows)?),
            (":fit/totals".to_owned(), Array::new(&[self.totals.len()], &self.totals)?),
            (":fit/seconds".to_owned(), Array::scalar(self.seconds)?),
        ];
        for (number, callback) in callbacks.iter().enumerate() {
            arrays.extend(callback.state().to_arrays(&format!(":callback/{number}/"))?);
        }
        Ok(crate::models::Extra { fit, arrays })
    }
}

/// A training as a checkpoint has it.
pub(super) struct Saved {
    pub(super) course: Course,
    pub(super) position: Position,
    pub(super) history: History,
    /// Number of the callback, what it remembered.
    pub(super) callbacks: Vec<(usize, State)>,
}

impl Saved {
    /// Reads the training in a checkpoint; `names` are the columns of the history that goes on.
    pub(super) fn read(from: &mut Checkpoint, names: &[&str], measured: usize) -> Result<Saved, Error> {
        if from.fit == Json::Null {
            return Err(from.damaged(
                "it holds no training to go on with, for it was not written during fit\n  hint: load_checkpoint reads it",
            ));
        }
        let fit = std::mem::take(&mut from.fit);
        let columns: Option<Vec<&str>> =
            fit.get("columns").as_array().map(|all| all.iter().filter_map(Json::as_text).collect());
        if columns.as_deref() != Some(names) {
            let own = columns.unwrap_or_default().join(", ");
            return Err(from.damaged(format!("its training measures {own}, this one {}", names.join(", "))));
        }
        let mut arrays = from.extra()?;
        let wrong = |what: &str| from.damaged(format!("its training has no right {what}"));
        let number = |what: &str| fit.get(what).as_count().ok_or_else(|| wrong(what));
        let count = |what: &str| usize::try_from(number(what)?).map_err(|_| wrong(what));
        let mut numbers = |name: &str, fits: &dyn Fn(&[usize]) -> bool| {
            let array = arrays.remove(&format!("fit/{name}")).filter(|array| fits(array.shape()));
            array.and_then(|array| array.to_vec::<f64>().ok()).ok_or_else(|| wrong(name))
        };
        let rows = numbers("history", &|shape| shape.len() == 2 && shape[0] == names.len())?;
        let position = Position {
            epoch: count("epoch")?,
            batch: count("batch")?,
            examples: count("done")?,
            seconds: numbers("seconds", &<[usize]>::is_empty)?.first().copied().unwrap_or(0.0),
            totals: numbers("totals", &|shape| shape == [measured])?,
            stopped: fit.get("stopped").as_bool().ok_or_else(|| wrong("stopped"))?,
        };
        let epochs = rows.len() / names.len().max(1);
        if position.epoch.checked_sub(1) != Some(epochs) {
            return Err(wrong("epoch"));
        }
        let mut history = History::new(names.iter().copied());
        for epoch in 0..epochs {
            history.push((0..names.len()).filter_map(|column| rows.get(column * epochs + epoch).copied()));
        }
        let course = Course {
            first: number("first")?,
            batch_size: count("batch_size")?,
            examples: count("examples")?,
            seed: number("seed")?,
            shuffle: fit.get("shuffle").as_bool().ok_or_else(|| wrong("shuffle"))?,
            augmentation: fit.get("augmentation").as_text().map(str::to_owned),
        };
        // What the epoch's order begins with must not overflow when epochs are added.
        if course.first > u64::from(u32::MAX) || position.epoch > u32::MAX as usize {
            return Err(wrong("epoch"));
        }
        let mut callbacks: Vec<(usize, State)> = vec![];
        for (name, value) in arrays {
            let part = name.strip_prefix("callback/").and_then(|rest| rest.split_once('/'));
            let taken = part.and_then(|(number, rest)| {
                let number = number.parse().ok()?;
                if callbacks.last().is_none_or(|(last, _)| *last != number) {
                    callbacks.push((number, State::new()));
                }
                callbacks.last_mut()?.1.take_in(rest, value)
            });
            taken.ok_or_else(|| wrong(&format!("`:{name}`")))?;
        }
        Ok(Saved { course, position, history, callbacks })
    }

    /// Whether a training on this course, with so many batches in an epoch and so many callbacks, goes on from here.
    pub(super) fn check(
        &self,
        from: &Checkpoint,
        course: &Course,
        batches: usize,
        callbacks: usize,
    ) -> Result<(), Error> {
        if let Some((number, _)) = self.callbacks.iter().find(|(number, _)| *number >= callbacks) {
            let place = number + 1;
            return Err(from.damaged(format!("its training has a callback number {place}, this one has {callbacks}")));
        }
        if self.position.batch > batches || self.position.examples > course.examples {
            return Err(from.damaged(format!("it stands after batch {} of {batches}", self.position.batch)));
        }
        let own = &self.course;
        let order = |course: &Course| match (course.shuffle, &course.augmentation) {
            (true, _) => format!("shuffled by seed {}", course.seed),
            (false, Some(_)) => format!("not shuffled, with seed {}", course.seed),
            (false, None) => "not shuffled".to_owned(),
        };
        let changes = |course: &Course| course.augmentation.clone().unwrap_or("nothing".into());
        let pairs = [
            ("batch size", own.batch_size.to_string(), course.batch_size.to_string()),
            ("number of examples", own.examples.to_string(), course.examples.to_string()),
            ("augmentation", changes(own), changes(course)),
            ("order of examples", order(own), order(course)),
        ];
        match pairs.into_iter().find(|(_, own, given)| own != given) {
            Some((what, own, given)) => Err(from.damaged(format!(
                "the {what} of its training is {own}, here {given}\n  hint: load_checkpoint takes its weights over into another training"
            ))),
            None => Ok(()),
        }
    }
}
