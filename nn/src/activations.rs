//! What stands behind the weights of a layer.

use crate::choice::{Named, choose_by_name};
use wengert_autograd::Tensor;

/// A function applied to every element, or, for [`Softmax`], to every row.
///
/// Known by name: `linear`, `relu`, `leaky_relu`, `elu`, `selu`, `gelu`, `silu` (`swish`), `gaussian`, `sigmoid`, `softplus`,
/// `softmax`, `tanh`.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::activations::Activation::{self, *};
/// let g = Graph::new();
/// let x = g.constant([-2.0f32, 3.0]);
/// assert_eq!(LeakyRelu(0.01).of(&x).eval(&[])?.to_vec::<f32>()?, [-0.02, 3.0]);
/// assert_eq!("relu".parse::<Activation>()?, Relu);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// x.
    Linear,
    /// max(x, 0); the derivative at 0 is 0.
    Relu,
    /// x where it is positive, this slope times x elsewhere. By name: slope 0.01, as in Lasagne.
    LeakyRelu(f64),
    /// x where it is positive, this factor times e^x - 1 elsewhere. By name: factor 1.
    Elu(f64),
    /// 1.0507 x where it is positive, 1.7581 (e^x - 1) elsewhere: the factors that keep mean 0 and variance 1. Source: G.
    /// Klambauer et al., "Self-normalizing neural networks", NIPS 2017.
    Selu,
    /// x times the probability that a standard normal variable is below x. Source: D. Hendrycks and K. Gimpel, "Gaussian
    /// error linear units", 2016.
    Gelu,
    /// x / (1 + e^-x). Source: S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function
    /// approximation in reinforcement learning", 2017.
    Silu,
    /// e^-x^2.
    Gaussian,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// ln(1 + e^x).
    Softplus,
    /// e^x / sum e^x along the last axis.
    Softmax,
    /// The hyperbolic tangent.
    Tanh,
}

use Activation::{Elu, Gaussian, Gelu, LeakyRelu, Linear, Relu, Selu, Sigmoid, Silu, Softmax, Softplus, Tanh};

/// The factors of [`Selu`]: of all, and of the exponential.
const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);

const TABLE: &[Named<Activation>] = &[
    ("linear", || Linear),
    ("relu", || Relu),
    ("leaky_relu", || LeakyRelu(0.01)),
    ("elu", || Elu(1.0)),
    ("selu", || Selu),
    ("gelu", || Gelu),
    ("silu", || Silu),
    ("swish", || Silu),
    ("gaussian", || Gaussian),
    ("sigmoid", || Sigmoid),
    ("softplus", || Softplus),
    ("softmax", || Softmax),
    ("tanh", || Tanh),
];

choose_by_name!(Activation, "activation", TABLE);

impl Activation {
    /// The activation of `x`, of the same shape and dtype.
    #[must_use]
    #[track_caller]
    pub fn of(&self, x: &Tensor) -> Tensor {
        match *self {
            Linear => x.clone(),
            Relu => x.relu(),
            LeakyRelu(slope) => x.greater(0.0).select(x, x * slope),
            // Where the exponential is not taken, its operand is 0 and neither it nor its derivative overflows.
            Elu(factor) => x.greater(0.0).select(x, x.minimum(0.0).expm1() * factor),
            Selu => Elu(SELU.1).of(x) * SELU.0,
            Silu => x * x.sigmoid(),
            Gaussian => (-x.square()).exp(),
            Gelu => x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0),
            Sigmoid => x.sigmoid(),
            Softplus => x.softplus(),
            Softmax => x.softmax(-1),
            Tanh => x.tanh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{DType, Graph};

    #[test]
    fn values_and_slopes() {
        let cases: &[(Activation, f64, f64, f64)] = &[
            (Linear, -2.0, -2.0, 1.0),
            (Relu, -2.0, 0.0, 0.0),
            (Relu, 0.0, 0.0, 0.0),
            (LeakyRelu(0.01), -2.0, -0.02, 0.01),
            (Elu(1.0), -1.0, -0.632_120_558_828_557_7, 0.367_879_441_171_442_33),
            (Elu(1.0), 1000.0, 1000.0, 1.0),
            (Gelu, 1.0, 0.841_344_746_068_542_9, 1.083_315_470_587_686_5),
            (Selu, 1.0, SELU.0, SELU.0),
            (Selu, -1.0, -1.111_330_737_812_562_5, 0.646_768_603_034_814),
            (Silu, 1.0, 0.731_058_578_630_004_9, 0.927_670_511_871_486_9),
            (Silu, -1000.0, 0.0, 0.0),
            (Gaussian, 0.5, 0.778_800_783_071_404_9, -0.778_800_783_071_404_9),
            (Gaussian, 1000.0, 0.0, 0.0),
            (Sigmoid, 0.0, 0.5, 0.25),
            (Sigmoid, 1000.0, 1.0, 0.0),
            (Softplus, 0.0, std::f64::consts::LN_2, 0.5),
            (Tanh, 0.5, 0.462_117_157_260_009_76, 0.786_447_732_965_927_4),
        ];
        for &(activation, at, value, slope) in cases {
            let g = Graph::new();
            let x = g.placeholder("x", DType::F64, []);
            let y = activation.of(&x);
            let feeds = [(&x, at.into())];
            let got = [&y, &y.grad(&[&x])[0]].map(|t| t.eval(&feeds).unwrap().item::<f64>().unwrap());
            assert!((got[0] - value).abs() < 1e-12 && (got[1] - slope).abs() < 1e-9, "{activation:?} {at}: {got:?}");
        }
    }

    #[test]
    fn softmax_rows_sum_to_one_and_survive_large_logits() {
        let g = Graph::new();
        let y = Softmax.of(&g.constant([1000.0f32, 0.0])).eval(&[]).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), [1.0, 0.0]);
        assert!("softMax".parse::<Activation>().unwrap_err().to_string().contains("known are linear, relu"));
    }
}
