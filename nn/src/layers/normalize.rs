//! What the normalisations share.

use wengert_autograd::{DType, Tensor, custom_vjp};

/// The dtype in which statistics are kept and computed for an input: its own, `f32` for 16 bits and for integers.
pub(super) fn statistics_dtype(input: DType) -> DType {
    if input == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Mean and (biased) variance along `axes`, which count from the front, ascend, and disappear. The variance is the mean square
/// distance from the mean: mean squares minus squared means lose every digit where the mean is large.
pub(super) fn moments(x: &Tensor, axes: &[isize]) -> (Tensor, Tensor) {
    let mean = x.mean_axes(axes);
    let variance = (x - widen(&mean, axes)).square().mean_axes(axes);
    (mean, variance)
}

/// Gives what was computed along `axes` these axes back, with size 1.
pub(super) fn widen(reduced: &Tensor, axes: &[isize]) -> Tensor {
    axes.iter().fold(reduced.clone(), |wide, &axis| wide.expand_dims(axis))
}

/// `x` with mean 0 and variance 1 along `axes`, given its [`moments`] there; times `scale`, which has the shape of the moments.
///
/// With c the centred x, r the reciprocal deviation, and g the cotangent, the gradient is
/// `scale r (g - mean(g) - c r^2 mean(g c))`: what differentiation gives once sums that are 0 are left out, and a pass over
/// the data less. It is written in graph ops over x, so it has derivatives of any order.
pub(super) fn standardize(
    x: &Tensor,
    (mean, variance): &(Tensor, Tensor),
    axes: &[isize],
    epsilon: f64,
    scale: Option<&Tensor>,
) -> Tensor {
    let axes = axes.to_vec();
    let along = axes.clone();
    let parts =
        move |x: &Tensor, mean: &Tensor, variance: &Tensor| (x - widen(mean, &along), (variance + epsilon).rsqrt());
    let (centred, r) = parts(x, mean, variance);
    let factor = scale.map_or(r.clone(), |scale| r * scale);
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(scale).collect();
    custom_vjp(
        &inputs,
        |_| centred * widen(&factor, &axes),
        // What is computed again here is written as above, so the compiler makes one of both. A tensor from above would keep
        // the graph alive for ever, since the graph owns this closure.
        {
            let axes = axes.clone();
            move |inputs, _, g| {
                let [x, scale @ ..] = inputs else { return vec![] };
                let (mean, variance) = moments(x, &axes);
                let (centred, r) = parts(x, &mean, &variance);
                let product = g * &centred;
                let slope = r.square() * product.mean_axes(&axes);
                let rest = g - widen(&g.mean_axes(&axes), &axes) - centred * widen(&slope, &axes);
                match scale {
                    [scale, ..] => vec![rest * widen(&(&r * scale), &axes), r * product.sum_axes(&axes)],
                    [] => vec![rest * widen(&r, &axes)],
                }
            }
        },
    )
}

/// What the builders of the normalisations have in common.
macro_rules! normalization {
    ($layer:ident, $kind:literal) => {
        impl $layer {
            /// What is added to the variance, 0 or more.
            #[must_use]
            pub fn epsilon(mut self, epsilon: f64) -> $layer {
                self.epsilon = epsilon;
                self
            }

            /// Leaves `beta` out.
            #[must_use]
            pub fn no_center(mut self) -> $layer {
                self.center = false;
                self
            }

            /// Leaves `gamma` out.
            #[must_use]
            pub fn no_scale(mut self) -> $layer {
                self.scale = false;
                self
            }
        }

        impl Default for $layer {
            #[track_caller]
            fn default() -> $layer {
                $layer::new()
            }
        }

        super::weight::setters!($layer, $kind,
            gamma: gamma_initializer gamma_regularizer,
            beta: beta_initializer beta_regularizer
        );
    };
}
pub(super) use normalization;
