//! Conv on CUDA: products of matrices whose elements are found in the images, without copying them (implicit GEMM).
//!
//! Ladder:
//! 1. a thread for an element of the result, loops over taps and channels;
//! 2. the tiles of gemm, all three passes as products: results are positions x filters, gradients of images pixels x channels,
//!    gradients of filters taps and channels x filters; groups are a batch;
//! 3. the divisions that find a term's tap or position made once for a panel, not for each line of it, and in good time;
//! 4. four channels at a time where they lie side by side;
//! 5. the first step again where groups are so narrow that tiles would be empty, above all where each channel is a group;
//!    gradients of filters, sums over all images, in slices that are added up in a fixed order.
//!
//! The images' gradient over a stride visits taps that stand over no position, and adds zeros for them.
//!
//! Estimate: bound by arithmetic as gemm is from some 30 channels on, 2 (positions) (taps) (channels) (filters) / (rate of
//! multiply-adds); bound by memory below, and where each channel is a group: (bytes of both operands and the result) /
//! bandwidth, as pixels under several taps come from caches.

use super::{Conv, ConvPass, ConvSizes};
use crate::cuda::{
    Argument, Finish, Launch, Partials, Prepared, Product, REACH, Source, Way, grid_of, source, tiles, too_far,
};
use crate::program::Place;
use crate::{Error, Operand, Step};
use std::sync::Arc;

/// Groups with fewer channels on either side would leave tiles empty.
const NARROW: usize = 16;

/// Threads of a block of the kernels for narrow groups, and the filters that one block of the gradient has.
const THREADS: usize = 256;
const LANES: usize = 32;

const IMAGES: &str = include_str!("images.cu");

/// Which numbers count what, and where the elements are.
struct Geometry<'a> {
    sizes: ConvSizes,
    a: &'a Operand,
    b: &'a Operand,
    /// Rows, columns and terms of a group's product.
    m: usize,
    n: usize,
    k: usize,
    groups: usize,
    /// Channels of A that a group has.
    a_channels: usize,
    /// Heights and widths of what positions count, and taps down, across, and channels.
    positions: [usize; 2],
    taps: [usize; 3],
    step: [isize; 2],
    origin: [isize; 2],
    dilation: [isize; 2],
    stride: [usize; 2],
    limit: [usize; 2],
    a_stride: [isize; 4],
    b_stride: [isize; 4],
    a_group: isize,
    b_group: isize,
    pass: ConvPass,
}

pub(crate) fn prepare(conv: &Conv, step: &Step) -> Result<Prepared, Error> {
    let geometry = Geometry::new(conv, step)?;
    let results = step.outputs.len() - usize::from(conv.channel_sums);
    let sums = if conv.channel_sums { step.outputs.last().map(Place::from) } else { None };
    let (dtype, outputs) = (geometry.a.dtype, &step.outputs[..results]);
    let finish = Finish::new(conv.epilogue.as_ref(), dtype, &step.inputs[2..], outputs);
    if geometry.groups > 1 && geometry.n.max(geometry.a_channels) < NARROW {
        return if geometry.taps_deep() { geometry.narrow(&finish) } else { geometry.narrow_weights(&finish, sums) };
    }
    Product {
        dtype,
        m: geometry.m,
        n: geometry.n,
        k: geometry.k,
        batches: geometry.groups,
        batch_step: geometry.n,
        row_step: geometry.n * geometry.groups,
        ways: geometry.ways(),
        sides: geometry.defines() + IMAGES + include_str!("panels.cu"),
        operands: geometry.operands(),
        finish,
        sums,
    }
    .prepare()
}

