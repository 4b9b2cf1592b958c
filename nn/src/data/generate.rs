//! Points in the plane (or a space) to learn from, number for number those of scikit-learn.

use super::{Dataset, RandomState};
use crate::Error;
use std::f64::consts::PI;
use wengert_kernels::{Array, checked_len};

/// Clouds of `n` points in all around `centers` random places between -10 and 10, normally distributed with standard
/// deviation `std`: scikit-learn's `make_blobs(n, features, centers=centers, cluster_std=std, random_state=seed)`.
///
/// `x` is `f64` of shape `[n, features]`; `y` is `i64` of shape `[n]` and says to which centre a point belongs.
///
/// # Errors
/// When there is no centre or no feature, `std` is not a finite number from 0 on, or the memory is not to be had.
///
/// ```
/// let blobs = wengert_nn::data::make_blobs(4000, 2, 4, 2.0, 101)?;
/// assert_eq!(blobs.class_counts(4)?, [1000; 4]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn make_blobs(n: usize, features: usize, centers: usize, std: f64, seed: u32) -> Result<Dataset, Error> {
    if centers == 0 || features == 0 {
        return Err(Error::invalid(format!("{centers} centres in a space of {features} dimensions make no points")));
    }
    let mut random = checked(n, features, std, seed)?;
    checked_len(&[centers, features], size_of::<f64>())?;
    let places: Vec<f64> = (0..centers * features).map(|_| random.uniform(-10.0, 10.0)).collect();
    let (mut points, mut labels) = (Vec::with_capacity(n * features), Vec::with_capacity(n));
    for (class, place) in places.chunks_exact(features).enumerate() {
        for _ in 0..n / centers + usize::from(class < n % centers) {
            points.extend(place.iter().map(|mean| mean + std * random.randn()));
            labels.push(class as i64);
        }
    }
    let blobs = Dataset::new(Array::new(&[n, features], &points)?, Array::new(&[n], &labels)?)?;
    blobs.select(&random.permutation(n))
}

/// Two half circles that reach into each other, with `n` points in all: scikit-learn's
/// `make_moons(n, noise=noise, random_state=seed)`.
///
/// `x` is `f64` of shape `[n, 2]`; `y` is `i64` of shape `[n]`: 0 for the upper half circle, 1 for the lower.
///
/// # Errors
/// When `noise` is not a finite number from 0 on, or the memory is not to be had.
///
/// ```
/// let moons = wengert_nn::data::make_moons(200, 0.2, 0)?;
/// assert_eq!(moons.x().shape(), [200, 2]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn make_moons(n: usize, noise: f64, seed: u32) -> Result<Dataset, Error> {
    let mut random = checked(n, 2, noise, seed)?;
    let angles = |count: usize| (0..count).map(move |i| i as f64 * (PI / count.saturating_sub(1).max(1) as f64));
    let upper = angles(n / 2).map(|angle| ([angle.cos(), angle.sin()], 0i64));
    let lower = angles(n - n / 2).map(|angle| ([1.0 - angle.cos(), 1.0 - angle.sin() - 0.5], 1i64));
    let rows: Vec<([f64; 2], i64)> = upper.chain(lower).collect();
    let (mut points, mut labels) = (Vec::with_capacity(2 * n), Vec::with_capacity(n));
    for row in random.permutation(n) {
        let (point, label) = rows[row];
        points.extend(point);
        labels.push(label);
    }
    points.iter_mut().for_each(|value| *value += noise * random.randn());
    Dataset::new(Array::new(&[n, 2], &points)?, Array::new(&[n], &labels)?)
}

