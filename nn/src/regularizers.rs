//! What is paid for large weights: penalties in the loss.
//!
//! A layer's `kernel_regularizer` adds its penalty to the collection [`COLLECTION`] of the graph when the weight is made. A
//! model's loss, as it is trained, reported and evaluated, includes them; in a loop of one's own, [`penalized`] adds them.

use crate::choice::{Named, choose_by_name};
use wengert_autograd::{DType, Graph, Tensor};

/// The collection that holds the penalties of a graph, under TensorFlow 1's name.
pub const COLLECTION: &str = "regularization_losses";

/// A penalty for the size of weights. Known by name, with factors of 0.01: `l1`, `l2`, `l1_l2`.
///
/// ```
/// use wengert_autograd::Graph;
/// use wengert_nn::regularizers::Regularizer::{L1, L1L2, L2};
/// let g = Graph::new();
/// let w = g.constant([3.0f32, -4.0]);
/// for (regularizer, penalty) in [(L1(0.5), 3.5), (L2(0.5), 12.5), (L1L2(1.0, 2.0), 57.0)] {
///     assert_eq!(regularizer.of(&w).eval(&[])?.item::<f32>()?, penalty);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Regularizer {
    /// This factor times the sum of absolute values: many weights end near 0.
    L1(f64),
    /// This factor times the sum of squares: no weight grows large.
    L2(f64),
    /// Both, with the factor of the first and that of the second.
    L1L2(f64, f64),
}

use Regularizer::{L1, L1L2, L2};

const TABLE: &[Named<Regularizer>] = &[("l1", || L1(0.01)), ("l2", || L2(0.01)), ("l1_l2", || L1L2(0.01, 0.01))];

choose_by_name!(Regularizer, "regularizer", TABLE);

impl Regularizer {
    /// The penalty for `weights`, a scalar; of 16-bit floats it is computed in `f32`.
    #[must_use]
    #[track_caller]
    pub fn of(&self, weights: &Tensor) -> Tensor {
        let weights = match weights.dtype() {
            Ok(dtype) if dtype.is_float() && dtype.size() == 2 => weights.cast(DType::F32),
            _ => weights.clone(),
        };
        match *self {
            L1(factor) => weights.abs().sum() * factor,
            L2(factor) => weights.square().sum() * factor,
            L1L2(first, second) => weights.abs().sum() * first + weights.square().sum() * second,
        }
    }

    /// The penalty for all kernels of a graph: its trainable variables of two axes or more, so no biases. Lasagne's
    /// `regularize_network_params`.
    ///
    /// ```
    /// # use wengert_autograd::{Array, DType, Graph};
    /// # use wengert_nn::regularizers::Regularizer::L2;
    /// let g = Graph::new();
    /// let (_w, _b) = (g.variable("w", Array::full(DType::F32, &[2, 3], 1.0)), g.variable("b", Array::full(DType::F32, &[3], 1.0)));
    /// assert_eq!(L2(1.0).of_kernels(&g).eval(&[])?.item::<f32>()?, 6.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn of_kernels(&self, graph: &Graph) -> Tensor {
        let variables = graph.trainable_variables();
        let kernels = variables.iter().filter(|variable| variable.shape().is_ok_and(|shape| shape.len() > 1));
        sum(kernels.map(|kernel| self.of(kernel))).unwrap_or_else(|| graph.constant(0.0f32))
    }
}

/// The loss with all penalties of its graph added.
#[must_use]
#[track_caller]
pub fn penalized(loss: &Tensor) -> Tensor {
    match sum(loss.graph().collection(COLLECTION)) {
        Some(penalties) => loss + penalties,
        None => loss.clone(),
    }
}

