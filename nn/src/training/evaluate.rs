//! Asking a model: its loss and metrics on a data set, its output for examples.

use crate::Error;
use crate::data::{Batches, Dataset};
use crate::models::{Built, Sequential};
use std::fmt;
use wengert_kernels::Array;

/// Examples computed at a time: enough to keep all cores busy, and 32 MiB for 32 channels of 32 x 32 pixels.
const ROWS: usize = 256;

/// Loss and metrics on a data set: means over its examples.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The mean loss.
    pub loss: f64,
    /// Name and mean of each metric.
    pub metrics: Vec<(String, f64)>,
}

impl Evaluation {
    /// The metric of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss: {:.4}", self.loss)?;
        self.metrics.iter().try_for_each(|(name, value)| write!(f, " - {name}: {value:.4}"))
    }
}

impl Sequential {
    /// The mean loss and metrics over `data`. Nothing changes.
    ///
    /// # Errors
    /// When the model was not compiled, or the data do not fit it: wrong shape, NaN, a label out of range, no examples.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation, Error> {
        let mut batches = data.batches(ROWS)?.reader(0)?;
        self.prepare(data)?;
        let names: Vec<String> = self.recipe()?.metrics.iter().map(|metric| metric.name().to_owned()).collect();
        let mut means = vec![0.0; names.len() + 1];
        measure(self.built()?, data, &mut batches, &mut means)?;
        Ok(Evaluation { loss: means[0], metrics: names.into_iter().zip(means.drain(1..)).collect() })
    }

    /// The model's output for examples `[n, ..]`: `[n, ..]`. NaN in an example gives NaN in its output.
    ///
    /// # Errors
    /// When the shape is not that of the model's input.
    pub fn predict(&mut self, x: &Array) -> Result<Array, Error> {
        let Some((_, example)) = x.shape().split_first() else {
            return Err(Error::shape("a scalar is no batch of examples: their first axis counts them"));
        };
        self.build(x.dtype(), example)?;
        let Some(mut built) = self.built.take() else { return Err(Error::invalid("the model is not built")) };
        let output = built.predict(self, x, ROWS);
        self.built = Some(built);
        output
    }

    /// The learning rate of the optimiser.
    ///
    /// # Errors
    /// Before the first `fit`, `evaluate` or `train_step` after `compile`.
    pub fn learning_rate(&mut self) -> Result<f64, Error> {
        super::Live { built: self.built()? }.learning_rate()
    }

    /// Sets the learning rate; nothing is compiled anew.
    ///
    /// # Errors
    /// As [`learning_rate`](Sequential::learning_rate).
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), Error> {
        super::Live { built: self.built()? }.set_learning_rate(rate)
    }
}

/// Writes the mean loss and metrics over the batches to `means`; the step must be there.
pub(super) fn measure(
    built: &mut Built,
    data: &Dataset,
    batches: &mut Batches,
    means: &mut [f64],
) -> Result<(), Error> {
    let (session, tally) = built.step(data, false)?;
    tally.start();
    batches.start(0);
    while let Some(batch) = batches.next_batch()? {
        tally.add(session, batch.x, batch.y)?;
    }
    tally.means(means);
    Ok(())
}
