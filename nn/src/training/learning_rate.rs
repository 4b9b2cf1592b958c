//! A learning rate that changes.

use super::{Callback, Live};
use crate::Error;

/// Sets the learning rate before each epoch to what a function of the epoch (from 1) and the rate so far gives.
///
/// ```
/// use wengert_nn::training::{Fit, LearningRateSchedule};
/// let fit = Fit::epochs(30).callback(LearningRateSchedule::new(|epoch, _| 0.1 / epoch as f64));
/// ```
pub struct LearningRateSchedule(Box<dyn FnMut(usize, f64) -> f64 + Send>);

impl LearningRateSchedule {
    /// A schedule by this function.
    #[must_use]
    pub fn new(rate: impl FnMut(usize, f64) -> f64 + Send + 'static) -> LearningRateSchedule {
        LearningRateSchedule(Box::new(rate))
    }
}

impl Callback for LearningRateSchedule {
    fn epoch_begin(&mut self, epoch: usize, model: &mut Live<'_>) -> Result<(), Error> {
        let rate = (self.0)(epoch, model.learning_rate()?);
        model.set_learning_rate(rate)
    }
}
