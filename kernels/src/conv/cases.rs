//! The family's part of the conformance suite.

use super::{Conv, ConvPass};
use crate::gemm::cases::{bias_relu, noise, relu_mask, tolerance, two_results};
use crate::{Array, DType, Error, Kernel, Layout, Slide, conformance::Case};

const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];
const PASSES: [ConvPass; 3] = [ConvPass::Forward, ConvPass::InputGradient, ConvPass::WeightGradient];

/// The sizes of a case. Positions are given: they say how far the padding behind the image goes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    images: usize,
    pixels: [usize; 2],
    channels: usize,
    taps: [usize; 2],
    positions: [usize; 2],
    filters: usize,
    slides: [Slide; 2],
    groups: usize,
}

impl Shape {
    /// A dense filter that moves pixel by pixel over an image with the same padding on every side.
    fn plain(
        images: usize,
        pixels: [usize; 2],
        channels: usize,
        taps: [usize; 2],
        filters: usize,
        padding: usize,
    ) -> Shape {
        let slide = Slide { padding, ..Slide::PLAIN };
        let positions = [0, 1].map(|i| (pixels[i] + 2 * padding + 1).saturating_sub(taps[i]));
        Shape { images, pixels, channels, taps, positions, filters, slides: [slide; 2], groups: 1 }
    }

    fn moved(self, slides: [[usize; 3]; 2], positions: [usize; 2]) -> Shape {
        let slides = slides.map(|[stride, dilation, padding]| Slide { stride, dilation, padding });
        Shape { slides, positions, ..self }
    }

    fn grouped(self, groups: usize) -> Shape {
        Shape { groups, ..self }
    }

    /// The shapes of A, B and the result.
    fn operands(&self, pass: ConvPass) -> [[usize; 4]; 3] {
        let [h, w] = self.pixels;
        let [p, q] = self.positions;
        let x = [self.images, h, w, self.channels];
        let f = [self.taps[0], self.taps[1], self.channels / self.groups.max(1), self.filters];
        let y = [self.images, p, q, self.filters];
        match pass {
            ConvPass::Forward => [x, f, y],
            ConvPass::InputGradient => [y, f, x],
            ConvPass::WeightGradient => [x, y, f],
        }
    }

    /// How many products at most make an element of the result.
    fn terms(&self, pass: ConvPass) -> usize {
        let taps = self.taps[0] * self.taps[1];
        match pass {
            ConvPass::Forward => taps * self.channels,
            ConvPass::InputGradient => taps * self.filters,
            ConvPass::WeightGradient => self.images * self.positions[0] * self.positions[1],
        }
    }

    fn kernel(&self, pass: ConvPass) -> Conv {
        Conv { pass, slides: self.slides, groups: self.groups, channel_sums: false, epilogue: None }
    }

    /// A case without operands.
    fn case(&self, what: &str, dtype: DType, conv: Conv) -> Case {
        let tolerance = tolerance(dtype, self.terms(conv.pass));
        Case::new(format!("{what} {:?} {dtype} {self:?}", conv.pass), Kernel::Conv(conv), tolerance)
    }

    /// A case whose operands lie row-major, or with channels (for filters, output channels) first.
    fn check(&self, what: &str, dtype: DType, conv: Conv, permuted: bool) -> Result<Case, Error> {
        let [a, b, result] = self.operands(conv.pass);
        let sums = conv.channel_sums;
        let mut case = self.case(what, dtype, conv);
        for (seed, shape) in [a, b].into_iter().enumerate() {
            let [n, h, w, c] = shape;
            let layout = Layout::contiguous(&[n, c, h, w]).permuted(&[0, 2, 3, 1]);
            let array = noise(dtype, &shape, seed)?;
            case = if permuted { case.input_view(array, 0, layout) } else { case.input(array) };
        }
        case = case.output(dtype, &result)?;
        if sums { case.output(dtype, &[self.filters]) } else { Ok(case) }
    }
}

