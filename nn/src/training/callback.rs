//! Callbacks: who looks on while a model is trained.

use super::State;
use crate::Error;
use crate::models::Built;
use std::path::PathBuf;
use wengert_autograd::Tensor;
use wengert_kernels::Array;

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next epoch.
    Continue,
    /// No further.
    Stop,
}

/// What is going to happen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Epochs, if nothing stops them.
    pub epochs: usize,
    /// Batches in each.
    pub batches: usize,
    /// Examples to train on.
    pub examples: usize,
    /// Examples to validate on.
    pub validation_examples: usize,
}

/// What has been measured: after a batch the means of the epoch so far, after an epoch those of the whole, with validation.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) epoch: usize,
    pub(crate) batch: usize,
    pub(crate) names: &'a [String],
    pub(crate) values: &'a [f64],
    pub(crate) examples: usize,
    pub(crate) seconds: f64,
    pub(crate) ended: bool,
}

impl Report<'_> {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// The number of the epoch, from 1.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// How many batches of the epoch are done.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Whether the whole epoch and its validation are done, and not just a batch.
    #[must_use]
    pub fn epoch_has_ended(&self) -> bool {
        self.ended
    }

    /// Seconds since the epoch began, without validation.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Examples trained on in a second.
    #[must_use]
    pub fn samples_per_second(&self) -> f64 {
        self.examples as f64 / self.seconds.max(1e-9)
    }

    /// Names and numbers: `loss`, metrics, and after an epoch `val_loss` and so on.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.names.iter().map(String::as_str).zip(self.values.iter().copied())
    }

    /// The number of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.numbers().find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// The model while it is trained.
pub struct Live<'a> {
    pub(crate) built: &'a mut Built,
}

impl Live<'_> {
    /// The values of the weights, as [`Sequential::get_weights`](crate::models::Sequential::get_weights).
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn get_weights(&mut self) -> Result<Vec<Array>, Error> {
        self.built.get_weights()
    }

    /// Sets all weights.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn set_weights(&mut self, values: &[Array]) -> Result<(), Error> {
        self.built.set_weights(values)
    }

    /// The learning rate.
    ///
    /// # Errors
    /// When the optimiser has none.
    pub fn learning_rate(&mut self) -> Result<f64, Error> {
        let variable = rate(self.built)?;
        let value = self.built.session.get(&variable)?;
        // The decimal number that was meant, not the digits behind the precision of f32.
        Ok(match value.as_slice::<f32>() {
            Ok([rate]) => rate.to_string().parse().unwrap_or(f64::from(*rate)),
            _ => value.to_f64().first().copied().unwrap_or(f64::NAN),
        })
    }

    /// Sets the learning rate; nothing is compiled anew.
    ///
    /// # Errors
    /// When the optimiser has none.
    pub fn set_learning_rate(&mut self, rate_: f64) -> Result<(), Error> {
        let variable = rate(self.built)?;
        Ok(self.built.session.set(&variable, rate_)?)
    }
}

fn rate(built: &Built) -> Result<Tensor, Error> {
    built.learning_rate().cloned().ok_or_else(|| {
        Error::invalid("there is no learning rate yet: it comes with the first fit or train_step after compile")
    })
}

/// Looks on while a model is trained, and may change it or stop.
///
/// ```
/// use wengert_nn::training::{Callback, Fit, Flow, Live, Report};
///
/// /// Stops when the loss is small enough.
/// struct Below(f64);
///
/// impl Callback for Below {
///     fn epoch_end(&mut self, report: &Report<'_>, _: &mut Live<'_>) -> Result<Flow, wengert_nn::Error> {
///         let done = report.get("loss").is_some_and(|loss| loss < self.0);
///         Ok(if done { Flow::Stop } else { Flow::Continue })
///     }
/// }
///
/// let fit = Fit::epochs(1000).callback(Below(0.05));
/// ```
pub trait Callback: Send {
    /// Before the first epoch, or before the first one after a checkpoint.
    ///
    /// # Errors
    /// Ends the training.
    fn train_begin(&mut self, _plan: &Plan, _model: &mut Live<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Before an epoch (from 1). A training that goes on within an epoch does not begin it again.
    ///
    /// # Errors
    /// Ends the training.
    fn epoch_begin(&mut self, _epoch: usize, _model: &mut Live<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// After a batch. Runs between two steps: what takes long here slows training down.
    fn batch_end(&mut self, _report: &Report<'_>) {}

    /// After an epoch and its validation.
    ///
    /// # Errors
    /// Ends the training.
    fn epoch_end(&mut self, _report: &Report<'_>, _model: &mut Live<'_>) -> Result<Flow, Error> {
        Ok(Flow::Continue)
    }

    /// After the last epoch, also when another callback stopped.
    ///
    /// # Errors
    /// Ends the training.
    fn train_end(&mut self, _model: &mut Live<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Where a checkpoint is to be written now, if one is. Asked after every batch and after every epoch, when all callbacks
    /// have seen them; [`Report::epoch_has_ended`] tells which. Several callbacks may ask at once.
    ///
    /// # Errors
    /// Ends the training.
    fn checkpoint(&mut self, _report: &Report<'_>) -> Result<Option<PathBuf>, Error> {
        Ok(None)
    }

    /// What it remembers from epoch to epoch, for a checkpoint.
    fn state(&self) -> State {
        State::new()
    }

    /// Takes back what [`state`](Callback::state) gave: before the model is touched, so that an error changes nothing, and again
    /// after [`train_begin`](Callback::train_begin). Which callback's it is says its place among those of the
    /// [`Fit`](super::Fit). Not called if there was nothing to remember.
    ///
    /// # Errors
    /// When it is not what this callback remembers.
    fn restore(&mut self, _state: &State) -> Result<(), Error> {
        Ok(())
    }
}
