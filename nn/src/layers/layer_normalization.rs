//! `LayerNormalization`: every example with the same mean and spread.

use super::normalize::{moments, normalization, standardize, statistics_dtype, widen};
use super::weight::Weight;
use super::{Identity, Layer, Mode};
use crate::initializers::Initializer;
use wengert_autograd::{Dim, Graph, Tensor};

/// `gamma (x - mean) / sqrt(variance + epsilon) + beta`, with mean and (biased) variance of each example along `axis`, which may
/// be several axes: an input gives an output of its shape, in training and inference alike.
///
/// `gamma` starts at 1, `beta` at 0; they have the sizes of the normalised axes, `f64` beside `f64`, else `f32`. Epsilon is
/// 1e-3, as in Keras.
///
/// Source: J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", 2016.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Layer, LayerNormalization, Mode};
///
/// let g = Graph::new();
/// let x = g.constant([1.0f32, 3.0, 5.0, 5.0]).reshape([2, 2]);
/// let y = LayerNormalization::new().epsilon(0.0001).apply(&x, Mode::Infer);
/// assert!(y.eval(&[])?.to_vec::<f32>()?.iter().zip([-1.0, 1.0, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNormalization {
    identity: Identity,
    axes: Vec<isize>,
    epsilon: f64,
    center: bool,
    scale: bool,
    gamma: Weight,
    beta: Weight,
}

impl LayerNormalization {
    /// A layer with Keras's defaults: along the last axis.
    #[must_use]
    #[track_caller]
    pub fn new() -> LayerNormalization {
        LayerNormalization {
            identity: Identity::new("layer_normalization"),
            axes: vec![-1],
            epsilon: 1e-3,
            center: true,
            scale: true,
            gamma: Weight::new(Initializer::Constant(1.0)),
            beta: Weight::new(Initializer::Constant(0.0)),
        }
    }

    /// The axes along which an example is normalised: `[-1]`, or `[1, 2, 3]` for whole images.
    #[must_use]
    pub fn axis(mut self, axes: impl AsRef<[isize]>) -> LayerNormalization {
        self.axes = axes.as_ref().to_vec();
        self
    }

    /// The normalised axes counted from the front, in ascending order, and their sizes.
    fn sizes(&self, shape: &[Dim]) -> Option<(Vec<isize>, Vec<usize>)> {
        let rank = isize::try_from(shape.len()).ok()?;
        let mut axes: Vec<isize> = self.axes.iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).collect();
        axes.sort_unstable();
        let distinct = axes.windows(2).all(|pair| pair[0] != pair[1]);
        let size = |&axis: &isize| shape.get(usize::try_from(axis).ok()?)?.known();
        let sizes: Vec<usize> = axes.iter().map(size).collect::<Option<_>>()?;
        (distinct && !sizes.is_empty()).then_some((axes, sizes))
    }
}

normalization!(LayerNormalization, "layer_normalization");

impl Layer for LayerNormalization {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone() };
            if !(0.0..f64::INFINITY).contains(&self.epsilon) {
                return x.poisoned(format!("layer_normalization with epsilon {}: it is 0 or more", self.epsilon));
            }
            let Some((axes, sizes)) = self.sizes(&ty.shape) else {
                let hint = "name different axes of known sizes, not the one that counts examples";
                return x.poisoned(format!("layer_normalization of {ty} along axes {:?}\n  hint: {hint}", self.axes));
            };
            let dtype = statistics_dtype(ty.dtype);
            let others: Vec<isize> = (0..).take(ty.shape.len()).filter(|axis| !axes.contains(axis)).collect();
            let weight = |weight: &Weight, role: &str| widen(&weight.variable(at, role, dtype, &sizes), &others);
            let gamma = self.scale.then(|| weight(&self.gamma, "gamma"));
            let beta = self.center.then(|| weight(&self.beta, "beta"));
            let values = x.cast(dtype);
            let y = standardize(&values, &moments(&values, &axes), &axes, self.epsilon, None);
            let y = gamma.map_or(y.clone(), |gamma| y * gamma);
            let y = beta.map_or(y.clone(), |beta| y + beta);
            if ty.dtype.is_float() { y.cast(ty.dtype) } else { y }
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{DType, check_gradients};
    use wengert_kernels::Array;

    fn sample(shape: &[usize]) -> Array {
        Array::from_fn(DType::F64, shape, |i| 2.0 + ((i * i * 37 + i * 11) % 101) as f64 / 50.0).unwrap()
    }

    #[test]
    fn each_example_is_normalised_by_itself() {
        // semantics 9.27
        let shape = [3, 2, 4, 5];
        let x_value = sample(&shape);
        // Place of an element in the group of those that are normalised together, and its weight's place.
        type Group = fn([usize; 4]) -> (usize, usize);
        let cases: [(&[isize], &[usize], Group); 4] = [
            (&[-1], &[5], |[n, a, b, c]| ((n * 2 + a) * 4 + b, c)),
            (&[3, 1], &[2, 5], |[n, a, b, c]| (n * 4 + b, a * 5 + c)),
            (&[1, 2, 3], &[2, 4, 5], |[n, a, b, c]| (n, (a * 4 + b) * 5 + c)),
            (&[2], &[4], |[n, a, b, c]| ((n * 2 + a) * 5 + c, b)),
        ];
        for (axes, weights, group) in cases {
            let g = Graph::new();
            let x = g.placeholder("x", DType::F64, [None, Some(2), Some(4), Some(5)]);
            let layer = LayerNormalization::new().axis(axes).epsilon(0.01);
            let y = layer.apply(&x, Mode::Train);
            let [gamma, beta] =
                ["gamma", "beta"].map(|role| g.by_name(&format!("layer_normalization/{role}")).unwrap());
            let mut session = wengert_autograd::Session::new(wengert_autograd::Device::cpu().threads(1)).unwrap();
            let (scale, shift) = (sample(weights), Array::from_fn(DType::F64, weights, |i| i as f64).unwrap());
            session.set(&gamma, &scale).unwrap();
            session.set(&beta, &shift).unwrap();
            let got = session.run(&y, &[(&x, (&x_value).into())]).unwrap()[0].to_f64();
            let values = x_value.to_f64();
            let place = |i: usize| group([i / 40, i / 20 % 2, i / 5 % 4, i % 5]);
            for i in 0..values.len() {
                let (own, weight) = place(i);
                let together: Vec<f64> = (0..values.len()).filter(|&j| place(j).0 == own).map(|j| values[j]).collect();
                let mean = together.iter().sum::<f64>() / together.len() as f64;
                let variance = together.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / together.len() as f64;
                let wanted = scale.to_f64()[weight] * (values[i] - mean) / (variance + 0.01).sqrt() + weight as f64;
                assert!((got[i] - wanted).abs() < 1e-11, "{axes:?} element {i}: {} for {wanted}", got[i]);
            }
        }
    }

    #[test]
    fn gradients_pass_through_the_statistics() {
        // semantics 9.27
        for axes in [&[-1][..], &[1, 2], &[1]] {
            let layer = LayerNormalization::new().axis(axes).gamma_initializer(Initializer::Constant(1.5));
            check_gradients(|x| layer.apply(&x[0], Mode::Train).tanh(), &[sample(&[2, 3, 4])], 2).unwrap();
        }
    }
}
