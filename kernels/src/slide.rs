//! How a window moves over an image.

use std::ops::Range;

/// How a window moves along one axis of an image.
///
/// Tap `t` of the window at position `p` stands over pixel `p * stride + t * dilation - padding`. Taps beyond the image stand
/// over nothing: zero for a sum, no candidate for a maximum. How far the window goes, and so the padding behind the
/// image, follows from the number of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slide {
    /// Pixels from one position to the next, at least 1.
    pub stride: usize,
    /// Pixels from one tap to the next, at least 1.
    pub dilation: usize,
    /// Pixels before the image that the first position reaches over.
    pub padding: usize,
}

impl Slide {
    /// Every position of a dense window inside of the image.
    pub const PLAIN: Slide = Slide { stride: 1, dilation: 1, padding: 0 };

    /// The pixel under a tap, if it is one of `pixels`.
    ///
    /// ```
    /// # use wengert_kernels::Slide;
    /// let slide = Slide { stride: 2, dilation: 1, padding: 1 };
    /// assert_eq!([0, 1, 2].map(|tap| slide.pixel(0, tap, 4)), [None, Some(0), Some(1)]);
    /// ```
    #[must_use]
    pub fn pixel(&self, position: usize, tap: usize, pixels: usize) -> Option<usize> {
        (position * self.stride + tap * self.dilation).checked_sub(self.padding).filter(|&pixel| pixel < pixels)
    }

    /// The taps of a window of `taps` that stand over the image.
    #[must_use]
    pub fn taps(&self, position: usize, taps: usize, pixels: usize) -> Range<usize> {
        let start = position * self.stride;
        let first = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let end = (pixels + self.padding).saturating_sub(start).div_ceil(self.dilation).min(taps);
        first.min(end)..end
    }

    /// What no sum in the arithmetic of windows over these sizes goes beyond.
    pub(crate) fn reach(&self, positions: usize, taps: usize, pixels: usize) -> u128 {
        let steps = |count: usize, step: usize| (count as u128).saturating_mul(step as u128);
        let end = steps(positions, self.stride).saturating_add(steps(taps, self.dilation));
        end.saturating_add(self.padding as u128).saturating_add(pixels as u128)
    }

    /// Whether no arithmetic of windows over these sizes can overflow.
    pub(crate) fn fits(&self, positions: usize, taps: usize, pixels: usize) -> bool {
        self.stride > 0 && self.dilation > 0 && self.reach(positions, taps, pixels) < isize::MAX as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_those_with_a_pixel() {
        // semantics 1.11
        for stride in 1..4 {
            for dilation in 1..4 {
                for padding in 0..6 {
                    let slide = Slide { stride, dilation, padding };
                    for (position, taps, pixels) in
                        (0..4).flat_map(|p| (0..5).flat_map(move |t| (0..6).map(move |n| (p, t, n))))
                    {
                        let wanted: Vec<usize> =
                            (0..taps).filter(|&tap| slide.pixel(position, tap, pixels).is_some()).collect();
                        let got: Vec<usize> = slide.taps(position, taps, pixels).collect();
                        assert_eq!(got, wanted, "{slide:?} at {position} of {taps} taps over {pixels}");
                    }
                }
            }
        }
    }
}
