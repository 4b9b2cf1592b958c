//! `max_pool2d` and `average_pool2d`: what is largest, and what is usual, in the windows of an image; and the ops that their
//! gradients are made of.

use super::prelude::*;
use crate::sliding::{DataFormat, Padding, Sliding, pair};
use wengert_kernels::PoolOp;

/// One of the maps between images `[n, h, w, c]` and results `[n, p, q, c]` that pooling and its gradients are.
#[derive(Clone, Debug)]
struct Pooling {
    op: PoolOp,
    window: [usize; 2],
    sliding: Sliding,
    /// Height and width of the image, where the operands do not tell.
    sizes: Vec<Dim>,
}

impl Op for Pooling {
    fn name(&self) -> &'static str {
        match self.op {
            PoolOp::Max => "max_pool2d",
            PoolOp::MaxGather => "max_pool2d_gather",
            PoolOp::MaxScatter => "max_pool2d_scatter",
            PoolOp::Sum => "sum_pool2d",
            PoolOp::SumScatter => "sum_pool2d_scatter",
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::none().with("window", self.window.as_slice());
        attributes.0.extend(self.sliding.attributes().0);
        if self.op == PoolOp::SumScatter { attributes.with("sizes", self.sizes.as_slice()) } else { attributes }
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let taken = self.op.inputs();
        let Some(first) = inputs.first().filter(|_| inputs.len() == taken) else {
            return Err(Refusal::new(format!("it takes {taken} operands")));
        };
        if inputs.iter().any(|ty| ty.dtype != first.dtype) || !first.dtype.is_float() {
            return Err(
                Refusal::new(format!("it is not defined for {}", first.dtype)).hint("cast() the images to a float")
            );
        }
        if inputs.iter().any(|ty| ty.rank() != 4) {
            return Err(
                Refusal::new("images have axes [n, height, width, channels]").hint("reshape() adds axes of size 1")
            );
        }
        let pixels = if self.op == PoolOp::SumScatter { &self.sizes[..] } else { &first.shape[1..3] };
        let positions = |axis: usize| self.sliding.positions(axis, &pixels[axis], &Dim::Known(self.window[axis]));
        let image = [&first.shape[..1], pixels, &first.shape[3..]].concat();
        let result = [&first.shape[..1], &[positions(0)?, positions(1)?], &first.shape[3..]].concat();
        let mut meet = |given: &TensorType, wanted: &[Dim]| {
            let fits = given.shape.iter().zip(wanted).all(|(a, b)| context.dims.unify(a, b, context.origin).is_some());
            if fits { Ok(()) } else { Err(Refusal::new(format!("{given} is not shaped {wanted:?}"))) }
        };
        let shape = match self.op {
            PoolOp::Max | PoolOp::Sum => result,
            PoolOp::MaxGather => meet(&inputs[1], &image).map(|()| result)?,
            PoolOp::MaxScatter => meet(&inputs[1], &result).map(|()| image)?,
            PoolOp::SumScatter => meet(first, &result).map(|()| image)?,
        };
        Ok(TensorType::new(first.dtype, shape))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (x, g) = (&v.inputs[0], &v.cotangent);
        let place = Location::caller();
        let with = |op: PoolOp, sizes: Vec<Dim>| Pooling { op, sizes, ..self.clone() };
        match self.op {
            PoolOp::Max => vec![Grad::Some(x.apply(with(PoolOp::MaxScatter, vec![]), &[g], place))],
            // Which pixel is the greatest does not change with a small change of the image.
            PoolOp::MaxGather => {
                vec![Grad::Zero, Grad::Some(x.apply(with(PoolOp::MaxScatter, vec![]), &[g], place))]
            }
            PoolOp::MaxScatter => {
                vec![Grad::Zero, Grad::Some(x.apply(with(PoolOp::MaxGather, vec![]), &[g], place))]
            }
            PoolOp::Sum => {
                let sizes = x.shape().map_or_else(|_| vec![], |shape| shape[1..3].to_vec());
                vec![Grad::Some(g.apply(with(PoolOp::SumScatter, sizes), &[], place))]
            }
            PoolOp::SumScatter => vec![Grad::Some(g.apply(with(PoolOp::Sum, vec![]), &[], place))],
        }
    }

    fn lower(&self) -> Lower {
        Lower::Pool { op: self.op, window: self.window, sliding: self.sliding }
    }
}

fn parse(op: PoolOp, attributes: &Attributes) -> Result<Arc<dyn Op>, String> {
    let sizes = if op == PoolOp::SumScatter { attributes.dims("sizes")? } else { vec![] };
    if op == PoolOp::SumScatter && sizes.len() != 2 {
        return Err("attribute sizes has two entries".into());
    }
    Ok(Arc::new(Pooling { op, window: pair(attributes, "window")?, sliding: Sliding::parse(attributes)?, sizes }))
}

