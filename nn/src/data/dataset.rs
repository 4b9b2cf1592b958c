//! Examples and what is to be learned about them.

use super::{Loader, Normalization, examples::Examples, gather, numpy::RandomState, shuffle};
use crate::Error;
use std::{fmt, sync::Arc};
use wengert_kernels::{Array, DType};

/// Examples `x` of shape `[n, ...]` and targets `y` of shape `[n, ...]`: labels, one-hot rows, or numbers.
///
/// Cloning shares the arrays. What selects or changes rows makes arrays of its own and leaves this set as it was.
///
/// Examples that are bytes stay bytes in memory when they are [scaled](Dataset::scaled) or
/// [normalised](Dataset::normalized): batches are computed from them as they are read. Only [`x`](Dataset::x) computes all
/// of them.
///
/// ```
/// use wengert_kernels::Array;
/// use wengert_nn::data::Dataset;
///
/// let xor = Dataset::new(
///     Array::new(&[4, 2], &[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?,
///     Array::new(&[4], &[0i64, 1, 1, 0])?,
/// )?;
/// let (train, validation) = xor.split_last(0.25)?;
/// assert_eq!((train.len(), validation.len()), (3, 1));
/// assert_eq!(train.one_hot(2)?.y().to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Dataset {
    x: Examples,
    y: Array,
    classes: Option<Arc<[String]>>,
}

impl Dataset {
    /// A set of the rows of `x` and, beside each, the row of `y`.
    ///
    /// # Errors
    /// When one of them is a scalar, or when they differ in their number of rows.
    pub fn new(x: Array, y: Array) -> Result<Dataset, Error> {
        Dataset::of(Examples::new(x), y, None)
    }

    fn of(x: Examples, y: Array, classes: Option<Arc<[String]>>) -> Result<Dataset, Error> {
        match (x.shape().first(), y.shape().first()) {
            (Some(rows), Some(targets)) if rows == targets => Ok(Dataset { x, y, classes }),
            (Some(rows), Some(targets)) => Err(Error::shape(format!(
                "{rows} examples cannot have {targets} targets: x has shape {:?}, y has shape {:?}, and their first axes count the same rows",
                x.shape(),
                y.shape()
            ))),
            _ => Err(Error::shape(format!(
                "a scalar has no rows: x has shape {:?}, y has shape {:?}",
                x.shape(),
                y.shape()
            ))),
        }
    }

    /// The same set with a name for each class: the first for label 0, and so on.
    #[must_use]
    pub fn with_classes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Dataset {
        self.classes = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The examples, `[n, ...]`.
    ///
    /// Of a set that is kept in bytes, the first call computes them all and keeps them, four bytes each: 586 MiB for the
    /// training set of CIFAR-10. Training and evaluation never do that, and neither do [`shape`](Dataset::shape) and
    /// [`dtype`](Dataset::dtype). If the memory is not to be had, the program ends as it does when a `Vec` cannot grow.
    #[must_use]
    pub fn x(&self) -> &Array {
        self.x.array()
    }

    /// The shape of the examples, `[n, ...]`.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.x.shape()
    }

    /// The shape of one example, as [`Sequential::input`](crate::models::Sequential::input) takes it.
    #[must_use]
    pub fn example_shape(&self) -> &[usize] {
        self.shape().get(1..).unwrap_or_default()
    }

