//! Checkpoints: all that a training depends on, in one file.
//!
//! A checkpoint is a safetensors file. Its arrays are the variables under their names: weights (`dense/kernel`), what the
//! optimiser remembers (`adam/m/dense/kernel`, `adam/iterations`), random numbers (`random/key`, `random_1/counter`). What
//! belongs to a running `fit` has names that begin with a colon (`:fit/history`, `:callback/0/...`). The metadata's text
//! `wengert` is JSON:
//!
//! | key | meaning |
//! |---|---|
//! | `format` | version of this layout: 1 |
//! | `seed` | the model's seed |
//! | `epochs` | the number of the epoch, from 0, whose order of examples a new training begins with |
//! | `x`, `y` | dtype and shape of one example and of its target; `y` is null if nothing was compiled |
//! | `fit` | where a running `fit` is, or null |

use super::built::Key;
use super::file::{self, Contents};
use super::json::Json;
use super::weights::{name, read, sizes};
use super::{Built, Sequential};
use crate::Error;
use crate::data::Dataset;
use std::collections::BTreeMap;
use std::path::Path;
use wengert_autograd::{DType, Tensor};
use wengert_kernels::Array;

const FORMAT: u64 = 1;
/// Where the metadata has its text.
const TEXT: &str = "wengert";
/// What the names of arrays begin with that are no variables.
const MARK: char = ':';
/// More elements than one example or target ever has.
const ELEMENTS: usize = 1 << 32;

/// What a running `fit` adds to a checkpoint.
pub(crate) struct Extra {
    pub(crate) fit: Json,
    /// Names begin with a colon.
    pub(crate) arrays: Vec<(String, Array)>,
}

/// A checkpoint whose header was read.
pub(crate) struct Checkpoint {
    file: Contents,
    seed: u64,
    epochs: u64,
    x: (DType, Vec<usize>),
    y: Option<(DType, Vec<usize>)>,
    /// Where a running `fit` was.
    pub(crate) fit: Json,
}

impl Checkpoint {
    pub(crate) fn open(path: &Path) -> Result<Checkpoint, Error> {
        let file = Contents::open(path)?;
        let Some(text) = file.text(TEXT) else {
            return Err(file.damaged(
                "no checkpoint: it says nothing about a training\n  hint: load_weights reads a file of weights",
            ));
        };
        let head = Json::parse(text).map_err(|why| file.damaged(why))?;
        match head.get("format").as_count() {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(file.damaged(format!("a checkpoint of format {other}; this version reads {FORMAT}")));
            }
            None => return Err(file.damaged("its text names no format")),
        }
        let wrong = |what: &str| file.damaged(format!("its text has no right `{what}`"));
        let number = |what: &str| head.get(what).as_count().ok_or_else(|| wrong(what));
        Ok(Checkpoint {
            seed: number("seed")?,
            epochs: number("epochs")?,
            x: ty(head.get("x")).ok_or_else(|| wrong("x"))?,
            y: match head.get("y") {
                Json::Null => None,
                y => Some(ty(y).ok_or_else(|| wrong("y"))?),
            },
            fit: head.get("fit").clone(),
            file,
        })
    }

    /// An error about this file.
    pub(crate) fn damaged(&self, why: impl std::fmt::Display) -> Error {
        self.file.damaged(why)
    }

    /// The arrays that a `fit` added, without the colon.
    pub(crate) fn extra(&mut self) -> Result<BTreeMap<String, Array>, Error> {
        self.file.read_all(&MARK.to_string())
    }

    /// Whether its training had examples and targets of these dtypes and shapes, which include the axis that counts them.
    pub(crate) fn check_data(&self, data: &Dataset) -> Result<(), Error> {
        let x = (data.dtype(), data.example_shape().to_vec());
        let y = (data.y().dtype(), data.y().shape().get(1..).unwrap_or_default().to_vec());
        if self.x == x && self.y.as_ref() == Some(&y) {
            return Ok(());
        }
        let say = |ty: &(DType, Vec<usize>)| format!("{} {:?}", ty.0, ty.1);
        let theirs = self.y.as_ref().map_or("nothing".into(), say);
        let (of, to) = (say(&self.x), say(&x));
        Err(self.damaged(format!(
            "its training maps examples of {of} to targets of {theirs}, these data map {to} to {}",
            say(&y)
        )))
    }

    /// The values for these variables, if the file has exactly them.
    fn values(&mut self, variables: &[Tensor]) -> Result<Vec<Array>, Error> {
        let own: Vec<String> = variables.iter().map(name).collect();
        let mut differences = vec![];
        for (variable, name) in variables.iter().zip(&own) {
            differences.extend(self.file.difference(name, variable.dtype()?, &sizes(variable)?)?);
        }
        let names = self.file.names();
        let extra = names.iter().filter(|name| !name.starts_with(MARK) && !own.contains(name));
        let mut extra: Vec<String> = extra.map(|name| format!("the model has no `{name}`")).collect();
        if differences.is_empty() && extra.is_empty() {
            return variables.iter().map(|variable| read(&mut self.file, variable)).collect();
        }
        // Some of each kind say more than many of one.
        const SHOWN: usize = 4;
        let more = differences.len().saturating_sub(SHOWN) + extra.len().saturating_sub(SHOWN);
        differences.truncate(SHOWN);
        extra.truncate(SHOWN);
        differences.append(&mut extra);
        let more = if more > 0 { format!("\n  and {more} differences more") } else { String::new() };
        Err(self.damaged(format!("a checkpoint of another model or optimiser:\n  {}{more}", differences.join("\n  "))))
    }
}

