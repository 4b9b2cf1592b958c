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

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{Device, Session};

    #[test]
    fn integers_name_rows_and_one_out_of_range_is_an_error_of_the_call() {
        // semantics 9.31
        let g = Graph::new();
        let words = g.placeholder("words", DType::I32, [None, Some(2)]);
        let layer = Embedding::new(3, 4);
        let y = layer.apply(&words, Mode::Infer);
        let table = g.by_name("embedding/embeddings").unwrap();
        let mut session = Session::new(Device::cpu().threads(1)).unwrap();
        let fed = |values: [i32; 4]| wengert_kernels::Array::new(&[2, 2], &values).unwrap();
        let rows = session.run(&y, &[(&words, (&fed([2, 0, 1, 1])).into())]).unwrap().remove(0);
        assert_eq!(rows.shape(), [2, 2, 4]);
        let start = session.get(&table).unwrap().to_f64();
        assert!(start.iter().all(|value| value.abs() <= 0.05) && start.iter().any(|value| value.abs() > 0.02));
        assert_eq!(rows.to_f64(), [&start[8..], &start[..4], &start[4..8], &start[4..8]].concat());
        let error = session.run(&y, &[(&words, (&fed([0, 1, 3, 0])).into())]).unwrap_err().to_string();
        assert!(error.contains('3'), "{error}");
        // Only the rows that were named have a gradient.
        let gradient = y.sum().grad(&[&table]).remove(0);
        let gradient = session.run(&gradient, &[(&words, (&fed([2, 2, 0, 2])).into())]).unwrap()[0].to_f64();
        assert_eq!(gradient, [[1.0; 4], [0.0; 4], [3.0; 4]].concat());
    }
}
