//! `ZeroPadding2D`: images with a rim.

use super::images::{format_setter, images};
use super::weight::setters;
use super::{Identity, Layer, Mode};
use crate::choice::Choice;
use wengert_autograd::{DataFormat, Graph, Tensor};

/// Zeros around images: so many rows above and below, so many columns left and right.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Layer, Mode, ZeroPadding2D};
///
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None, Some(5), Some(6), Some(3)]);
/// assert_eq!(ZeroPadding2D::new([(1, 1), (0, 2)]).apply(&x, Mode::Train).shape()?[1..], [7, 8, 3]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZeroPadding2D {
    identity: Identity,
    padding: [(usize, usize); 2],
    format: Choice<DataFormat>,
}

impl ZeroPadding2D {
    /// A layer that adds rows (above, below) and columns (left, right).
    #[must_use]
    #[track_caller]
    pub fn new(padding: [(usize, usize); 2]) -> ZeroPadding2D {
        let format = DataFormat::ChannelsLast.into();
        ZeroPadding2D { identity: Identity::new("zero_padding2d"), padding, format }
    }
}

setters!(ZeroPadding2D, "zero_padding2d");
format_setter!(ZeroPadding2D);

impl Layer for ZeroPadding2D {
    fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
        self.identity.apply(x, |_| match &self.format.0 {
            Ok(format) => match images(x, "zero_padding2d", *format) {
                Ok(_) if *format == DataFormat::ChannelsLast => {
                    x.pad([(0, 0), self.padding[0], self.padding[1], (0, 0)], 0.0)
                }
                Ok(_) => x.pad([(0, 0), (0, 0), self.padding[0], self.padding[1]], 0.0),
                Err(poisoned) => poisoned,
            },
            Err(why) => x.poisoned(why),
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
