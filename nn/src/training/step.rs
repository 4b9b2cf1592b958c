//! The compiled step, for a loop of one's own.

use crate::Error;
use crate::data::Dataset;
use crate::models::{Sequential, Tally};
use wengert_autograd::{Function, Session};
use wengert_kernels::ArrayView;

/// One step of training, compiled: forward, backward and update in one program.
///
/// ```
/// use wengert_nn::{layers::Dense, models::Sequential};
/// let (train, _) = wengert_nn::data::digits()?;
/// let mut model = Sequential::new().add(wengert_nn::layers::Flatten).add(Dense::new(10).activation("softmax"));
/// model.compile("adam", "categorical_crossentropy", ["accuracy"])?;
/// let mut batches = train.batches(100)?.shuffle(0).reader(0)?;
/// let mut step = model.train_step(&train)?;
/// while let Some(batch) = batches.next_batch()? {
///     let result = step.run(&batch.x, &batch.y)?;
///     assert!(result.loss > 0.0 && result.sums[0] <= 100.0);
/// }
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub struct TrainStep<'a> {
    session: &'a mut Session,
    tally: &'a mut Tally,
    sums: Vec<f64>,
}

/// What one step measured, before its update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResult<'a> {
    /// The mean loss of the batch.
    pub loss: f64,
    /// The sum of each metric over the batch, in the order given to `compile`.
    pub sums: &'a [f64],
    /// Examples in the batch.
    pub examples: usize,
}

impl Sequential {
    /// The compiled step for batches of `data`, which is checked as by `fit`.
    ///
    /// # Errors
    /// As [`fit`](Sequential::fit).
    pub fn train_step(&mut self, data: &Dataset) -> Result<TrainStep<'_>, Error> {
        self.prepare(data)?;
        let (session, tally) = self.built()?.step(data, true)?;
        tally.start();
        Ok(TrainStep { session, sums: vec![0.0; tally.len()], tally })
    }
}

impl TrainStep<'_> {
    /// What is compiled: from `x` and `y` of a batch to its mean loss and the sum of each metric, with the updates. Its
    /// [`plan`](Function::plan) shows the kernels of a step, and the memory that it takes.
    #[must_use]
    pub fn function(&self) -> &Function {
        self.tally.function()
    }

    /// Trains on one batch. Allocates nothing once a batch of this size has been seen. Labels are not checked: one out of range
    /// counts as no class.
    ///
    /// # Errors
    /// When the batch does not have the dtypes and shapes of the data.
    pub fn run(&mut self, x: &ArrayView<'_>, y: &ArrayView<'_>) -> Result<StepResult<'_>, Error> {
        self.tally.add(self.session, *x, *y)?;
        self.tally.last(&mut self.sums);
        let examples = x.shape().first().copied().unwrap_or(0);
        let (loss, sums) = self.sums.split_first().map_or((f64::NAN, &[][..]), |(loss, sums)| (*loss, sums));
        Ok(StepResult { loss, sums, examples })
    }
}
