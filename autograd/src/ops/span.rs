//! What a slice takes along one axis.

use crate::Dim;
use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

/// The indices taken along an axis: a range, perhaps with a step, or one index, which drops the axis. Negative ends
/// count from the end of the axis, as in NumPy.
///
/// ```
/// # use wengert_autograd::{Span, s};
/// assert_eq!(s![.., 1..3], [Span::from(..), Span::new(Some(1), Some(3), 1)]);
/// assert_eq!(Span::from(..).step(-1), Span::new(None, None, -1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: Option<isize>,
    stop: Option<isize>,
    step: isize,
    drops: bool,
}

/// The spans of [`Tensor::slice`](crate::Tensor::slice): `s![.., 1..-1, 3]` is NumPy's `[:, 1:-1, 3]`.
#[macro_export]
macro_rules! s {
    ($($span:expr),* $(,)?) => {{
        // `1..-1` ends before the last element; it is not an empty range.
        #[allow(clippy::reversed_empty_ranges)]
        let spans = [$($crate::Span::from($span)),*];
        spans
    }};
}

impl Span {
    /// From `start` to before `stop` by `step`, NumPy's `start:stop:step`; without an end it goes as far as there are
    /// elements.
    #[must_use]
    pub fn new(start: Option<isize>, stop: Option<isize>, step: isize) -> Span {
        Span { start, stop, step, drops: false }
    }

    /// The same ends with another step; a negative one walks from a higher `start` down to before a lower `stop`.
    #[must_use]
    pub fn step(self, step: isize) -> Span {
        Span { step, ..self }
    }

    pub(super) fn drops(&self) -> bool {
        self.drops
    }

    /// The elements of an axis of size `n` that this takes.
    pub(super) fn cut(&self, axis: usize, n: &Dim) -> Result<Cut, String> {
        // Strides are multiplied by the step.
        if self.step == 0 || i32::try_from(self.step).is_err() {
            return Err(format!("the step along axis {axis} is {}: it is neither 0 nor beyond 32 bits", self.step));
        }
        match (n.known(), self.start) {
            (Some(n), Some(index)) if self.drops => match crate::tensor::normal_axis(index, n) {
                Some(index) => Ok(Cut { first: Dim::Known(index), step: 1, size: Dim::Known(1) }),
                None => Err(format!("axis {axis} of size {n} has no index {index}")),
            },
            (Some(n), _) => Ok(self.cut_known(n)),
            (None, Some(index)) if self.drops => Ok(Cut { first: End::new(index).of(n), step: 1, size: Dim::Known(1) }),
            (None, _) => self.cut_open(n).ok_or_else(|| {
                format!(
                    "from {:?} to {:?} along the open axis {axis} takes fewer the larger it is",
                    self.start, self.stop
                )
            }),
        }
    }

    fn cut_known(&self, n: usize) -> Cut {
        let n = n as isize;
        // The indices that exist, and the one before or after them where a walk may stop.
        let (low, high) = if self.step > 0 { (0, n) } else { (-1, n - 1) };
        let clamped = |end: isize| (if end < 0 { end.saturating_add(n) } else { end }).clamp(low, high);
        let (from, to) = if self.step > 0 { (low, high) } else { (high, low) };
        let (start, stop) = (self.start.map_or(from, clamped), self.stop.map_or(to, clamped));
        let way = if self.step > 0 { stop - start } else { start - stop };
        let size = usize::try_from(way).unwrap_or(0).div_ceil(self.step.unsigned_abs());
        let first = if size == 0 { 0 } else { usize::try_from(start).unwrap_or(0) };
        Cut { first: Dim::Known(first), step: self.step, size: Dim::Known(size) }
    }

