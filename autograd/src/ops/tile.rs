//! `tile` and `repeat`: elements several times over.

use super::prelude::*;

pub(super) const SPEC: OpSpec = composite(
    "tile",
    &[
        one(&[(&[2, 3], -2.0, 2.0), (&[6], -2.0, 2.0)], |x| x[0].tile([3, 1, 2]).exp() * &x[1]),
        one(&[(&[2, 3], -2.0, 2.0)], |x| x[0].tile([2]).exp()),
        one(&[(&[2, 3], -2.0, 2.0), (&[6], -2.0, 2.0)], |x| x[0].repeat(2, -1) * &x[1]),
        one(&[(&[2, 3], -2.0, 2.0)], |x| x[0].repeat(3, 0).exp()),
    ],
    &[misuse!(|a, _, _| a.repeat(2, 2))],
);

impl Tensor {
    /// Copies of the whole side by side, as NumPy's `tile`: `reps[i]` of them along axis i; missing axes and counts are
    /// 1, matched from the right.
    #[must_use]
    #[track_caller]
    pub fn tile(&self, reps: impl AsRef<[usize]>) -> Tensor {
        let (place, reps) = (Location::caller(), reps.as_ref());
        let Ok(shape) = self.shape() else { return self.clone() };
        let rank = shape.len().max(reps.len());
        let size = |axis: usize| (axis + shape.len()).checked_sub(rank).map_or(Dim::Known(1), |at| shape[at].clone());
        let count = |axis: usize| (axis + reps.len()).checked_sub(rank).map_or(1, |at| reps[at]);
        let each = |pair: &dyn Fn(usize) -> [Dim; 2]| (0..rank).flat_map(pair).collect::<Vec<Dim>>();
        let narrow = each(&|axis| [Dim::Known(1), size(axis)]);
        let wide = each(&|axis| [Dim::Known(count(axis)), size(axis)]);
        let merged: Vec<Dim> = wide.chunks(2).map(Dim::product).collect();
        self.reshape_dims(&narrow, place).broadcast_dims(&wide, place).reshape_dims(&merged, place)
    }

    /// Each element along `axis` `repeats` times in a row, as NumPy's `repeat`.
    #[must_use]
    #[track_caller]
    pub fn repeat(&self, repeats: usize, axis: isize) -> Tensor {
        let place = Location::caller();
        let (axis, shape) = match (self.axis(axis, "repeat", place), self.shape()) {
            (Ok(axis), Ok(shape)) => (axis, shape),
            (Err(error), _) | (_, Err(error)) => return self.graph().poisoned(error),
        };
        let with = |count: usize| {
            let mut wide = shape.clone();
            wide.insert(axis + 1, Dim::Known(count));
            wide
        };
        let mut merged = shape.clone();
        merged[axis] = shape[axis].times(&Dim::Known(repeats));
        let wide = self.reshape_dims(&with(1), place).broadcast_dims(&with(repeats), place);
        wide.reshape_dims(&merged, place)
    }
}
