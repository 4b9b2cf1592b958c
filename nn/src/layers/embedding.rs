//! `Embedding`: numbers of words become vectors.

use super::weight::{Weight, setters};
use super::{Identity, Layer, Mode};
use crate::initializers::Initializer;
use wengert_autograd::{DType, Graph, Tensor};

/// The rows of a table that integers name: `[n, ..]` gives `[n, .., outputs]`.
///
/// The table `embeddings` is `[inputs, outputs]`, of `f32`, and starts uniform between -0.05 and 0.05, as in Keras. A
/// number out of range is an error of the call, which names it; a negative one counts from the end. Floats are cut to
/// integers, as in Keras: so a model can say what it is made of before it has seen data.
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
            let index = if ty.dtype.is_integer() { x.clone() } else { x.cast(DType::I64) };
            self.embeddings.variable(at, "embeddings", DType::F32, &[self.inputs, self.outputs]).embedding(&index)
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

    #[test]
    fn a_model_of_words_learns_and_refuses_unknown_ones() {
        // semantics 9.31
        use crate::{data::Dataset, layers::Dense, layers::Flatten, models::Sequential, training::Fit};
        use wengert_kernels::Array;
        let mut model = Sequential::new().device(Device::cpu().threads(1)).input([3]);
        model = model.add(Embedding::new(5, 4)).add(Flatten).add(Dense::new(2).activation("softmax"));
        assert!(model.summary().unwrap().contains("embedding (Embedding)        (None, 3, 4)              20\n"));
        model.compile("adam", "categorical_crossentropy", ()).unwrap();
        let words =
            |last: f64| Array::from_fn(DType::I32, &[20, 3], move |i| if i == 59 { last } else { (i * i % 5) as f64 });
        let labels = || Array::from_fn(DType::I64, &[20], |i| (9 * i * i % 5 > 1) as usize as f64).unwrap();
        let data = Dataset::new(words(1.0).unwrap(), labels()).unwrap();
        let history = model.fit(&data, Fit::epochs(20).batch_size(5).verbose(0)).unwrap();
        assert!(history.last("loss").unwrap() < history["loss"][0]);
        let before = model.get_weights().unwrap();
        let unknown = Dataset::new(words(5.0).unwrap(), labels()).unwrap();
        let error = model.fit(&unknown, Fit::epochs(1).batch_size(20).verbose(0)).unwrap_err().to_string();
        assert!(error.contains('5') && model.get_weights().unwrap() == before, "{error}");
    }
}