/// The generator, once the arguments make sense.
fn checked(n: usize, features: usize, std: f64, seed: u32) -> Result<RandomState, Error> {
    let len = checked_len(&[n, features], size_of::<f64>())?;
    // Asked for once where a refusal can be reported; the vectors below would end the program.
    Vec::<f64>::new()
        .try_reserve_exact(len)
        .map_err(|_| Error::out_of_memory(format!("no memory for {n} points of {features} coordinates")))?;
    if !(std >= 0.0 && std.is_finite()) {
        return Err(Error::invalid(format!("{std} is no standard deviation: it must be finite and not negative")));
    }
    Ok(RandomState::new(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with rows of scikit-learn 1.x: (row, x0, x1, class).
    fn check(set: &Dataset, rows: &[(usize, f64, f64, i64)], sum: f64) {
        let (x, y) = (set.x().to_vec::<f64>().unwrap(), set.labels().unwrap());
        for &(row, x0, x1, class) in rows {
            assert!((x[2 * row] - x0).abs() <= 1e-12 && (x[2 * row + 1] - x1).abs() <= 1e-12, "row {row}");
            assert_eq!(y[row], class, "row {row}");
        }
        // Each coordinate times its place, so that all of them and their order count.
        let weighted: f64 = x.iter().zip(1..).map(|(x, i)| x * f64::from(i)).sum();
        assert!((weighted - sum).abs() <= 1e-9 * sum.abs(), "{weighted}");
    }

    #[test]
    fn four_blobs_are_scikit_learns() {
        let rows = [
            (0, -6.8592350563207525, -6.884733646201478, 1),
            (1, -7.649012633905997, 11.260178730305356, 3),
            (2000, -5.181804227910532, 2.258651323224745, 0),
            (3999, -2.2343683431266044, 8.451806326382634, 3),
        ];
        check(&make_blobs(4000, 2, 4, 2.0, 101).unwrap(), &rows, 3177663.3792253262);
    }

    #[test]
    fn two_blobs_are_scikit_learns() {
        let rows = [
            (0, -1.410430185521393, 2.8579050057914435, 0),
            (1, -0.6360538383975013, -2.5710034902151984, 0),
            (2000, 3.707490166384451, 2.056308937868101, 0),
            (3999, -10.277066357095693, -8.695092978440153, 1),
        ];
        check(&make_blobs(4000, 2, 2, 2.5, 101).unwrap(), &rows, -112610772.56890447);
    }

    #[test]
    fn moons_are_scikit_learns() {
        let rows = [
            (0, 0.7434611761955393, 0.46465632837724596, 0),
            (1, 1.6575566177861694, -0.6320315690978895, 1),
            (100, 1.4042643510094612, -0.9320638231557182, 1),
            (199, 1.5215204998025176, -0.12589229565958063, 1),
        ];
        check(&make_moons(200, 0.2, 0).unwrap(), &rows, 29970.739776955026);
    }

    #[test]
    fn sizes_that_do_not_divide_and_arguments_that_make_no_sense() {
        assert_eq!(make_blobs(7, 3, 3, 1.0, 1).unwrap().class_counts(3).unwrap(), [3, 2, 2]);
        assert_eq!(make_moons(5, 0.0, 1).unwrap().class_counts(2).unwrap(), [2, 3]);
        assert!(make_blobs(0, 1, 1, 0.0, 1).unwrap().is_empty());
        assert_eq!(make_moons(1, 0.0, 1).unwrap().x().to_vec::<f64>().unwrap(), [0.0, 0.5]);
        assert!(make_blobs(7, 0, 3, 1.0, 1).unwrap_err().is_invalid());
        assert!(make_blobs(7, 1, 0, 1.0, 1).unwrap_err().is_invalid());
        assert!(make_blobs(7, 1, 1, -1.0, 1).unwrap_err().is_invalid());
        assert!(make_moons(7, f64::NAN, 1).unwrap_err().is_invalid());
        assert!(make_blobs(usize::MAX, 2, 1, 1.0, 1).unwrap_err().is_shape());
        assert!(make_moons(1 << 58, 0.0, 1).unwrap_err().is_out_of_memory());
        assert!(make_blobs(1, usize::MAX, 2, 1.0, 1).unwrap_err().is_shape());
    }
}
