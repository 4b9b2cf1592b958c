//! `add`: a + b.

use super::prelude::*;

/// a + b with NumPy's broadcasting.
#[derive(Debug)]
struct Add;

impl BinaryRule for Add {
    const SCALAR: Binary = Binary::Add;

    fn vjp(v: &Vjp) -> [Grad; 2] {
        [Grad::Some(v.cotangent.clone()), Grad::Some(v.cotangent.clone())]
    }
}

pub(super) const SPEC: OpSpec = Two::<Add>::spec(
    &[
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], -2.0, 2.0)], |x| &x[0] + &x[1]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, 2.0)], |x| &x[0] + &x[1]),
    ],
    &[misuse!(|a, b, _| a + b), misuse!(|_, _, flag| flag + flag)],
);

pub(crate) fn add(a: &Tensor, b: &Tensor, place: Place) -> Tensor {
    Two::<Add>::record(a, b, place)
}

operator!(Add, add, add);
