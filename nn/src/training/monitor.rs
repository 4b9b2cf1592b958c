//! A number of the training that is watched.

use super::{Report, State};
use crate::Error;

/// Which numbers are the better ones: Keras's `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extremum {
    /// The smaller, as of a loss.
    Min,
    /// The larger, as of an accuracy.
    Max,
}

/// A number, its best value so far, and how much better a better one must be.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) mode: Extremum,
    pub(super) min_delta: f64,
    pub(super) best: f64,
}

impl Monitor {
    /// Watches this number; one whose name ends in `accuracy` should grow, any other should fall.
    pub(super) fn new(name: &str) -> Monitor {
        let mode = if name.ends_with("accuracy") { Extremum::Max } else { Extremum::Min };
        let mut monitor = Monitor { name: name.to_owned(), mode, min_delta: 0.0, best: 0.0 };
        monitor.forget();
        monitor
    }

    pub(super) fn forget(&mut self) {
        self.best = match self.mode {
            Extremum::Min => f64::INFINITY,
            Extremum::Max => f64::NEG_INFINITY,
        };
    }

    /// The number after an epoch.
    pub(super) fn value(&self, what: &str, report: &Report<'_>) -> Result<f64, Error> {
        report.get(&self.name).ok_or_else(|| {
            let known: Vec<&str> = report.numbers().map(|(name, _)| name).collect();
            Error::invalid(format!("{what} on `{}`: there are {}", self.name, known.join(", ")))
        })
    }

    /// Whether `value` is better than `other` by more than `min_delta`; NaN is not.
    pub(super) fn beats(&self, value: f64, other: f64) -> bool {
        match self.mode {
            Extremum::Min => value + self.min_delta < other,
            Extremum::Max => value - self.min_delta > other,
        }
    }

    /// Whether `value` is an improvement, which it then is no more.
    pub(super) fn improves(&mut self, value: f64) -> bool {
        let better = self.beats(value, self.best);
        if better {
            self.best = value;
        }
        better
    }

    pub(super) fn state(&self) -> State {
        State::new().with("best", self.best)
    }

    pub(super) fn restore(&mut self, state: &State) -> Result<(), Error> {
        self.best = state.number("best")?;
        Ok(())
    }
}
