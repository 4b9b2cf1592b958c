//! `conv2d`: convolution over images, and the two ops that are its gradients.

use super::prelude::*;
use crate::sliding::{DataFormat, Padding, Sliding};
use wengert_kernels::ConvPass;

/// One of the three products of images `[n, h, w, c]`, filters `[kh, kw, c / groups, o]` and results `[n, p, q, o]`.
#[derive(Debug)]
struct Convolution {
    pass: ConvPass,
    sliding: Sliding,
    groups: usize,
    /// Height and width of what the operands do not tell: of images or filters.
    sizes: Vec<Dim>,
}

impl Convolution {
    /// The same convolution, another of its products.
    fn with(&self, pass: ConvPass, sizes: &[Dim]) -> Convolution {
        Convolution { pass, sliding: self.sliding, groups: self.groups, sizes: sizes.to_vec() }
    }

    /// Height and width of a result.
    fn positions(&self, pixels: &[Dim], taps: &[Dim]) -> Result<[Dim; 2], Refusal> {
        let along = |axis: usize| self.sliding.positions(axis, &pixels[axis], &taps[axis]);
        Ok([along(0)?, along(1)?])
    }
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        match self.pass {
            ConvPass::Forward => "conv2d",
            ConvPass::InputGradient => "conv2d_input_gradient",
            ConvPass::WeightGradient => "conv2d_weight_gradient",
        }
    }

    fn attributes(&self) -> Attributes {
        let attributes = self.sliding.attributes().with("groups", self.groups);
        match self.pass {
            ConvPass::Forward => attributes,
            ConvPass::InputGradient | ConvPass::WeightGradient => attributes.with("sizes", self.sizes.as_slice()),
        }
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [a, b] = inputs else { return Err(Refusal::new("it takes two operands")) };
        if a.dtype != b.dtype || !a.dtype.is_float() {
            return Err(Refusal::new(format!("it does not convolve {} with {}", a.dtype, b.dtype))
                .hint("cast() the operands to one float dtype"));
        }
        if a.rank() != 4 || b.rank() != 4 {
            return Err(Refusal::new(
                "images have axes [n, height, width, channels], filters [height, width, in, out]",
            )
            .hint("reshape() adds axes of size 1"));
        }
        let groups = Dim::Known(self.groups);
        let mut meet = |a: &Dim, b: &Dim, what: &str| {
            let met = context.dims.unify(a, b, context.origin);
            met.ok_or_else(|| Refusal::new(format!("{what} {a} and {b} differ")))
        };
        // Channels of images, of filters; output channels of filters.
        let (x, f, o) = match self.pass {
            ConvPass::Forward => (a.shape[3].clone(), b.shape[2].clone(), &b.shape[3]),
            ConvPass::InputGradient => (b.shape[2].times(&groups), b.shape[2].clone(), &b.shape[3]),
            ConvPass::WeightGradient => (a.shape[3].clone(), a.shape[3].over(&groups), &b.shape[3]),
        };
        if self.groups == 0 || !o.is_multiple_of(&groups) || !x.is_multiple_of(&groups) {
            return Err(Refusal::new(format!(
                "{x} input and {o} output channels cannot be divided into {groups} groups"
            )));
        }
        meet(&x, &f.times(&groups), "the channels of the images and those that the filters take,").map_err(
            |refusal| {
                refusal.hint(
                    "filters have axes [height, width, input channels / groups, output channels]; images have their channels last unless data_format() says otherwise",
                )
            },
        )?;
        let shape = match self.pass {
            ConvPass::Forward => {
                let [p, q] = self.positions(&a.shape[1..3], &b.shape[..2])?;
                [a.shape[0].clone(), p, q, o.clone()]
            }
            ConvPass::InputGradient => {
                let [p, q] = self.positions(&self.sizes, &b.shape[..2])?;
                meet(&a.shape[1], &p, "the heights")?;
                meet(&a.shape[2], &q, "the widths")?;
                meet(&a.shape[3], o, "the output channels")?;
                [a.shape[0].clone(), self.sizes[0].clone(), self.sizes[1].clone(), x]
            }
            ConvPass::WeightGradient => {
                let [p, q] = self.positions(&a.shape[1..3], &self.sizes)?;
                meet(&a.shape[0], &b.shape[0], "the numbers of images")?;
                meet(&b.shape[1], &p, "the heights")?;
                meet(&b.shape[2], &q, "the widths")?;
                [self.sizes[0].clone(), self.sizes[1].clone(), f, o.clone()]
            }
        };
        Ok(TensorType::new(a.dtype, shape))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        use ConvPass::{Forward, InputGradient, WeightGradient};
        let (a, b, g) = (&v.inputs[0], &v.inputs[1], &v.cotangent);
        let place = Location::caller();
        let sizes =
            |x: &Tensor, axes: std::ops::Range<usize>| x.shape().map_or_else(|_| vec![], |all| all[axes].to_vec());
        let product = |pass: ConvPass, sizes: &[Dim], left: &Tensor, right: &Tensor| {
            Grad::Some(left.apply(self.with(pass, sizes), &[right], place))
        };
        // Each is linear in both operands, and the gradient by one of them is another of the three.
        let gradient = |operand: usize| match (self.pass, operand) {
            (Forward, 0) => product(InputGradient, &sizes(a, 1..3), g, b),
            (Forward, _) => product(WeightGradient, &sizes(b, 0..2), a, g),
            (InputGradient, 0) => product(Forward, &[], g, b),
            (InputGradient, _) => product(WeightGradient, &sizes(b, 0..2), g, a),
            (WeightGradient, 0) => product(InputGradient, &sizes(a, 1..3), b, g),
            (WeightGradient, _) => product(Forward, &[], a, g),
        };
        (0..2).map(|operand| if v.wanted[operand] { gradient(operand) } else { Grad::Disconnected }).collect()
    }

    fn lower(&self) -> Lower {
        Lower::Conv { pass: self.pass, sliding: self.sliding, groups: self.groups }
    }
}

