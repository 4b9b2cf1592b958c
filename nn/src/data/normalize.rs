//! Mean 0 and variance 1.

use super::{Dataset, examples::Examples};
use crate::Error;
use wengert_kernels::{DType, dispatch};

/// Mean and standard deviation of each channel: what brings examples to mean 0 and variance 1.
///
/// Examples of shape `[height, width]` have one channel, all others as many as their last axis is long: the colours of
/// `[height, width, channels]`, the columns of `[features]`.
///
/// Measured on the training set, it is applied to the training set and to all others alike:
///
/// ```
/// use wengert_nn::data::Normalization;
///
/// let (train, test) = wengert_nn::data::digits()?;
/// let normalization = Normalization::of(&train)?;
/// let (train, test) = (train.normalized(&normalization)?, test.normalized(&normalization)?);
/// assert!(Normalization::of(&train)?.mean()[0].abs() < 1e-6);
/// # let _ = test;
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Normalization {
    /// Known means and standard deviations, one for each channel or one for all.
    ///
    /// # Errors
    /// When there are none, more of one than of the other, or a number that is not finite; when a standard deviation is not
    /// above 0.
    ///
    /// ```
    /// # use wengert_nn::data::Normalization;
    /// let cifar10 = Normalization::new([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])?;
    /// assert!(Normalization::new([0.5], [0.0]).is_err());
    /// # let _ = cifar10;
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    pub fn new(mean: impl Into<Vec<f64>>, std: impl Into<Vec<f64>>) -> Result<Normalization, Error> {
        let (mean, std) = (mean.into(), std.into());
        if mean.is_empty() || mean.len() != std.len() {
            return Err(Error::invalid(format!(
                "{} means and {} standard deviations: there must be one of each for every channel, or one for all",
                mean.len(),
                std.len()
            )));
        }
        if let Some(wrong) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::invalid(format!("a mean of {wrong} is not finite")));
        }
        if let Some(wrong) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return Err(Error::invalid(format!("a standard deviation is finite and above 0, not {wrong}")));
        }
        Ok(Normalization { mean, std })
    }

    /// Measured over all examples, with `n` in the divisor of the variance. The standard deviation of a channel that never
    /// changes is taken as 1, so that it becomes 0 and not NaN.
    ///
    /// # Errors
    /// When there are no examples, or they hold NaN or infinity.
    pub fn of(data: &Dataset) -> Result<Normalization, Error> {
        let moments = moments(data.examples())?;
        let (mean, std) = moments.into_iter().map(|(mean, std)| (mean, if std > 0.0 { std } else { 1.0 })).unzip();
        let (mean, std): (Vec<f64>, Vec<f64>) = (mean, std);
        if mean.is_empty() || mean.iter().chain(&std).any(|number| !number.is_finite()) {
            return Err(Error::data(format!(
                "the mean of examples of shape {:?} is not a number: they must be some, and hold neither NaN nor infinity",
                data.shape()
            )));
        }
        Normalization::new(mean, std)
    }

    /// The mean of each channel.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each channel.
    #[must_use]
    pub fn std(&self) -> &[f64] {
        &self.std
    }
}

/// How many channels the examples of an array of this shape have.
pub(super) fn channels(shape: &[usize]) -> usize {
    match shape {
        [] | [_] | [_, _, _] => 1,
        [.., last] => *last,
    }
}

/// Mean and standard deviation of each channel, by two passes in `f64`.
fn moments(examples: &Examples) -> Result<Vec<(f64, f64)>, Error> {
    let (kept, channels) = (examples.kept(), channels(examples.shape()));
    if kept.is_empty() {
        return Ok(vec![]);
    }
    if kept.dtype() == DType::U8 {
        return Ok(counts(kept.as_slice::<u8>()?, channels)
            .iter()
            .enumerate()
            .map(|(channel, counts)| {
                let weighed = |f: &dyn Fn(f64) -> f64| {
                    let pairs = examples.meaning(channel).into_iter().zip(counts);
                    let sum: f64 = pairs.map(|(value, &count)| count as f64 * f(value)).sum();
                    sum / counts.iter().sum::<u64>() as f64
                };
                let mean = weighed(&|value| value);
                (mean, weighed(&|value| (value - mean).powi(2)).sqrt())
            })
            .collect());
    }
    dispatch!(kept.dtype(), T => {
        let values = kept.as_slice::<T>()?;
        let mean_of = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; channels];
            for pixel in values.chunks_exact(channels) {
                for (channel, (sum, value)) in sums.iter_mut().zip(pixel).enumerate() {
                    *sum += f(channel, wengert_kernels::Element::to_f64(*value));
                }
            }
            let count = (values.len() / channels) as f64;
            sums.into_iter().map(|sum| sum / count).collect::<Vec<f64>>()
        };
        let means = mean_of(&|_, value| value);
        let variances = mean_of(&|channel, value| (value - means[channel]).powi(2));
        Ok(means.iter().copied().zip(variances.into_iter().map(f64::sqrt)).collect())
    })
}

