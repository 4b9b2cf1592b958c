//! What the normalisations share.

use wengert_autograd::{DType, Tensor, custom_vjp};

/// The dtype in which statistics are kept and computed for an input: its own, `f32` for 16 bits and for integers.
pub(super) fn statistics_dtype(input: DType) -> DType {
    if input == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Mean and (biased) variance along `axes`, which stay with size 1. The variance is the mean square distance from the mean:
/// mean squares minus squared means lose every digit where the mean is large.
pub(super) fn moments(x: &Tensor, axes: &[isize]) -> (Tensor, Tensor) {
    let mean = x.mean_keepdims(axes);
    let variance = (x - &mean).square().mean_keepdims(axes);
    (mean, variance)
}

/// `x` with mean 0 and variance 1 along `axes`, given its [`moments`] there; times `scale`, which has the shape of the moments.
///
/// With s the standardised x and r the reciprocal deviation, the gradient for a cotangent g is
/// `scale r (g - mean(g) - s mean(g s))`: what differentiation gives once sums that are 0 are left out, and a pass over
/// the data less. It is written in graph ops over x, so it has derivatives of any order.
pub(super) fn standardize(
    x: &Tensor,
    (mean, variance): &(Tensor, Tensor),
    axes: &[isize],
    epsilon: f64,
    scale: Option<&Tensor>,
) -> Tensor {
    let parts = move |x: &Tensor, mean: &Tensor, variance: &Tensor| (x - mean, (variance + epsilon).rsqrt());
    let (centred, r) = parts(x, mean, variance);
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(scale).collect();
    let axes = axes.to_vec();
    custom_vjp(
        &inputs,
        |inputs| match inputs.get(1) {
            Some(scale) => centred * (r * scale),
            None => centred * r,
        },
        // What is computed again here is written as above, so the compiler makes one of both. A tensor from above would keep
        // the graph alive for ever, since the graph owns this closure.
        move |inputs, _, g| {
            let [x, scale @ ..] = inputs else { return vec![] };
            let (mean, variance) = moments(x, &axes);
            let (centred, r) = parts(x, &mean, &variance);
            let standard = centred * &r;
            let product = g * &standard;
            let rest = g - g.mean_keepdims(&axes) - standard * product.mean_keepdims(&axes);
            match scale {
                [scale, ..] => vec![rest * (r * scale), product.sum_keepdims(&axes)],
                [] => vec![rest * r],
            }
        },
    )
}