pub(super) const MAX: OpSpec = OpSpec {
    name: "max_pool2d",
    parse: |attributes| parse(PoolOp::Max, attributes),
    #[cfg(test)]
    checks: &[
        one(&[(&[2, 4, 6, 3], -1.0, 1.0)], |x| x[0].max_pool2d(&PoolOptions::new([2, 2])).exp()),
        one(&[(&[1, 5, 7, 2], -1.0, 1.0)], |x| {
            x[0].max_pool2d(&PoolOptions::new([3, 3]).strides([2, 1]).padding(Padding::Same)).exp()
        }),
        one(&[(&[2, 2, 5, 4], -1.0, 1.0)], |x| {
            x[0].max_pool2d(&PoolOptions::new([2, 3]).data_format(DataFormat::ChannelsFirst)).exp()
        }),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.max_pool2d(&PoolOptions::new([2, 2]))),
        misuse!(|a, _, _| a.reshape([1, 2, 3, 1]).max_pool2d(&PoolOptions::new([3, 3]))),
        misuse!(|a, _, _| a.reshape([1, 2, 3, 1]).max_pool2d(&PoolOptions::new([0, 1]))),
        misuse!(|_, _, flag| flag.reshape([1, 2, 3, 1]).max_pool2d(&PoolOptions::new([1, 1]))),
        misuse!(|a, _, _| a.reshape([1, 2, 3, 1]).max_pool2d(&beyond())),
    ],
};

/// Windows that may lie on padding alone.
#[cfg(test)]
fn beyond() -> PoolOptions {
    PoolOptions::new([2, 2]).padding(Padding::Explicit([(2, 0), (0, 0)]))
}

pub(super) const MAX_GATHER: OpSpec =
    spec("max_pool2d_gather", |attributes| parse(PoolOp::MaxGather, attributes), &[], &[]);

pub(super) const MAX_SCATTER: OpSpec =
    spec("max_pool2d_scatter", |attributes| parse(PoolOp::MaxScatter, attributes), &[], &[]);

pub(super) const SUM: OpSpec = spec("sum_pool2d", |attributes| parse(PoolOp::Sum, attributes), &[], &[]);

pub(super) const SUM_SCATTER: OpSpec =
    spec("sum_pool2d_scatter", |attributes| parse(PoolOp::SumScatter, attributes), &[], &[]);

pub(super) const AVERAGE: OpSpec = composite(
    "average_pool2d",
    &[
        one(&[(&[2, 4, 6, 3], -1.0, 1.0)], |x| x[0].average_pool2d(&PoolOptions::new([2, 3])).exp()),
        one(&[(&[1, 5, 4, 2], -1.0, 1.0)], |x| {
            x[0].average_pool2d(&PoolOptions::new([3, 2]).strides([1, 2]).padding(Padding::Same)).exp()
        }),
        one(&[(&[1, 2, 5, 4], -1.0, 1.0)], |x| {
            let options = PoolOptions::new([3, 3]).strides([2, 2]).padding(Padding::Explicit([(1, 1), (0, 2)]));
            x[0].average_pool2d(&options.count_include_pad(true).data_format(DataFormat::ChannelsFirst)).exp()
        }),
    ],
    &[
        misuse!(|a, _, _| a.average_pool2d(&PoolOptions::new([2, 2]))),
        misuse!(|a, _, _| a.reshape([1, 2, 3, 1]).average_pool2d(&PoolOptions::new([3, 3]))),
    ],
);

/// How [`Tensor::max_pool2d`] and [`Tensor::average_pool2d`] pool: windows side by side, no padding and channels last unless
/// said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolOptions {
    window: [usize; 2],
    sliding: Sliding,
    data_format: DataFormat,
    count_include_pad: bool,
}

impl PoolOptions {
    /// Windows of this height and width, side by side.
    #[must_use]
    pub fn new(window: [usize; 2]) -> PoolOptions {
        let sliding = Sliding { strides: window, ..Sliding::default() };
        PoolOptions { window, sliding, data_format: DataFormat::default(), count_include_pad: false }
    }

    /// Pixels from one window to the next, along height and width.
    #[must_use]
    pub fn strides(mut self, strides: [usize; 2]) -> PoolOptions {
        self.sliding.strides = strides;
        self
    }

