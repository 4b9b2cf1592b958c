//! `Dense`: every output sees every input.

use super::weight::{Weight, setters, weight_dtype};
use super::{Identity, Layer, Mode, Output};
use crate::activations::Activation;
use crate::choice::Choice;
use crate::initializers::Initializer;
use wengert_autograd::{Dim, Graph, Tensor};

/// `activation(x kernel + bias)`: `[n, .., inputs]` gives `[n, .., units]`.
///
/// The kernel is `[inputs, units]` and starts as [`Initializer::glorot_uniform`] says, the bias `[units]` starts at zero; both
/// have the dtype of a float input, and `f32` beside integers.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::activations::Activation::Relu;
/// use wengert_nn::layers::{Dense, Layer, Mode};
///
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None, Some(784)]);
/// let hidden = Dense::new(512).activation(Relu).kernel_initializer("he_uniform");
/// assert_eq!(hidden.apply(&x, Mode::Train).shape()?[1], 512);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dense {
    identity: Identity,
    units: usize,
    activation: Choice<Activation>,
    use_bias: bool,
    kernel: Weight,
    bias: Weight,
}

impl Dense {
    /// A layer with this many outputs, no activation, and a bias.
    #[must_use]
    #[track_caller]
    pub fn new(units: usize) -> Dense {
        Dense {
            identity: Identity::new("dense"),
            units,
            activation: Activation::Linear.into(),
            use_bias: true,
            kernel: Weight::new(Initializer::glorot_uniform()),
            bias: Weight::new(Initializer::Constant(0.0)),
        }
    }

    /// What is applied at the end, by value or by name.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Choice<Activation>>) -> Dense {
        self.activation = activation.into();
        self
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn no_bias(mut self) -> Dense {
        self.use_bias = false;
        self
    }
}

setters!(Dense, "dense",
    kernel: kernel_initializer kernel_regularizer,
    bias: bias_initializer bias_regularizer
);

impl Layer for Dense {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.output(x, mode).value
    }

    fn output(&self, x: &Tensor, _: Mode) -> Output {
        self.identity.apply(x, |at| {
            let Ok(ty) = x.ty() else { return x.clone().into() };
            let inputs = match ty.shape.as_slice() {
                [_, .., Dim::Known(inputs)] => *inputs,
                _ => {
                    let hint = "a batch of examples has shape [n, inputs], whose last size is known; Flatten makes one of images";
                    return x.poisoned(format!("dense of {ty}: it takes two axes or more\n  hint: {hint}")).into();
                }
            };
            let dtype = weight_dtype(ty.dtype);
            let kernel = self.kernel.variable(at, "kernel", dtype, &[inputs, self.units]);
            let mut y = product(x, &kernel, self.units);
            if self.use_bias {
                y = y + self.bias.variable(at, "bias", dtype, &[self.units]);
            }
            Output::chosen(&self.activation, &y)
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}

/// The product, with all leading axes as the rows of one matrix where their sizes can be restored.
fn product(x: &Tensor, kernel: &Tensor, units: usize) -> Tensor {
    let (Ok(shape), Ok(weights)) = (x.shape(), kernel.shape()) else { return x.matmul(kernel) };
    let fits = shape.last() == weights.first();
    let known: Option<Vec<usize>> = shape.iter().skip(1).map(Dim::known).collect();
    match known.as_deref() {
        Some([places @ .., inputs]) if fits && !places.is_empty() && !places.contains(&0) && *inputs > 0 => {
            let signed = |size: &usize| isize::try_from(*size).unwrap_or(isize::MAX);
            let restored: Vec<isize> =
                std::iter::once(-1).chain(places.iter().map(signed)).chain([signed(&units)]).collect();
            x.reshape([-1, signed(inputs)]).matmul(kernel).reshape(restored)
        }
        _ => x.matmul(kernel),
    }
}