impl Geometry<'_> {
    fn new<'a>(conv: &Conv, step: &'a Step) -> Result<Geometry<'a>, Error> {
        let (a, b, result) = (&step.inputs[0], &step.inputs[1], &step.outputs[0].layout.shape);
        let unfit = || Error::invalid("a convolution of shapes that do not fit");
        let sizes = conv.sizes(&a.layout.shape, &b.layout.shape, result).ok_or_else(unfit)?;
        let strides = |operand: &Operand| <[isize; 4]>::try_from(&*operand.layout.strides).map_err(|_| unfit());
        let (sa, sb) = (strides(a)?, strides(b)?);
        let ConvSizes { images, pixels, channels, taps, positions, filters } = sizes;
        let (inner, outer) = (channels / conv.groups, filters / conv.groups);
        let of = |f: fn(&crate::Slide) -> usize| conv.slides.each_ref().map(f);
        let (stride, dilation, padding) = (of(|it| it.stride), of(|it| it.dilation), of(|it| it.padding));
        let signed = |values: [usize; 2], sign: isize| values.map(|value| sign * value as isize);
        let backward = conv.pass == ConvPass::InputGradient;
        let deep_channels = if backward { outer } else { inner };
        let counted = if backward { pixels } else { positions };
        let count = |sizes: &[usize]| sizes.iter().fold(1u128, |product, &size| product.saturating_mul(size as u128));
        let (places, entries) = (count(&[images, counted[0], counted[1]]), count(&[taps[0], taps[1], deep_channels]));
        let reach = (0..2).map(|i| conv.slides[i].reach(positions[i], taps[i], pixels[i]));
        let most = [places, entries, filters as u128, channels as u128].into_iter().chain(reach).max();
        if most.is_some_and(|most| most >= REACH) {
            return Err(too_far(conv.pass.name(), &a.layout.shape));
        }
        let (m, k) = (places as usize, entries as usize);
        let forward = Geometry {
            sizes,
            a,
            b,
            m,
            n: if backward { inner } else { outer },
            k,
            groups: conv.groups,
            a_channels: deep_channels,
            positions: counted,
            taps: [taps[0], taps[1], deep_channels],
            step: signed(stride, 1),
            origin: signed(padding, -1),
            dilation: signed(dilation, 1),
            stride: [1; 2],
            limit: pixels,
            a_stride: sa,
            b_stride: sb,
            a_group: (deep_channels as isize).wrapping_mul(sa[3]),
            b_group: (outer as isize).wrapping_mul(sb[3]),
            pass: conv.pass,
        };
        Ok(match conv.pass {
            ConvPass::Forward => forward,
            ConvPass::InputGradient => Geometry {
                step: [1; 2],
                origin: signed(padding, 1),
                dilation: signed(dilation, -1),
                stride,
                limit: positions,
                b_stride: [sb[0], sb[1], sb[3], sb[2]],
                ..forward
            },
            ConvPass::WeightGradient => Geometry { m: k, k: m, ..forward },
        })
    }

    /// Whether terms are taps, and rows positions; or the other way round.
    fn taps_deep(&self) -> bool {
        self.pass != ConvPass::WeightGradient
    }

    /// What the texts depend on beside dtypes.
    fn defines(&self) -> String {
        let (deep, divided) = (i32::from(self.taps_deep()), i32::from(self.stride != [1; 2]));
        format!("#define TAPS_DEEP {deep}\n#define DIVIDED {divided}\n")
    }

    /// The members of `Operands`.
    fn operands(&self) -> Vec<Argument> {
        let mut members = vec![Argument::Place(self.a.into()), Argument::Place(self.b.into())];
        let mut push = |value: isize| members.push(Argument::I64(value as i64));
        let sizes = self.positions.iter().chain(&self.taps[1..]);
        sizes.for_each(|&size| push(size as isize));
        self.step.iter().chain(&self.origin).chain(&self.dilation).for_each(|&it| push(it));
        self.stride.iter().chain(&self.limit).for_each(|&it| push(it as isize));
        self.a_stride.iter().chain(&self.b_stride).for_each(|&it| push(it));
        push(self.a_group);
        push(self.b_group);
        push(isize::from(self.b_stride[2].unsigned_abs() < self.b_stride[3].unsigned_abs()));
        members
    }

    /// Channels of A lie along the sum, or along rows for the weights' gradient; those of B too for the images' gradient, and
    /// else along columns. Pieces are read where all begin at a multiple of their size and none leaves its group.
    fn ways(&self) -> [Way; 2] {
        let pieces = |operand: &Operand, channels: usize, along: usize| {
            let piece = |size: usize| size.is_multiple_of(Way::PIECE);
            let axes = operand.layout.shape.iter().zip(&operand.layout.strides).enumerate();
            let mut aligned = axes.map(|(axis, (&size, &stride))| match axis {
                _ if axis == along => stride == 1,
                _ => size <= 1 || piece(stride.unsigned_abs()),
            });
            piece(channels) && operand.offset.is_multiple_of(Way::PIECE * operand.dtype.size()) && aligned.all(|it| it)
        };
        let choose = |pieces: bool, way: Way| if pieces { way } else { Way::One };
        let (a, b) = (
            if self.taps_deep() { Way::AlongSum } else { Way::AcrossLines },
            if self.pass == ConvPass::InputGradient { Way::AlongSum } else { Way::AcrossLines },
        );
        let b_channels = self.sizes.filters / self.groups;
        [choose(pieces(self.a, self.a_channels, 3), a), choose(pieces(self.b, b_channels, 3), b)]
    }

    /// Elements of the result.
    fn len(&self) -> usize {
        self.m * self.n * self.groups
    }

    fn launch(&self, name: &str, text: &[&str], blocks: usize, words: Vec<Argument>) -> Result<Launch, Error> {
        Ok(Launch {
            source: Arc::new(Source { name: name.into(), text: text.concat() }),
            grid: [grid_of(blocks)?, 1, 1],
            block: [THREADS as u32, 1, 1],
            shared: 0,
            arguments: vec![Argument::Words(words)],
        })
    }

    fn narrow(&self, finish: &Finish) -> Result<Prepared, Error> {
        if self.len() == 0 {
            return Ok(Prepared::default());
        }
        let mut words = self.operands();
        words.extend([self.len(), self.n, self.groups, self.taps[0]].map(|it| Argument::I64(it as i64)));
        words.extend(finish.members.iter().cloned());
        let types = tiles::types(self.a.dtype, false);
        let text = [source::PRELUDE, &types, &self.defines(), &finish.text, IMAGES, include_str!("narrow.cu")];
        let launch = self.launch("narrow", &text, self.len().div_ceil(THREADS), words)?;
        Ok(Prepared::of(vec![launch]))
    }

    fn narrow_weights(&self, finish: &Finish, sums: Option<Place>) -> Result<Prepared, Error> {
        let channels = self.n * self.groups;
        let across = channels.div_ceil(LANES);
        let rows = if sums.is_some() { self.m.max(1) } else { self.m };
        if rows * across == 0 {
            return Ok(Prepared::default());
        }
        let slices = tiles::slices(self.k, rows * across);
        let depth = self.k.div_ceil(slices);
        let slices = self.k.div_ceil(depth.max(1)).max(1);
        let split = slices > 1;
        let lines = if sums.is_some() { channels } else { 0 };
        let partials = match split {
            true => Some(Partials::new(self.a.dtype, slices, [self.len(), lines], sums, finish)?),
            false => None,
        };
        let finish = if split { &Finish::none() } else { finish };
        let mut words = self.operands();
        let sizes = [self.m, self.n, self.groups, self.k, depth, self.len(), across];
        words.extend(sizes.map(|it| Argument::I64(it as i64)));
        words.extend([tiles::place(sums), if split { Argument::Scratch(0) } else { Argument::I64(0) }]);
        words.extend(finish.members.iter().cloned());
        let types = tiles::types(self.a.dtype, sums.is_some());
        let types = format!("{types}#define SPLIT {}\n", i32::from(split));
        let kernel = include_str!("narrow_weights.cu");
        let text = [source::PRELUDE, &types, &self.defines(), &finish.text, IMAGES, kernel];
        let launch = self.launch("narrow_weights", &text, rows * across * slices, words)?;
        let scratch = partials.as_ref().map_or(0, |partials| partials.scratch);
        let launches = std::iter::once(launch).chain(partials.map(|partials| partials.launch)).collect();
        Ok(Prepared { launches, scratch, failure: None })
    }
}