/// Dtype and shape; none if there is none, or none that could be meant.
fn ty(value: &Json) -> Option<(DType, Vec<usize>)> {
    let sizes = value.get("shape").as_counts().filter(|sizes| sizes.len() <= 16)?;
    sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)).filter(|&all| all <= ELEMENTS))?;
    Some((value.get("dtype").as_text()?.parse().ok()?, sizes))
}

impl Built {
    /// What a training depends on: the weights, and all that the step at `place` reads or writes.
    fn state(&self, place: Option<usize>) -> Vec<Tensor> {
        let step = self.training(place).map(|(_, step)| step.function().variables()).unwrap_or_default();
        let needed = |name: Option<String>| step.iter().chain(&self.weights).any(|variable| variable.name() == name);
        self.graph().variables().into_iter().filter(|variable| needed(variable.name())).collect()
    }

    /// Writes a checkpoint.
    pub(crate) fn save_checkpoint(
        &mut self,
        path: &Path,
        seed: u64,
        epochs: u64,
        extra: Option<Extra>,
    ) -> Result<(), Error> {
        let Extra { fit, mut arrays } = extra.unwrap_or(Extra { fit: Json::Null, arrays: vec![] });
        for variable in self.state(self.trained()) {
            let name = name(&variable);
            if name.starts_with(MARK) {
                return Err(Error::invalid(format!("the name `{name}` begins with a colon, as no variable's may")));
            }
            arrays.push((name, self.session.get(&variable)?));
        }
        let ty =
            |dtype: DType, shape: &[usize]| Json::object(vec![("dtype", dtype.name().into()), ("shape", shape.into())]);
        let (x, y) = match self.training(self.trained()) {
            Some((key, _)) => (key.x, ty(key.y, &key.target)),
            None => (self.dtype(), Json::Null),
        };
        let x = ty(x, self.example());
        let mut text = String::new();
        Json::object(vec![
            ("format", FORMAT.into()),
            ("seed", seed.into()),
            ("epochs", epochs.into()),
            ("x", x),
            ("y", y),
            ("fit", fit),
        ])
        .write(&mut text);
        file::write(path, &arrays, Some((TEXT, text)))
    }

    /// Takes all values from a checkpoint, or none; the step at `place` is trained from then on.
    fn restore(&mut self, from: &mut Checkpoint, place: Option<usize>) -> Result<(), Error> {
        let state = self.state(place);
        let values = from.values(&state)?;
        self.select(place);
        state.iter().zip(&values).try_for_each(|(variable, value)| Ok(self.session.set(variable, value)?))
    }
}

impl Sequential {
    /// Writes a checkpoint: weights, what the optimiser remembers, random counters, seed. Unlike a checkpoint that
    /// [`ModelCheckpoint`](crate::training::ModelCheckpoint) writes during `fit`, it holds no history and no callbacks.
    ///
    /// ```
    /// # use wengert_nn::{layers::Dense, models::Sequential, training::Fit};
    /// # let folder = std::env::temp_dir().join(format!("wengert-save-checkpoint-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("blobs.ckpt");
    /// let data = wengert_nn::data::make_blobs(100, 2, 3, 1.0, 0)?;
    /// let model = || {
    ///     let mut model = Sequential::new().add(Dense::new(3).activation("softmax"));
    ///     model.compile("adam", "categorical_crossentropy", ())?;
    ///     Ok::<_, wengert_nn::Error>(model)
    /// };
    /// let mut first = model()?;
    /// first.fit(&data, Fit::epochs(2).verbose(0))?;
    /// first.save_checkpoint(&path)?;
    ///
    /// let mut second = model()?;
    /// second.load_checkpoint(&path)?;
    /// first.fit(&data, Fit::epochs(2).verbose(0))?;
    /// second.fit(&data, Fit::epochs(2).verbose(0))?;
    /// assert_eq!(first.get_weights()?, second.get_weights()?);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written, or the model has no weights yet.
    pub fn save_checkpoint(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (seed, epochs) = (self.default_seed(), self.epochs());
        self.built()?.save_checkpoint(path.as_ref(), seed, epochs, None)
    }

    /// Reads a checkpoint, so that training goes on as it would have in the model that wrote it; its seed becomes this
    /// model's. The model must have the same layers, optimiser and loss; it need not have seen data. Of a checkpoint from the
    /// middle of an epoch, a new `fit` begins that epoch again: [`Fit::resume`](crate::training::Fit::resume) goes on within it.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or belongs to another model or optimiser: names, dtypes or shapes of
    /// variables differ. Then nothing changes.
    pub fn load_checkpoint(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let mut from = Checkpoint::open(path.as_ref())?;
        self.restore(&mut from)
    }

    /// Takes all values from a checkpoint, or none. A model that has compiled the checkpoint's step only changes values.
    pub(crate) fn restore(&mut self, from: &mut Checkpoint) -> Result<(), Error> {
        if let Some(expected) = self.example().filter(|expected| *expected != from.x.1) {
            let theirs = &from.x.1;
            return Err(
                from.damaged(format!("its model takes examples of shape {theirs:?}, this one those of {expected:?}"))
            );
        }
        let key = from.y.clone().map(|(y, target)| Key { x: from.x.0, y, target });
        let place = self.built.as_ref().zip(key.as_ref()).and_then(|(built, key)| built.place(key));
        match &mut self.built {
            Some(built) if place.is_some() => built.restore(from, place)?,
            _ => {
                let context = |error: Error| error.context(&from.damaged("does not fit the model").to_string());
                let mut fresh = self.fresh(from.seed, from.x.0, &from.x.1).map_err(context)?;
                if let Some(key) = key {
                    fresh.compile(self, self.recipe()?, key).map_err(context)?;
                }
                fresh.restore(from, fresh.trained())?;
                self.built = Some(fresh);
            }
        }
        self.set_course(from.seed, from.epochs);
        Ok(())
    }
}
