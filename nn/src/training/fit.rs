//! `fit`: epochs over a data set.

use super::evaluate::measure;
use super::{Callback, Flow, History, Live, Plan, Progress, Report};
use crate::Error;
use crate::data::{Batches, Dataset};
use crate::models::{Built, Sequential};
use std::time::Instant;

/// How to train: epochs, size of batches, validation.
///
/// ```
/// use wengert_nn::training::Fit;
/// # let (train, test) = wengert_nn::data::digits()?;
/// let fit = Fit::epochs(5).batch_size(128).validation(&test).shuffle(true).verbose(1);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[must_use = "it says how to train; Sequential::fit does"]
pub struct Fit {
    epochs: usize,
    batch_size: usize,
    validation: Validation,
    seed: Option<u64>,
    shuffle: bool,
    verbose: u8,
    callbacks: Vec<Box<dyn Callback>>,
}

enum Validation {
    None,
    Data(Dataset),
    Split(f64),
}

impl Fit {
    /// This many epochs, in shuffled batches of 32, without validation, shown as [`Progress`] does.
    pub fn epochs(epochs: usize) -> Fit {
        Fit {
            epochs,
            batch_size: 32,
            validation: Validation::None,
            seed: None,
            shuffle: true,
            verbose: 1,
            callbacks: vec![],
        }
    }

    /// Examples in a batch; the last of an epoch may have fewer.
    pub fn batch_size(mut self, examples: usize) -> Fit {
        self.batch_size = examples;
        self
    }

    /// Measures loss and metrics on these examples after each epoch.
    pub fn validation(mut self, data: &Dataset) -> Fit {
        self.validation = Validation::Data(data.clone());
        self
    }

    /// Keeps the last `fraction` of the examples out of training, and validates on them.
    pub fn validation_split(mut self, fraction: f64) -> Fit {
        self.validation = Validation::Split(fraction);
        self
    }

    /// The seed of the examples' order, in place of the model's.
    pub fn seed(mut self, seed: u64) -> Fit {
        self.seed = Some(seed);
        self
    }

    /// Whether the examples come in another order in each epoch.
    pub fn shuffle(mut self, shuffle: bool) -> Fit {
        self.shuffle = shuffle;
        self
    }

    /// 0 for silence, 1 for progress: a bar with the feature `progress`, lines in the log without it.
    pub fn verbose(mut self, level: u8) -> Fit {
        self.verbose = level;
        self
    }

    /// Adds someone who looks on.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Fit {
        self.callbacks.push(Box::new(callback));
        self
    }
}

impl Sequential {
    /// Trains on `data`, and gives what was measured in each epoch. The loss and metrics of an epoch are means over its
    /// examples while the weights change; those of the validation are measured after it.
    ///
    /// A second `fit` goes on where the first ended. With one seed and one device, the same numbers come out every time.
    ///
    /// # Errors
    /// When the model was not compiled; when the data do not fit it: wrong shape, NaN or infinity, a label out of range, no
    /// examples; when the batch size is 0; when a callback fails.
    pub fn fit(&mut self, data: &Dataset, fit: Fit) -> Result<History, Error> {
        let Fit { epochs, batch_size, validation, seed, shuffle, verbose, mut callbacks } = fit;
        let (train, validation) = match validation {
            Validation::None => (data.clone(), None),
            Validation::Data(validation) => (data.clone(), Some(validation)),
            Validation::Split(fraction) => data.split_last(fraction).map(|(train, rest)| (train, Some(rest)))?,
        };
        let loader = train.batches(batch_size)?;
        let loader = if shuffle { loader.shuffle(seed.unwrap_or(self.default_seed())) } else { loader };
        self.prepare(&train)?;
        let mut validation_batches = None;
        if let Some(validation) = &validation {
            let batches = validation.batches(batch_size)?.reader(0)?;
            self.prepare(validation).map_err(|error| error.context("the validation data"))?;
            validation_batches = Some(batches);
        }
        if verbose > 0 {
            callbacks.insert(0, Box::new(Progress::usual()));
        }
        let measured: Vec<String> = std::iter::once("loss".to_owned())
            .chain(self.recipe()?.metrics.iter().map(|metric| metric.name().to_owned()))
            .collect();
        let mut names = measured.clone();
        if validation.is_some() {
            names.extend(measured.iter().map(|name| format!("val_{name}")));
        }
        let plan = Plan {
            epochs,
            batches: loader.len(),
            examples: train.len(),
            validation_examples: validation.as_ref().map_or(0, Dataset::len),
        };
        let mut run = Run {
            plan,
            values: vec![0.0; names.len()],
            names,
            measured: measured.len(),
            warned: false,
            first: self.take_epochs(epochs),
            train,
            batches: loader.reader(0)?,
            validation: validation.zip(validation_batches),
            callbacks,
        };
        run.go(self.built()?)
    }
}

