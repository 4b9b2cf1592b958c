//! `MaxPool2D` and `AveragePool2D`: what is in the windows of an image, in fewer pixels.

use super::images::{format_setter, images};
use super::weight::setters;
use super::{Identity, Layer, Mode};
use crate::choice::Choice;
use wengert_autograd::{DataFormat, Graph, Padding, PoolOptions, Tensor};

macro_rules! pooling {
    ($(#[$doc:meta])* $layer:ident, $kind:literal, $op:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $layer {
            identity: Identity,
            options: PoolOptions,
            padding: Choice<Padding>,
            format: Choice<DataFormat>,
        }

        impl $layer {
            /// A layer with windows of this height and width, side by side, without padding, channels last.
            #[must_use]
            #[track_caller]
            pub fn new(window: [usize; 2]) -> $layer {
                $layer {
                    identity: Identity::new($kind),
                    options: PoolOptions::new(window),
                    padding: Padding::Valid.into(),
                    format: DataFormat::ChannelsLast.into(),
                }
            }

            /// Pixels from one window to the next, along height and width.
            #[must_use]
            pub fn strides(mut self, strides: [usize; 2]) -> $layer {
                self.options = self.options.strides(strides);
                self
            }

            /// What surrounds the images, by value or by name: `valid`, `same`. It counts as no pixel.
            #[must_use]
            pub fn padding(mut self, padding: impl Into<Choice<Padding>>) -> $layer {
                self.padding = padding.into();
                self
            }
        }

        setters!($layer, $kind);
        format_setter!($layer);

        impl Layer for $layer {
            fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
                self.identity.apply(x, |_| match (&self.format.0, &self.padding.0) {
                    (Ok(format), Ok(padding)) => match images(x, $kind, *format) {
                        Ok(_) => x.$op(&self.options.clone().padding(*padding).data_format(*format)),
                        Err(poisoned) => poisoned,
                    },
                    (Err(why), _) | (_, Err(why)) => x.poisoned(why),
                })
            }

            fn name(&self, graph: &Graph) -> Option<String> {
                self.identity.name(graph)
            }
        }
    };
}

pooling! {
    /// The greatest pixel of each window, each channel by itself: [`Tensor::max_pool2d`] as a layer.
    ///
    /// ```
    /// use wengert_autograd::{DType, Graph};
    /// use wengert_nn::layers::{Layer, MaxPool2D, Mode};
    ///
    /// let g = Graph::new();
    /// let x = g.placeholder("x", DType::F32, [None, Some(33), Some(33), Some(8)]);
    /// assert_eq!(MaxPool2D::new([2, 2]).apply(&x, Mode::Train).shape()?[1..], [16, 16, 8]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    MaxPool2D, "max_pooling2d", max_pool2d
}

pooling! {
    /// The mean of each window, each channel by itself: [`Tensor::average_pool2d`] as a layer.
    ///
    /// ```
    /// use wengert_autograd::{DType, Graph};
    /// use wengert_nn::layers::{AveragePool2D, Layer, Mode};
    ///
    /// let g = Graph::new();
    /// let x = g.placeholder("x", DType::F32, [None, Some(8), Some(33), Some(33)]);
    /// let pool = AveragePool2D::new([3, 3]).strides([2, 2]).padding("same").data_format("channels_first");
    /// assert_eq!(pool.apply(&x, Mode::Train).shape()?[1..], [8, 17, 17]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    AveragePool2D, "average_pooling2d", average_pool2d
}
