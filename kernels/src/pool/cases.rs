//! The family's part of the conformance suite.

use super::{Pool, PoolOp};
use crate::{
    Array, Binary, DType, Error, Expr, Kernel, Layout, Literal, Scalar, Slide, Unary, conformance::Case,
    reduce::cases::noise,
};

const OPS: [PoolOp; 5] = [PoolOp::Max, PoolOp::MaxGather, PoolOp::MaxScatter, PoolOp::Sum, PoolOp::SumScatter];
const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

/// Sums of at most some dozen terms of about 1; maxima are exact but for what an epilogue does to them.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
        DType::F32 => 2e-6,
        _ => 4e-15,
    }
}

fn slide(stride: usize, dilation: usize, padding: usize) -> Slide {
    Slide { stride, dilation, padding }
}

/// Images and how windows move over them.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    images: [usize; 4],
    window: [usize; 2],
    slides: [Slide; 2],
    positions: [usize; 2],
}

impl Geometry {
    /// As many positions as reach over the image and `beyond` pixels behind it.
    fn new(images: [usize; 4], window: [usize; 2], slides: [Slide; 2], beyond: [usize; 2]) -> Geometry {
        let count = |i: usize| {
            let Slide { stride, dilation, padding } = slides[i];
            let room = images[i + 1] + padding + beyond[i];
            let span = window[i].saturating_sub(1) * dilation + 1;
            room.checked_sub(span).map_or(0, |left| left / stride + 1)
        };
        Geometry { images, window, slides, positions: [count(0), count(1)] }
    }

    fn same(images: [usize; 4], window: usize, stride: usize, padding: usize) -> Geometry {
        Geometry::new(images, [window; 2], [slide(stride, 1, padding); 2], [padding; 2])
    }

    fn results(&self) -> [usize; 4] {
        [self.images[0], self.positions[0], self.positions[1], self.images[3]]
    }

    fn result(&self, op: PoolOp) -> [usize; 4] {
        if op.scatters() { self.images } else { self.results() }
    }

    /// Shapes of the inputs.
    fn inputs(&self, op: PoolOp) -> Vec<[usize; 4]> {
        match op {
            PoolOp::Max | PoolOp::Sum => vec![self.images],
            PoolOp::MaxGather => vec![self.images; 2],
            PoolOp::MaxScatter => vec![self.images, self.results()],
            PoolOp::SumScatter => vec![self.results()],
        }
    }

    fn case(&self, what: &str, op: PoolOp, dtype: DType, epilogue: Option<Expr>) -> Case {
        let pool = Pool { op, window: self.window, slides: self.slides, epilogue };
        // An epilogue may take a result that was rounded to fewer bits.
        let given = pool.epilogue.as_ref().and_then(|expr| expr.inputs().first().copied()).unwrap_or(dtype);
        let tolerance = tolerance(dtype).max(tolerance(given));
        Case::new(format!("{what} {op:?} {dtype} {self:?}"), Kernel::Pool(pool), tolerance)
    }

    /// The op on images without pattern.
    fn plain(&self, op: PoolOp, dtype: DType) -> Result<Case, Error> {
        let mut case = self.case("", op, dtype, None);
        for (number, shape) in self.inputs(op).iter().enumerate() {
            case = case.input(noise(dtype, shape, number)?);
        }
        case.output(dtype, &self.result(op))
    }

    /// The op on these images, with the numbers 1, 2, 3.. beside them: what came from where shows.
    fn on(&self, what: &str, op: PoolOp, dtype: DType, image: impl Fn(usize) -> f64) -> Result<Case, Error> {
        let mut case = self.case(what, op, dtype, None);
        for (number, shape) in self.inputs(op).iter().enumerate() {
            let image = |i: usize| if number == 0 { image(i) } else { (i % 97 + 1) as f64 };
            case = case.input(Array::from_fn(dtype, shape, image)?);
        }
        case.output(dtype, &self.result(op))
    }
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for op in OPS {
        shapes(op, &mut cases)?;
        special(op, &mut cases)?;
        views(op, &mut cases)?;
        epilogues(op, &mut cases)?;
    }
    relu_mask(&mut cases)?;
    Ok(cases)
}

