//! The family's part of the conformance suite.

use super::Gemm;
use crate::{Array, Binary, DType, Error, Expr, Kernel, Layout, Literal, Scalar, Unary, conformance::Case};

/// Errors grow with the square root of the number of terms, as those of a random walk; a few of the last place each.
pub(crate) fn tolerance(dtype: DType, k: usize) -> f64 {
    let place = match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
        _ => f64::from(f32::EPSILON),
    };
    // Once rounded to 16 bits, what happened in 32 does not show.
    if matches!(dtype, DType::F16 | DType::BF16) { place } else { 2.0 * place * (k.max(1) as f64).sqrt() }
}

/// Numbers between -1 and 1 without pattern; for integers from -3 to 3, for unsigned ones from 0 to 3, whose sums fit.
pub(crate) fn noise(dtype: DType, shape: &[usize], seed: usize) -> Result<Array, Error> {
    Array::from_fn(dtype, shape, |i| {
        let mixed = ((i + 1) as u64 ^ (seed as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (mixed >> 40) as i64;
        match dtype {
            DType::U8 => (bits % 3) as f64,
            _ if dtype.is_float() => bits as f64 / f64::from(1 << 23) - 1.0,
            _ => (bits % 7 - 3) as f64,
        }
    })
}

/// A case and what its operands have in common.
struct Product {
    case: Case,
    dtype: DType,
    result: Vec<usize>,
}

impl Product {
    fn new(what: &str, dtype: DType, [m, k, n]: [usize; 3], gemm: &Gemm) -> Product {
        let name = format!("{what} {dtype} {m}x{k}x{n}");
        let stored = gemm.epilogue.as_ref().map_or(dtype, |expr| expr.outputs()[0].1);
        let case = Case::new(name, Kernel::Gemm(gemm.clone()), tolerance(stored, k));
        Product { case, dtype, result: vec![m, n] }
    }

    /// An operand of the given shape; transposed if asked for, so that its columns are contiguous.
    fn operand(mut self, shape: &[usize], transposed: bool, seed: usize) -> Result<Product, Error> {
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        if transposed {
            axes.swap(shape.len() - 2, shape.len() - 1);
        }
        let stored: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let layout = Layout::contiguous(&stored).permuted(&axes);
        self.case = self.case.input_view(noise(self.dtype, &stored, seed)?, 0, layout);
        Ok(self)
    }

    fn end(self) -> Result<Case, Error> {
        let (dtype, result) = (self.dtype, self.result.clone());
        self.case.output(dtype, &result)
    }
}

const PLAIN: Gemm = Gemm { column_sums: false, epilogue: None };

fn product(dtype: DType, sizes: [usize; 3], transposed: [bool; 2]) -> Result<Case, Error> {
    let [m, k, n] = sizes;
    let what = ["nn", "nt", "tn", "tt"][usize::from(transposed[0]) * 2 + usize::from(transposed[1])];
    Product::new(what, dtype, sizes, &PLAIN)
        .operand(&[m, k], transposed[0], 1)?
        .operand(&[k, n], transposed[1], 2)?
        .end()
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    plain(&mut cases)?;
    views(&mut cases)?;
    batches(&mut cases)?;
    column_sums(&mut cases)?;
    epilogues(&mut cases)?;
    Ok(cases)
}

fn plain(cases: &mut Vec<Case>) -> Result<(), Error> {
    const VIEWS: [[bool; 2]; 4] = [[false, false], [false, true], [true, false], [true, true]];
    for transposed in VIEWS {
        for m in [1, 2, 3, 7, 8, 9, 13, 17] {
            for n in [1, 3, 5, 16, 17, 33] {
                cases.push(product(DType::F32, [m, m + n, n], transposed)?);
                cases.push(product(DType::F64, [m, n, n], transposed)?);
            }
        }
        for sizes in [[37, 65, 131], [128, 512, 10], [1, 300, 1040], [100, 2050, 33], [61, 67, 1], [3, 1, 5]] {
            cases.push(product(DType::F32, sizes, transposed)?);
        }
        for sizes in [[37, 65, 131], [3, 1030, 517], [29, 515, 10]] {
            cases.push(product(DType::F64, sizes, transposed)?);
        }
        for dtype in [DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16] {
            for sizes in [[1, 1, 1], [5, 7, 67], [3, 520, 2]] {
                let sizes = if dtype == DType::U8 { sizes.map(|size| size.min(63)) } else { sizes };
                cases.push(product(dtype, sizes, transposed)?);
            }
        }
        for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
            for sizes in [[0, 3, 2], [3, 0, 2], [3, 2, 0], [0, 0, 0], [67, 0, 35]] {
                cases.push(product(dtype, sizes, transposed)?);
            }
        }
    }
    cases.push(product(DType::F16, [70, 300, 270], [true, false])?);
    cases.push(product(DType::BF16, [66, 20, 530], [false, true])?);
    // Rows of B pages apart, and more rows and columns than one block.
    cases.push(product(DType::F32, [70, 40, 1030], [false, false])?);
    cases.push(product(DType::F64, [35, 9, 1025], [false, false])?);
    cases.push(product(DType::F32, [1030, 5, 40], [false, true])?);
    // Rows of A as well, in either direction.
    cases.push(product(DType::F32, [67, 1030, 300], [false, false])?);
    cases.push(product(DType::F32, [1030, 70, 300], [true, true])?);
    cases.push(product(DType::F64, [530, 300, 130], [true, false])?);
    Ok(())
}

fn views(cases: &mut Vec<Case>) -> Result<(), Error> {
    for dtype in [DType::F32, DType::F64, DType::I32, DType::F16] {
        let view = |what: &str, strides: [[isize; 2]; 2]| {
            let [m, k, n] = [11, 13, 19];
            let mut case = Product::new(what, dtype, [m, k, n], &PLAIN);
            for (number, (shape, strides)) in [[m, k], [k, n]].into_iter().zip(strides).enumerate() {
                let layout = Layout { shape: shape.to_vec(), strides: strides.to_vec() };
                let (low, high) = layout.extent().unwrap_or((0, 0));
                // Guards on either side show what is read beyond the view.
                let array = noise(dtype, &[(high - low) as usize + 9], number)?;
                case.case = case.case.input_view(array, low.unsigned_abs() + 4, layout);
            }
            case.end()
        };
        cases.push(view("reversed", [[-13, -1], [-19, -1]])?);
        cases.push(view("rows backwards", [[-13, 1], [-19, 1]])?);
        cases.push(view("one row of A", [[0, 1], [19, 1]])?);
        cases.push(view("one element of A", [[0, 0], [19, 1]])?);
        cases.push(view("one row of B", [[13, 1], [0, 1]])?);
        cases.push(view("one column of B", [[13, 1], [1, 0]])?);
        cases.push(view("padded", [[17, 1], [23, 1]])?);
        cases.push(view("every other", [[26, 2], [38, 2]])?);
        cases.push(view("padded columns", [[1, 14], [1, 17]])?);
        cases.push(view("columns backwards", [[-1, 14], [1, -17]])?);
    }
    Ok(())
}

fn batches(cases: &mut Vec<Case>) -> Result<(), Error> {
    let [m, k, n] = [9, 21, 35];
    // Each of two batch axes: stored (or repeated) in A and in B.
    for (name, a, b) in [
        ("both", [true, true], [true, true]),
        ("B repeated", [true, true], [false, false]),
        ("A repeated", [false, false], [true, true]),
        ("crossed", [true, false], [false, true]),
        ("inner of B repeated", [true, true], [true, false]),
    ] {
        for dtype in [DType::F32, DType::F64, DType::I64] {
            for sizes in [[2, 3], [5, 1], [1, 17], [0, 3]] {
                for transposed in [false, true] {
                    let mut case = Product::new(&format!("batch {sizes:?}, {name}, "), dtype, [m, k, n], &PLAIN);
                    for (stored, rows, columns) in [(a, m, k), (b, k, n)] {
                        let kept = |axis: usize| if stored[axis] { sizes[axis] } else { 1 };
                        let shape = [kept(0), kept(1), rows, columns];
                        let array = noise(dtype, &shape, rows)?;
                        let layout = if transposed && rows == k {
                            Layout::contiguous(&[shape[0], shape[1], columns, rows]).permuted(&[0, 1, 3, 2])
                        } else {
                            Layout::contiguous(&shape)
                        };
                        let layout = layout.broadcast_to(&[sizes[0], sizes[1], rows, columns])?;
                        case.case = case.case.input_view(array, 0, layout);
                    }
                    case.result = vec![sizes[0], sizes[1], m, n];
                    cases.push(case.end()?);
                }
            }
        }
    }
    // More work than a device has processors: the tiles may be large ones.
    for (dtype, [batch, m, k, n], transposed) in [
        (DType::F32, [64, 132, 12, 100], false),
        (DType::F32, [64, 131, 9, 99], true),
        (DType::F32, [64, 68, 20, 66], true),
        (DType::F64, [64, 68, 12, 66], false),
    ] {
        let mut case = Product::new(&format!("batch of {batch}"), dtype, [m, k, n], &PLAIN)
            .operand(&[batch, m, k], transposed, 1)?
            .operand(&[batch, k, n], transposed, 2)?;
        case.result = vec![batch, m, n];
        cases.push(case.end()?);
    }
    // Heads inside rows, as attention has them: the batch axis has the smaller stride.
    let (heads, size) = (3, 8);
    let layout = Layout::contiguous(&[m, heads, size]).permuted(&[1, 0, 2]);
    let keys = layout.permuted(&[0, 2, 1]);
    let case = Case::new("heads", Kernel::Gemm(PLAIN), tolerance(DType::F32, size))
        .input_view(noise(DType::F32, &[m, heads, size], 1)?, 0, layout)
        .input_view(noise(DType::F32, &[m, heads, size], 2)?, 0, keys);
    cases.push(case.output(DType::F32, &[heads, m, m])?);
    Ok(())
}

fn column_sums(cases: &mut Vec<Case>) -> Result<(), Error> {
    let gemm = Gemm { column_sums: true, epilogue: None };
    for transposed in [false, true] {
        for dtype in DType::ALL.into_iter().filter(|dtype| !matches!(dtype, DType::Bool | DType::U8)) {
            for sizes in [[7, 5, 1], [20, 300, 37], [9, 129, 10], [0, 4, 3], [3, 0, 4], [40, 1, 70]] {
                let [m, k, n] = sizes;
                let case = Product::new("column sums", dtype, sizes, &gemm)
                    .operand(&[m, k], true, 1)?
                    .operand(&[k, n], transposed, 2)?
                    .end()?;
                cases.push(case.output(dtype, &[n])?);
            }
        }
    }
    Ok(())
}

/// `relu(C + bias)`, which is stored as `result`.
pub(crate) fn bias_relu(dtype: DType, given: DType, result: DType) -> Result<Expr, Error> {
    let mut expr = Expr::new([given, dtype]);
    let c = expr.push(Scalar::Input(0))?;
    let bias = expr.push(Scalar::Input(1))?;
    let sum = expr.push(Scalar::Binary(Binary::Add, c, bias))?;
    let relu = expr.push(Scalar::Unary(Unary::Relu, sum))?;
    expr.output(relu, result)?;
    Ok(expr)
}

/// The gradient of relu: C where the activation, the second input, is positive.
pub(crate) fn relu_mask() -> Result<Expr, Error> {
    let mut mask = Expr::new([DType::F32, DType::F32]);
    let c = mask.push(Scalar::Input(0))?;
    let y = mask.push(Scalar::Input(1))?;
    let zero = mask.push(Scalar::Const(Literal::new(DType::F32, 0.0)))?;
    let live = mask.push(Scalar::Binary(Binary::Greater, y, zero))?;
    let gradient = mask.push(Scalar::Select(live, c, zero))?;
    mask.output(gradient, DType::F32)?;
    Ok(mask)
}

/// C and its square.
pub(crate) fn two_results() -> Result<Expr, Error> {
    let mut both = Expr::new([DType::F32]);
    let c = both.push(Scalar::Input(0))?;
    let square = both.push(Scalar::Unary(Unary::Square, c))?;
    both.output(c, DType::F32)?;
    both.output(square, DType::F32)?;
    Ok(both)
}

fn epilogues(cases: &mut Vec<Case>) -> Result<(), Error> {
    use DType::{F16, F32, F64, I32};
    for sizes in [[1, 3, 2], [10, 64, 32], [128, 30, 10], [130, 520, 70], [3, 40, 1100], [600, 17, 300], [5, 0, 4]] {
        let [m, k, n] = sizes;
        for (dtype, given, result) in
            [(F32, F32, F32), (F64, F64, F64), (F32, F32, F16), (F16, F32, F16), (I32, I32, I32)]
        {
            let gemm = Gemm { column_sums: false, epilogue: Some(bias_relu(dtype, given, result)?) };
            let mut case = Product::new(&format!("bias and relu to {result}"), dtype, sizes, &gemm)
                .operand(&[m, k], false, 1)?
                .operand(&[k, n], sizes[0] == 10, 2)?;
            case.case =
                case.case.input_view(noise(dtype, &[n], 3)?, 0, Layout::contiguous(&[n]).broadcast_to(&[m, n])?);
            cases.push(case.case.output(result, &[m, n])?);
        }

        // The gradient of relu into the memory of the activations, with the bias gradient beside it.
        let gemm = Gemm { column_sums: true, epilogue: Some(relu_mask()?) };
        let case =
            Product::new("mask in place", F32, sizes, &gemm).operand(&[m, k], true, 1)?.operand(&[k, n], true, 2)?;
        cases.push(case.case.input(noise(F32, &[m, n], 3)?).output_in_place(2).output(F32, &[n])?);

        let gemm = Gemm { column_sums: false, epilogue: Some(two_results()?) };
        let case =
            Product::new("two results", F32, sizes, &gemm).operand(&[m, k], false, 1)?.operand(&[k, n], false, 2)?;
        cases.push(case.case.output(F32, &[m, n])?.output(F32, &[m, n])?);
    }

    // A batch, whose B is one matrix, with an extra input that lies in its own way.
    let (batch, m, k, n) = (4, 6, 5, 18);
    let gemm = Gemm { column_sums: false, epilogue: Some(bias_relu(F32, F32, F32)?) };
    let extra = Layout::contiguous(&[n, m, batch]).permuted(&[2, 1, 0]);
    for repeated in [false, true] {
        let b = if repeated { 1 } else { batch };
        let case = Case::new("batch with epilogue", Kernel::Gemm(gemm.clone()), tolerance(F32, k))
            .input(noise(F32, &[batch, m, k], 1)?)
            .input_view(noise(F32, &[b, k, n], 2)?, 0, Layout::contiguous(&[b, k, n]).broadcast_to(&[batch, k, n])?)
            .input_view(noise(F32, &[n, m, batch], 3)?, 0, extra.clone());
        cases.push(case.output(F32, &[batch, m, n])?);
    }
    Ok(())
}
