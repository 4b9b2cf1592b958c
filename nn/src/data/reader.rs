//! Reading batches, one after the other.

use super::{Loader, augment::epoch_seed, gather, prefetch::Prefetch, shuffle::permute};
use crate::Error;
use std::ops::Range;
use wengert_kernels::{Array, ArrayView};

/// Reads batches without allocating: everything it needs it took when it was made.
///
/// ```
/// # let (train, _) = wengert_nn::data::digits()?;
/// let mut batches = train.batches(128)?.shuffle(1).reader(0)?;
/// for epoch in 0..2 {
///     batches.start(epoch);
///     while let Some(batch) = batches.next_batch()? {
///         assert_eq!(batch.x.shape(), [batch.rows.len(), 8, 8]);
///     }
/// }
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    loader: Loader,
    source: Source,
    x_shape: Vec<usize>,
    y_shape: Vec<usize>,
    epoch: u64,
    batch: usize,
}

/// One mini-batch of [`Batches`].
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The examples, `[k, ...]`.
    pub x: ArrayView<'a>,
    /// Their targets, `[k, ...]`.
    pub y: ArrayView<'a>,
    /// Which `k` rows of the data set these are.
    pub rows: &'a [usize],
}

/// Where batches come from.
#[derive(Debug)]
enum Source {
    /// They are views into the data set, for its rows come in order and are not computed.
    Views(Reader),
    /// The caller gathers them.
    Gathered(Reader, Buffers),
    /// A thread gathers them while the caller is at work.
    Prefetched(Prefetch<Buffers>),
}

impl Batches {
    pub(super) fn new(loader: &Loader, epoch: u64) -> Result<Batches, Error> {
        let capacity = loader.batch_size.min(loader.data.len());
        let (x, y) = (loader.data.examples(), loader.data.y());
        let mut reader = Reader::new(loader);
        let gathered = loader.seed.is_some() || loader.augment.is_some() || x.is_computed();
        let source = if loader.prefetch.unwrap_or(loader.augment.is_some()) {
            let slots = [Buffers::new(loader, capacity)?, Buffers::new(loader, capacity)?];
            Source::Prefetched(Prefetch::new(slots, move |place, buffers: &mut Buffers| {
                if let Some((epoch, batch)) = place {
                    reader.start_at(epoch, batch);
                }
                reader.read(buffers)
            })?)
        } else if gathered {
            Source::Gathered(reader, Buffers::new(loader, capacity)?)
        } else {
            Source::Views(reader)
        };
        let (mut x_shape, y_shape) = (x.shape().to_vec(), gather::shape_of(y, capacity));
        x_shape[0] = capacity;
        let mut batches = Batches { loader: loader.clone(), source, x_shape, y_shape, epoch, batch: 0 };
        batches.start(epoch);
        Ok(batches)
    }

    /// Begins `epoch` at its first batch.
    pub fn start(&mut self, epoch: u64) {
        self.start_at(epoch, 0);
    }

    /// Begins `epoch` at the batch with this number, counted from 0: where a run that was interrupted goes on. What follows
    /// is what would have followed without the interruption; behind the last batch there is nothing.
    pub fn start_at(&mut self, epoch: u64, batch: usize) {
        (self.epoch, self.batch) = (epoch, batch);
        match &mut self.source {
            Source::Views(reader) | Source::Gathered(reader, _) => reader.start_at(epoch, batch),
            Source::Prefetched(prefetch) => prefetch.start_at(epoch, batch),
        }
    }

    /// The epoch that is being read.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the next batch in its epoch, counted from 0. With [`epoch`](Batches::epoch) it is all that
    /// [`start_at`](Batches::start_at) needs.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The next batch of this epoch; at its end `None`, until another epoch is [started](Batches::start).
    ///
    /// Batches in order, of examples that are kept as they are read, are views into the data set; others are gathered into
    /// buffers.
    ///
    /// # Errors
    /// When the thread that [prepares](Loader::prefetch) batches failed.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        let data = &self.loader.data;
        let (x, y, rows, start) = match &mut self.source {
            Source::Views(reader) => {
                let Some(range) = reader.advance() else { return Ok(None) };
                let start = range.start;
                (data.kept(), data.y(), &reader.order[range], start)
            }
            Source::Gathered(reader, buffers) => {
                if !reader.read(buffers)? {
                    return Ok(None);
                }
                (&buffers.x, &buffers.y, &buffers.rows[..], 0)
            }
            Source::Prefetched(prefetch) => match prefetch.next()? {
                Some(buffers) => (&buffers.x, &buffers.y, &buffers.rows[..], 0),
                None => return Ok(None),
            },
        };
        self.batch += 1;
        for shape in [&mut self.x_shape, &mut self.y_shape] {
            shape[0] = rows.len();
        }
        let range = start..start + rows.len();
        let (x, y) = (gather::view(x, range.clone(), &self.x_shape)?, gather::view(y, range, &self.y_shape)?);
        Ok(Some(Batch { x, y, rows }))
    }
}