    /// The dtype of the examples, as [`x`](Dataset::x) and batches have it.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.x.dtype()
    }

    /// The examples as they are kept in memory: bytes, if [`x`](Dataset::x) is computed from bytes, and else `x` itself.
    #[must_use]
    pub fn kept(&self) -> &Array {
        self.x.kept()
    }

    /// Whether it is known without a look that the examples hold neither NaN nor infinity.
    pub(crate) fn is_surely_finite(&self) -> bool {
        self.x.is_surely_finite()
    }

    /// Whether `x` was computed from bytes.
    #[cfg(test)]
    pub(crate) fn is_whole(&self) -> bool {
        self.x.is_whole()
    }

    pub(super) fn examples(&self) -> &Examples {
        &self.x
    }

    /// The targets, `[n, ...]`.
    #[must_use]
    pub fn y(&self) -> &Array {
        &self.y
    }

    /// The names of the classes, if they have any.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// Number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    /// Whether there are no examples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `rows`, in that order; a row may come more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Dataset, Error> {
        self.with(self.x.select(rows)?, gather::select(&self.y, rows)?)
    }

    /// The first `n` examples, or all if there are fewer.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn take(&self, n: usize) -> Result<Dataset, Error> {
        self.select(&(0..n.min(self.len())).collect::<Vec<_>>())
    }

    /// The first `n` examples, and the others.
    ///
    /// # Errors
    /// When there are fewer than `n`.
    pub fn split_at(&self, n: usize) -> Result<(Dataset, Dataset), Error> {
        if n > self.len() {
            return Err(Error::invalid(format!("cannot split off {n} of {} examples", self.len())));
        }
        let rows: Vec<usize> = (0..self.len()).collect();
        Ok((self.select(&rows[..n])?, self.select(&rows[n..])?))
    }

    /// All but the last `fraction` of the examples, and those: what Keras calls `validation_split`. The first part has
    /// `floor(n (1 - fraction))` examples. Nothing is shuffled.
    ///
    /// # Errors
    /// When `fraction` is not between 0 and 1, or leaves one of the parts empty.
    pub fn split_last(&self, fraction: f64) -> Result<(Dataset, Dataset), Error> {
        self.split_at(self.parts(fraction, |n| (n * (1.0 - fraction)).floor())?)
    }

    /// A random split into a set for training and a set for testing with `ceil(n test_size)` examples.
    ///
    /// It is the one that scikit-learn's `train_test_split(x, y, test_size=test_size, random_state=seed)` makes, row for row.
    ///
    /// # Errors
    /// When `test_size` is not between 0 and 1, or leaves one of the parts empty.
    ///
    /// ```
    /// let digits = wengert_nn::data::digits::load()?;
    /// let (train, test) = digits.train_test_split(0.25, 13)?;
    /// assert_eq!(&train.y().to_vec::<i64>()?[..10], [0, 7, 1, 3, 7, 8, 9, 2, 3, 6]);
    /// assert_eq!(&test.y().to_vec::<i64>()?[..10], [9, 1, 1, 3, 1, 3, 4, 9, 5, 8]);
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    pub fn train_test_split(&self, test_size: f64, seed: u32) -> Result<(Dataset, Dataset), Error> {
        let tests = self.parts(test_size, |n| (n * test_size).ceil())?;
        let rows = RandomState::new(seed).permutation(self.len());
        Ok((self.select(&rows[tests..])?, self.select(&rows[..tests])?))
    }

    /// The size of a part, once it is certain that neither it nor the rest is empty.
    fn parts(&self, fraction: f64, size: impl Fn(f64) -> f64) -> Result<usize, Error> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::invalid(format!("a fraction is between 0 and 1, not {fraction}")));
        }
        match size(self.len() as f64) as usize {
            part if part > 0 && part < self.len() => Ok(part),
            _ => Err(Error::invalid(format!(
                "a fraction of {fraction} leaves nothing of {} examples on one side",
                self.len()
            ))),
        }
    }

    /// The same examples in another order, which depends on nothing but `seed` and their number.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn shuffled(&self, seed: u64) -> Result<Dataset, Error> {
        let mut order = vec![0; self.len()];
        shuffle::permute(&mut order, seed, 0);
        self.select(&order)
    }

    /// The same set with `f(x)` in the place of `x`.
    ///
    /// # Errors
    /// The error of `f`, or another number of rows.
    pub fn map_x<E: Into<Error>>(&self, f: impl FnOnce(&Array) -> Result<Array, E>) -> Result<Dataset, Error> {
        self.with(Examples::new(f(self.x()).map_err(Into::into)?), self.y.clone())
    }

    /// The same set with `f32` examples `x / divisor`: 255 brings bytes to the range from 0 to 1. Bytes stay bytes in
    /// memory.
    ///
    /// # Errors
    /// When the divisor is zero or not finite.
    pub fn scaled(&self, divisor: f64) -> Result<Dataset, Error> {
        if divisor == 0.0 || !divisor.is_finite() {
            return Err(Error::invalid(format!("cannot divide the examples by {divisor}")));
        }
        let mut x = self.x.mapped(1, |_, value| value / divisor)?;
        if x.dtype() != DType::F32 {
            x = Examples::new(x.array().cast(DType::F32)?);
        }
        self.with(x, self.y.clone())
    }

    /// The same set with `(x - mean) / std` in each channel. Bytes stay bytes in memory; `f64` stays `f64`, and everything
    /// else becomes `f32`.
    ///
    /// # Errors
    /// When the normalization has neither one channel nor as many as the examples.
    pub fn normalized(&self, by: &Normalization) -> Result<Dataset, Error> {
        self.with(self.x.normalized(by)?, self.y.clone())
    }

    /// The labels as numbers, whatever integer dtype they have.
    ///
    /// # Errors
    /// When `y` is not of an integer dtype or not of shape `[n]` or `[n, 1]`.
    pub fn labels(&self) -> Result<Vec<i64>, Error> {
        if !matches!(self.y.shape(), [_] | [_, 1]) {
            return Err(Error::shape(format!("labels have shape [n] or [n, 1], not {:?}", self.y.shape())));
        }
        match self.y.dtype() {
            DType::U8 => Ok(self.y.as_slice::<u8>()?.iter().map(|&label| label.into()).collect()),
            DType::I32 => Ok(self.y.as_slice::<i32>()?.iter().map(|&label| label.into()).collect()),
            DType::I64 => Ok(self.y.to_vec()?),
            other => Err(Error::dtype(format!("labels are integers (u8, i32, i64), not {other}"))),
        }
    }

    /// How many examples have each of the labels `0..classes`.
    ///
    /// # Errors
    /// When `y` holds no labels, or one out of range.
    pub fn class_counts(&self, classes: usize) -> Result<Vec<usize>, Error> {
        let mut counts = vec![0; classes];
        for label in self.checked_labels(classes)? {
            counts[label] += 1;
        }
        Ok(counts)
    }

    /// The same set with targets `[n, classes]` in `f32`: 1 at the label, 0 elsewhere.
    ///
    /// # Errors
    /// When `y` holds no labels, or one out of range; the message names its row.
    pub fn one_hot(&self, classes: usize) -> Result<Dataset, Error> {
        let labels = self.checked_labels(classes)?;
        let mut targets = Array::zeros(DType::F32, &[labels.len(), classes])?;
        let one = 1.0f32.to_ne_bytes();
        for (row, target) in labels.into_iter().zip(targets.bytes_mut()?.chunks_exact_mut(one.len() * classes.max(1))) {
            target[row * one.len()..][..one.len()].copy_from_slice(&one);
        }
        self.with(self.x.clone(), targets)
    }

    fn checked_labels(&self, classes: usize) -> Result<Vec<usize>, Error> {
        let check = |(row, label): (usize, i64)| {
            usize::try_from(label).ok().filter(|&label| label < classes).ok_or_else(|| {
                Error::data(format!(
                    "row {row} has label {label}, but with {classes} classes labels run from 0 to {}",
                    classes as i128 - 1
                ))
            })
        };
        self.labels()?.into_iter().enumerate().map(check).collect()
    }

    /// Mini-batches of `batch_size` examples, in order; [`Loader::shuffle`] shuffles them anew for each epoch.
    ///
    /// # Errors
    /// When `batch_size` is zero or there are no examples.
    pub fn batches(&self, batch_size: usize) -> Result<Loader, Error> {
        Loader::new(self, batch_size)
    }

    /// Other examples and targets with the same names of classes.
    fn with(&self, x: Examples, y: Array) -> Result<Dataset, Error> {
        Dataset::of(x, y, self.classes.clone())
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Dataset({} examples: x {} {:?}, y {} {:?})",
            self.len(),
            self.dtype(),
            self.shape(),
            self.y.dtype(),
            self.y.shape()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Dataset {
        let x: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let y: Vec<u8> = (0..10).map(|i| i % 3).collect();
        Dataset::new(Array::new(&[10, 2], &x).unwrap(), Array::new(&[10], &y).unwrap())
            .unwrap()
            .with_classes(["a", "b", "c"])
    }

    /// The examples of `ten` hold `2 row` and `2 row + 1`, so that each tells its row.
    fn rows(set: &Dataset) -> Vec<usize> {
        let x = set.x().to_vec::<f32>().unwrap();
        let rows: Vec<usize> = x.chunks(2).map(|pair| pair[0] as usize / 2).collect();
        assert!(rows.iter().zip(set.labels().unwrap()).all(|(row, label)| (row % 3) as i64 == label));
        assert_eq!(set.classes().unwrap(), ["a", "b", "c"]);
        rows
    }

    #[test]
    fn examples_and_targets_must_match_in_number() {
        let array = |shape: &[usize]| Array::zeros(DType::F32, shape).unwrap();
        let error = Dataset::new(array(&[3, 2]), array(&[4])).unwrap_err();
        assert!(
            error.is_shape() && error.to_string().contains("3 examples") && error.to_string().contains("[4]"),
            "{error}"
        );
        assert!(Dataset::new(array(&[]), array(&[])).unwrap_err().is_shape());
        assert!(Dataset::new(array(&[0, 2]), array(&[0])).unwrap().is_empty());
    }

    #[test]
    fn splits_keep_every_row_beside_its_target() {
        // semantics 9.3
        let (first, rest) = ten().split_at(4).unwrap();
        assert_eq!((rows(&first), rows(&rest)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7, 8, 9]));
        let (train, validation) = ten().split_last(0.25).unwrap();
        assert_eq!((train.len(), rows(&validation)), (7, vec![7, 8, 9]));
        assert_eq!(rows(&ten().take(2).unwrap()), [0, 1]);
        assert_eq!(ten().take(99).unwrap().len(), 10);
        assert!(ten().split_at(11).unwrap_err().is_invalid());
        for fraction in [0.0, 1.0, -0.5, 2.0, f64::NAN] {
            assert!(ten().split_last(fraction).unwrap_err().is_invalid());
            assert!(ten().train_test_split(fraction, 0).unwrap_err().is_invalid());
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_its_seed_repeats() {
        let shuffled = rows(&ten().shuffled(3).unwrap());
        assert_eq!(shuffled, rows(&ten().shuffled(3).unwrap()));
        let mut sorted = shuffled.clone();
        sorted.sort_unstable();
        assert_ne!(shuffled, sorted);
        assert!(sorted.into_iter().eq(0..10));
    }

    #[test]
    fn a_label_out_of_range_is_named_with_its_row() {
        // semantics 9.4
        let set = Dataset::new(Array::zeros(DType::F32, &[3, 1]).unwrap(), Array::new(&[3], &[0i64, 1, -7]).unwrap())
            .unwrap();
        let error = set.one_hot(2).unwrap_err();
        assert!(error.is_data());
        assert_eq!(error.to_string(), "row 2 has label -7, but with 2 classes labels run from 0 to 1");
        assert!(ten().one_hot(2).unwrap_err().to_string().starts_with("row 2 has label 2"));
        assert!(ten().one_hot(0).is_err());
        assert!(
            ten().map_x(|x| Ok::<_, Error>(x.clone())).unwrap().one_hot(3).unwrap().one_hot(3).unwrap_err().is_shape()
        );
        assert_eq!(ten().class_counts(4).unwrap(), [4, 3, 3, 0]);
    }

    #[test]
    fn examples_can_be_replaced_if_their_number_stays() {
        let flat = ten().map_x(|x| Array::new(&[10], &x.to_f64().chunks(2).map(|p| p[0]).collect::<Vec<_>>())).unwrap();
        assert_eq!((flat.x().shape(), flat.x().dtype()), (&[10][..], DType::F64));
        assert!(ten().map_x(|_| Array::zeros(DType::F32, &[9])).unwrap_err().is_shape());
        assert_eq!(ten().scaled(2.0).unwrap().x().to_vec::<f32>().unwrap()[..4], [0.0, 0.5, 1.0, 1.5]);
        assert!(ten().scaled(0.0).is_err());
    }

    #[test]
    fn rows_without_elements_are_rows() {
        let set =
            Dataset::new(Array::zeros(DType::F32, &[3, 0]).unwrap(), Array::zeros(DType::U8, &[3]).unwrap()).unwrap();
        assert_eq!(set.shuffled(1).unwrap().x().shape(), [3, 0]);
    }
}
