//! A learning rate that falls when nothing improves.

use super::{Callback, Extremum, Flow, Live, Monitor, Plan, Report, State};
use crate::Error;

/// Lowers the learning rate when a number has not improved for some epochs.
///
/// Defaults, as in Keras: factor 0.1, patience 10, `min_delta` 1e-4, no cooldown, no lowest rate.
///
/// ```
/// use wengert_nn::training::{Fit, ReduceLROnPlateau};
/// let fit = Fit::epochs(100).validation_split(0.1).callback(ReduceLROnPlateau::on("val_loss").factor(0.5).patience(3));
/// ```
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f64,
    wait: usize,
    /// Epochs that are still not counted.
    cooling: usize,
}

impl ReduceLROnPlateau {
    /// Watches this number; one whose name ends in `accuracy` should grow, any other should fall.
    #[must_use]
    pub fn on(name: &str) -> ReduceLROnPlateau {
        let monitor = Monitor { min_delta: 1e-4, ..Monitor::new(name) };
        ReduceLROnPlateau { monitor, factor: 0.1, patience: 10, cooldown: 0, min_lr: 0.0, wait: 0, cooling: 0 }
    }

    /// What the rate is multiplied by; below 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> ReduceLROnPlateau {
        self.factor = factor;
        self
    }

    /// Epochs without improvement after which the rate falls.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> ReduceLROnPlateau {
        self.patience = epochs;
        self
    }

    /// Less is no improvement.
    #[must_use]
    pub fn min_delta(mut self, delta: f64) -> ReduceLROnPlateau {
        self.monitor.min_delta = delta.abs();
        self
    }

    /// Whether the number should fall or grow.
    #[must_use]
    pub fn mode(mut self, mode: Extremum) -> ReduceLROnPlateau {
        self.monitor.mode = mode;
        self.monitor.forget();
        self
    }

    /// Epochs after a fall of the rate in which none is counted.
    #[must_use]
    pub fn cooldown(mut self, epochs: usize) -> ReduceLROnPlateau {
        self.cooldown = epochs;
        self
    }

    /// The lowest rate.
    #[must_use]
    pub fn min_lr(mut self, rate: f64) -> ReduceLROnPlateau {
        self.min_lr = rate;
        self
    }
}

impl Callback for ReduceLROnPlateau {
    fn train_begin(&mut self, _: &Plan, _: &mut Live<'_>) -> Result<(), Error> {
        if !(0.0..1.0).contains(&self.factor) {
            return Err(Error::invalid(format!("a factor of {} does not lower the learning rate", self.factor)));
        }
        self.monitor.forget();
        (self.wait, self.cooling) = (0, 0);
        Ok(())
    }

    fn epoch_end(&mut self, report: &Report<'_>, model: &mut Live<'_>) -> Result<Flow, Error> {
        let value = self.monitor.value("lowering the learning rate", report)?;
        let better = self.monitor.improves(value);
        if self.cooling > 0 {
            self.cooling -= 1;
            self.wait = 0;
        }
        if better {
            self.wait = 0;
        } else if self.cooling == 0 {
            self.wait += 1;
            let rate = model.learning_rate()?;
            if self.wait >= self.patience && rate > self.min_lr {
                let lower = (rate * self.factor).max(self.min_lr);
                model.set_learning_rate(lower)?;
                log::info!("{} does not improve: the learning rate falls from {rate} to {lower}", self.monitor.name);
                (self.wait, self.cooling) = (0, self.cooldown);
            }
        }
        Ok(Flow::Continue)
    }

    fn state(&self) -> State {
        self.monitor.state().with("wait", self.wait as f64).with("cooling", self.cooling as f64)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        self.monitor.restore(state)?;
        (self.wait, self.cooling) = (state.count("wait")?, state.count("cooling")?);
        Ok(())
    }
}