/// Room for a batch.
#[derive(Debug)]
struct Buffers {
    x: Array,
    y: Array,
    rows: Vec<usize>,
}

impl Buffers {
    fn new(loader: &Loader, capacity: usize) -> Result<Buffers, Error> {
        let data = &loader.data;
        let mut shape = data.shape().to_vec();
        shape[0] = capacity;
        Ok(Buffers {
            x: Array::zeros(data.dtype(), &shape)?,
            y: Array::zeros(data.y().dtype(), &gather::shape_of(data.y(), capacity))?,
            rows: Vec::with_capacity(capacity),
        })
    }
}

/// Walks through the order of an epoch and gathers what stands there.
#[derive(Debug)]
pub(super) struct Reader {
    loader: Loader,
    order: Vec<usize>,
    epoch: u64,
    /// How many rows of the order are behind it.
    position: usize,
    /// The seed of this epoch's changes.
    changes: u64,
    /// One image before it is changed.
    image: Vec<u8>,
}

impl Reader {
    /// A reader that is still to be [started](Reader::start_at).
    pub(super) fn new(loader: &Loader) -> Reader {
        let image = loader.augment.map_or(0, |(plan, _)| plan.bytes());
        Reader {
            order: (0..loader.data.len()).collect(),
            loader: loader.clone(),
            epoch: 0,
            position: 0,
            changes: 0,
            image: vec![0; image],
        }
    }