    fn cut_open(&self, n: &Dim) -> Option<Cut> {
        let front = |offset| End { back: false, offset };
        let back = |offset| End { back: true, offset };
        let (from, to) = if self.step > 0 { (front(0), back(0)) } else { (back(-1), front(-1)) };
        let (start, stop) = (self.start.map_or(from, End::new), self.stop.map_or(to, End::new));
        let (near, far) = if self.step > 0 { (start, stop) } else { (stop, start) };
        let stride = self.step.unsigned_abs();
        let way = far.offset.saturating_sub(near.offset);
        let size = match (near.back, far.back) {
            (true, false) => return None,
            (false, true) => {
                let up = way.saturating_add_unsigned(stride - 1);
                End { back: true, offset: up }.of(n).over(&Dim::Known(stride))
            }
            _ => Dim::Known(usize::try_from(way).unwrap_or(0).div_ceil(stride)),
        };
        Some(Cut { first: start.of(n), step: self.step, size })
    }
}

/// An index from the front or the back of an axis.
#[derive(Clone, Copy)]
struct End {
    back: bool,
    offset: isize,
}

impl End {
    fn new(index: isize) -> End {
        End { back: index < 0, offset: index }
    }

    fn of(self, n: &Dim) -> Dim {
        let offset = Dim::Known(self.offset.unsigned_abs());
        match (self.back, self.offset < 0) {
            (true, true) => n.minus(&offset),
            (true, false) => n.plus(&offset),
            (false, _) => offset,
        }
    }
}

macro_rules! span_from {
    ($($ty:ty, $range:pat => $start:expr, $stop:expr, $drops:literal;)*) => {$(
        impl From<$ty> for Span {
            fn from($range: $ty) -> Span {
                Span { start: $start, stop: $stop, step: 1, drops: $drops }
            }
        }
    )*};
}

span_from! {
    isize, index => Some(index), None, true;
    RangeFull, _ => None, None, false;
    Range<isize>, range => Some(range.start), Some(range.end), false;
    RangeFrom<isize>, range => Some(range.start), None, false;
    RangeTo<isize>, range => None, Some(range.end), false;
}

/// What is taken along an axis: `size` elements from `first` on, `step` apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) first: Dim,
    pub(super) step: isize,
    pub(super) size: Dim,
}

impl Cut {
    pub(super) fn whole(n: &Dim) -> Cut {
        Cut { first: Dim::Known(0), step: 1, size: n.clone() }
    }

    /// Whether it may stay within an axis of size `n`, as far as is known.
    pub(super) fn fits(&self, n: &Dim) -> bool {
        match (self.first.known(), self.size.known(), n.known()) {
            (_, Some(0), _) => true,
            (Some(first), Some(size), Some(n)) => {
                let way = isize::try_from(size - 1).ok().and_then(|steps| self.step.checked_mul(steps));
                first < n && way.and_then(|way| first.checked_add_signed(way)).is_some_and(|last| last < n)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_axes_are_cut_as_in_numpy() {
        // semantics 1.8
        let ends: Vec<Option<isize>> = (-7..=7).map(Some).chain([None]).collect();
        for n in 0..5usize {
            for (&start, &stop) in ends.iter().flat_map(|start| ends.iter().map(move |stop| (start, stop))) {
                for step in [-3, -2, -1, 1, 2, 3] {
                    let cut = Span::new(start, stop, step).cut(0, &Dim::Known(n)).unwrap();
                    assert!(cut.fits(&Dim::Known(n)), "{start:?}:{stop:?}:{step} of {n} gives {cut:?}");
                    // Python's definition, walked: ends from the back are moved once, then the walk keeps what exists.
                    let moved = |end: isize| if end < 0 { end + n as isize } else { end };
                    let (low, high) = if step > 0 { (0, n as isize) } else { (-1, n as isize - 1) };
                    let mut at = start.map_or(if step > 0 { low } else { high }, moved).clamp(low, high);
                    let end = stop.map_or(if step > 0 { high } else { low }, moved).clamp(low, high);
                    let mut walked = vec![];
                    while (step > 0 && at < end) || (step < 0 && at > end) {
                        walked.push(at);
                        at += step;
                    }
                    assert_eq!(cut.size, walked.len());
                    assert!(walked.first().is_none_or(|&first| cut.first == first as usize));
                }
            }
        }
    }
}