fn parse(pass: ConvPass, attributes: &Attributes) -> Result<Arc<dyn Op>, String> {
    let sizes = if pass == ConvPass::Forward { vec![] } else { attributes.dims("sizes")? };
    if pass != ConvPass::Forward && sizes.len() != 2 {
        return Err("attribute sizes has two entries".into());
    }
    let groups = usize::try_from(attributes.int("groups")?).map_err(|_| "groups is negative")?;
    Ok(Arc::new(Convolution { pass, sliding: Sliding::parse(attributes)?, groups, sizes }))
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "conv2d",
    parse: |attributes| parse(ConvPass::Forward, attributes),
    #[cfg(test)]
    checks: &[
        one(&[(&[2, 4, 5, 3], -1.0, 1.0), (&[3, 2, 3, 2], -1.0, 1.0)], |x| x[0].conv2d(&x[1], &ConvOptions::new())),
        one(&[(&[1, 5, 4, 2], -1.0, 1.0), (&[3, 3, 2, 3], -1.0, 1.0)], |x| {
            x[0].conv2d(&x[1], &ConvOptions::new().padding(Padding::Same).strides([2, 3]))
        }),
        one(&[(&[2, 4, 4, 4], -1.0, 1.0), (&[2, 2, 2, 6], -1.0, 1.0)], |x| {
            let padding = Padding::Explicit([(2, 0), (0, 1)]);
            x[0].conv2d(&x[1], &ConvOptions::new().padding(padding).dilation([2, 1]).groups(2)).tanh()
        }),
        one(&[(&[2, 2, 4, 5], -1.0, 1.0), (&[3, 2, 2, 3], -1.0, 1.0)], |x| {
            let options = ConvOptions::new().padding(Padding::Same).data_format(DataFormat::ChannelsFirst);
            x[0].conv2d(&x[1], &options).tanh()
        }),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, b, _| a.conv2d(b, &ConvOptions::new())),
        misuse!(|a, b, _| image(a).conv2d(&filters(b), &ConvOptions::new().strides([0, 1]))),
        misuse!(|a, b, _| image(a).conv2d(&b.reshape([4, 1, 1, 5]), &ConvOptions::new())),
        misuse!(|a, b, _| image(a).conv2d(&b.reshape([1, 1, 5, 4]), &ConvOptions::new())),
        misuse!(|a, b, _| image(a).conv2d(&filters(b), &ConvOptions::new().groups(3))),
        misuse!(|a, b, _| image(a).conv2d(&filters(b), &channels_first())),
        misuse!(|a, _, flag| image(a).conv2d(&image(flag), &ConvOptions::new())),
    ],
};

#[cfg(test)]
fn image(x: &Tensor) -> Tensor {
    x.reshape([1, 2, 3, 1])
}

#[cfg(test)]
fn channels_first() -> ConvOptions {
    ConvOptions::new().data_format(DataFormat::ChannelsFirst)
}

