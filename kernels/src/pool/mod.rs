//! Pool: maxima and sums over windows of images, and the maps that are their gradients.

use crate::{Expr, Slide};

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// Pooling over the windows of images, or one of the maps that its gradients are made of, then an epilogue.
///
/// With images `x[n, h, w, c]` and results `y[n, p, q, c]`, each channel by itself:
///
/// | op | inputs | result | meaning |
/// |---|---|---|---|
/// | max | `x` | `y` | the greatest pixel of each window; a NaN is greater than all, a window beyond the image gives -inf |
/// | max gather | `x`, `t` | `y` | of images `t` shaped like `x`, the pixel where `x` has its window's first maximum; 0 for a window beyond |
/// | max scatter | `x`, `y` | `x` | the transpose of gather in `t`: each `y` is added where `x` has its window's first maximum |
/// | sum | `x` | `y` | the sum of each window |
/// | sum scatter | `y` | `x` | the transpose of sum: each `y` is added to every pixel of its window |
///
/// First means first in row-major order of the window; a NaN comes before all else.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | inputs | a float, the same for all | axes as above, any strides |
/// | inputs of `epilogue` after its first | as it says | the result's shape, any strides |
/// | outputs: those of `epilogue`, or the result | as the inputs | the result's shape, row-major |
///
/// 16-bit floats are summed in `f32`. Results do not depend on the number of threads: where windows overlap, what they add
/// to a pixel is added in their row-major order. An output may be the memory of an epilogue's input of the same layout,
/// never of another input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// What is computed.
    pub op: PoolOp,
    /// Height and width of the window.
    pub window: [usize; 2],
    /// How the window moves along the height and along the width.
    pub slides: [Slide; 2],
    /// What is computed from each element of the result, which is the expression's input 0.
    pub epilogue: Option<Expr>,
}

/// What is computed over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolOp {
    /// Their greatest pixels.
    Max,
    /// The pixels of another image where these have their first maxima.
    MaxGather,
    /// Values added where these have their first maxima.
    MaxScatter,
    /// Their sums.
    Sum,
    /// Values added to all of their pixels.
    SumScatter,
}

impl PoolOp {
    /// All of them.
    pub const ALL: [PoolOp; 5] = [PoolOp::Max, PoolOp::MaxGather, PoolOp::MaxScatter, PoolOp::Sum, PoolOp::SumScatter];

    /// The kernel's name in the text form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PoolOp::Max => "max_pool",
            PoolOp::MaxGather => "max_pool_gather",
            PoolOp::MaxScatter => "max_pool_scatter",
            PoolOp::Sum => "sum_pool",
            PoolOp::SumScatter => "sum_pool_scatter",
        }
    }

    /// Inputs before those of an epilogue.
    #[must_use]
    pub const fn inputs(self) -> usize {
        match self {
            PoolOp::MaxGather | PoolOp::MaxScatter => 2,
            PoolOp::Max | PoolOp::Sum | PoolOp::SumScatter => 1,
        }
    }

    /// Whether the result is shaped like the image.
    pub(crate) const fn scatters(self) -> bool {
        matches!(self, PoolOp::MaxScatter | PoolOp::SumScatter)
    }
}

/// The sizes of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolSizes {
    pub(crate) images: usize,
    /// Height and width of an image.
    pub(crate) pixels: [usize; 2],
    pub(crate) channels: usize,
    /// Height and width of a result.
    pub(crate) positions: [usize; 2],
}

impl Pool {
    /// The sizes, from the shapes of the inputs and the result; `None` if they are not those of this pooling.
    pub(crate) fn sizes(&self, inputs: &[&[usize]], result: &[usize]) -> Option<PoolSizes> {
        let (x, y) = match (self.op, inputs) {
            (PoolOp::Max | PoolOp::Sum, [x]) => (*x, result),
            (PoolOp::MaxGather, [x, t]) if x == t => (*x, result),
            (PoolOp::MaxScatter, [x, y]) if *x == result => (*x, *y),
            (PoolOp::SumScatter, [y]) => (result, *y),
            _ => return None,
        };
        let (&[images, height, width, channels], &[n, p, q, c]) = (x, y) else { return None };
        let sizes = PoolSizes { images, pixels: [height, width], channels, positions: [p, q] };
        let fits = (0..2).all(|i| self.slides[i].fits(sizes.positions[i], self.window[i], sizes.pixels[i]));
        (n == images && c == channels && fits).then_some(sizes)
    }
}
