//! Stopping before it gets worse.

use super::{Callback, Flow, Live, Plan, Report};
use crate::Error;
use wengert_kernels::Array;

/// Stops when a number has not improved for some epochs, and gives the model back the weights of the best epoch.
///
/// ```
/// use wengert_nn::training::{EarlyStopping, Fit};
/// let fit = Fit::epochs(300).validation_split(0.1).callback(EarlyStopping::on("val_loss").patience(5));
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    name: String,
    patience: usize,
    larger_is_better: bool,
    best: Option<Best>,
}

#[derive(Clone, Debug)]
struct Best {
    value: f64,
    epoch: usize,
    weights: Vec<Array>,
}

impl EarlyStopping {
    /// Watches this number; one whose name ends in `accuracy` should grow, any other should fall.
    #[must_use]
    pub fn on(name: &str) -> EarlyStopping {
        EarlyStopping { name: name.to_owned(), patience: 0, larger_is_better: name.ends_with("accuracy"), best: None }
    }

    /// Epochs without improvement that are borne.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> EarlyStopping {
        self.patience = epochs;
        self
    }
}

impl Callback for EarlyStopping {
    fn train_begin(&mut self, _: &Plan, _: &mut Live<'_>) -> Result<(), Error> {
        self.best = None;
        Ok(())
    }

    fn epoch_end(&mut self, report: &Report<'_>, model: &mut Live<'_>) -> Result<Flow, Error> {
        let Some(value) = report.get(&self.name) else {
            let known: Vec<&str> = report.numbers().map(|(name, _)| name).collect();
            return Err(Error::invalid(format!("early stopping on `{}`: there are {}", self.name, known.join(", "))));
        };
        let better = |best: &Best| if self.larger_is_better { value > best.value } else { value < best.value };
        match &self.best {
            Some(best) if !better(best) => {
                let stop = report.epoch() - best.epoch > self.patience;
                if stop {
                    log::info!("stopped: {} was best in epoch {}: {:.4}", self.name, best.epoch, best.value);
                }
                Ok(if stop { Flow::Stop } else { Flow::Continue })
            }
            _ => {
                self.best = Some(Best { value, epoch: report.epoch(), weights: model.get_weights()? });
                Ok(Flow::Continue)
            }
        }
    }

    fn train_end(&mut self, model: &mut Live<'_>) -> Result<(), Error> {
        match self.best.take() {
            Some(best) => model.set_weights(&best.weights),
            None => Ok(()),
        }
    }
}
