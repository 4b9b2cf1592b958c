//! A learning rate that changes with the epochs.

use super::{Callback, Live};
use crate::Error;
use std::f64::consts::PI;

/// Sets the learning rate before each epoch to what a function of the epoch (from 1) and the rate so far gives.
///
/// ```
/// use wengert_nn::training::{Fit, LearningRateSchedule};
/// let fit = Fit::epochs(30).callback(LearningRateSchedule::new(|epoch, _| 0.1 / epoch as f64));
/// let fit = Fit::epochs(90).callback(LearningRateSchedule::step(0.1, 0.1, 30));
/// let fit = Fit::epochs(90).callback(LearningRateSchedule::cosine(0.1, 85).warm_up(5));
/// ```
///
/// A training that goes on from a checkpoint asks for the epochs that are left. A function that remembers more than the
/// rate begins anew there: compute from the epoch.
pub struct LearningRateSchedule {
    rate: Box<dyn FnMut(usize, f64) -> f64 + Send>,
    warm_up: usize,
}

impl LearningRateSchedule {
    /// A schedule by this function.
    #[must_use]
    pub fn new(rate: impl FnMut(usize, f64) -> f64 + Send + 'static) -> LearningRateSchedule {
        LearningRateSchedule { rate: Box::new(rate), warm_up: 0 }
    }

    /// Multiplied by `factor` every `epochs` epochs: `initial * factor^floor((epoch - 1) / epochs)`.
    #[must_use]
    pub fn step(initial: f64, factor: f64, epochs: usize) -> LearningRateSchedule {
        LearningRateSchedule::new(move |epoch, _| initial * factor.powf(((epoch - 1) / epochs.max(1)) as f64))
    }

    /// Multiplied by `factor` every epoch: `initial * factor^(epoch - 1)`.
    #[must_use]
    pub fn exponential(initial: f64, factor: f64) -> LearningRateSchedule {
        LearningRateSchedule::step(initial, factor, 1)
    }

    /// Half a cosine from `initial` to 0 within `epochs` epochs, then 0: `initial * (1 + cos(pi (epoch - 1) / epochs)) / 2`.
    ///
    /// Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    #[must_use]
    pub fn cosine(initial: f64, epochs: usize) -> LearningRateSchedule {
        LearningRateSchedule::new(move |epoch, _| {
            let part = (epoch - 1) as f64 / epochs.max(1) as f64;
            initial * 0.5 * (1.0 + (PI * part.min(1.0)).cos())
        })
    }

    /// Comes after so many epochs in which the rate grows evenly towards the schedule's first: `first * epoch / (epochs + 1)`.
    ///
    /// Source: P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    #[must_use]
    pub fn warm_up(mut self, epochs: usize) -> LearningRateSchedule {
        self.warm_up = epochs;
        self
    }

    fn at(&mut self, epoch: usize, rate: f64) -> f64 {
        if epoch <= self.warm_up {
            (self.rate)(1, rate) * epoch as f64 / (self.warm_up + 1) as f64
        } else {
            (self.rate)(epoch - self.warm_up, rate)
        }
    }
}

impl Callback for LearningRateSchedule {
    fn epoch_begin(&mut self, epoch: usize, model: &mut Live<'_>) -> Result<(), Error> {
        let rate = self.at(epoch, model.learning_rate()?);
        model.set_learning_rate(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rates(mut schedule: LearningRateSchedule, wanted: &[f64]) {
        for (epoch, wanted) in (1..).zip(wanted) {
            let rate = schedule.at(epoch, f64::NAN);
            assert!((rate - wanted).abs() < 1e-12, "epoch {epoch}: {rate} is not {wanted}");
        }
    }

    #[test]
    fn schedules_follow_their_formulas() {
        // semantics 9.20
        rates(LearningRateSchedule::step(0.8, 0.5, 2), &[0.8, 0.8, 0.4, 0.4, 0.2]);
        rates(LearningRateSchedule::exponential(1.0, 0.5), &[1.0, 0.5, 0.25]);
        let half = 0.5f64.sqrt();
        rates(LearningRateSchedule::cosine(2.0, 4), &[2.0, 1.0 + half, 1.0, 1.0 - half, 0.0, 0.0]);
        rates(LearningRateSchedule::step(0.4, 0.5, 1).warm_up(3), &[0.1, 0.2, 0.3, 0.4, 0.2, 0.1]);
        rates(LearningRateSchedule::step(1.0, 0.5, 0), &[1.0, 0.5]);
    }
}
