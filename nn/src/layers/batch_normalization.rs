//! `BatchNormalization`: every channel with the same mean and spread, whatever the layers before it do.

use super::normalize::{moments, normalization, standardize, statistics_dtype, widen};
use super::weight::Weight;
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

normalization!(BatchNormalization, "batch_normalization");

impl Layer for BatchNormalization {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone() };
            let (axis, channels) = match self.channels(x) {
                Ok(found) => found,
                Err(why) => return x.poisoned(why),
            };
            let dtype = statistics_dtype(ty.dtype);
            let axes: Vec<isize> = (0..).take(ty.shape.len()).filter(|&other| other != axis as isize).collect();
            let gamma = self.scale.then(|| self.gamma.variable(at, "gamma", dtype, &[channels]));
            let beta = self.center.then(|| self.beta.variable(at, "beta", dtype, &[channels]));
            let state =
                |role: &str, start: f64| at.state(role, || Initializer::Constant(start).initial(dtype, &[channels]));
            let running = (state("moving_mean", 0.0), state("moving_variance", 1.0));
            let values = x.cast(dtype);
            let y = match mode {
                Mode::Train => {
                    let batch = moments(&values, &axes);
                    if let Err(error) = self.remember(&running, &batch) {
                        return x.poisoned(error);
                    }
                    standardize(&values, &batch, &axes, self.epsilon, gamma.as_ref())
                }
                Mode::Infer => {
                    let r = (running.1 + self.epsilon).rsqrt();
                    (values - widen(&running.0, &axes)) * widen(&gamma.map_or(r.clone(), |gamma| r * gamma), &axes)
                }
            };
            let y = beta.map_or(y.clone(), |beta| y + widen(&beta, &axes));
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
            let moved = running * self.momentum + batch_value * (1.0 - self.momentum);
            batch.0.carry(&running.becomes(&moved))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{DType, Device, Session, check_gradients};
    use wengert_kernels::Array;

    /// Numbers without a pattern, around `mean`.
    fn sample(dtype: DType, shape: &[usize], mean: f64) -> Array {
        Array::from_fn(dtype, shape, |i| mean + ((i * i * 37 + i * 11) % 101) as f64 / 50.0 - 1.0).unwrap()
    }

    /// Mean and variance of each channel of `[before, channels, behind]`.
    fn statistics(x: &Array, [before, channels, behind]: [usize; 3]) -> (Vec<f64>, Vec<f64>) {
        let x = x.to_f64();
        let values = |c: usize| {
            let x = &x;
            (0..before).flat_map(move |b| (0..behind).map(move |p| x[(b * channels + c) * behind + p]))
        };
        let n = (before * behind) as f64;
        let mean: Vec<f64> = (0..channels).map(|c| values(c).sum::<f64>() / n).collect();
        let variance = (0..channels).map(|c| values(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / n).collect();
        (mean, variance)
    }

    fn close(got: &Array, wanted: impl IntoIterator<Item = f64>, tolerance: f64) {
        let (got, wanted) = (got.to_f64(), wanted.into_iter().collect::<Vec<_>>());
        assert_eq!(got.len(), wanted.len());
        for (place, (a, b)) in got.iter().zip(&wanted).enumerate() {
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "element {place}: {a} for {b}");
        }
    }

    fn session() -> Session {
        Session::new(Device::cpu().threads(1)).unwrap()
    }

    #[test]
    fn training_takes_the_statistics_of_the_batch_and_inference_the_running_ones() {
        // semantics 9.25
        // semantics 9.26
        for (shape, axis, folded) in [
            (&[7, 3][..], -1, [7, 3, 1]),
            (&[2, 5, 4, 3], -1, [40, 3, 1]),
            (&[2, 3, 5, 4], 1, [2, 3, 20]),
            (&[2, 6, 4, 3], -2, [12, 4, 3]),
        ] {
            let g = Graph::new();
            // Only the number of channels must be known.
            let channels = usize::try_from(axis).unwrap_or(shape.len().wrapping_add_signed(axis));
            let open = shape.iter().enumerate().map(|(axis, &size)| (axis == channels).then_some(size));
            let x = g.placeholder("x", DType::F64, open);
            let layer = BatchNormalization::new().axis(axis).momentum(0.75).epsilon(0.01);
            let layer =
                layer.gamma_initializer(Initializer::Constant(2.0)).beta_initializer(Initializer::Constant(0.5));
            let (train, infer) = (layer.apply(&x, Mode::Train), layer.apply(&x, Mode::Infer));
            let at = |role: &str| g.by_name(&format!("batch_normalization/{role}")).unwrap();
            let (running_mean, running_variance) = (at("moving_mean"), at("moving_variance"));
            let mut session = session();
            let batch = sample(DType::F64, shape, 3.0);
            let (mean, variance) = statistics(&batch, folded);
            let normal = |mean: &[f64], variance: &[f64]| {
                let values = batch.to_f64().into_iter().enumerate().map(|(i, value)| {
                    let channel = i / folded[2] % folded[1];
                    2.0 * (value - mean[channel]) / (variance[channel] + 0.01).sqrt() + 0.5
                });
                values.collect::<Vec<_>>()
            };
            let feed = [(&x, (&batch).into())];
            let before = session.run(&infer, &feed).unwrap().remove(0);
            let (zeros, ones) = (vec![0.0; folded[1]], vec![1.0; folded[1]]);
            close(&before, normal(&zeros, &ones), 1e-12);
            assert_eq!(session.get(&running_mean).unwrap().to_f64(), zeros, "inference changes nothing");
            close(&session.run(&train, &feed).unwrap()[0], normal(&mean, &variance), 1e-12);
            let moved = |start: f64, batch: &[f64]| batch.iter().map(|v| 0.75 * start + 0.25 * v).collect::<Vec<_>>();
            let (mean, variance) = (moved(0.0, &mean), moved(1.0, &variance));
            let kept = session.get(&running_mean).unwrap();
            close(&kept, mean.clone(), 1e-12);
            close(&session.get(&running_variance).unwrap(), variance.clone(), 1e-12);
            close(&session.run(&infer, &feed).unwrap()[0], normal(&mean, &variance), 1e-12);
            assert_eq!(session.get(&running_mean).unwrap(), kept);
        }
    }

    #[test]
    fn a_batch_of_one_example_is_its_own_mean() {
        // semantics 9.25
        let g = Graph::new();
        let x = g.placeholder("x", DType::F32, [None, Some(3)]);
        let y = BatchNormalization::new().beta_initializer(Initializer::Constant(0.5)).apply(&x, Mode::Train);
        let slope = y.square().sum().grad(&[&x]).remove(0);
        let f = g.function(&[&x], &[&y, &slope]).compile().unwrap();
        let got = f.call(&mut session(), &[(&sample(DType::F32, &[1, 3], 7.0)).into()]).unwrap();
        assert_eq!((got[0].to_f64(), got[1].to_f64()), (vec![0.5; 3], vec![0.0; 3]));
    }

    #[test]
    fn two_applications_move_the_running_statistics_one_after_the_other() {
        // semantics 9.26
        let g = Graph::new();
        let (a, b) = (g.placeholder("a", DType::F64, [None, Some(2)]), g.placeholder("b", DType::F64, [None, Some(2)]));
        let layer = BatchNormalization::new().momentum(0.5);
        let (first, second) = (layer.apply(&a, Mode::Train), layer.apply(&b, Mode::Train));
        let loss = (first * second.exp()).sum();
        assert_eq!(g.variables().len(), 4);
        let [a_value, b_value] = [1.0, 5.0].map(|mean| sample(DType::F64, &[6, 2], mean));
        let mut session = session();
        session.run(&loss, &[(&a, (&a_value).into()), (&b, (&b_value).into())]).unwrap();
        for (role, start, pick) in [("moving_mean", 0.0, 0), ("moving_variance", 1.0, 1)] {
            let of = |x: &Array| <[Vec<f64>; 2]>::from(statistics(x, [6, 2, 1]))[pick].clone();
            let pairs = of(&a_value).into_iter().zip(of(&b_value));
            let wanted = pairs.map(|(a, b)| 0.5 * (0.5 * start + 0.5 * a) + 0.5 * b);
            let variable = g.by_name(&format!("batch_normalization/{role}")).unwrap();
            close(&session.get(&variable).unwrap(), wanted, 1e-12);
        }
    }

    #[test]
    fn a_large_mean_costs_few_digits() {
        // semantics 9.28
        let g = Graph::new();
        let x = g.placeholder("x", DType::F32, [None, Some(2)]);
        let batch = sample(DType::F32, &[4096, 2], 10_000.0);
        let (mean, variance) = statistics(&batch, [4096, 2, 1]);
        assert!(variance.iter().all(|v| (0.2..0.5).contains(v)));
        let y = BatchNormalization::new().apply(&x, Mode::Train);
        let mut session = session();
        let got = session.run(&y, &[(&x, (&batch).into())]).unwrap().remove(0);
        // Mean squares minus squared means would be wrong in the first digit: 1e8 has no digit behind the point in f32.
        let wanted = batch.to_f64().into_iter().enumerate();
        close(&got, wanted.map(|(i, v)| (v - mean[i % 2]) / (variance[i % 2] + 1e-3).sqrt()), 2e-3);
        let running = session.get(&g.by_name("batch_normalization/moving_variance").unwrap()).unwrap();
        close(&running, variance.iter().map(|v| 0.99 + 0.01 * v), 1e-6);
    }

    #[test]
    fn gradients_pass_through_the_statistics() {
        // semantics 9.25
        for (shape, axes) in [(&[5, 3][..], &[0][..]), (&[3, 2, 4], &[0, 2]), (&[2, 2, 2, 3], &[0, 1, 2])] {
            let scale: usize =
                (0..shape.len()).filter(|axis| !axes.contains(&(*axis as isize))).map(|a| shape[a]).product();
            let at = [sample(DType::F64, shape, 0.3), sample(DType::F64, &[scale], 1.5)];
            let scaled = |x: &[Tensor]| standardize(&x[0], &moments(&x[0], axes), axes, 1e-3, Some(&x[1]));
            check_gradients(scaled, &at, 2).unwrap();
            check_gradients(|x| standardize(&x[0], &moments(&x[0], axes), axes, 1e-3, None).exp(), &at[..1], 2)
                .unwrap();
        }
        for axis in [1, -1] {
            let layer = BatchNormalization::new().axis(axis);
            check_gradients(|x| layer.apply(&x[0], Mode::Train).tanh(), &[sample(DType::F64, &[3, 4, 2], 0.0)], 2)
                .unwrap();
            check_gradients(|x| layer.apply(&x[0], Mode::Infer).tanh(), &[sample(DType::F64, &[3, 4, 2], 0.0)], 2)
                .unwrap();
        }
    }

    #[test]
    fn sixteen_bits_and_integers_have_statistics_of_32() {
        let g = Graph::new();
        for (dtype, result) in [(DType::F16, DType::F16), (DType::I32, DType::F32), (DType::F64, DType::F64)] {
            let x = g.placeholder("x", dtype, [None, Some(2)]);
            let layer = BatchNormalization::new().no_center();
            assert_eq!(layer.apply(&x, Mode::Train).dtype().unwrap(), result);
            let name = Layer::name(&layer, &g).unwrap();
            let statistics = g.by_name(&format!("{name}/moving_mean")).unwrap().dtype().unwrap();
            assert_eq!(statistics, statistics_dtype(dtype));
            assert!(g.by_name(&format!("{name}/beta")).is_none());
        }
    }
}