/// Shapes that no path is made for, and some that are.
fn shapes() -> Vec<Shape> {
    let same = |images, side, channels, filters| Shape::plain(images, [side, side], channels, [3, 3], filters, 1);
    let seven = Shape::plain(2, [7, 9], 5, [3, 2], 6, 0);
    let depthwise = |channels: usize| Shape::plain(3, [9, 6], channels, [3, 3], channels, 1).grouped(channels);
    vec![
        Shape::plain(1, [1, 1], 1, [1, 1], 1, 0),
        Shape::plain(2, [1, 7], 3, [1, 3], 2, 0),
        Shape::plain(2, [7, 1], 3, [3, 1], 2, 1),
        Shape::plain(3, [5, 4], 7, [1, 1], 19, 0),
        Shape::plain(2, [11, 13], 3, [5, 3], 17, 2),
        Shape::plain(2, [6, 6], 16, [3, 3], 35, 0),
        // As many positions as fill no tile, one, or many; panels that are full or not.
        same(2, 8, 3, 32),
        same(3, 6, 33, 31),
        same(1, 17, 8, 67),
        same(2, 4, 40, 64),
        // Sides that do not divide into squares of two, and channels beyond a panel.
        same(2, 7, 64, 48),
        same(9, 5, 48, 64),
        same(33, 4, 64, 33),
        Shape::plain(3, [13, 14], 40, [3, 3], 64, 1),
        Shape::plain(1, [19, 30], 32, [3, 3], 64, 1),
        Shape::plain(2, [3, 70], 33, [3, 3], 65, 0),
        // More padding than the filter has taps, and positions that see nothing but padding.
        Shape::plain(2, [4, 5], 6, [3, 3], 5, 5),
        Shape::plain(1, [1, 2], 3, [2, 2], 4, 3),
        seven.moved([[1, 1, 2], [1, 1, 0]], [7, 10]),
        seven.moved([[1, 1, 0], [1, 1, 3]], [4, 9]),
        seven.moved([[1, 1, 0], [1, 1, 0]], [9, 15]),
        seven.moved([[1, 1, 0], [1, 1, 0]], [2, 1]),
        // Strides: also beyond the filter, and with pixels left over.
        seven.moved([[2, 1, 0], [2, 1, 1]], [3, 5]),
        seven.moved([[3, 1, 1], [1, 1, 1]], [3, 9]),
        seven.moved([[4, 1, 0], [5, 1, 0]], [2, 2]),
        Shape::plain(2, [8, 9], 33, [3, 3], 34, 0).moved([[2, 1, 1], [2, 1, 1]], [4, 5]),
        Shape::plain(2, [9, 8], 4, [1, 1], 40, 0).moved([[2, 1, 0], [2, 1, 0]], [5, 4]),
        Shape::plain(2, [12, 12], 5, [4, 4], 7, 0).moved([[2, 1, 1], [2, 1, 1]], [6, 6]),
        // Dilation, alone and with strides that share a divisor with it or do not.
        seven.moved([[1, 2, 2], [1, 3, 1]], [7, 8]),
        seven.moved([[2, 2, 2], [3, 2, 3]], [4, 5]),
        seven.moved([[2, 3, 3], [4, 6, 6]], [4, 4]),
        seven.moved([[6, 4, 5], [4, 6, 3]], [3, 3]),
        Shape::plain(2, [9, 9], 34, [3, 3], 33, 0).moved([[1, 2, 2], [1, 2, 2]], [9, 9]),
        // A few positions far apart: bordered images would be large.
        seven.moved([[1, 100_000, 100_003], [1, 1, 0]], [8, 8]),
        seven.moved([[30_000, 1, 3], [20_000, 5, 4]], [3, 4]),
        seven.moved([[1, 1, 1_000_000], [1, 1, 1_000_000]], [3, 2]),
        // Groups.
        Shape::plain(2, [6, 5], 6, [3, 3], 9, 1).grouped(3),
        Shape::plain(2, [6, 5], 68, [3, 3], 66, 1).grouped(2),
        Shape::plain(2, [6, 5], 8, [2, 3], 8, 0).grouped(4).moved([[2, 1, 1], [1, 2, 1]], [4, 3]),
        depthwise(1),
        depthwise(7),
        depthwise(37),
        depthwise(64).moved([[2, 1, 1], [2, 1, 1]], [5, 3]),
        depthwise(5).moved([[1, 2, 2], [3, 2, 2]], [9, 2]),
        Shape::plain(2, [6, 5], 4, [3, 3], 12, 1).grouped(4),
        // Nothing.
        same(0, 4, 3, 5),
        same(2, 4, 0, 5),
        same(2, 4, 3, 0),
        same(0, 4, 3, 40),
        Shape::plain(2, [4, 5], 3, [3, 3], 5, 0).moved([[1, 1, 0], [1, 1, 0]], [0, 3]),
        Shape::plain(2, [0, 5], 3, [3, 3], 5, 1).moved([[1, 1, 1], [1, 1, 1]], [2, 5]),
        Shape::plain(2, [4, 0], 3, [2, 2], 5, 0).moved([[1, 1, 0], [1, 1, 0]], [3, 0]),
        Shape::plain(2, [4, 5], 3, [0, 2], 5, 0).moved([[1, 1, 0], [1, 1, 0]], [4, 4]),
        same(2, 4, 0, 0).grouped(3),
    ]
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for shape in shapes() {
        for pass in PASSES {
            for (dtype, permuted) in [
                (DType::F32, false),
                (DType::F32, true),
                (DType::F64, false),
                (DType::F64, true),
                (DType::F16, false),
                (DType::BF16, true),
            ] {
                let sums = pass == ConvPass::WeightGradient && (permuted || dtype != DType::F32);
                let conv = Conv { channel_sums: sums, ..shape.kernel(pass) };
                cases.push(shape.check("conv", dtype, conv, permuted)?);
            }
        }
    }
    views(&mut cases)?;
    epilogues(&mut cases)?;
    special(&mut cases)?;
    Ok(cases)
}

