//! `fit`: epochs over a data set.

use super::evaluate::measure;
use super::{Callback, Course, Flow, History, Live, ModelCheckpoint, Plan, Position, Progress, Report, Saved, State};
use crate::Error;
use crate::data::{Augmentation, Batches, Dataset};
use crate::models::{Built, Checkpoint, Sequential};
use std::path::{Path, PathBuf};
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
    resume: Option<PathBuf>,
    augmentation: Option<Augmentation>,
    prefetch: Option<bool>,
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
            resume: None,
            augmentation: None,
            prefetch: None,
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

    /// Changes the images of the training at random, with the seed of their order; those of the validation stay as they are.
    ///
    /// ```
    /// use wengert_nn::{data::Augmentation, training::Fit};
    ///
    /// let fit = Fit::epochs(5).augment(Augmentation::new().flip_horizontal().crop(4));
    /// ```
    pub fn augment(mut self, augmentation: Augmentation) -> Fit {
        self.augmentation = Some(augmentation);
        self
    }

    /// Whether batches are prepared ahead, as [`Loader::prefetch`](crate::data::Loader::prefetch) says.
    pub fn prefetch(mut self, prefetch: bool) -> Fit {
        self.prefetch = Some(prefetch);
        self
    }

    /// Adds someone who looks on.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Fit {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Writes a checkpoint after every epoch, as [`ModelCheckpoint`] does, which can be told more.
    pub fn checkpoint(self, path: impl AsRef<Path>) -> Fit {
        self.callback(ModelCheckpoint::new(path))
    }

    /// Goes on from a checkpoint that [`ModelCheckpoint`] wrote, with the bits of a training that was never interrupted:
    /// weights, what the optimiser remembers, epoch and batch, history and what callbacks remember are taken from the
    /// file. Model, data, batch size, order and augmentation must be those of that training, callbacks must be given again
    /// in the same order; the number of epochs, which counts from the beginning, may be another.
    ///
    /// ```
    /// # use wengert_nn::{layers::Dense, models::Sequential, training::Fit};
    /// # let folder = std::env::temp_dir().join(format!("wengert-resume-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("last.ckpt");
    /// let data = wengert_nn::data::make_blobs(100, 2, 3, 1.0, 0)?;
    /// let train = |fit: Fit| {
    ///     let mut model = Sequential::new().add(Dense::new(3).activation("softmax"));
    ///     model.compile("adam", "categorical_crossentropy", ())?;
    ///     let history = model.fit(&data, fit.verbose(0))?;
    ///     Ok::<_, wengert_nn::Error>((history["loss"].to_vec(), model.get_weights()?))
    /// };
    /// let whole = train(Fit::epochs(4))?;
    /// train(Fit::epochs(2).checkpoint(&path))?;
    /// assert_eq!(train(Fit::epochs(4).resume(&path))?, whole);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    pub fn resume(mut self, path: impl AsRef<Path>) -> Fit {
        self.resume = Some(path.as_ref().to_owned());
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
    /// examples, images too small to be changed; when the batch size is 0; when the checkpoint to go on from cannot be
    /// read or belongs to another model or training, and then nothing changes; when a callback fails or a checkpoint cannot
    /// be written, and then the model keeps what it learned.
    pub fn fit(&mut self, data: &Dataset, fit: Fit) -> Result<History, Error> {
        let Fit {
            epochs,
            batch_size,
            validation,
            seed,
            shuffle,
            verbose,
            mut callbacks,
            resume,
            augmentation,
            prefetch,
        } = fit;
        let (train, validation) = match validation {
            Validation::None => (data.clone(), None),
            Validation::Data(validation) => (data.clone(), Some(validation)),
            Validation::Split(fraction) => data.split_last(fraction).map(|(train, rest)| (train, Some(rest)))?,
        };
        let loader = train.batches(batch_size)?;
        if let Some(augmentation) = augmentation {
            // Whether it fits is to be known before anything changes.
            loader.clone().augment(augmentation, 0)?;
        }
        self.prepare(&train)?;
        let mut validation_batches = None;
        if let Some(validation) = &validation {
            let batches = validation.batches(batch_size)?.reader(0)?;
            self.prepare(validation).map_err(|error| error.context("the validation data"))?;
            validation_batches = Some(batches);
        }
        let measured: Vec<String> = std::iter::once("loss".to_owned())
            .chain(self.recipe()?.metrics.iter().map(|metric| metric.name().to_owned()))
            .collect();
        let mut names = measured.clone();
        if validation.is_some() {
            names.extend(measured.iter().map(|name| format!("val_{name}")));
        }
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(["seconds", "samples_per_second"]).collect();
        let mut course = Course {
            first: self.epochs(),
            batch_size,
            examples: train.len(),
            seed: seed.unwrap_or(self.default_seed()),
            shuffle,
            augmentation: augmentation.as_ref().map(ToString::to_string),
        };
        let (mut position, mut history) = (Position::first(measured.len()), History::new(columns.iter().copied()));
        let mut states = vec![];
        if let Some(path) = resume {
            let mut from = Checkpoint::open(&path).map_err(|error| error.context("cannot go on from a checkpoint"))?;
            from.check_data(&train)?;
            let saved = Saved::read(&mut from, &columns, measured.len())?;
            course.first = saved.course.first;
            course.seed = seed.unwrap_or(saved.course.seed);
            saved.check(&from, &course, loader.len(), callbacks.len())?;
            // Once before the model changes, so that a state that does not fit changes nothing.
            remind(&mut callbacks, &saved.callbacks).map_err(|error| error.context(&path.display().to_string()))?;
            self.restore(&mut from)?;
            (position, history, states) = (saved.position, saved.history, saved.callbacks);
            if position.epoch > epochs || position.stopped {
                let (path, done) = (path.display(), position.epoch - 1);
                let why = if position.stopped { "a callback stopped it" } else { "epochs are counted from the first" };
                log::warn!("{path}: its training is over, {done} epochs are done and {epochs} were asked for: {why}");
            }
        }
        let mut loader = if shuffle { loader.shuffle(course.seed) } else { loader };
        if let Some(augmentation) = augmentation {
            loader = loader.augment(augmentation, course.seed)?;
        }
        if let Some(prefetch) = prefetch {
            loader = loader.prefetch(prefetch);
        }
        let mut run = Run {
            plan: Plan {
                epochs,
                batches: loader.len(),
                examples: train.len(),
                validation_examples: validation.as_ref().map_or(0, Dataset::len),
            },
            values: vec![0.0; names.len()],
            names,
            measured: measured.len(),
            warned: false,
            seed: self.default_seed(),
            course,
            position,
            history,
            train,
            batches: loader.reader(0)?,
            validation: validation.zip(validation_batches),
            progress: (verbose > 0).then(Progress::usual),
            callbacks,
        };
        let done = run.go(self.built()?, &states);
        // Also after an error: the model keeps what it learned.
        self.set_course(run.seed, run.next_epoch());
        done.map(|()| run.history)
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
    /// The model's seed.
    seed: u64,
    course: Course,
    position: Position,
    history: History,
    train: Dataset,
    batches: Batches,
    validation: Option<(Dataset, Batches)>,
    progress: Option<Progress>,
    callbacks: Vec<Box<dyn Callback>>,
}