#[cfg(test)]
fn filters(x: &Tensor) -> Tensor {
    x.reshape([2, 2, 1, 5])
}

pub(super) const INPUT_GRADIENT: OpSpec =
    spec("conv2d_input_gradient", |attributes| parse(ConvPass::InputGradient, attributes), &[], &[]);

pub(super) const WEIGHT_GRADIENT: OpSpec =
    spec("conv2d_weight_gradient", |attributes| parse(ConvPass::WeightGradient, attributes), &[], &[]);

/// How [`Tensor::conv2d`] convolves: strides and dilation of 1, no padding, one group and channels last unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvOptions {
    sliding: Sliding,
    groups: usize,
    data_format: DataFormat,
}

impl Default for ConvOptions {
    fn default() -> ConvOptions {
        ConvOptions { sliding: Sliding::default(), groups: 1, data_format: DataFormat::default() }
    }
}

impl ConvOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> ConvOptions {
        ConvOptions::default()
    }

    /// Pixels from one position of the filter to the next, along height and width.
    #[must_use]
    pub fn strides(mut self, strides: [usize; 2]) -> ConvOptions {
        self.sliding.strides = strides;
        self
    }

    /// Pixels from one tap of the filter to the next, along height and width.
    #[must_use]
    pub fn dilation(mut self, dilation: [usize; 2]) -> ConvOptions {
        self.sliding.dilation = dilation;
        self
    }

    /// What surrounds the images.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> ConvOptions {
        self.sliding.padding = padding;
        self
    }

    /// Into how many groups the channels are divided; each output channel sees the input channels of its group only.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> ConvOptions {
        self.groups = groups;
        self
    }

    /// The order of the axes of images and results. Filters are the same for both.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> ConvOptions {
        self.data_format = data_format;
        self
    }
}

impl Tensor {
    /// Convolution with filters `[height, width, input channels / groups, output channels]`: as in the field, the filter is
    /// not flipped. Images `[n, h, w, c]`, or `[n, c, h, w]` with [`DataFormat::ChannelsFirst`], give results of the same
    /// order of axes; along height and width, with k taps, stride s and dilation d, their size is
    /// `(h + padding - d (k - 1) - 1) / s + 1`, rounded down, and `h / s`, rounded up, for [`Padding::Same`].
    ///
    /// Images and filters are floats, promoted to one dtype. Axes may be open. Poisoned with an error are operands of other
    /// ranks, channels that do not fit the filters and groups, a window that does not fit into the image, and a stride or a
    /// dilation of 0.
    ///
    /// ```
    /// # use wengert_autograd::{ConvOptions, DType, Graph, Padding};
    /// let g = Graph::new();
    /// let images = g.placeholder("images", DType::F32, [None, Some(28), Some(28), Some(1)]);
    /// let filters = g.variable("filters", wengert_autograd::Array::zeros(DType::F32, &[3, 3, 1, 32])?);
    /// let y = images.conv2d(&filters, &ConvOptions::new().padding(Padding::Same).strides([2, 2]));
    /// assert_eq!(y.ty()?.to_string(), "f32[images.0, 14, 14, 32]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn conv2d(&self, filters: &Tensor, options: &ConvOptions) -> Tensor {
        let place = Location::caller();
        let (x, f) = super::cast::promoted(self, filters, place);
        if x.ty().is_ok_and(|ty| ty.rank() != 4) {
            // Refused by the op, with what it expects.
            return x.apply(op(options), &[&f], place);
        }
        if let (DataFormat::ChannelsFirst, Ok(images), Ok(filters)) = (options.data_format, x.ty(), f.ty()) {
            // The op sees the images in another order; an error has the one that the user wrote.
            let types = [options.data_format.type_with_channels_last(&images), filters.clone()];
            let origin = Origin::new(place, None);
            let fits = op(options).infer(&types, &mut Infer { dims: &mut x.graph().state().dims, origin: &origin });
            if let Err(refusal) = fits {
                return x.refuse(format!("conv2d of {images}, channels first, and {filters}: {refusal}"), place);
            }
        }
        let run = |x: &Tensor| x.apply(op(options), &[&f], place);
        x.graph().composed(place, || options.data_format.apply(&x, run))
    }
}

fn op(options: &ConvOptions) -> Convolution {
    Convolution { pass: ConvPass::Forward, sliding: options.sliding, groups: options.groups, sizes: vec![] }
}
