//! How windows slide over images whose sizes may be open: what convolution and pooling have in common.

use crate::op::{Attribute, Attributes, Refusal};
use crate::{Dim, Tensor, TensorType};
use wengert_kernels::Slide;

/// What surrounds an image before windows slide over it: zeros for sums, nothing for maxima.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Nothing: windows stay inside the image.
    #[default]
    Valid,
    /// As much as makes the result `ceil(size / stride)`; if that is odd, one more behind the image than before it.
    Same,
    /// Pixels before and behind the image, for its height and its width.
    Explicit([(usize, usize); 2]),
}

/// The order of an image's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataFormat {
    /// `[images, height, width, channels]`.
    #[default]
    ChannelsLast,
    /// `[images, channels, height, width]`.
    ChannelsFirst,
}

impl DataFormat {
    /// Runs what works on images with channels last.
    pub(crate) fn apply(self, x: &Tensor, run: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        match self {
            DataFormat::ChannelsLast => run(x),
            DataFormat::ChannelsFirst => self.back(&run(&self.channels_last(x))),
        }
    }

    /// An image of this format with its channels last.
    pub(crate) fn channels_last(self, x: &Tensor) -> Tensor {
        match self {
            DataFormat::ChannelsLast => x.clone(),
            DataFormat::ChannelsFirst => x.transpose([0, 2, 3, 1]),
        }
    }

    /// The type that an image of this type has with its channels last.
    pub(crate) fn type_with_channels_last(self, ty: &TensorType) -> TensorType {
        let mut ty = ty.clone();
        if self == DataFormat::ChannelsFirst && ty.rank() == 4 {
            ty.shape[1..].rotate_left(1);
        }
        ty
    }

    fn back(self, x: &Tensor) -> Tensor {
        x.transpose([0, 3, 1, 2])
    }
}

/// How a window slides along height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sliding {
    /// Pixels from one position to the next, at least 1.
    pub strides: [usize; 2],
    /// Pixels from one of the window's taps to the next, at least 1.
    pub dilation: [usize; 2],
    /// What surrounds the image.
    pub padding: Padding,
}

impl Default for Sliding {
    fn default() -> Sliding {
        Sliding { strides: [1; 2], dilation: [1; 2], padding: Padding::Valid }
    }
}

impl Sliding {
    /// How many positions a window of `taps` has along an axis of `pixels`.
    pub(crate) fn positions(&self, axis: usize, pixels: &Dim, taps: &Dim) -> Result<Dim, Refusal> {
        let (stride, dilation) = (self.strides[axis], self.dilation[axis]);
        if stride == 0 || dilation == 0 || *taps == 0 {
            return Err(Refusal::new("windows, strides and dilation are 1 or more"));
        }
        let one = Dim::Known(1);
        let padding = match self.padding {
            Padding::Valid => 0,
            Padding::Same => return Ok(pixels.plus(&Dim::Known(stride - 1)).over(&Dim::Known(stride))),
            Padding::Explicit(widths) => widths[axis].0.saturating_add(widths[axis].1),
        };
        if [stride, dilation, padding].iter().chain(&taps.known()).any(|&n| u32::try_from(n).is_err()) {
            return Err(Refusal::new("windows, strides, dilation and padding are less than 2^32"));
        }
        let covers = taps.minus(&one).times(&Dim::Known(dilation)).plus(&one);
        let padded = pixels.plus(&Dim::Known(padding));
        if let (Some(covers), Some(padded)) = (covers.known(), padded.known())
            && padded < covers
        {
            let side = ["height", "width"][axis];
            let what = format!("a window that covers {covers} pixels does not fit into a {side} of {padded}");
            return Err(
                Refusal::new(what).hint("use a smaller window, or padding; are the channels where data_format() says?")
            );
        }
        Ok(padded.minus(&covers).over(&Dim::Known(stride)).plus(&one))
    }

    /// How the window slides, for sizes that are known now.
    pub(crate) fn slides(&self, pixels: [usize; 2], taps: [usize; 2]) -> [Slide; 2] {
        [0, 1].map(|axis| {
            let stride = self.strides[axis];
            let padding = match self.padding {
                Padding::Valid => 0,
                Padding::Explicit(widths) => widths[axis].0,
                Padding::Same => {
                    let reach = pixels[axis].div_ceil(stride).saturating_sub(1).saturating_mul(stride);
                    let covers = taps[axis].saturating_sub(1).saturating_mul(self.dilation[axis]).saturating_add(1);
                    reach.saturating_add(covers).saturating_sub(pixels[axis]) / 2
                }
            };
            Slide { stride, dilation: self.dilation[axis], padding }
        })
    }

    /// These as the attributes of an op.
    pub(crate) fn attributes(&self) -> Attributes {
        let padding: Attribute = match self.padding {
            Padding::Valid => "valid".into(),
            Padding::Same => "same".into(),
            Padding::Explicit([(top, bottom), (left, right)]) => [top, bottom, left, right].as_slice().into(),
        };
        Attributes::none()
            .with("strides", self.strides.as_slice())
            .with("dilation", self.dilation.as_slice())
            .with("padding", padding)
    }

    /// What [`Sliding::attributes`] gave.
    pub(crate) fn parse(attributes: &Attributes) -> Result<Sliding, String> {
        let padding = match (attributes.text("padding"), attributes.sizes("padding")) {
            (Ok(text), _) if text == "valid" => Padding::Valid,
            (Ok(text), _) if text == "same" => Padding::Same,
            (Ok(text), _) => return Err(format!("there is no padding `{text}`")),
            (_, Ok(widths)) => {
                let [top, bottom, left, right] = widths[..] else { return Err("padding has four widths".into()) };
                Padding::Explicit([(top, bottom), (left, right)])
            }
            (_, Err(why)) => return Err(why),
        };
        Ok(Sliding { strides: pair(attributes, "strides")?, dilation: pair(attributes, "dilation")?, padding })
    }
}

/// An attribute with a number for the height and one for the width.
pub(crate) fn pair(attributes: &Attributes, name: &str) -> Result<[usize; 2], String> {
    attributes.sizes(name)?.try_into().map_err(|_| format!("attribute {name} has two numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_splits_evenly_and_puts_the_odd_pixel_behind() {
        // semantics 1.12
        let at = |stride: usize, pixels: usize, taps: usize| {
            let sliding = Sliding { strides: [stride; 2], padding: Padding::Same, ..Sliding::default() };
            let positions = sliding.positions(0, &Dim::Known(pixels), &Dim::Known(taps)).unwrap().known().unwrap();
            (positions, sliding.slides([pixels; 2], [taps; 2])[0].padding)
        };
        assert_eq!(at(1, 5, 3), (5, 1));
        assert_eq!(at(1, 5, 2), (5, 0));
        assert_eq!(at(2, 5, 3), (3, 1));
        assert_eq!(at(2, 6, 3), (3, 0));
        assert_eq!(at(3, 7, 2), (3, 0));
        assert_eq!(at(2, 0, 3), (0, 1));
    }

    #[test]
    fn attributes_come_back() {
        for padding in [Padding::Valid, Padding::Same, Padding::Explicit([(1, 2), (3, 4)])] {
            let sliding = Sliding { strides: [1, 2], dilation: [3, 1], padding };
            assert_eq!(Sliding::parse(&sliding.attributes()).unwrap(), sliding);
        }
    }
}
