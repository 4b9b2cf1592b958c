//! The family on the CPU: where the operands lie, and what becomes of the results.

use super::{Conv, ConvPass, ConvSizes};
use crate::cpu::rows::Number;
use crate::cpu::{Context, Cpu, Launch, Place};
use crate::map::cpu::{Blocks, Port};
use crate::{DType, Error, Operand, Slide, Step};
use geometry::Axis;
use std::ops::Range;
use vectors::Vectored;

mod depthwise;
mod direct;
mod filters;
mod geometry;
mod partials;
mod simple;
mod source;
#[cfg(test)]
mod tests;
mod transform;
mod vectors;
mod weights;
mod winograd;
mod winograd_weights;

/// From so many nanoseconds of work on, a further thread pays. Tests divide even the smallest work.
const WORTH: usize = if cfg!(test) { 1 } else { 1500 };

pub(crate) fn prepare(conv: &Conv, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let problem = Problem::new(conv, step)?;
    let finish = Finish::new(conv, step, cpu)?;
    match problem.dtype {
        DType::F64 => Ok(choose::<f64>(problem, finish, cpu)),
        _ => Ok(choose::<f32>(problem, finish, cpu)),
    }
}

fn choose<A: Number + Vectored>(problem: Problem, finish: Finish, cpu: Cpu) -> Box<dyn Launch> {
    let ConvSizes { pixels, taps, positions, .. } = problem.sizes;
    let axis = if problem.pass == ConvPass::InputGradient { Axis::backward } else { Axis::forward };
    let axes = [0, 1].map(|i| (problem.slides[i], pixels[i], taps[i], positions[i]));
    // Classes and taps are listed: what has very many of them is sparse.
    let classes = [0, 1].map(|i| problem.slides[i].stride.min(pixels[i]).max(1));
    let few =
        (0..2).all(|i| classes[i].saturating_mul(taps[i]) <= MOST) && classes[0].saturating_mul(classes[1]) <= MOST;
    if few && problem.products() > 0 && problem.len() > 0 {
        let axes = axes.map(|(slide, pixels, taps, positions)| axis(slide, pixels, taps, positions));
        if axes.iter().all(Axis::is_compact) && problem.copies(&axes) <= LARGEST {
            return match (problem.pass, A::SQUARES) {
                (_, Some(launch)) if winograd::suits(&problem, &axes) => launch(&problem, axes, finish, cpu),
                (ConvPass::WeightGradient, _) => Box::new(weights::Weights::<A>::new(&problem, axes, finish, cpu)),
                _ => Box::new(direct::Direct::<A>::new(&problem, axes, finish, cpu)),
            };
        }
    }
    Box::new(simple::Simple::<A>::new(problem, finish, cpu))
}

/// Pairs of a class and a tap along one axis, or of classes along both, that are still listed.
const MOST: usize = 1 << 16;

/// Elements that an operand has at most, border and all, if the methods that copy are to be taken. Beyond the memory of
/// any machine there can only be elements that are repeated. Below it, sizes of scratch can be added up and multiplied
/// without a thought for overflow: the number of planes, that of partial sums and the size of an element are small.
const LARGEST: usize = 1 << 44;

/// An operand with axes as the family has them.
#[derive(Clone, Copy, Debug)]
struct Grid {
    place: Place,
    strides: [isize; 4],
}

impl Grid {
    fn new(operand: &Operand) -> Result<Grid, Error> {
        match operand.layout.strides[..] {
            [a, b, c, d] => Ok(Grid { place: operand.into(), strides: [a, b, c, d] }),
            _ => Err(Error::invalid("images, filters and results have four axes")),
        }
    }

    /// Elements from the first to the one at `index`.
    #[inline]
    fn offset(&self, index: [usize; 4]) -> isize {
        let along = |axis: usize| index[axis] as isize * self.strides[axis];
        along(0) + along(1) + along(2) + along(3)
    }
}

/// Sizes, places and strides.
#[derive(Clone, Debug)]
struct Problem {
    pass: ConvPass,
    dtype: DType,
    sizes: ConvSizes,
    slides: [Slide; 2],
    groups: usize,
    a: Grid,
    b: Grid,
    /// Shape of the result.
    result: [usize; 4],
    sums: Option<Place>,
}

impl Problem {
    fn new(conv: &Conv, step: &Step) -> Result<Problem, Error> {
        let (a, b, result) = (&step.inputs[0], &step.inputs[1], &step.outputs[0].layout.shape);
        let unfit = || Error::invalid("a convolution of shapes that do not fit");
        let sizes = conv.sizes(&a.layout.shape, &b.layout.shape, result).ok_or_else(unfit)?;
        Ok(Problem {
            pass: conv.pass,
            dtype: a.dtype,
            sizes,
            slides: conv.slides,
            groups: conv.groups,
            a: Grid::new(a)?,
            b: Grid::new(b)?,
            result: result[..].try_into().map_err(|_| unfit())?,
            sums: if conv.channel_sums { step.outputs.last().map(Place::from) } else { None },
        })
    }