    pub(super) fn start_at(&mut self, epoch: u64, batch: usize) {
        if let Some(seed) = self.loader.seed {
            permute(&mut self.order, seed, epoch);
        }
        if let Some((_, seed)) = self.loader.augment {
            self.changes = epoch_seed(seed, epoch);
        }
        (self.epoch, self.position) = (epoch, batch.saturating_mul(self.loader.batch_size));
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where in the order the next batch stands, or `None` at the end of the epoch.
    pub(super) fn advance(&mut self) -> Option<Range<usize>> {
        let start = self.position;
        let end = start.saturating_add(self.loader.batch_size).min(self.order.len());
        let whole = end - start.min(end) == self.loader.batch_size;
        if start >= end || (self.loader.drop_last && !whole) {
            return None;
        }
        self.position = end;
        Some(start..end)
    }

    /// The next batch, or `false` at the end of the epoch.
    fn read(&mut self, buffers: &mut Buffers) -> Result<bool, Error> {
        let Some(range) = self.advance() else { return Ok(false) };
        self.write(range.clone(), buffers.x.bytes_mut()?)?;
        gather::copy_rows(self.loader.data.y(), &self.order[range.clone()], buffers.y.bytes_mut()?)?;
        buffers.rows.clear();
        buffers.rows.extend_from_slice(&self.order[range]);
        Ok(true)
    }

    /// A batch in arrays of its own.
    pub(super) fn owned(&mut self, range: Range<usize>) -> Result<(Array, Array), Error> {
        let data = &self.loader.data;
        let mut shape = data.shape().to_vec();
        shape[0] = range.len();
        let mut x = Array::zeros(data.dtype(), &shape)?;
        let y = gather::select(data.y(), &self.order[range.clone()])?;
        self.write(range, x.bytes_mut()?)?;
        Ok((x, y))
    }

    fn write(&mut self, range: Range<usize>, target: &mut [u8]) -> Result<(), Error> {
        let (examples, rows) = (self.loader.data.examples(), &self.order[range]);
        let Some((plan, _)) = self.loader.augment else { return examples.write(rows, target) };
        for (target, row) in target.chunks_exact_mut(plan.bytes().max(1)).zip(rows) {
            examples.write(std::slice::from_ref(row), &mut self.image)?;
            plan.apply(self.changes, *row, &self.image, target);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Augmentation, Dataset, Normalization};
    use std::collections::{BTreeMap, BTreeSet};

    /// Images of 4 x 5 in bytes, all different.
    fn images() -> Dataset {
        let x: Vec<u8> = (0..10 * 60u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let y: Vec<i64> = (0..10).collect();
        Dataset::new(Array::new(&[10, 4, 5, 3], &x).unwrap(), Array::new(&[10], &y).unwrap()).unwrap()
    }

    fn computed() -> Dataset {
        images().scaled(255.0).unwrap().normalized(&Normalization::of(&images()).unwrap()).unwrap()
    }

    /// The same examples as an array.
    fn plain(set: &Dataset) -> Dataset {
        set.map_x(|x| Ok::<_, Error>(x.clone())).unwrap()
    }

    /// Row, bytes of the example and bytes of the target, in the order in which they come in two epochs.
    fn read(loader: &Loader) -> Vec<(u64, usize, Vec<u8>, Vec<u8>)> {
        let mut batches = loader.reader(0).unwrap();
        let mut seen = Vec::new();
        for epoch in [0, 7] {
            batches.start(epoch);
            while let Some(batch) = batches.next_batch().unwrap() {
                assert_eq!(batch.x.shape(), [batch.rows.len(), 4, 5, 3]);
                for (i, row) in batch.rows.iter().enumerate() {
                    let one = |array: ArrayView<'_>| array.slice_rows(i..i + 1).unwrap().bytes().to_vec();
                    seen.push((epoch, *row, one(batch.x), one(batch.y)));
                }
            }
            assert!(batches.next_batch().unwrap().is_none());
        }
        seen
    }

    #[test]
    fn a_batch_holds_what_x_holds_and_computes_no_more() {
        // semantics 10.2
        let set = computed();
        assert_eq!((set.kept().dtype(), set.dtype()), (wengert_kernels::DType::U8, wengert_kernels::DType::F32));
        let both = |set: &Dataset| {
            let loader = set.batches(4).unwrap();
            (read(&loader), read(&loader.shuffle(3)))
        };
        let lazy = both(&set);
        assert!(!set.is_whole(), "reading batches computed all examples");
        assert_eq!(lazy, both(&plain(&set)));
        assert!(set.is_whole());
        let owned = |set: &Dataset| {
            set.batches(3).unwrap().shuffle(1).epoch(2).unwrap().map(|b| b.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(owned(&set), owned(&plain(&set)));
    }

    #[test]
    fn a_change_depends_on_seed_epoch_and_row_alone() {
        // semantics 10.10
        // semantics 10.7
        let usual = Augmentation::new().flip_horizontal().crop(2).cutout(2);
        let by_row = |set: &Dataset, size: usize, shuffle: u64, ahead: bool, seed: u64| {
            let loader = set.batches(size).unwrap().shuffle(shuffle).augment(usual, seed).unwrap().prefetch(ahead);
            let rows = read(&loader).into_iter().map(|(epoch, row, x, _)| ((epoch, row), x));
            rows.collect::<BTreeMap<_, _>>()
        };
        let set = computed();
        let one = by_row(&set, 1, 1, false, 5);
        assert_eq!(one.len(), 20);
        assert_eq!(one, by_row(&set, 4, 2, false, 5));
        assert_eq!(one, by_row(&set, 10, 3, true, 5));
        assert_eq!(one, by_row(&plain(&set), 3, 4, true, 5), "examples in bytes are changed as others are");
        assert_ne!(one, by_row(&set, 1, 1, false, 6));
        let differ = (0..10).filter(|&row| one[&(0, row)] != one[&(7, row)]).count();
        assert!(differ >= 9, "an epoch is like another in {} of 10 images", 10 - differ);
        let owned: Vec<u8> = set
            .batches(4)
            .unwrap()
            .augment(usual, 5)
            .unwrap()
            .epoch(7)
            .unwrap()
            .flat_map(|b| b.unwrap().0.bytes().to_vec())
            .collect();
        assert_eq!(owned, (0..10).flat_map(|row| one[&(7, row)].clone()).collect::<Vec<u8>>());
    }

    #[test]
    fn batches_prepared_ahead_are_the_same() {
        // semantics 10.11
        for set in [images(), computed()] {
            for size in [1, 3, 10] {
                let loader = set.batches(size).unwrap();
                for loader in [loader.clone(), loader.clone().shuffle(5), loader.drop_last().unwrap()] {
                    assert_eq!(read(&loader.clone().prefetch(true)), read(&loader));
                }
            }
        }
        let loader = images().batches(3).unwrap().shuffle(5).prefetch(true);
        let mut batches = loader.reader(9).unwrap();
        let rows = |batches: &mut Batches| batches.next_batch().unwrap().map(|batch| batch.rows.to_vec());
        let all: Vec<_> = std::iter::from_fn(|| rows(&mut batches)).collect();
        for from in (0..4).rev() {
            batches.start_at(9, from);
            assert_eq!(rows(&mut batches).as_ref(), Some(&all[from]));
            assert_eq!((batches.epoch(), batches.batch()), (9, from + 1));
            batches.start_at(9, from);
            assert_eq!(rows(&mut batches).as_ref(), Some(&all[from]));
        }
    }

    #[test]
    fn a_reader_gathers_into_the_same_memory_each_time() {
        for (ahead, most) in [(false, 1), (true, 2)] {
            let mut batches = computed().batches(4).unwrap().shuffle(1).prefetch(ahead).reader(0).unwrap();
            let mut places = BTreeSet::new();
            for epoch in 0..3 {
                batches.start(epoch);
                while let Some(batch) = batches.next_batch().unwrap() {
                    places.insert((batch.x.bytes().as_ptr(), batch.y.bytes().as_ptr(), batch.rows.as_ptr()));
                }
            }
            assert!((1..=most).contains(&places.len()), "{}", places.len());
        }
    }

    #[test]
    fn examples_that_are_no_images_are_not_augmented() {
        let flat = images().map_x(|x| x.reshape(&[10, 60])).unwrap();
        assert!(flat.batches(2).unwrap().augment(Augmentation::new(), 1).unwrap_err().is_shape());
    }
}
