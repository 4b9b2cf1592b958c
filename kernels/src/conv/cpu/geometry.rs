//! Which rows (or columns) of the source each row of the result sees.
//!
//! Forward, results see images; for the input gradient, images see results. The second is a convolution as well: over a
//! stride `s`, the rows of the image fall into `s` classes, and each class sees the taps of its own in reversed order.

use crate::Slide;
use std::ops::Range;

/// One axis of a convolution. The source is counted from the first row that any tap stands over, be it of the image or
/// of the border around it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Rows of the result: row `r` belongs to class `r % classes.len()` and is number `r / classes.len()` there.
    pub(super) results: usize,
    pub(super) classes: Vec<Class>,
    /// Rows of the source from one result of a class to the next.
    pub(super) advance: usize,
    /// Rows of the source from tap to tap.
    pub(super) step: usize,
    /// The row of the operand that the source's first is.
    pub(super) origin: isize,
    /// Rows of the source that are seen, border and all.
    pub(super) extent: usize,
    /// Rows of the operand.
    pub(super) len: usize,
}

/// Rows of the result that see the same taps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    /// The row of the source under the first tap of the class' first result.
    pub(super) first: usize,
    /// The filter's taps in the order of the source's rows.
    pub(super) taps: Vec<usize>,
}

impl Axis {
    /// The results of `slide` see an image.
    pub(super) fn forward(slide: Slide, pixels: usize, taps: usize, positions: usize) -> Axis {
        let seen = |count: usize, step: usize| count.saturating_sub(1) * step;
        Axis {
            results: positions,
            classes: vec![Class { first: 0, taps: (0..taps).collect() }],
            advance: slide.stride,
            step: slide.dilation,
            origin: -(slide.padding as isize),
            extent: seen(positions, slide.stride) + seen(taps, slide.dilation) + 1,
            len: pixels,
        }
    }

    /// Each result sees the row that has its number.
    pub(super) fn plain(rows: usize) -> Axis {
        Axis::forward(Slide::PLAIN, rows, 1, rows)
    }

    /// The pixels of an image see the results of `slide`.
    pub(super) fn backward(slide: Slide, pixels: usize, taps: usize, positions: usize) -> Axis {
        let Slide { stride, dilation, padding } = slide;
        let shared = divisor(stride, dilation);
        let step = dilation / shared;
        // For each class: its taps, and the position that its first pixel sees through the first of them.
        let seen: Vec<(Vec<usize>, isize)> = (0..stride.min(pixels))
            .map(|class| {
                let under = |tap: usize| (class + padding) as isize - (tap * dilation) as isize;
                let taps: Vec<usize> =
                    (0..taps).rev().filter(|&tap| under(tap).rem_euclid(stride as isize) == 0).collect();
                let first = taps.first().map_or(0, |&tap| under(tap).div_euclid(stride as isize));
                (taps, first)
            })
            .collect();
        let used = || seen.iter().enumerate().filter(|(_, (taps, _))| !taps.is_empty());
        let origin = used().map(|(_, &(_, first))| first).min().unwrap_or(0);
        let end = used()
            .map(|(class, (taps, first))| {
                let last = (pixels - class - 1) / stride + (taps.len() - 1) * step;
                first + last as isize + 1
            })
            .max()
            .unwrap_or(origin);
        let class = |(taps, first): (Vec<usize>, isize)| {
            let first = if taps.is_empty() { 0 } else { (first - origin) as usize };
            Class { first, taps }
        };
        Axis {
            results: pixels,
            advance: 1,
            step,
            origin,
            extent: (end - origin) as usize,
            len: positions,
            classes: seen.into_iter().map(class).collect(),
        }
    }

    /// The same with an even number of results: squares reach beyond an odd row, and what comes of that is dropped.
    pub(super) fn in_pairs(self) -> Axis {
        let results = self.results.next_multiple_of(2);
        Axis { results, extent: self.extent + results - self.results, ..self }
    }

    /// Whether the border is of no account beside the operand.
    pub(super) fn is_compact(&self) -> bool {
        self.extent <= self.len.saturating_mul(4).saturating_add(64)
    }

    /// Whether no tap stands over a border.
    pub(super) fn is_inside(&self) -> bool {
        self.origin >= 0 && self.origin as usize + self.extent <= self.len
    }

    /// The class of a row of the result, and the row of the source under its first tap.
    #[inline]
    pub(super) fn first(&self, result: usize) -> (usize, usize) {
        let classes = self.classes.len();
        if classes == 1 {
            return (0, self.classes[0].first + result * self.advance);
        }
        let class = result % classes;
        (class, self.classes[class].first + result / classes * self.advance)
    }

    /// How many rows of the result belong to a class.
    #[inline]
    pub(super) fn count(&self, class: usize) -> usize {
        (self.results - class).div_ceil(self.classes.len())
    }

    /// The rows of the source that some rows of the result see.
    pub(super) fn under(&self, results: Range<usize>) -> Range<usize> {
        let (mut low, mut high) = (usize::MAX, 0);
        for result in results {
            let (class, first) = self.first(result);
            if let Some(steps) = self.classes[class].taps.len().checked_sub(1) {
                low = low.min(first);
                high = high.max(first + steps * self.step + 1);
            }
        }
        low.min(high)..high
    }
}

/// The greatest common divisor.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which tap of which row of the result stands over which row of the operand, both ways.
    #[test]
    fn both_directions_see_the_same() {
        for (stride, dilation) in (1..5).flat_map(|s| (1..5).map(move |d| (s, d))) {
            for (padding, taps, pixels) in (0..4).flat_map(|p| (1..4).flat_map(move |t| (1..7).map(move |n| (p, t, n))))
            {
                for positions in 1..6 {
                    let slide = Slide { stride, dilation, padding };
                    let mut wanted: Vec<[usize; 3]> = (0..positions)
                        .flat_map(|position| (0..taps).map(move |tap| (position, tap)))
                        .filter_map(|(position, tap)| Some([position, tap, slide.pixel(position, tap, pixels)?]))
                        .collect();
                    let list = |axis: Axis, flip: bool| {
                        let mut list = vec![];
                        for result in 0..axis.results {
                            let (class, first) = axis.first(result);
                            for (number, &tap) in axis.classes[class].taps.iter().enumerate() {
                                let row = first + number * axis.step;
                                assert!(row < axis.extent && axis.under(result..result + 1).contains(&row));
                                let Ok(row) = usize::try_from(axis.origin + row as isize) else { continue };
                                if row < axis.len {
                                    list.push(if flip { [row, tap, result] } else { [result, tap, row] });
                                }
                            }
                        }
                        list.sort_unstable();
                        list
                    };
                    wanted.sort_unstable();
                    assert_eq!(list(Axis::forward(slide, pixels, taps, positions), false), wanted, "{slide:?}");
                    assert_eq!(list(Axis::backward(slide, pixels, taps, positions), true), wanted, "{slide:?}");
                }
            }
        }
    }
}
