//! `LayerNormalization`: every example with the same mean and spread.

use super::normalize::{moments, standardize, statistics_dtype};
use super::weight::{Weight, setters};
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

    /// What is added to the variance, 0 or more.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> LayerNormalization {
        self.epsilon = epsilon;
        self
    }

    /// Leaves `beta` out.
    #[must_use]
    pub fn no_center(mut self) -> LayerNormalization {
        self.center = false;
        self
    }

    /// Leaves `gamma` out.
    #[must_use]
    pub fn no_scale(mut self) -> LayerNormalization {
        self.scale = false;
        self
    }

    /// The sizes of the normalised axes in ascending order, and 1 for the others of the shape.
    fn sizes(&self, shape: &[Dim]) -> Option<(Vec<usize>, Vec<isize>)> {
        let rank = isize::try_from(shape.len()).ok()?;
        let mut axes: Vec<isize> = self.axes.iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).collect();
        axes.sort_unstable();
        let distinct = axes.windows(2).all(|pair| pair[0] != pair[1]);
        let (mut sizes, mut wide) = (vec![], vec![1; shape.len()]);
        for axis in axes {
            let axis = usize::try_from(axis).ok()?;
            let size = shape.get(axis)?.known()?;
            sizes.push(size);
            *wide.get_mut(axis)? = isize::try_from(size).ok()?;
        }
        (distinct && !sizes.is_empty()).then_some((sizes, wide))
    }
}

impl Default for LayerNormalization {
    #[track_caller]
    fn default() -> LayerNormalization {
        LayerNormalization::new()
    }
}

setters!(LayerNormalization, "layer_normalization",
    gamma: gamma_initializer gamma_regularizer,
    beta: beta_initializer beta_regularizer
);

impl Layer for LayerNormalization {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone() };
            if !(0.0..f64::INFINITY).contains(&self.epsilon) {
                return x.poisoned(format!("layer_normalization with epsilon {}: it is 0 or more", self.epsilon));
            }
            let Some((sizes, wide)) = self.sizes(&ty.shape) else {
                let hint = "name different axes of known sizes, not the one that counts examples";
                return x.poisoned(format!("layer_normalization of {ty} along axes {:?}\n  hint: {hint}", self.axes));
            };
            let dtype = statistics_dtype(ty.dtype);
            let weight = |weight: &Weight, role: &str| weight.variable(at, role, dtype, &sizes).reshape(&wide);
            let gamma = self.scale.then(|| weight(&self.gamma, "gamma"));
            let beta = self.center.then(|| weight(&self.beta, "beta"));
            let values = x.cast(dtype);
            let y = standardize(&values, &moments(&values, &self.axes), &self.axes, self.epsilon, None);
            let y = gamma.map_or(y.clone(), |gamma| y * gamma);
            let y = beta.map_or(y.clone(), |beta| y + beta);
            if ty.dtype.is_float() { y.cast(ty.dtype) } else { y }
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
