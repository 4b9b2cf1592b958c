//! `Flatten`: images become rows.

use super::{Layer, Mode};
use wengert_autograd::Tensor;

/// All axes but the first as one: `[n, a, b, ..]` gives `[n, a b ..]`.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Flatten, Layer, Mode};
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None, Some(28), Some(28)]);
/// assert_eq!(Flatten.apply(&x, Mode::Train).shape()?[1], 784);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Layer for Flatten {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        x.flatten()
    }

    fn is_plain(&self) -> bool {
        true
    }
}