fn shapes(op: PoolOp, cases: &mut Vec<Case>) -> Result<(), Error> {
    let plain = slide(1, 1, 0);
    let geometries = [
        Geometry::same([2, 6, 8, 16], 2, 2, 0),
        // The last row and column under no window; channels that fill no vector, and several.
        Geometry::same([3, 7, 5, 3], 2, 2, 0),
        Geometry::same([1, 5, 9, 37], 2, 2, 0),
        Geometry::same([1, 1, 1, 1], 1, 1, 0),
        Geometry::same([2, 1, 6, 5], 1, 1, 0),
        // Windows that overlap.
        Geometry::same([2, 9, 11, 5], 3, 2, 0),
        Geometry::same([1, 9, 8, 17], 3, 2, 1),
        Geometry::same([2, 7, 7, 4], 3, 1, 1),
        Geometry::same([1, 13, 6, 1], 5, 3, 2),
        // Windows apart.
        Geometry::same([1, 11, 13, 6], 2, 5, 0),
        Geometry::same([1, 10, 10, 2], 1, 3, 0),
        // Windows larger than the image, and windows beyond it.
        Geometry::same([2, 3, 2, 7], 5, 1, 3),
        Geometry::same([1, 2, 3, 4], 2, 2, 5),
        Geometry::new([1, 4, 5, 3], [4, 5], [plain; 2], [0; 2]),
        // Each side its own way: sizes, padding before and behind, dilation.
        Geometry::new([2, 8, 7, 5], [3, 2], [slide(2, 1, 2), slide(1, 1, 0)], [0, 3]),
        Geometry::new([1, 10, 12, 6], [3, 2], [slide(1, 3, 2), slide(2, 2, 1)], [1, 2]),
        Geometry::new([1, 9, 5, 3], [2, 3], [slide(3, 4, 5), slide(1, 2, 4)], [4, 6]),
        Geometry::new([2, 1, 23, 4], [1, 7], [plain, slide(3, 1, 0)], [0; 2]),
        // Nothing.
        Geometry::same([0, 4, 4, 2], 2, 2, 0),
        Geometry::same([2, 4, 4, 0], 2, 2, 0),
        Geometry::same([2, 0, 4, 3], 2, 1, 2),
        Geometry::same([2, 4, 4, 3], 0, 1, 0),
        Geometry::same([2, 1, 4, 3], 2, 2, 0),
    ];
    for geometry in geometries {
        for dtype in FLOATS {
            cases.push(geometry.plain(op, dtype)?);
        }
    }
    // Several bands, several threads; rows that are bands by themselves.
    for (dtype, geometry) in [
        (DType::F32, Geometry::same([3, 37, 41, 8], 3, 2, 1)),
        (DType::F16, Geometry::same([3, 37, 41, 8], 3, 2, 1)),
        (DType::F32, Geometry::same([1, 40, 19, 45], 2, 2, 0)),
        (DType::F32, Geometry::new([1, 35, 30, 24], [5, 3], [slide(2, 3, 4), slide(1, 2, 2)], [2, 2])),
        (DType::BF16, Geometry::new([1, 35, 30, 24], [5, 3], [slide(2, 3, 4), slide(1, 2, 2)], [2, 2])),
        (DType::F64, Geometry::same([2, 5, 300, 17], 3, 1, 1)),
    ] {
        cases.push(geometry.plain(op, dtype)?);
    }
    Ok(())
}