/// A training on its way. An epoch allocates nothing but its row of the history.
struct Run {
    plan: Plan,
    names: Vec<String>,
    values: Vec<f64>,
    /// How many of the names are measured in training: those in front.
    measured: usize,
    /// Whether it was said that the loss is not a number.
    warned: bool,
    /// Epochs that the model has been trained for before.
    first: u64,
    train: Dataset,
    batches: Batches,
    validation: Option<(Dataset, Batches)>,
    callbacks: Vec<Box<dyn Callback>>,
}

impl Run {
    fn go(&mut self, built: &mut Built) -> Result<History, Error> {
        let mut history = History::new(self.names.iter().map(String::as_str).chain(["seconds", "samples_per_second"]));
        for callback in &mut self.callbacks {
            callback.train_begin(&self.plan, &mut Live { built })?;
        }
        for epoch in 1..=self.plan.epochs {
            for callback in &mut self.callbacks {
                callback.epoch_begin(epoch, &mut Live { built })?;
            }
            let seconds = self.epoch(built, epoch)?;
            if let Some((data, batches)) = &mut self.validation {
                measure(built, data, batches, &mut self.values[self.measured..])?;
            }
            let Run { plan, names, values, callbacks, .. } = &mut *self;
            let report = Report { plan, epoch, batch: plan.batches, names, values, examples: plan.examples, seconds };
            history.push(values.iter().copied().chain([seconds, report.samples_per_second()]));
            let mut flow = Flow::Continue;
            for callback in callbacks {
                if callback.epoch_end(&report, &mut Live { built })? == Flow::Stop {
                    flow = Flow::Stop;
                }
            }
            if flow == Flow::Stop {
                break;
            }
        }
        for callback in &mut self.callbacks {
            callback.train_end(&mut Live { built })?;
        }
        Ok(history)
    }

    /// Runs the batches of an epoch and leaves its means in `values`; gives the seconds it took.
    fn epoch(&mut self, built: &mut Built, epoch: usize) -> Result<f64, Error> {
        let start = Instant::now();
        let (session, tally) = built.step(&self.train, true)?;
        let measured = &mut self.values[..self.measured];
        tally.start();
        self.batches.start(self.first + epoch as u64 - 1);
        let mut number = 0;
        while let Some(batch) = self.batches.next_batch()? {
            let loss = tally.add(session, batch.x, batch.y)?;
            number += 1;
            if !loss.is_finite() && !self.warned {
                log::warn!("the loss is {loss} in epoch {epoch}, batch {number}: is the learning rate too high?");
                self.warned = true;
            }
            if self.callbacks.is_empty() {
                continue;
            }
            tally.means(measured);
            let report = Report {
                plan: &self.plan,
                epoch,
                batch: number,
                names: &self.names[..self.measured],
                values: measured,
                examples: tally.examples(),
                seconds: start.elapsed().as_secs_f64(),
            };
            self.callbacks.iter_mut().for_each(|callback| callback.batch_end(&report));
        }
        tally.means(measured);
        Ok(start.elapsed().as_secs_f64())
    }
}
