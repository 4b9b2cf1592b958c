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
            let known: Option<Vec<usize>> = ty.shape.iter().skip(1).map(wengert_autograd::Dim::known).collect();
            let Some(known) = known.filter(|_| !ty.shape.is_empty()) else {
                let hint = "all axes but the first, which counts the examples, have known sizes";
                return x.poisoned(format!("reshape of {ty}: the size of an example is open\n  hint: {hint}"));
            };
            let elements = known.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
            match elements.and_then(|elements| self.sizes(elements)) {
                Some(sizes) => x.reshape([&[-1], &sizes[..]].concat()),
                None => x.poisoned(format!(
                    "reshape of {ty}: an example of shape {known:?} cannot have the shape {:?}\n  hint: both have the same number of elements; one size may be -1, and is then what is left",
                    self.shape
                )),
            }
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::DType;

    #[test]
    fn a_shape_of_as_many_elements_is_taken_and_others_are_refused() {
        let g = Graph::new();
        let of = |shape: &[Option<usize>], wanted: &[isize]| {
            let x = g.placeholder("x", DType::F32, shape.iter().copied());
            Reshape::new(wanted).apply(&x, Mode::Train).shape()
        };
        let images = [None, Some(4), Some(6)];
        for (wanted, known) in [(&[24][..], &[24][..]), (&[-1, 3], &[8, 3]), (&[2, 3, 4], &[2, 3, 4])] {
            assert_eq!(of(&images, wanted).unwrap()[1..], *known);
        }
        for wanted in [&[5][..], &[-1, 5], &[-1, -1], &[0, -1], &[-2, -12], &[isize::MAX, isize::MAX]] {
            let error = of(&images, wanted).unwrap_err().to_string();
            assert!(error.contains("[4, 6]") && error.contains("hint: both have"), "{error}");
            assert!(error.contains("reshape.rs"), "{error}");
        }
        for open in [&[][..], &[None, None], &[None, Some(3), None]] {
            assert!(of(open, &[-1]).unwrap_err().to_string().contains("is open"));
        }
        assert!(of(&[None, Some(usize::MAX), Some(2)], &[-1]).is_err());
    }
}
