//! `logsumexp` along axes: ln sum e^x.

use super::cast::computed;
use super::max::MAX;
use super::prelude::*;
use super::reduction::{normal_axes, reduction_methods};
use super::sum::sum;

pub(super) const SPEC: OpSpec = composite(
    "logsumexp",
    &[
        one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].logsumexp()),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].logsumexp_axes([0, -1]).square()),
        one(&[(&[3, 5], 900.0, 1000.0)], |x| &x[0] - x[0].logsumexp_keepdims([1])),
    ],
    &[misuse!(|a, _, _| a.logsumexp_axes([2])), misuse!(|a, _, _| a.logsumexp_axes([0, 0]))],
);

reduction_methods! {
    /// ln sum e^x, shifted by the maximum so that nothing overflows; -inf for no elements.
    logsumexp, logsumexp_axes, logsumexp_keepdims, logsumexp
}

fn logsumexp(x: &Tensor, axes: Option<&[isize]>, keepdims: bool, place: Place) -> Tensor {
    let normal = match normal_axes(x, axes, "logsumexp", place) {
        Ok(normal) => normal,
        Err(error) => return x.graph().poisoned(error),
    };
    computed(x, place, |x| {
        let largest = MAX.record(x, axes, true, place);
        // The shift cancels, so it needs no gradient; an infinite one would make inf - inf.
        let shift = largest.isfinite().select(&largest, 0.0).stop_gradient();
        let result = sum(&(x - &shift).exp(), axes, true, place).log() + shift;
        match result.shape() {
            Ok(shape) if !keepdims => {
                let kept = (0..shape.len()).filter(|axis| !normal.contains(axis)).map(|axis| shape[axis].clone());
                result.reshape_dims(&kept.collect::<Vec<_>>(), place)
            }
            _ => result,
        }
    })
}