/// Operands that lie in other ways than in order: guards on either side show what is read beyond the view.
fn views(cases: &mut Vec<Case>) -> Result<(), Error> {
    /// The stride of an axis, from its number and its row-major stride.
    type Stride = fn(usize, isize) -> isize;
    let views: [(&str, Stride); 6] = [
        ("backwards", |_, stride| -stride),
        ("every other", |_, stride| 2 * stride),
        ("padded channels", |axis, stride| if axis == 3 { 1 } else { 3 * stride }),
        ("rows backwards", |axis, stride| if axis == 1 { -stride } else { stride }),
        ("one pixel", |axis, stride| if axis == 3 { stride } else { 0 }),
        ("one element", |_, _| 0),
    ];
    let shapes = [
        Shape::plain(3, [5, 6], 18, [3, 3], 17, 1),
        Shape::plain(2, [5, 6], 3, [2, 1], 4, 0).moved([[2, 1, 1], [1, 2, 0]], [3, 6]),
        Shape::plain(2, [5, 6], 8, [2, 2], 8, 1).grouped(8),
        Shape::plain(3, [4, 4], 48, [3, 3], 48, 1),
    ];
    for (pass, shape) in PASSES.into_iter().flat_map(|pass| shapes.map(|shape| (pass, shape))) {
        let [a, b, result] = shape.operands(pass);
        for (what, stride) in views {
            for dtype in FLOATS {
                let sums = pass == ConvPass::WeightGradient;
                let conv = Conv { channel_sums: sums, ..shape.kernel(pass) };
                // Equal terms are rounded alike: errors grow with their number, not with its root.
                let tolerance = tolerance(dtype, shape.terms(pass).pow(2));
                let mut case = Case::new(format!("{what} {pass:?} {dtype} {shape:?}"), Kernel::Conv(conv), tolerance);
                for (seed, shape) in [a, b].into_iter().enumerate() {
                    let Layout { shape, strides } = Layout::contiguous(&shape);
                    let strides = strides.into_iter().enumerate().map(|(axis, step)| stride(axis, step)).collect();
                    let layout = Layout { shape, strides };
                    let (low, high) = layout.extent().unwrap_or((0, 0));
                    let array = noise(dtype, &[(high - low) as usize + 9], seed)?;
                    case = case.input_view(array, low.unsigned_abs() + 4, layout);
                }
                let case = case.output(dtype, &result)?;
                cases.push(if sums { case.output(dtype, &[shape.filters])? } else { case });
            }
        }
    }
    Ok(())
}

