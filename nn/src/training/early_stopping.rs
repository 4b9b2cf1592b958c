//! Stopping before it gets worse.

use super::{Callback, Extremum, Flow, Live, Monitor, Plan, Report, State};
use crate::Error;
use wengert_kernels::Array;

/// Stops when a number has not improved for some epochs, and gives the model back the weights of the best epoch.
///
/// Defaults: patience 0, no `min_delta`, no baseline, best weights restored. These words and their meaning are Keras's, where
/// weights are restored only on request.
///
/// ```
/// use wengert_nn::training::{EarlyStopping, Fit};
/// let fit = Fit::epochs(300).validation_split(0.1).callback(EarlyStopping::on("val_loss").patience(5));
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    baseline: Option<f64>,
    restore: bool,
    /// Epochs without improvement.
    wait: usize,
    best_epoch: usize,
    weights: Vec<Array>,
}

impl EarlyStopping {
    /// Watches this number; one whose name ends in `accuracy` should grow, any other should fall.
    #[must_use]
    pub fn on(name: &str) -> EarlyStopping {
        EarlyStopping {
            monitor: Monitor::new(name),
            patience: 0,
            baseline: None,
            restore: true,
            wait: 0,
            best_epoch: 0,
            weights: vec![],
        }
    }

    /// Stops after so many epochs without improvement in a row; 0 is as 1.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> EarlyStopping {
        self.patience = epochs;
        self
    }

    /// Less is no improvement.
    #[must_use]
    pub fn min_delta(mut self, delta: f64) -> EarlyStopping {
        self.monitor.min_delta = delta.abs();
        self
    }

    /// Whether the number should fall or grow.
    #[must_use]
    pub fn mode(mut self, mode: Extremum) -> EarlyStopping {
        self.monitor.mode = mode;
        self.monitor.forget();
        self
    }

    /// What must be beaten too: an improvement that does not is waited for no longer.
    #[must_use]
    pub fn baseline(mut self, value: f64) -> EarlyStopping {
        self.baseline = Some(value);
        self
    }

    /// Whether the model ends with the weights of the best epoch, or with those of the last.
    #[must_use]
    pub fn restore_best_weights(mut self, restore: bool) -> EarlyStopping {
        self.restore = restore;
        self
    }
}

impl Callback for EarlyStopping {
    fn train_begin(&mut self, _: &Plan, _: &mut Live<'_>) -> Result<(), Error> {
        self.monitor.forget();
        (self.wait, self.best_epoch) = (0, 0);
        self.weights.clear();
        Ok(())
    }

    fn epoch_end(&mut self, report: &Report<'_>, model: &mut Live<'_>) -> Result<Flow, Error> {
        let value = self.monitor.value("early stopping", report)?;
        self.wait += 1;
        let better = self.monitor.improves(value);
        // The first epoch's are the best while nothing was better, which NaN never is.
        if better || self.best_epoch == 0 {
            self.best_epoch = report.epoch();
            if self.restore {
                self.weights = model.get_weights()?;
            }
        }
        if better {
            if self.baseline.is_none_or(|baseline| self.monitor.beats(value, baseline)) {
                self.wait = 0;
            }
            return Ok(Flow::Continue);
        }
        // As in Keras, the first epoch is never the last.
        if self.wait < self.patience || report.epoch() == 1 {
            return Ok(Flow::Continue);
        }
        let (name, epoch) = (&self.monitor.name, self.best_epoch);
        log::info!("stopped: {name} was best in epoch {epoch}: {:.4}", self.monitor.best);
        Ok(Flow::Stop)
    }

    fn train_end(&mut self, model: &mut Live<'_>) -> Result<(), Error> {
        if self.weights.is_empty() {
            return Ok(());
        }
        model.set_weights(&std::mem::take(&mut self.weights))
    }

    fn state(&self) -> State {
        self.monitor
            .state()
            .with("wait", self.wait as f64)
            .with("best_epoch", self.best_epoch as f64)
            .with_arrays("weights", self.weights.clone())
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        self.monitor.restore(state)?;
        (self.wait, self.best_epoch) = (state.count("wait")?, state.count("best_epoch")?);
        self.weights = state.arrays("weights").to_vec();
        Ok(())
    }
}
