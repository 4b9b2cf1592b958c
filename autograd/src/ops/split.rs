//! `split`: a tensor cut into parts along an axis.

use super::prelude::*;
use super::span::Cut;

pub(super) const SPEC: OpSpec = composite(
    "split",
    &[one(&[(&[4, 6], -2.0, 2.0)], |x| {
        let parts = x[0].split(&[1, 2, 3], 1);
        parts[0].exp() * &parts[1].sum() + parts[2].square().sum()
    })],
    &[misuse!(|a, _, _| a.split(&[1, 1], 1).remove(0)), misuse!(|a, _, _| a.split(&[2], 2).remove(0))],
);

impl Tensor {
    /// Parts of these sizes one after another along `axis`; together they must be all of it.
    #[must_use]
    #[track_caller]
    pub fn split(&self, sizes: &[usize], axis: isize) -> Vec<Tensor> {
        let place = Location::caller();
        let (axis, ty) = match (self.axis(axis, "split", place), self.ty()) {
            (Ok(axis), Ok(ty)) => (axis, ty),
            (Err(error), _) | (_, Err(error)) => {
                return sizes.iter().map(|_| self.graph().poisoned(error.clone())).collect();
            }
        };
        let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if total.is_none_or(|total| ty.shape[axis] != total) {
            let wrong = self.refuse(format!("split of {ty}: {sizes:?} are not all of axis {axis}"), place);
            return vec![wrong; sizes.len()];
        }
        let mut next = 0;
        let mut part = |&size: &usize| {
            let cut = Cut { first: Dim::Known(next), step: 1, size: Dim::Known(size) };
            next += size;
            super::slice::cut_axis(self, axis, cut, place)
        };
        sizes.iter().map(&mut part).collect()
    }
}
