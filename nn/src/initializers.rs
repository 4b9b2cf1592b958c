//! How weights start.
//!
//! An initialiser knows nothing of a session: it makes an [`Initial`], which draws from the session's seed and the
//! variable's own stream when the session first needs the variable. Two sessions with one seed start alike, whatever else
//! their graphs hold behind the variable.

use crate::choice::{Named, choose_by_name};
use rand_core::Rng;
use wengert_autograd::Initial;
use wengert_kernels::{Array, DType, Philox};

/// How a variable's first value is made. Known by name: `zeros`, `ones`, `random_normal` and `random_uniform` (0.05),
/// `glorot_uniform`, `glorot_normal`, `he_uniform`, `he_normal`, `lecun_uniform`, `lecun_normal`, `orthogonal` (gain 1).
///
/// ```
/// use wengert_nn::initializers::{fans, Initializer};
/// let he: Initializer = "he_uniform".parse()?;
/// assert_eq!(he, Initializer::he_uniform());
/// assert!((he.limit(&[2048, 128]).unwrap() - 0.054127).abs() < 1e-6);
/// assert_eq!(fans(&[3, 3, 3, 32]), (27, 288));
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// The same number everywhere.
    Constant(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform between minus and plus this limit.
    Uniform(f64),
    /// A matrix of all axes but the last by the last, whose columns, or rows where these are fewer, are orthogonal and have
    /// this length, drawn evenly from all such matrices. Source: A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact
    /// solutions to the nonlinear dynamics of learning in deep linear neural networks", ICLR 2014.
    Orthogonal(f64),
    /// Spread by the number of units before and behind the weights.
    Scaled {
        /// The variance times the number of units.
        scale: f64,
        /// Which units count.
        fan: Fan,
        /// The distribution.
        shape: Spread,
    },
}

/// The units whose number scales the variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Those before the weights.
    In,
    /// The mean of both sides.
    Average,
}

/// The distribution of [`Initializer::Scaled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Uniform: the limit is sqrt(3 variance).
    Uniform,
    /// Normal, redrawn beyond two standard deviations and widened so that the variance is right all the same.
    TruncatedNormal,
}

/// Standard deviation of a normal variable of variance 1 that is cut off at two.
const TRUNCATED: f64 = 0.879_625_661_034_239_8;

const TABLE: &[Named<Initializer>] = &[
    ("zeros", || Initializer::Constant(0.0)),
    ("ones", || Initializer::Constant(1.0)),
    ("random_normal", || Initializer::Normal(0.05)),
    ("random_uniform", || Initializer::Uniform(0.05)),
    ("glorot_uniform", Initializer::glorot_uniform),
    ("glorot_normal", Initializer::glorot_normal),
    ("he_uniform", Initializer::he_uniform),
    ("he_normal", Initializer::he_normal),
    ("lecun_uniform", Initializer::lecun_uniform),
    ("lecun_normal", Initializer::lecun_normal),
    ("orthogonal", || Initializer::Orthogonal(1.0)),
];

choose_by_name!(Initializer, "initializer", TABLE);