/// Those who look on: progress, which has no place among the callbacks that a checkpoint counts, and then these.
fn watchers<'a>(
    progress: &'a mut Option<Progress>,
    callbacks: &'a mut [Box<dyn Callback>],
) -> impl Iterator<Item = &'a mut dyn Callback> {
    let progress = progress.iter_mut().map(|progress| progress as &mut dyn Callback);
    progress.chain(callbacks.iter_mut().map(|callback| callback.as_mut() as &mut dyn Callback))
}

impl Run {
    fn go(&mut self, built: &mut Built, states: &[(usize, State)]) -> Result<(), Error> {
        for callback in watchers(&mut self.progress, &mut self.callbacks) {
            callback.train_begin(&self.plan, &mut Live { built })?;
        }
        remind(&mut self.callbacks, states)?;
        while self.position.epoch <= self.plan.epochs && !self.position.stopped {
            let epoch = self.position.epoch;
            if self.position.batch == 0 {
                for callback in watchers(&mut self.progress, &mut self.callbacks) {
                    callback.epoch_begin(epoch, &mut Live { built })?;
                }
            }
            let seconds = self.epoch(built, epoch)?;
            if let Some((data, batches)) = &mut self.validation {
                measure(built, data, batches, &mut self.values[self.measured..])?;
            }
            let Run { plan, names, values, progress, callbacks, history, position, .. } = &mut *self;
            let examples = plan.examples;
            let report = Report { plan, epoch, batch: plan.batches, names, values, examples, seconds, ended: true };
            history.push(values.iter().copied().chain([seconds, report.samples_per_second()]));
            for callback in watchers(progress, callbacks) {
                position.stopped |= callback.epoch_end(&report, &mut Live { built })? == Flow::Stop;
            }
            position.next_epoch();
            let paths = wanted(callbacks, &report)?;
            self.save(built, &paths)?;
        }
        for callback in watchers(&mut self.progress, &mut self.callbacks) {
            callback.train_end(&mut Live { built })?;
        }
        Ok(())
    }