    /// Elements of the result.
    fn len(&self) -> usize {
        self.result.iter().product()
    }

    /// Products that the definition sums up, those with padding included.
    fn products(&self) -> usize {
        let sizes = &self.sizes;
        let positions = sizes.images.saturating_mul(sizes.positions[0]).saturating_mul(sizes.positions[1]);
        let filter = sizes.taps[0].saturating_mul(sizes.taps[1]).saturating_mul(sizes.channels / self.groups);
        positions.saturating_mul(filter).saturating_mul(sizes.filters)
    }

    /// Elements of the largest operand or result, if borders are copied as well and channels fill vectors.
    fn copies(&self, axes: &[Axis; 2]) -> usize {
        let ConvSizes { images, taps, positions, channels, filters, .. } = self.sizes;
        let (inner, outer) = self.group();
        let [down, right] = [0, 1].map(|axis| axes[axis].extent.saturating_add(2));
        let product = |sizes: &[usize]| sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
        let source = product(&[images, down, right, channels.max(filters)]);
        let results = product(&[images, positions[0] + 2, positions[1] + 2, filters]);
        let weights = product(&[taps[0], taps[1], inner + VECTORS, outer + VECTORS, self.groups]);
        source.max(results).max(weights)
    }

    /// Input channels and filters of a group.
    fn group(&self) -> (usize, usize) {
        (self.sizes.channels / self.groups, self.sizes.filters / self.groups)
    }
}

/// Elements of two of the widest vectors.
const VECTORS: usize = 32;

/// What becomes of sums: they are rounded to what the epilogue takes, or to the output's dtype.
struct Finish {
    given: DType,
    out: Place,
    epilogue: Option<Blocks>,
}

/// Sums that are rounded at a time.
const ROUNDED: usize = 512;

impl Finish {
    fn new(conv: &Conv, step: &Step, cpu: Cpu) -> Result<Finish, Error> {
        let out = &step.outputs[0];
        let Some(expr) = &conv.epilogue else {
            return Ok(Finish { given: out.dtype, out: out.into(), epilogue: None });
        };
        let inputs: Vec<Port<'_>> =
            std::iter::once(Port::Given).chain(step.inputs[2..].iter().map(Port::Operand)).collect();
        let outputs: Vec<Port<'_>> = step.outputs[..expr.outputs().len()].iter().map(Port::Operand).collect();
        let blocks = Blocks::new(expr, &out.layout.shape, &inputs, &outputs, cpu.isa)?;
        Ok(Finish { given: expr.inputs()[0], out: out.into(), epilogue: Some(blocks) })
    }

    /// Bytes of scratch that a run needs.
    fn scratch(&self) -> usize {
        ROUNDED * size_of::<f64>() + self.epilogue.as_ref().map_or(0, Blocks::scratch)
    }

    /// Whether sums in `A` are what the output has.
    fn is_plain<A: Number>(&self) -> bool {
        self.epilogue.is_none() && self.given == A::DTYPE
    }

    /// The output, if sums in `A` go there as they are.
    fn target<A: Number>(&self, context: &Context<'_>) -> Option<*mut A> {
        self.is_plain::<A>().then(|| context.at(self.out))
    }

    /// Takes the sums of the elements with row-major numbers `range`.
    ///
    /// # Safety
    /// `sums` are as many as the range has elements, which no other thread finishes; `scratch` is this thread's, aligned
    /// to 64.
    unsafe fn run<A: Number>(&self, context: &Context<'_>, range: Range<usize>, sums: *const A, scratch: *mut u8) {
        let rounded = scratch;
        let scratch = scratch.wrapping_add(ROUNDED * size_of::<f64>());
        let store = A::store(self.given);
        // SAFETY: the caller vouches for range, sums and scratch, which has room for so many rounded sums.
        unsafe {
            match &self.epilogue {
                None => {
                    let to = context.at::<u8>(self.out).wrapping_add(range.start * self.given.size());
                    store(sums, to, 1, range.len());
                }
                Some(blocks) if self.given == A::DTYPE => {
                    blocks.run(context, range, sums.cast(), std::ptr::null_mut(), scratch);
                }
                Some(blocks) => {
                    for start in range.clone().step_by(ROUNDED) {
                        let piece = start..range.end.min(start + ROUNDED);
                        store(sums.wrapping_add(start - range.start), rounded, 1, piece.len());
                        blocks.run(context, piece, rounded, std::ptr::null_mut(), scratch);
                    }
                }
            }
        }
    }
}
