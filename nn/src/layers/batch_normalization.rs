//! `BatchNormalization`: every channel with the same mean and spread, whatever the layers before it do.

use super::normalize::{moments, standardize, statistics_dtype};
use super::weight::{Weight, setters};
use super::{Identity, Layer, Mode};
use crate::initializers::Initializer;
use wengert_autograd::{Error, Graph, Tensor};

/// `gamma (x - mean) / sqrt(variance + epsilon) + beta` for each channel, the entries of `axis`: an input of any shape with two
/// axes or more gives one of that shape.
///
/// In training, mean and (biased) variance are those of the batch, over all axes but `axis`, and the gradient takes into account
/// that they depend on x. A training call also moves the running statistics:
/// `moving = momentum moving + (1 - momentum) batch`, once for each application, in the order of applications. At inference the
/// running statistics take the place of the batch's, and nothing changes.
///
/// `gamma` starts at 1, `beta` at 0, `moving_mean` at 0, `moving_variance` at 1; each is `[channels]`, `f64` beside `f64`,
/// else `f32`. Momentum is 0.99 and epsilon 1e-3, as in Keras.
///
/// Source: S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
/// shift", ICML 2015.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{BatchNormalization, Layer, Mode};
///
/// let g = Graph::new();
/// let x = g.constant([1.0f32, 3.0]).reshape([2, 1]);
/// let y = BatchNormalization::new().epsilon(0.0).apply(&x, Mode::Train);
/// assert_eq!(y.eval(&[])?.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNormalization {
    identity: Identity,
    axis: isize,
    momentum: f64,
    epsilon: f64,
    center: bool,
    scale: bool,
    gamma: Weight,
    beta: Weight,
}

impl BatchNormalization {
    /// A layer with Keras's defaults: channels along the last axis.
    #[must_use]
    #[track_caller]
    pub fn new() -> BatchNormalization {
        BatchNormalization {
            identity: Identity::new("batch_normalization"),
            axis: -1,
            momentum: 0.99,
            epsilon: 1e-3,
            center: true,
            scale: true,
            gamma: Weight::new(Initializer::Constant(1.0)),
            beta: Weight::new(Initializer::Constant(0.0)),
        }
    }

    /// The axis of the channels: 1 for images `[n, channels, height, width]`.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> BatchNormalization {
        self.axis = axis;
        self
    }

    /// How much of the running statistics stays, 0 <= momentum <= 1.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> BatchNormalization {
        self.momentum = momentum;
        self
    }

    /// What is added to the variance, 0 or more.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> BatchNormalization {
        self.epsilon = epsilon;
        self
    }

    /// Leaves `beta` out.
    #[must_use]
    pub fn no_center(mut self) -> BatchNormalization {
        self.center = false;
        self
    }

    /// Leaves `gamma` out.
    #[must_use]
    pub fn no_scale(mut self) -> BatchNormalization {
        self.scale = false;
        self
    }

    /// The axis of the channels counted from the front, and their number.
    fn channels(&self, x: &Tensor) -> Result<(usize, usize), String> {
        let ty = x.ty().map_err(|error| error.to_string())?;
        let (rank, axis) = (ty.shape.len() as isize, self.axis);
        let normal = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok();
        let size = normal.and_then(|normal| Some((normal, ty.shape.get(normal)?.known())));
        match size {
            _ if !(0.0..=1.0).contains(&self.momentum) => {
                Err(format!("batch_normalization with momentum {}: it is between 0 and 1", self.momentum))
            }
            _ if !(0.0..f64::INFINITY).contains(&self.epsilon) => {
                Err(format!("batch_normalization with epsilon {}: it is 0 or more", self.epsilon))
            }
            Some((normal, Some(channels))) if rank > 1 => Ok((normal, channels)),
            Some((_, None)) => {
                let hint = "the axis of the channels has a known size; batches are counted along another one";
                Err(format!("batch_normalization of {ty} along axis {axis}: its size is open\n  hint: {hint}"))
            }
            _ => Err(format!(
                "batch_normalization of {ty} along axis {axis}: it takes two axes or more, and this one of them"
            )),
        }
    }
}

impl Default for BatchNormalization {
    #[track_caller]
    fn default() -> BatchNormalization {
        BatchNormalization::new()
    }
}

setters!(BatchNormalization, "batch_normalization",
    gamma: gamma_initializer gamma_regularizer,
    beta: beta_initializer beta_regularizer
);

impl Layer for BatchNormalization {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone() };
            let (axis, channels) = match self.channels(x) {
                Ok(found) => found,
                Err(why) => return x.poisoned(why),
            };
            let dtype = statistics_dtype(ty.dtype);
            // One for each channel, with unit axes where x has others.
            let mut unit = vec![1; ty.shape.len()];
            unit[axis] = isize::try_from(channels).unwrap_or(isize::MAX);
            let wide = |tensor: &Tensor| tensor.reshape(&unit);
            let weight = |weight: &Weight, role: &str| wide(&weight.variable(at, role, dtype, &[channels]));
            let gamma = self.scale.then(|| weight(&self.gamma, "gamma"));
            let beta = self.center.then(|| weight(&self.beta, "beta"));
            let state =
                |role: &str, start: f64| at.state(role, || Initializer::Constant(start).initial(dtype, &[channels]));
            let running = (state("moving_mean", 0.0), state("moving_variance", 1.0));
            let values = x.cast(dtype);
            let y = match mode {
                Mode::Train => {
                    let axes: Vec<isize> = (0..).take(ty.shape.len()).filter(|&other| other != axis as isize).collect();
                    let batch = moments(&values, &axes);
                    if let Err(error) = self.remember(&running, &batch) {
                        return x.poisoned(error);
                    }
                    standardize(&values, &batch, &axes, self.epsilon, gamma.as_ref())
                }
                Mode::Infer => {
                    let r = (wide(&running.1) + self.epsilon).rsqrt();
                    (values - wide(&running.0)) * gamma.map_or(r.clone(), |gamma| r * gamma)
                }
            };
            let y = beta.map_or(y.clone(), |beta| y + beta);
            if ty.dtype.is_float() { y.cast(ty.dtype) } else { y }
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}

impl BatchNormalization {
    /// Makes every call that computes the batch's mean move the running statistics.
    fn remember(&self, running: &(Tensor, Tensor), batch: &(Tensor, Tensor)) -> Result<(), Error> {
        for (running, batch_value) in [(&running.0, &batch.0), (&running.1, &batch.1)] {
            let moved = running * self.momentum + batch_value.reshape_like(running) * (1.0 - self.momentum);
            batch.0.carry(&running.becomes(&moved))?;
        }
        Ok(())
    }
}
