//! Mini-batches.

use super::{Augmentation, Batches, Dataset, augment::Plan, reader::Reader};
use crate::Error;
use wengert_kernels::Array;

/// Cuts a [`Dataset`] into mini-batches, shuffled anew for each epoch if asked.
///
/// The order of an epoch is a function of (seed, epoch) alone, so that a run resumed in the middle goes on as it would
/// have. The last batch of an epoch is smaller if the batch size does not divide the number of examples.
///
/// ```
/// # let (train, _) = wengert_nn::data::digits()?;
/// for batch in train.batches(100)?.shuffle(42).steps(20)? {
///     let (images, labels) = batch?;
///     assert_eq!(images.shape()[0], labels.shape()[0]);
/// }
/// # Ok::<(), wengert_nn::Error>(())
/// ```
///
/// A training loop that wants no allocation takes [`Loader::reader`] instead.
#[derive(Clone, Debug)]
pub struct Loader {
    pub(super) data: Dataset,
    pub(super) batch_size: usize,
    pub(super) seed: Option<u64>,
    pub(super) drop_last: bool,
    /// What is done to images, and the seed of its choices.
    pub(super) augment: Option<(Plan, u64)>,
    pub(super) prefetch: Option<bool>,
}

impl Loader {
    /// Mini-batches of `batch_size` examples of `data`, in order.
    ///
    /// # Errors
    /// When `batch_size` is zero or there are no examples.
    pub fn new(data: &Dataset, batch_size: usize) -> Result<Loader, Error> {
        if batch_size == 0 {
            return Err(Error::invalid("the batch size is 0: a batch holds at least one example"));
        }
        if data.is_empty() {
            return Err(Error::data(format!(
                "there are no examples to make batches of: x has shape {:?}",
                data.shape()
            )));
        }
        Ok(Loader { data: data.clone(), batch_size, seed: None, drop_last: false, augment: None, prefetch: None })
    }

    /// Shuffles the examples anew for each epoch.
    #[must_use]
    pub fn shuffle(mut self, seed: u64) -> Loader {
        self.seed = Some(seed);
        self
    }

    /// Changes images at random, and differently in each epoch.
    ///
    /// # Errors
    /// When the examples are no images, or too small for the padding.
    pub fn augment(mut self, augmentation: Augmentation, seed: u64) -> Result<Loader, Error> {
        let plan = augmentation.plan(self.data.example_shape(), self.data.dtype().size())?;
        self.augment = Some((plan, seed));
        Ok(self)
    }

    /// Whether a [reader](Loader::reader) prepares the next batch on a thread of its own while the caller works on the last
    /// one. The batches are the same. Unless it is said here, that is done for images that are changed at random.
    #[must_use]
    pub fn prefetch(mut self, prefetch: bool) -> Loader {
        self.prefetch = Some(prefetch);
        self
    }

    /// Leaves out an epoch's last batch if it would be smaller than the others.
    ///
    /// # Errors
    /// When no batch would be left.
    pub fn drop_last(mut self) -> Result<Loader, Error> {
        if self.batch_size > self.data.len() {
            return Err(Error::invalid(format!(
                "dropping the last batch leaves none: {} examples do not fill a batch of {}",
                self.data.len(),
                self.batch_size
            )));
        }
        self.drop_last = true;
        Ok(self)
    }

    /// Number of batches in an epoch.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one batch")]
    pub fn len(&self) -> usize {
        if self.drop_last { self.data.len() / self.batch_size } else { self.data.len().div_ceil(self.batch_size) }
    }

    /// The most examples a batch has.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The examples.
    #[must_use]
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The batches of one epoch, as arrays of their own.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn epoch(&self, epoch: u64) -> Result<Steps, Error> {
        self.epoch_from(epoch, 0)
    }

    /// The batches of one epoch without its first `batch`: where a run that was interrupted goes on.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn epoch_from(&self, epoch: u64, batch: usize) -> Result<Steps, Error> {
        let mut reader = Reader::new(self);
        reader.start_at(epoch, batch);
        Ok(Steps { reader, left: self.len().saturating_sub(batch) })
    }

    /// `count` batches, through as many epochs as they take, as arrays of their own.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn steps(&self, count: usize) -> Result<Steps, Error> {
        Ok(Steps { left: count, ..self.epoch(0)? })
    }

    /// The batches one after the other, in buffers that are used again for each, beginning with `epoch`.
    ///
    /// # Errors
    /// When the memory is not to be had, or the thread that [prepares](Loader::prefetch) batches cannot be started.
    pub fn reader(&self, epoch: u64) -> Result<Batches, Error> {
        Batches::new(self, epoch)
    }
}

/// The iterator of [`Loader::epoch`] and [`Loader::steps`]: pairs of examples and targets. An item is an error only when
/// the memory for it is not to be had.
#[derive(Debug)]
pub struct Steps {
    reader: Reader,
    left: usize,
}