/// How often each byte comes in each channel: the sums over millions of pixels become sums over 256 values.
fn counts(bytes: &[u8], channels: usize) -> Vec<[u64; 256]> {
    let mut counts = vec![[0; 256]; channels];
    for pixel in bytes.chunks_exact(channels) {
        for (counts, &byte) in counts.iter_mut().zip(pixel) {
            counts[usize::from(byte)] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_kernels::Array;

    fn set(x: Array) -> Dataset {
        let rows = x.shape()[0];
        Dataset::new(x, Array::zeros(DType::I64, &[rows]).unwrap()).unwrap()
    }

    fn near(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0)), "{a:?} is not {b:?}");
    }

    #[test]
    fn mean_and_deviation_are_those_of_each_channel() {
        // semantics 10.5
        let rows = [[1.0f64, 10.0, 4.0], [2.0, 30.0, 4.0], [6.0, 20.0, 4.0]];
        let columns = set(Array::from_rows(&rows).unwrap());
        let measured = Normalization::of(&columns).unwrap();
        near(measured.mean(), &[3.0, 20.0, 4.0]);
        near(measured.std(), &[(14.0f64 / 3.0).sqrt(), (200.0f64 / 3.0).sqrt(), 1.0]);
        let normal = columns.normalized(&measured).unwrap();
        assert_eq!(normal.dtype(), DType::F64);
        assert_eq!(normal.x().as_slice::<f64>().unwrap()[2], 0.0, "a channel that never changes becomes 0");
        let again = Normalization::of(&normal).unwrap();
        near(again.mean(), &[0.0; 3]);
        near(again.std(), &[1.0; 3]);

        // As bytes, as f32 and as f64 the numbers are the same; an image without a third axis has one channel.
        let bytes = Array::from_fn(DType::U8, &[4, 3, 5, 2], |i| ((i * i) % 251) as f64).unwrap();
        let of = |x: Array| Normalization::of(&set(x)).unwrap();
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let (a, b) = (of(bytes.clone()), of(bytes.cast(dtype).unwrap()));
            near(a.mean(), b.mean());
            near(a.std(), b.std());
        }
        assert_eq!(of(bytes.reshape(&[4, 3, 10]).unwrap()).mean().len(), 1);
        assert_eq!(of(bytes.reshape(&[120]).unwrap()).mean().len(), 1);
        let scaled = set(bytes.clone()).scaled(255.0).unwrap();
        let plain = scaled.map_x(|x| Ok::<_, Error>(x.clone())).unwrap();
        near(Normalization::of(&scaled).unwrap().std(), Normalization::of(&plain).unwrap().std());
        let normal = scaled.normalized(&Normalization::new([0.5, 0.25], [0.5, 2.0]).unwrap()).unwrap();
        let (x, from) = (normal.x().as_slice::<f32>().unwrap(), scaled.x().as_slice::<f32>().unwrap());
        let expected = |i: usize| ((f64::from(from[i]) - [0.5, 0.25][i % 2]) / [0.5, 2.0][i % 2]) as f32;
        assert!((0..x.len()).all(|i| x[i] == expected(i)));
    }

    #[test]
    fn numbers_and_data_that_make_no_sense_are_refused() {
        for (mean, std) in [
            (vec![], vec![]),
            (vec![0.0], vec![1.0, 1.0]),
            (vec![f64::NAN], vec![1.0]),
            (vec![0.0], vec![0.0]),
            (vec![0.0], vec![f64::INFINITY]),
        ] {
            assert!(Normalization::new(mean, std).unwrap_err().is_invalid());
        }
        let two = Normalization::new([0.0, 0.0], [1.0, 1.0]).unwrap();
        let three = set(Array::zeros(DType::U8, &[2, 4, 4, 3]).unwrap());
        let error = three.normalized(&two).unwrap_err();
        assert!(error.is_shape() && error.to_string().contains("of 2 channels does not fit"), "{error}");
        assert!(Normalization::of(&three.take(0).unwrap()).unwrap_err().is_data());
        assert!(Normalization::of(&set(Array::try_from([1.0f32, f32::NAN]).unwrap())).unwrap_err().is_data());
    }
}