/// The first maximum counts, and a NaN before all else.
fn special(op: PoolOp, cases: &mut Vec<Case>) -> Result<(), Error> {
    for dtype in FLOATS {
        let geometries = [
            Geometry::same([1, 7, 9, 43], 3, 2, 1),
            Geometry::same([2, 6, 6, 3], 2, 2, 0),
            Geometry::same([1, 5, 5, 2], 3, 1, 2),
        ];
        // The loops are the same for all that is kept in 32 bits.
        for geometry in &geometries[..if dtype == DType::F32 { 3 } else { 1 }] {
            let mut on = |what: &str, image: fn(usize) -> f64| {
                cases.push(geometry.on(what, op, dtype, image)?);
                Ok::<(), Error>(())
            };
            on("ties", |i| (i * 7 % 3) as f64)?;
            on("all the same", |_| -2.5)?;
            on("zeros of both signs", |i| if i % 3 == 0 { -0.0 } else { 0.0 })?;
            on("all -inf", |_| f64::NEG_INFINITY)?;
            on("some -inf", |i| if i % 2 == 0 { f64::NEG_INFINITY } else { -(i as f64) })?;
            on("inf", |i| if i % 11 == 0 { f64::INFINITY } else { i as f64 })?;
            on("all NaN", |_| f64::NAN)?;
            on("some NaN", |i| if i % 5 == 0 { f64::NAN } else { (i % 13) as f64 })?;
            on("a NaN beside inf", |i| [f64::NAN, f64::INFINITY, 1.0, f64::NEG_INFINITY][i * 5 % 7 % 4])?;
        }
    }
    // What is scattered, and gathered, may be anything too.
    if matches!(op, PoolOp::MaxGather | PoolOp::MaxScatter) {
        let geometry = Geometry::same([1, 6, 7, 5], 3, 2, 1);
        let [first, second] = [&geometry.inputs(op)[0], &geometry.inputs(op)[1]];
        let other = |i: usize| [f64::NAN, 1.0, f64::INFINITY, 2.0, 3.0][i % 5];
        let case = geometry.case("a NaN beside", op, DType::F32, None).input(noise(DType::F32, first, 1)?);
        cases.push(case.input(Array::from_fn(DType::F32, second, other)?).output(DType::F32, &geometry.result(op))?);
    }
    Ok(())
}

fn views(op: PoolOp, cases: &mut Vec<Case>) -> Result<(), Error> {
    type View = fn([usize; 4]) -> Layout;
    let views: [(&str, View); 7] = [
        ("channels first", |[n, h, w, c]| Layout::contiguous(&[n, c, h, w]).permuted(&[0, 2, 3, 1])),
        ("columns first", |[n, h, w, c]| Layout::contiguous(&[w, c, n, h]).permuted(&[2, 3, 0, 1])),
        ("part of larger images", |[n, h, w, c]| {
            let strides = Layout::contiguous(&[n, h + 2, w + 3, c + 4]).strides;
            Layout { shape: vec![n, h, w, c], strides }
        }),
        ("every other channel", |[n, h, w, c]| {
            let strides = Layout::contiguous(&[n, h, w, 2 * c]).strides;
            let strides = strides.iter().enumerate().map(|(axis, &stride)| if axis == 3 { 2 } else { stride });
            Layout { shape: vec![n, h, w, c], strides: strides.collect() }
        }),
        ("backwards", |shape| {
            let strides = Layout::contiguous(&shape).strides;
            Layout { shape: shape.to_vec(), strides: strides.iter().map(|stride| -stride).collect() }
        }),
        ("one image, rows repeated", |[n, h, w, c]| Layout {
            shape: vec![n, h, w, c],
            strides: vec![0, 0, c as isize, 1],
        }),
        ("one pixel", |shape| Layout { shape: shape.to_vec(), strides: vec![0; 4] }),
    ];
    for (geometry, dtypes) in [
        (Geometry::same([2, 6, 7, 18], 2, 2, 0), &[DType::F32, DType::F64, DType::F16][..]),
        (Geometry::same([3, 25, 30, 10], 3, 2, 1), &[DType::F32]),
    ] {
        for (what, view) in views {
            for &dtype in dtypes {
                let mut case = geometry.case(what, op, dtype, None);
                for (number, shape) in geometry.inputs(op).into_iter().enumerate() {
                    let layout = view(shape);
                    let (low, high) = layout.extent().unwrap_or((0, 0));
                    // Guards on either side show what is read beyond the view.
                    let array = noise(dtype, &[(high - low) as usize + 9], number)?;
                    case = case.input_view(array, low.unsigned_abs() + 4, layout);
                }
                cases.push(case.output(dtype, &geometry.result(op))?);
            }
        }
    }
    Ok(())
}