    /// What surrounds the images; it must be narrower than the window, so that each window sees a pixel.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> PoolOptions {
        self.sliding.padding = padding;
        self
    }

    /// The order of the axes of images and results.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> PoolOptions {
        self.data_format = data_format;
        self
    }

    /// Whether an average counts the padding as zeros; otherwise it is over the pixels of the image only.
    #[must_use]
    pub fn count_include_pad(mut self, count: bool) -> PoolOptions {
        self.count_include_pad = count;
        self
    }

    fn op(&self, op: PoolOp) -> Pooling {
        Pooling { op, window: self.window, sliding: self.sliding, sizes: vec![] }
    }

    /// Refuses windows that may lie on padding alone.
    fn sees_pixels(&self) -> Result<(), Refusal> {
        let Padding::Explicit(widths) = self.sliding.padding else { return Ok(()) };
        if (0..2).any(|axis| widths[axis].0.max(widths[axis].1) >= self.window[axis].max(1)) {
            let what = format!("padding {widths:?} is as wide as the window {:?}", self.window);
            return Err(Refusal::new(what).hint("a window must see a pixel"));
        }
        Ok(())
    }
}

impl Tensor {
    /// The greatest pixel of each window, each channel by itself. Images `[n, h, w, c]`, or `[n, c, h, w]` with
    /// [`DataFormat::ChannelsFirst`], give results of the same order of axes; along height and width, with windows of k and
    /// stride s, their size is `(h + padding - k) / s + 1`, rounded down, and `h / s`, rounded up, for [`Padding::Same`].
    ///
    /// The gradient goes to the first maximum of a window, in row-major order. A NaN is greater than all. Images are floats;
    /// poisoned with an error are other ranks, a window that does not fit into the image or may lie on padding alone, and a
    /// window or a stride of 0.
    ///
    /// ```
    /// # use wengert_autograd::{Array, DType, Graph, PoolOptions};
    /// let g = Graph::new();
    /// let x = g.constant(Array::from_fn(DType::F32, &[1, 4, 4, 1], |i| i as f64)?);
    /// let y = x.max_pool2d(&PoolOptions::new([2, 2]));
    /// assert_eq!(y.eval(&[])?.to_vec::<f32>()?, [5.0, 7.0, 13.0, 15.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn max_pool2d(&self, options: &PoolOptions) -> Tensor {
        pooled(self, options, "max_pool2d", Location::caller(), |x, place| x.apply(options.op(PoolOp::Max), &[], place))
    }

    /// The mean of each window, each channel by itself; shapes, dtypes and errors as those of [`Tensor::max_pool2d`]. Padding is
    /// not counted, unless [`PoolOptions::count_include_pad`] says so.
    ///
    /// ```
    /// # use wengert_autograd::{Graph, Padding, PoolOptions};
    /// let g = Graph::new();
    /// let x = g.constant([2.0f32, 4.0, 9.0]).reshape([1, 1, 3, 1]);
    /// let options = PoolOptions::new([1, 3]).strides([1, 1]).padding(Padding::Same);
    /// assert_eq!(x.average_pool2d(&options).eval(&[])?.to_vec::<f32>()?, [3.0, 5.0, 6.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn average_pool2d(&self, options: &PoolOptions) -> Tensor {
        pooled(self, options, "average_pool2d", Location::caller(), |x, place| {
            let sums = x.apply(options.op(PoolOp::Sum), &[], place);
            if options.sliding.padding == Padding::Valid || options.count_include_pad {
                return sums * (1.0 / options.window.iter().product::<usize>() as f64);
            }
            let Ok(ty) = x.ty() else { return sums };
            // One image with one channel of ones tells how many pixels each window sees.
            let shape = [Dim::Known(1), ty.shape[1].clone(), ty.shape[2].clone(), Dim::Known(1)];
            let ones = x.scalar(ty.dtype, 1.0, place).broadcast_dims(&shape, place);
            sums / ones.apply(options.op(PoolOp::Sum), &[], place)
        })
    }
}

fn pooled(
    x: &Tensor,
    options: &PoolOptions,
    name: &str,
    place: Place,
    run: impl Fn(&Tensor, Place) -> Tensor,
) -> Tensor {
    let Ok(given) = x.ty() else { return x.clone() };
    let ty = options.data_format.type_with_channels_last(&given);
    let origin = Origin::new(place, None);
    // Both are made of ops with other names; an error has the name that the user wrote.
    let fits = options.op(PoolOp::Max).infer(&[ty], &mut Infer { dims: &mut x.graph().state().dims, origin: &origin });
    if let Err(refusal) = options.sees_pixels().and(fits) {
        return x.refuse(format!("{name} of {given}: {refusal}"), place);
    }
    x.graph().composed(place, || options.data_format.apply(x, |x| run(x, place)))
}