impl Iterator for Steps {
    type Item = Result<(Array, Array), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let reader = &mut self.reader;
        let rows = reader.advance().or_else(|| {
            reader.start_at(reader.epoch() + 1, 0);
            reader.advance()
        })?;
        Some(reader.owned(rows))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Steps {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Dataset {
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let y: Vec<i64> = (0..10).collect();
        Dataset::new(Array::new(&[10, 2], &x).unwrap(), Array::new(&[10, 1], &y).unwrap()).unwrap()
    }

    /// The rows of each batch of an epoch, after a look whether the three parts of each batch agree.
    fn epoch(batches: &mut Batches, epoch: u64) -> Vec<Vec<usize>> {
        let mut seen = Vec::new();
        batches.start(epoch);
        while let Some(batch) = batches.next_batch().unwrap() {
            assert_eq!((batch.x.shape(), batch.y.shape()), (&[batch.rows.len(), 2][..], &[batch.rows.len(), 1][..]));
            assert!(
                batch
                    .x
                    .to_f64()
                    .chunks(2)
                    .zip(batch.rows)
                    .all(|(x, &row)| x == [2.0 * row as f64, 2.0 * row as f64 + 1.0])
            );
            assert!(batch.y.to_f64().iter().zip(batch.rows).all(|(&y, &row)| y == row as f64));
            seen.push(batch.rows.to_vec());
        }
        assert!(batches.next_batch().unwrap().is_none());
        seen
    }

    #[test]
    fn batches_in_order_end_with_a_smaller_one() {
        // semantics 9.2
        let loader = ten().batches(4).unwrap();
        let mut batches = loader.reader(0).unwrap();
        assert_eq!(loader.len(), 3);
        assert_eq!(epoch(&mut batches, 0), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
        let loader = loader.drop_last().unwrap();
        assert_eq!(loader.len(), 2);
        assert_eq!(epoch(&mut loader.reader(0).unwrap(), 5), [[0, 1, 2, 3], [4, 5, 6, 7]]);
        assert_eq!(ten().batches(5).unwrap().drop_last().unwrap().len(), 2);
        assert_eq!(epoch(&mut ten().batches(99).unwrap().reader(0).unwrap(), 0), [(0..10).collect::<Vec<_>>()]);
    }

    #[test]
    fn a_shuffled_epoch_has_every_row_once_and_repeats_with_its_seed() {
        // semantics 9.1
        let loader = ten().batches(3).unwrap().shuffle(7);
        let mut batches = loader.reader(0).unwrap();
        let (first, second) = (epoch(&mut batches, 0), epoch(&mut batches, 1));
        assert_ne!(first, second);
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
        let mut all = first.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10));
        assert_eq!(epoch(&mut loader.reader(9).unwrap(), 1), second, "an epoch needs no memory of those before it");
    }

    #[test]
    fn an_epoch_goes_on_at_any_of_its_batches() {
        // semantics 10.1
        let loader = ten().batches(3).unwrap().shuffle(7);
        let mut batches = loader.reader(0).unwrap();
        let whole = epoch(&mut batches, 4);
        for from in 0..=4 {
            batches.start_at(4, from);
            assert_eq!((batches.epoch(), batches.batch()), (4, from));
            for (number, rows) in whole.iter().enumerate().skip(from) {
                assert_eq!(batches.next_batch().unwrap().unwrap().rows, rows);
                assert_eq!(batches.batch(), number + 1);
            }
            assert!(batches.next_batch().unwrap().is_none());
            let rest = loader.epoch_from(4, from).unwrap();
            assert_eq!(rest.len(), 4 - from);
            let targets: Vec<f64> = rest.flat_map(|batch| batch.unwrap().1.to_f64()).collect();
            assert!(targets.into_iter().eq(whole[from..].concat().into_iter().map(|row| row as f64)));
        }
        batches.start_at(4, usize::MAX);
        assert!(batches.next_batch().unwrap().is_none());
        assert_eq!(loader.epoch_from(4, usize::MAX).unwrap().count(), 0);
    }

    #[test]
    fn steps_go_on_into_the_next_epoch() {
        let loader = ten().batches(4).unwrap().shuffle(7);
        let steps: Vec<Vec<i64>> =
            loader.steps(7).unwrap().map(|batch| batch.unwrap().1.to_vec::<i64>().unwrap()).collect();
        let mut batches = loader.reader(0).unwrap();
        let expected: Vec<usize> = (0..3).flat_map(|e| epoch(&mut batches, e)).take(7).flatten().collect();
        assert!(steps.concat().into_iter().eq(expected.into_iter().map(|row| row as i64)));
        assert_eq!(loader.epoch(1).unwrap().len(), 3);
        assert_eq!(loader.epoch(1).unwrap().count(), 3);
    }

    #[test]
    fn nothing_to_read_is_an_error_at_once() {
        assert!(ten().batches(0).unwrap_err().to_string().contains("batch size is 0"));
        assert!(ten().take(0).unwrap().batches(4).unwrap_err().is_data());
        assert!(ten().batches(11).unwrap().drop_last().unwrap_err().is_invalid());
    }
}
