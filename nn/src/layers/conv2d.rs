//! `Conv2D`: the same few weights at every place of an image.

use super::images::{format_setter, images};
use super::weight::{Weight, setters, weight_dtype};
use super::{Identity, Layer, Mode, Output};
use crate::activations::Activation;
use crate::choice::Choice;
use crate::initializers::Initializer;
use wengert_autograd::{ConvOptions, DataFormat, Graph, Padding, Tensor};

/// `activation(conv2d(x, kernel) + bias)`: images `[n, height, width, channels]` give `[n, p, q, filters]`, with the sizes of
/// [`Tensor::conv2d`]; with [`DataFormat::ChannelsFirst`] channels and filters are axis 1.
///
/// The kernel is `[height, width, channels / groups, filters]` in both formats and starts as [`Initializer::glorot_uniform`]
/// says, the bias `[filters]` starts at zero; both have the dtype of a float input, and `f32` beside integers.
///
/// ```
/// use wengert_autograd::{DType, Graph};
/// use wengert_nn::layers::{Conv2D, Layer, Mode};
///
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None, Some(32), Some(32), Some(3)]);
/// let y = Conv2D::new(64, [3, 3]).padding("same").strides([2, 2]).activation("relu").apply(&x, Mode::Train);
/// assert_eq!(y.shape()?[1..], [16, 16, 64]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv2D {
    identity: Identity,
    filters: usize,
    size: [usize; 2],
    options: ConvOptions,
    groups: usize,
    padding: Choice<Padding>,
    format: Choice<DataFormat>,
    activation: Choice<Activation>,
    use_bias: bool,
    kernel: Weight,
    bias: Weight,
}

impl Conv2D {
    /// A layer of this many filters of this height and width: strides and dilation of 1, no padding, one group, channels
    /// last, no activation, and a bias.
    #[must_use]
    #[track_caller]
    pub fn new(filters: usize, size: [usize; 2]) -> Conv2D {
        Conv2D {
            identity: Identity::new("conv2d"),
            filters,
            size,
            options: ConvOptions::new(),
            groups: 1,
            padding: Padding::Valid.into(),
            format: DataFormat::ChannelsLast.into(),
            activation: Activation::Linear.into(),
            use_bias: true,
            kernel: Weight::new(Initializer::glorot_uniform()),
            bias: Weight::new(Initializer::Constant(0.0)),
        }
    }

    /// Pixels from one position of a filter to the next, along height and width.
    #[must_use]
    pub fn strides(mut self, strides: [usize; 2]) -> Conv2D {
        self.options = self.options.strides(strides);
        self
    }

    /// Pixels from one weight of a filter to the next, along height and width.
    #[must_use]
    pub fn dilation_rate(mut self, rate: [usize; 2]) -> Conv2D {
        self.options = self.options.dilation(rate);
        self
    }

    /// What surrounds the images, by value or by name: `valid`, `same`.
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Choice<Padding>>) -> Conv2D {
        self.padding = padding.into();
        self
    }

    /// Into how many groups the channels are divided; each filter sees the channels of its group only.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Conv2D {
        self.groups = groups;
        self
    }

    /// What is applied at the end, by value or by name.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Choice<Activation>>) -> Conv2D {
        self.activation = activation.into();
        self
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn no_bias(mut self) -> Conv2D {
        self.use_bias = false;
        self
    }
}

setters!(Conv2D, "conv2d",
    kernel: kernel_initializer kernel_regularizer,
    bias: bias_initializer bias_regularizer
);
format_setter!(Conv2D);

impl Layer for Conv2D {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.output(x, mode).value
    }

    fn output(&self, x: &Tensor, _: Mode) -> Output {
        self.identity.apply(x, |at| {
            let (format, padding) = match (&self.format.0, &self.padding.0) {
                (Ok(format), Ok(padding)) => (*format, *padding),
                (Err(why), _) | (_, Err(why)) => return x.poisoned(why).into(),
            };
            let ty = match images(x, "conv2d", format) {
                Ok(ty) => ty,
                Err(poisoned) => return poisoned.into(),
            };
            let axis = if format == DataFormat::ChannelsLast { 3 } else { 1 };
            let Some(channels) = ty.shape[axis].known() else {
                let hint = "the number of channels decides the size of the kernel; only the other axes may be open";
                return x.poisoned(format!("conv2d of {ty}: its channels are open\n  hint: {hint}")).into();
            };
            if self.filters == 0 {
                return x.poisoned(format!("conv2d of {ty}: a layer without filters gives nothing")).into();
            }
            if self.groups == 0 || !channels.is_multiple_of(self.groups) || !self.filters.is_multiple_of(self.groups) {
                let what = format!("{channels} channels and {} filters in {} groups", self.filters, self.groups);
                return x.poisoned(format!("conv2d of {ty}: {what}\n  hint: the groups divide both")).into();
            }
            let dtype = weight_dtype(ty.dtype);
            let shape = [self.size[0], self.size[1], channels / self.groups, self.filters];
            let kernel = self.kernel.variable(at, "kernel", dtype, &shape);
            let options = self.options.clone().padding(padding).groups(self.groups).data_format(format);
            let mut y = x.conv2d(&kernel, &options);
            if self.use_bias {
                let bias = self.bias.variable(at, "bias", dtype, &[self.filters]);
                y = y + if axis == 1 { bias.expand_dims(1).expand_dims(2) } else { bias };
            }
            Output::chosen(&self.activation, &y)
        })
    }

    fn name(&self, graph: &Graph) -> Option<String> {
        self.identity.name(graph)
    }
}