    /// Runs the batches of an epoch that are left, and leaves its means in `values`; gives the seconds it took.
    fn epoch(&mut self, built: &mut Built, epoch: usize) -> Result<f64, Error> {
        let start = Instant::now();
        let before = self.position.seconds;
        let (_, tally) = built.step(&self.train, true)?;
        tally.go_on(&self.position.totals, self.position.examples);
        self.batches.start_at(self.course.first + epoch as u64 - 1, self.position.batch);
        while let Some(batch) = self.batches.next_batch()? {
            let (session, tally) = built.step(&self.train, true)?;
            let loss = tally.add(session, batch.x, batch.y)?;
            self.position.batch += 1;
            let number = self.position.batch;
            if !loss.is_finite() && !self.warned {
                log::warn!("the loss is {loss} in epoch {epoch}, batch {number}: is the learning rate too high?");
                self.warned = true;
            }
            if self.callbacks.is_empty() && self.progress.is_none() {
                continue;
            }
            let measured = &mut self.values[..self.measured];
            tally.means(measured);
            self.position.seconds = before + start.elapsed().as_secs_f64();
            self.position.examples = tally.examples();
            let report = Report {
                plan: &self.plan,
                epoch,
                batch: number,
                names: &self.names[..self.measured],
                values: measured,
                examples: tally.examples(),
                seconds: self.position.seconds,
                ended: false,
            };
            watchers(&mut self.progress, &mut self.callbacks).for_each(|callback| callback.batch_end(&report));
            let paths = wanted(&mut self.callbacks, &report)?;
            if !paths.is_empty() {
                self.position.totals.clear();
                self.position.totals.extend_from_slice(tally.totals());
                self.save(built, &paths)?;
            }
        }
        let (_, tally) = built.step(&self.train, true)?;
        tally.means(&mut self.values[..self.measured]);
        Ok(before + start.elapsed().as_secs_f64())
    }

    /// The number of the epoch, from 0, with which a new training goes on: the one that has not ended.
    fn next_epoch(&self) -> u64 {
        self.course.first + self.position.epoch as u64 - 1
    }

    /// Writes the same checkpoint to each path.
    fn save(&self, built: &mut Built, paths: &[PathBuf]) -> Result<(), Error> {
        for path in paths {
            let extra = self.position.to_extra(&self.course, &self.history, &self.callbacks)?;
            built.save_checkpoint(path, self.seed, self.next_epoch(), Some(extra))?;
        }
        Ok(())
    }
}

/// Gives callbacks back what they remembered.
fn remind(callbacks: &mut [Box<dyn Callback>], states: &[(usize, State)]) -> Result<(), Error> {
    for (number, state) in states {
        if let Some(callback) = callbacks.get_mut(*number) {
            callback.restore(state).map_err(|error| error.context(&format!("callback number {}", number + 1)))?;
        }
    }
    Ok(())
}

/// Where checkpoints are wanted now.
fn wanted(callbacks: &mut [Box<dyn Callback>], report: &Report<'_>) -> Result<Vec<PathBuf>, Error> {
    callbacks.iter_mut().filter_map(|callback| callback.checkpoint(report).transpose()).collect()
}