fn epilogues(cases: &mut Vec<Case>) -> Result<(), Error> {
    use DType::{BF16, F16, F32, F64};
    let shapes = [
        Shape::plain(2, [5, 4], 6, [3, 3], 9, 1),
        Shape::plain(1, [33, 20], 20, [3, 3], 70, 1),
        Shape::plain(3, [8, 9], 48, [3, 3], 48, 1),
        Shape::plain(2, [8, 9], 5, [3, 3], 33, 0).moved([[2, 1, 1], [3, 2, 2]], [4, 3]),
        Shape::plain(2, [6, 5], 8, [3, 3], 8, 1).grouped(8),
        Shape::plain(2, [6, 5], 8, [1, 1], 600, 0),
        Shape::plain(0, [6, 5], 8, [3, 3], 7, 1),
    ];
    for (pass, shape) in PASSES.into_iter().flat_map(|pass| shapes.map(|shape| (pass, shape))) {
        let [a, b, result] = shape.operands(pass);
        let last = result[3];
        for (dtype, given, stored) in
            [(F32, F32, F32), (F64, F64, F64), (F32, F32, F16), (F32, F16, F32), (F16, F32, F16), (BF16, BF16, BF16)]
        {
            let conv = Conv { epilogue: Some(bias_relu(dtype, given, stored)?), ..shape.kernel(pass) };
            let tolerance = [dtype, given, stored].map(|dtype| tolerance(dtype, shape.terms(pass)));
            let name = format!("bias and relu of {given} to {stored}, {pass:?} {dtype} {shape:?}");
            let bias = Layout::contiguous(&[last]).broadcast_to(&result)?;
            let case = Case::new(name, Kernel::Conv(conv), tolerance.into_iter().fold(0.0, f64::max))
                .input(noise(dtype, &a, 1)?)
                .input(noise(dtype, &b, 2)?)
                .input_view(noise(dtype, &[last], 3)?, 0, bias);
            cases.push(case.output(stored, &result)?);
        }

        // The gradient of relu into the memory of the activations.
        let conv = Conv { epilogue: Some(relu_mask()?), ..shape.kernel(pass) };
        let case = shape.case("mask in place", F32, conv).input(noise(F32, &a, 1)?).input(noise(F32, &b, 2)?);
        cases.push(case.input(noise(F32, &result, 3)?).output_in_place(2));

        let sums = pass == ConvPass::WeightGradient;
        let conv = Conv { epilogue: Some(two_results()?), channel_sums: sums, ..shape.kernel(pass) };
        let case = shape.case("two results", F32, conv).input(noise(F32, &a, 1)?).input(noise(F32, &b, 2)?);
        let case = case.output(F32, &result)?.output(F32, &result)?;
        cases.push(if sums { case.output(F32, &[shape.filters])? } else { case });
    }
    Ok(())
}

/// Filters are finite where there is padding: whether zero or nothing is multiplied by them there is not promised.
fn special(cases: &mut Vec<Case>) -> Result<(), Error> {
    let shapes = [
        Shape::plain(2, [5, 6], 4, [3, 3], 33, 1),
        Shape::plain(2, [5, 6], 3, [3, 2], 5, 0).moved([[2, 1, 0], [2, 1, 0]], [2, 3]),
        Shape::plain(2, [5, 6], 8, [2, 2], 8, 0).grouped(8),
        // Squares enough for their transforms; the special element lies inside, where every tap stands over it.
        Shape::plain(2, [16, 18], 16, [3, 3], 33, 1),
    ];
    for (pass, shape) in PASSES.into_iter().flat_map(|pass| shapes.map(|shape| (pass, shape))) {
        for dtype in FLOATS {
            for (what, value) in [("a NaN", f64::NAN), ("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)] {
                // An algorithm that adds and subtracts pixels makes NaN of infinities.
                if !value.is_nan() && shape.channels > 8 {
                    continue;
                }
                let [a, b, result] = shape.operands(pass);
                let plain = noise(DType::F64, &a, 1)?.to_f64();
                let at = plain.len() * 2 / 3;
                let a = Array::from_fn(dtype, &a, |i| if i == at { value } else { plain[i] })?;
                let case = shape.case(what, dtype, shape.kernel(pass)).input(a).input(noise(dtype, &b, 2)?);
                cases.push(case.output(dtype, &result)?);
            }
        }
    }
    Ok(())
}
