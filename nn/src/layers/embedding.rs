//! `Embedding`: numbers of words become vectors.

use super::weight::{Weight, setters};
use super::{Identity, Layer, Mode};
use crate::initializers::Initializer;
use wengert_autograd::{DType, Graph, Tensor};

/// The rows of a table that integers name: `[n, ..]` gives `[n, .., outputs]`.
///
/// The table `embeddings` is `[inputs, outputs]`, of `f32`, and starts uniform between -0.05 and 0.05, as in Keras. A
/// number out of range is an error of the call, which names it; a negative one counts from the end.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Embedding, Layer, Mode};
///
/// let g = Graph::new();
/// let words = g.placeholder("words", DType::I32, [None, Some(20)]);
/// let vectors = Embedding::new(1000, 16).apply(&words, Mode::Train);
/// assert_eq!(vectors.shape()?[1..], [20, 16]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    identity: Identity,
    inputs: usize,
    outputs: usize,
    embeddings: Weight,
}

impl Embedding {
    /// A layer for the integers 0 to `inputs` - 1, with this many outputs for each.
    #[must_use]
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize) -> Embedding {
        let embeddings = Weight::new(Initializer::Uniform(0.05));
        Embedding { identity: Identity::new("embedding"), inputs, outputs, embeddings }
    }
}

setters!(Embedding, "embedding", embeddings: embeddings_initializer embeddings_regularizer);

impl Layer for Embedding {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone() };
            if !ty.dtype.is_integer() {
                return x.poisoned(format!("embedding of {ty}: it takes integers\n  hint: cast() them to i64"));
            }
            self.embeddings.variable(at, "embeddings", DType::F32, &[self.inputs, self.outputs]).embedding(x)
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