macro_rules! scaled {
    ($($(#[$doc:meta])* $name:ident: $scale:literal, $fan:ident, $shape:ident;)*) => {
        impl Initializer {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name() -> Initializer {
                Initializer::Scaled { scale: $scale, fan: Fan::$fan, shape: Spread::$shape }
            }
        )*}
    };
}

scaled! {
    /// Uniform with limit sqrt(6 / (in + out)). Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training
    /// deep feedforward neural networks", AISTATS 2010.
    glorot_uniform: 1.0, Average, Uniform;
    /// Truncated normal with variance 2 / (in + out); same source.
    glorot_normal: 1.0, Average, TruncatedNormal;
    /// Uniform with limit sqrt(6 / in). Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.
    he_uniform: 2.0, In, Uniform;
    /// Truncated normal with variance 2 / in; same source.
    he_normal: 2.0, In, TruncatedNormal;
    /// Uniform with limit sqrt(3 / in). Source: Y. LeCun et al., "Efficient backprop", 1998.
    lecun_uniform: 1.0, In, Uniform;
    /// Truncated normal with variance 1 / in; same source.
    lecun_normal: 1.0, In, TruncatedNormal;
}

impl Initializer {
    /// The first value of a variable of this dtype and shape: `[in, out]`, or `[height, width, in, out]` for images.
    #[must_use]
    pub fn initial(&self, dtype: DType, shape: &[usize]) -> Initial {
        let (initializer, owned) = (*self, shape.to_vec());
        Initial::draw(dtype, shape, move |seed, stream| {
            let mut random = Philox::new(seed, stream);
            if let Initializer::Orthogonal(gain) = initializer {
                return orthogonal(dtype, &owned, gain, &mut random);
            }
            Array::from_fn(dtype, &owned, |_| initializer.draw(&owned, &mut random))
        })
    }

    /// The limit of a uniform distribution for weights of this shape; `None` for other initialisers.
    #[must_use]
    pub fn limit(&self, shape: &[usize]) -> Option<f64> {
        match *self {
            Initializer::Uniform(limit) => Some(limit),
            Initializer::Scaled { scale, fan, shape: Spread::Uniform } => {
                Some((3.0 * variance(scale, fan, shape)).sqrt())
            }
            _ => None,
        }
    }

    fn draw(&self, shape: &[usize], random: &mut Philox) -> f64 {
        match *self {
            Initializer::Constant(value) => value,
            Initializer::Normal(std) => std * normal(random),
            Initializer::Scaled { scale, fan, shape: Spread::TruncatedNormal } => {
                let std = variance(scale, fan, shape).sqrt() / TRUNCATED;
                loop {
                    let draw = normal(random);
                    if draw.abs() <= 2.0 {
                        return std * draw;
                    }
                }
            }
            _ => self.limit(shape).unwrap_or(0.0) * (2.0 * unit(random) - 1.0),
        }
    }
}

fn variance(scale: f64, fan: Fan, shape: &[usize]) -> f64 {
    let (before, behind) = fans(shape);
    let units = match fan {
        Fan::In => before as f64,
        Fan::Average => (before as f64 + behind as f64) / 2.0,
    };
    scale / units.max(1.0)
}

/// The units before and behind weights of this shape. The last two axes count inputs and outputs, the axes in front of them
/// the places of an image that meet in one output.
#[must_use]
pub fn fans(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [n] => (*n, *n),
        [places @ .., inputs, outputs] => {
            let places = places.iter().fold(1usize, |product, &size| product.saturating_mul(size));
            (places.saturating_mul(*inputs), places.saturating_mul(*outputs))
        }
    }
}

/// Uniform on [0, 1) with 53 bits.
fn unit(random: &mut Philox) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Standard normal, by Box and Muller.
fn normal(random: &mut Philox) -> f64 {
    let (radius, angle) = (1.0 - unit(random), unit(random));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A matrix with orthonormal columns (rows, if they are fewer) times `gain`, in the given shape.
///
/// Normal vectors are orthogonalised one after the other, as the QR decomposition with a positive diagonal does it, which
/// leaves no direction preferred. Each is freed from the ones before it twice: once is not enough for those nearly dependent.
fn orthogonal(dtype: DType, shape: &[usize], gain: f64, random: &mut Philox) -> Result<Array, wengert_kernels::Error> {
    let (columns, rows) = shape.split_last().map_or((1, 1), |(last, rest)| (*last, rest.iter().product()));
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| normal(random)).collect();
        for other in basis.iter().chain(&basis) {
            let along = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
        }
        let norm = dot(&vector, &vector).sqrt();
        // What is left of a draw that depended on the others is noise; draw again.
        if norm > 1e-9 * (length as f64).sqrt() {
            vector.iter_mut().for_each(|v| *v /= norm);
            basis.push(vector);
        }
    }
    Array::from_fn(dtype, shape, |i| {
        let (row, column) = (i / columns, i % columns);
        gain * if rows >= columns { basis[column][row] } else { basis[row][column] }
    })
}

