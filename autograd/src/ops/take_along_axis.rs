//! `take_along_axis`: one element of each row by index.

use super::prelude::*;

pub(super) const SPEC: OpSpec = composite(
    "take_along_axis",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].take_along_axis(&x[0].argmax(1).expand_dims(1), 1).exp()),
        one(&[(&[4, 3], -2.0, 2.0)], |x| x[0].take_along_axis(&(x[0].index_along(0) - 1), 0).exp()),
    ],
    &[
        misuse!(|a, b, _| a.take_along_axis(b, 0)),
        misuse!(|a, _, _| a.take_along_axis(&a.argmax(1), 1)),
        misuse!(|a, b, _| a.take_along_axis(&b.cast(DType::I64), 1)),
        misuse!(|a, _, _| a.take_along_axis(&a.cast(DType::I64), 2)),
    ],
);

impl Tensor {
    /// Along `axis` of each row the elements that the integers `index` name, as NumPy's `take_along_axis`: but for
    /// `axis`, the index has the shape of this tensor, and the result that of the index.
    ///
    /// Negative indices count from the end. An index out of range is an error of the call.
    #[must_use]
    #[track_caller]
    pub fn take_along_axis(&self, index: &Tensor, axis: isize) -> Tensor {
        let place = Location::caller();
        let axis = match self.axis(axis, "take_along_axis", place) {
            Ok(axis) => axis,
            Err(error) => return self.graph().poisoned(error),
        };
        let (x, i) = match (self.ty(), index.ty()) {
            (Ok(x), Ok(i)) => (x, i),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return index.clone(),
        };
        let fits = |other| {
            let origin = self.graph().origin(place);
            other == axis || self.graph().state().dims.unify(&x.shape[other], &i.shape[other], &origin).is_some()
        };
        if !i.dtype.is_integer() || i.rank() != x.rank() || !(0..x.rank()).all(fits) {
            let why = format!("the index must be of integers, and of this shape but for axis {axis}");
            return self.refuse(format!("take_along_axis of {x} by {i}: {why}"), place);
        }
        self.graph().composed(place, || {
            let size = |dim: &Dim| super::leaves::size(self.graph(), dim.clone(), DType::I64, place);
            let (n, index) = (size(&x.shape[axis]), index.cast(DType::I64));
            let mut flat = index.less(0).select(&index + &n, &index);
            let inside = flat.greater_equal(0).logical_and(flat.less(&n));
            // The row-major number of each element, with the index in the place of the axis.
            let mut number = size(&Dim::Known(0));
            for (other, dim) in x.shape.iter().enumerate() {
                let along = if other == axis { flat.clone() } else { index.index_along(other as isize) };
                number = number * size(dim) + along;
            }
            // What is out of range stays out of range.
            flat = inside.select(number, size(&x.len()));
            super::gather::gather(&self.reshape_dims(&[x.len()], place), &flat, 0, place)
        })
    }
}