/// `relu(2 r + b)` and the square of that, of the result `r` and one input `b`.
fn affine(given: DType, dtype: DType) -> Result<Expr, Error> {
    let mut expr = Expr::new([given, dtype]);
    let r = expr.push(Scalar::Input(0))?;
    let b = expr.push(Scalar::Input(1))?;
    let doubled = expr.push(Scalar::Binary(Binary::Add, r, r))?;
    let sum = expr.push(Scalar::Binary(Binary::Add, doubled, b))?;
    let relu = expr.push(Scalar::Unary(Unary::Relu, sum))?;
    let square = expr.push(Scalar::Unary(Unary::Square, relu))?;
    expr.output(relu, dtype)?;
    expr.output(square, dtype)?;
    Ok(expr)
}

fn epilogues(op: PoolOp, cases: &mut Vec<Case>) -> Result<(), Error> {
    let dtypes = [
        (DType::F32, DType::F32),
        (DType::F16, DType::F16),
        (DType::F64, DType::F64),
        (DType::F16, DType::F32),
        (DType::BF16, DType::BF16),
        (DType::F32, DType::F16),
    ];
    for (geometry, dtypes) in [
        (Geometry::same([2, 5, 6, 3], 2, 2, 0), &dtypes[..]),
        (Geometry::same([3, 25, 30, 8], 3, 2, 1), &dtypes[..2]),
        (Geometry::same([2, 4, 300, 16], 2, 2, 0), &dtypes[..2]),
        (Geometry::same([0, 4, 4, 3], 2, 2, 0), &dtypes[..1]),
    ] {
        for &(dtype, given) in dtypes {
            let shape = geometry.result(op);
            let with_inputs = |what: &str| {
                let mut case = geometry.case(what, op, dtype, Some(affine(given, dtype)?));
                for (number, shape) in geometry.inputs(op).iter().enumerate() {
                    case = case.input(noise(dtype, shape, number)?);
                }
                Ok::<Case, Error>(case)
            };
            let bias = Layout::contiguous(&[shape[3]]).broadcast_to(&shape)?;
            let case = with_inputs(&format!("two results of {given}"))?;
            let case = case.input_view(noise(dtype, &[shape[3]], 3)?, 0, bias);
            cases.push(case.output(dtype, &shape)?.output(dtype, &shape)?);
            let case = with_inputs(&format!("in place, of {given}"))?.input(noise(dtype, &shape, 3)?);
            cases.push(case.output_in_place(op.inputs()).output(dtype, &shape)?);
        }
    }
    Ok(())
}

/// The gradient of a pooled relu: the pooled image is read again to see where it is live.
fn relu_mask(cases: &mut Vec<Case>) -> Result<(), Error> {
    let op = PoolOp::MaxScatter;
    for geometry in [
        Geometry::same([2, 7, 6, 5], 2, 2, 0),
        Geometry::same([2, 32, 32, 16], 2, 2, 0),
        Geometry::same([2, 15, 17, 20], 3, 2, 1),
    ] {
        for dtype in FLOATS {
            let mut mask = Expr::new([dtype, dtype]);
            let gradient = mask.push(Scalar::Input(0))?;
            let x = mask.push(Scalar::Input(1))?;
            let zero = mask.push(Scalar::Const(Literal::new(dtype, 0.0)))?;
            let live = mask.push(Scalar::Binary(Binary::Greater, x, zero))?;
            let masked = mask.push(Scalar::Select(live, gradient, zero))?;
            mask.output(masked, dtype)?;
            let x = noise(dtype, &geometry.images, 1)?;
            let values = x.to_f64();
            let relu = Array::from_fn(dtype, &geometry.images, |i| values[i].max(0.0))?;
            let case = geometry.case("relu mask", op, dtype, Some(mask)).input(relu.clone());
            let case = case.input(noise(dtype, &geometry.results(), 2)?).input(relu);
            cases.push(case.output(dtype, &geometry.images)?);
        }
    }
    Ok(())
}
