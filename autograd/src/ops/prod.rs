//! `prod` along axes.

use super::prelude::*;
use super::reduction::{Keep, ReduceRule, reduction_methods};

/// The product along axes; the derivative by a factor is the product of the others.
const PROD: ReduceRule = ReduceRule { name: "prod", op: ReduceOp::Prod, vjp: factors };

fn factors(v: &Vjp, axes: &[usize], keep: Keep<'_>) -> Grad {
    Grad::Some(match v.inputs[0].shape() {
        Ok(shape) => others(&v.inputs[0], &shape, axes) * keep(&v.cotangent),
        Err(_) => v.inputs[0].clone(),
    })
}

/// For each element the product of the others along the axes.
///
/// Not y / x, which fails at zeros: all n products of n factors are written out, the own factor replaced by 1. That
/// takes n^2 multiplications, but holds for any number of zeros, for open sizes, and for its own derivatives.
fn others(x: &Tensor, shape: &[Dim], axes: &[usize]) -> Tensor {
    let place = Location::caller();
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let ordered: Vec<Dim> = order.iter().map(|&axis| shape[axis].clone()).collect();
    let rest = shape.len() - axes.len();
    let n = Dim::product(&ordered[rest..]);
    let rows = x.transpose(&order).reshape_dims(&[&ordered[..rest], std::slice::from_ref(&n)].concat(), place);
    let square = [n.clone(), n];
    let along = |axis| super::index::index(x.graph(), square.to_vec(), axis, place);
    let products = along(0).equal(along(1)).select(1.0, rows.expand_dims(-2)).prod_axes([-1]);
    let mut inverse = order.clone();
    for (to, &from) in order.iter().enumerate() {
        inverse[from] = to;
    }
    products.reshape_dims(&ordered, place).transpose(inverse)
}

pub(super) const SPEC: OpSpec = spec(
    PROD.name,
    |attributes| PROD.parsed(attributes),
    &[
        one(&[(&[7], -2.0, 2.0)], |x| x[0].prod()),
        one(&[(&[3, 5], 0.5, 2.0)], |x| x[0].prod_axes([0])),
        one(&[(&[3, 2, 4], -2.0, 2.0)], |x| x[0].prod_keepdims([0, 2]) * &x[0]),
        // With a zero among the factors, and with two.
        one(&[(&[1], 0.0, 0.0), (&[4], -2.0, 2.0)], |x| Tensor::concat(&[&x[0], &x[1]], 0).prod().exp()),
        one(&[(&[2], 0.0, 0.0), (&[4], -2.0, 2.0)], |x| Tensor::concat(&[&x[1], &x[0]], 0).prod().exp()),
    ],
    &[misuse!(|a, _, _| a.prod_axes([2])), misuse!(|a, _, _| a.prod_axes([0, 0]))],
);

reduction_methods! {
    /// The product; 1 for no elements. Products of `bool` and small integers are `i64`. The gradient is right with
    /// zeros among the factors; it takes the square of their number of multiplications.
    prod, prod_axes, prod_keepdims,
    |x: &Tensor, axes, keepdims, place| PROD.record(&super::cast::to_wide(x, place), axes, keepdims, place)
}
