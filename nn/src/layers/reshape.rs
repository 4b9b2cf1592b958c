//! `Reshape`: the same numbers under other axes.

use super::{Identity, Layer, Mode};
use wengert_autograd::{Graph, Tensor};

/// The elements of each example in row-major order, as the given shape: `[n, ..]` gives `[n, shape..]`. One size may be -1
/// and is then what is left.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Layer, Mode, Reshape};
/// let g = Graph::new();
/// let grey = g.placeholder("grey", DType::F32, [None, Some(28), Some(28)]);
/// assert_eq!(Reshape::new([28, 28, 1]).apply(&grey, Mode::Train).shape()?[1..], [28, 28, 1]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reshape {
    identity: Identity,
    shape: Vec<isize>,
}

impl Reshape {
    /// A layer that gives examples this shape.
    #[must_use]
    #[track_caller]
    pub fn new(shape: impl AsRef<[isize]>) -> Reshape {
        Reshape { identity: Identity::new("reshape"), shape: shape.as_ref().to_vec() }
    }

    /// The shape of an example of this many elements.
    fn sizes(&self, elements: usize) -> Option<Vec<isize>> {
        let mut sizes = self.shape.clone();
        if let Some(open) = sizes.iter().position(|&size| size == -1) {
            let others = sizes.iter().filter(|&&size| size != -1).try_fold(1, |n: isize, &size| n.checked_mul(size))?;
            sizes[open] = isize::try_from(elements).ok()?.checked_div(others)?;
        }
        let len = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(usize::try_from(size).ok()?))?;
        (len == elements).then_some(sizes)
    }
}

impl Layer for Reshape {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.identity.apply(x, |_| {
            let Ok(ty) = x.ty() else { return x.clone() };
            let elements =
                ty.shape.get(1..).and_then(|sizes| sizes.iter().try_fold(1, |n, dim| Some(n * dim.known()?)));
            match elements.and_then(|elements| self.sizes(elements)) {
                Some(sizes) => x.reshape([&[-1], &sizes[..]].concat()),
                None => x.poisoned(format!("reshape of {ty}: its examples cannot have the shape {:?}", self.shape)),
            }
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