#[track_caller]
fn sum(terms: impl IntoIterator<Item = Tensor>) -> Option<Tensor> {
    let mut terms = terms.into_iter();
    let mut total = terms.next()?;
    for term in terms {
        total = total + term;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::layers::{Dense, Layer, Mode};
    use crate::losses::MeanSquaredError;
    use crate::models::Sequential;
    use crate::optimizers::GradientDescent;
    use crate::training::Fit;
    use wengert_autograd::Device;
    use wengert_kernels::Array;

    fn model(first: Regularizer) -> Sequential {
        let hidden = Dense::new(3).name("hidden").activation("tanh").kernel_regularizer(first).bias_regularizer("l1");
        let hidden = hidden.bias_initializer("ones");
        Sequential::new().device(Device::cpu().threads(1)).input([4]).add(hidden).add(Dense::new(1).name("out"))
    }

    fn data() -> Dataset {
        let x = Array::from_fn(DType::F32, &[10, 4], |i| ((i * 7) % 11) as f64 / 5.0 - 1.0).unwrap();
        Dataset::new(x, Array::from_fn(DType::F32, &[10], |i| i as f64 / 5.0).unwrap()).unwrap()
    }

    #[test]
    fn the_loss_that_is_reported_and_evaluated_includes_the_penalties() {
        // semantics 9.29
        let data = data();
        let mut plain = Sequential::new().device(Device::cpu().threads(1)).input([4]);
        plain = plain.add(Dense::new(3).activation("tanh").bias_initializer("ones")).add(Dense::new(1));
        for (regularizer, l1, l2) in [(L1(0.1), 0.1, 0.0), (L2(0.2), 0.0, 0.2), (L1L2(0.1, 0.2), 0.1, 0.2)] {
            let mut model = model(regularizer);
            for model in [&mut model, &mut plain] {
                model.compile(GradientDescent::new(0.0), MeanSquaredError, ()).unwrap();
            }
            plain.set_weights(&model.get_weights().unwrap()).unwrap();
            let kernel = model.get_weights().unwrap()[0].to_f64();
            let penalty: f64 = kernel.iter().map(|w| l1 * w.abs() + l2 * w * w).sum::<f64>() + 0.01 * 3.0;
            let wanted = plain.evaluate(&data).unwrap().loss + penalty;
            assert!((model.evaluate(&data).unwrap().loss - wanted).abs() < 1e-5);
            // Batches of 4, 4 and 2: the penalty is that of one batch, not of three.
            let history = model.fit(&data, Fit::epochs(1).batch_size(4).verbose(0)).unwrap();
            assert!((history["loss"][0] - wanted).abs() < 1e-5, "{} for {wanted}", history["loss"][0]);
        }
    }

    #[test]
    fn a_step_moves_weights_against_their_penalty() {
        // semantics 9.29
        let data = data();
        let mut plain = Sequential::new().device(Device::cpu().threads(1)).input([4]);
        plain = plain.add(Dense::new(3).activation("tanh").bias_initializer("ones")).add(Dense::new(1));
        let mut model = model(L1L2(0.1, 0.2));
        plain.set_weights(&model.get_weights().unwrap()).unwrap();
        let before = model.get_weights().unwrap();
        for model in [&mut model, &mut plain] {
            model.compile(GradientDescent::new(0.5), MeanSquaredError, ()).unwrap();
            model.fit(&data, Fit::epochs(1).batch_size(10).verbose(0)).unwrap();
        }
        let (with, without) = (model.get_weights().unwrap(), plain.get_weights().unwrap());
        let slopes: [fn(f64) -> f64; 4] = [|w| 0.1 * w.signum() + 0.4 * w, |_| 0.01, |_| 0.0, |_| 0.0];
        for (number, slope) in slopes.iter().enumerate() {
            let all = with[number].to_f64().into_iter().zip(without[number].to_f64()).zip(before[number].to_f64());
            for ((with, without), before) in all {
                assert!((with - (without - 0.5 * slope(before))).abs() < 1e-5, "weight {number}: {with} {without}");
            }
        }
    }

    #[test]
    fn a_weight_that_is_used_twice_pays_once() {
        // semantics 9.29
        let g = Graph::new();
        let x = g.constant(Array::full(DType::F32, &[2, 3], 1.0).unwrap());
        let layer = Dense::new(3).kernel_initializer("ones").kernel_regularizer(L2(0.5));
        let y = layer.apply(&layer.apply(&x, Mode::Train), Mode::Train);
        let loss = penalized(&y.sum());
        assert_eq!(loss.eval(&[]).unwrap().item::<f32>().unwrap(), 54.0 + 4.5);
        let other = Graph::new();
        let loss = other.constant(2.0f32);
        assert_eq!(penalized(&loss), loss);
        assert_eq!(L1(1.0).of_kernels(&other).eval(&[]).unwrap().item::<f32>().unwrap(), 0.0);
        assert!("l3".parse::<Regularizer>().unwrap_err().to_string().contains("known are l1, l2, l1_l2"));
        let half = g.constant(300.0f32).cast(DType::F16).broadcast_to([4]);
        assert_eq!(L2(1.0).of(&half).eval(&[]).unwrap().item::<f32>().unwrap(), 360_000.0);
    }
}
