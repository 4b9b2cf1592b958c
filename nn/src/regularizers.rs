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
    /// # use wengert_autograd::{Array, Graph};
    /// # use wengert_nn::regularizers::Regularizer::L2;
    /// let g = Graph::new();
    /// let (_w, _b) = (g.variable("w", Array::ones([2, 3])), g.variable("b", Array::ones([3])));
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
