//! `GlobalMaxPool2D` and `GlobalAveragePool2D`: one number for each channel of an image.

use super::images::{format_setter, images, plane};
use super::weight::setters;
use super::{Identity, Layer, Mode};
use crate::choice::Choice;
use wengert_autograd::{DataFormat, Graph, Tensor};

macro_rules! global_pooling {
    ($(#[$doc:meta])* $layer:ident, $kind:literal, $axes:ident, $keepdims:ident) => {
        $(#[$doc])*
        /// Images `[n, height, width, channels]` give `[n, channels]`, or `[n, 1, 1, channels]` with
        #[doc = concat!("[`keepdims`](", stringify!($layer), "::keepdims).")]
        #[derive(Clone, Debug)]
        pub struct $layer {
            identity: Identity,
            keepdims: bool,
            format: Choice<DataFormat>,
        }

        impl $layer {
            /// A layer for images with channels last.
            #[must_use]
            #[track_caller]
            pub fn new() -> $layer {
                let format = DataFormat::ChannelsLast.into();
                $layer { identity: Identity::new($kind), keepdims: false, format }
            }

            /// Keeps height and width as axes of size 1.
            #[must_use]
            pub fn keepdims(mut self) -> $layer {
                self.keepdims = true;
                self
            }
        }

        impl Default for $layer {
            #[track_caller]
            fn default() -> $layer {
                $layer::new()
            }
        }

        setters!($layer, $kind);
        format_setter!($layer);

        impl Layer for $layer {
            fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
                self.identity.apply(x, |_| match &self.format.0 {
                    Ok(format) => match images(x, $kind, *format) {
                        Ok(_) if self.keepdims => x.$keepdims(plane(*format)),
                        Ok(_) => x.$axes(plane(*format)),
                        Err(poisoned) => poisoned,
                    },
                    Err(why) => x.poisoned(why),
                })
            }

            fn name(&self, graph: &Graph) -> Option<String> {
                self.identity.name(graph)
            }
        }
    };
}

global_pooling! {
    /// The greatest pixel of each channel; several greatest share the gradient evenly.
    ///
    GlobalMaxPool2D, "global_max_pooling2d", max_axes, max_keepdims
}

global_pooling! {
    /// The mean of each channel.
    ///
    GlobalAveragePool2D, "global_average_pooling2d", mean_axes, mean_keepdims
}