/// The sum of products, in four sums side by side.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_parts, b_parts) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a_parts.zip(b_parts) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(initializer: &Initializer, shape: &[usize]) -> Vec<f64> {
        let mut random = Philox::new(1, 2);
        (0..shape.iter().product()).map(|_| initializer.draw(shape, &mut random)).collect()
    }

    #[test]
    fn limits_are_those_of_keras() {
        // semantics 9.9
        for (name, shape, limit) in [
            ("glorot_uniform", &[64, 32][..], 0.25),
            ("he_uniform", &[2048, 128], 0.054127),
            ("glorot_uniform", &[3, 3, 3, 32], 0.138013),
            ("glorot_uniform", &[3, 3, 3, 64], 0.09975),
            ("lecun_uniform", &[27], (1.0f64 / 9.0).sqrt()),
        ] {
            let initializer: Initializer = name.parse().unwrap();
            assert!((initializer.limit(shape).unwrap() - limit).abs() < 1e-6, "{name} {shape:?}");
            assert!(values(&initializer, shape).iter().all(|value| value.abs() <= initializer.limit(shape).unwrap()));
        }
    }

    #[test]
    fn spreads_are_what_the_names_promise() {
        // semantics 9.9
        for (initializer, std) in [
            (Initializer::glorot_uniform(), (2.0f64 / 96.0).sqrt()),
            (Initializer::glorot_normal(), (2.0f64 / 96.0).sqrt()),
            (Initializer::he_normal(), (2.0f64 / 64.0).sqrt()),
            (Initializer::lecun_normal(), (1.0f64 / 64.0).sqrt()),
            (Initializer::Normal(0.05), 0.05),
            (Initializer::Uniform(0.3), 0.3 / 3.0f64.sqrt()),
        ] {
            let values: Vec<f64> = (0..10).flat_map(|_| values(&initializer, &[64, 32])).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!(mean.abs() < 0.1 * std && (spread / std - 1.0).abs() < 0.05, "{initializer:?}: {mean} {spread}");
        }
        assert_eq!(values(&Initializer::Constant(3.0), &[2]), [3.0, 3.0]);
    }

    #[test]
    fn orthogonal_weights_turn_and_do_not_stretch() {
        // semantics 9.30
        for (shape, gain) in
            [(&[5408, 128][..], 1.0), (&[3, 3, 4, 50], 2.0), (&[6, 6], 1.0), (&[3, 0], 1.0), (&[4], 1.0)]
        {
            let mut random = Philox::new(1, 2);
            let columns = shape[shape.len() - 1];
            let w = orthogonal(DType::F32, shape, gain, &mut random).unwrap().to_f64();
            let rows = w.len().checked_div(columns).unwrap_or(0);
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at = |n: usize, k: usize| if rows >= columns { w[k * columns + n] } else { w[n * columns + k] };
            for a in 0..count {
                for b in 0..=a {
                    let product: f64 = (0..length).map(|k| at(a, k) * at(b, k)).sum();
                    let wanted = if a == b { gain * gain } else { 0.0 };
                    assert!((product - wanted).abs() <= 1e-6 * gain * gain, "{shape:?}: {a} with {b} gives {product}");
                }
            }
        }
        let initializer: Initializer = "orthogonal".parse().unwrap();
        let (g, shape) = (wengert_autograd::Graph::new(), [6, 4]);
        let w = g.variable("w", initializer.initial(DType::F64, &shape));
        let gram = w.t().matmul(&w).eval(&[]).unwrap().to_f64();
        assert!((0..16).all(|i| (gram[i] - f64::from(i % 5 == 0)).abs() < 1e-12), "{gram:?}");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "glorot".parse::<Initializer>().unwrap_err();
        assert!(error.is_invalid());
        let message = error.to_string();
        assert!(message.contains("no initializer `glorot`") && message.contains("glorot_normal"), "{message}");
    }
}
