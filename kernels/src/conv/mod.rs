//! Conv: convolution over images, and the two products that are its gradients.

use crate::{Expr, Slide};

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// Two-dimensional convolution (as everywhere in the field, cross-correlation: the filter is not flipped), or one of its
/// gradients, then an epilogue.
///
/// With images `x[n, h, w, c]`, filters `f[kh, kw, c / groups, o]` and results `y[n, p, q, o]`, the forward pass is
/// `y[n, p, q, o] = sum over i, j, c of x[n, p_i, q_j, c] f[i, j, c, o]`, where `p_i` and `q_j` are the pixels that the
/// [`Slide`]s give for position and tap; pixels beyond the image are zeros. Output channels of group `g` see the input
/// channels of group `g` only. The gradients are the transposes of this map in `x` and in `f`.
///
/// | pass | input A | input B | result |
/// |---|---|---|---|
/// | forward | `x` | `f` | `y` |
/// | input gradient | `y` | `f` | `x` |
/// | weight gradient | `x` | `y` | `f` |
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | inputs A and B | a float | axes as above, any strides: channels may come first in memory |
/// | inputs of `epilogue` after its first | as it says | the result's shape, any strides |
/// | outputs: those of `epilogue`, or the result | as A | the result's shape, row-major |
/// | output, if `channel_sums` (weight gradient only) | as A | `[o]`: the sum of B over its other axes |
///
/// 16-bit floats accumulate in `f32`. Results do not depend on the number of threads. An output may be the memory of an
/// epilogue's input of the same layout, never of A or B.
///
/// A result that a NaN enters is NaN, and no other. Infinities are not held to be more than that: what one enters is an
/// infinity or NaN, as products and sums may be taken in another order. Neither is a filter's element that is not finite
/// held to have no effect where its tap stands beyond the image, nor, in a weight gradient, an image's element on the taps
/// of its channel that never stand over it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Which of the three products.
    pub pass: ConvPass,
    /// How the filter moves along the height and along the width.
    pub slides: [Slide; 2],
    /// Into how many groups both kinds of channels are divided, at least 1.
    pub groups: usize,
    /// Whether the sums of B over all but its channels are a further output: the bias gradient beside that of the weights.
    pub channel_sums: bool,
    /// What is computed from each element of the result, which is the expression's input 0.
    pub epilogue: Option<Expr>,
}

/// The products that a convolution and its gradients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvPass {
    /// Images and filters give results.
    Forward,
    /// Gradients of results and filters give gradients of images.
    InputGradient,
    /// Images and gradients of results give gradients of filters.
    WeightGradient,
}

impl ConvPass {
    /// All of them.
    pub const ALL: [ConvPass; 3] = [ConvPass::Forward, ConvPass::InputGradient, ConvPass::WeightGradient];

    /// The kernel's name in the text form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ConvPass::Forward => "conv",
            ConvPass::InputGradient => "conv_input_gradient",
            ConvPass::WeightGradient => "conv_weight_gradient",
        }
    }
}

/// The sizes of a convolution, whichever of its arrays are operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvSizes {
    pub(crate) images: usize,
    /// Height and width of an image.
    pub(crate) pixels: [usize; 2],
    pub(crate) channels: usize,
    /// Height and width of a filter.
    pub(crate) taps: [usize; 2],
    /// Height and width of a result.
    pub(crate) positions: [usize; 2],
    pub(crate) filters: usize,
}

impl Conv {
    /// The sizes, from the shapes of A, B and the result; `None` if they are not those of this convolution.
    pub(crate) fn sizes(&self, a: &[usize], b: &[usize], result: &[usize]) -> Option<ConvSizes> {
        let (x, f, y) = match self.pass {
            ConvPass::Forward => (a, b, result),
            ConvPass::InputGradient => (result, b, a),
            ConvPass::WeightGradient => (a, result, b),
        };
        let (&[images, height, width, channels], &[kh, kw, inner, filters], &[n, p, q, o]) = (x, f, y) else {
            return None;
        };
        let divided = self.groups > 0 && channels == inner.checked_mul(self.groups)? && filters % self.groups == 0;
        let sizes = ConvSizes { images, pixels: [height, width], channels, taps: [kh, kw], positions: [p, q], filters };
        let fits = (0..2).all(|i| self.slides[i].fits(sizes.positions[i], sizes.taps[i], sizes.pixels[i]));
        (n == images && o == filters && divided && fits).then_some(sizes)
    }
}
