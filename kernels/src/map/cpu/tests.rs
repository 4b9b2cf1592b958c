//! Accuracy of the vectorised functions, and equal bits wherever an element stands.

use super::{Blocks, Port};
use crate::cpu::{Context, Team};
use crate::{
    Array, Base, Binary, DType, Device, Element, Expr, Extern, Isa, Kernel, Layout, Map, Memory, Operand, Program,
    Scalar, Step, Unary,
};

/// Runs `expr` over whole arrays.
fn run(device: &Device, expr: &Expr, inputs: &[Array]) -> Vec<Array> {
    let shape = inputs[0].shape().to_vec();
    let mut program = Program::default();
    let mut operand = |array: &Array, written| {
        let name = String::new();
        program.externs.push(Extern { name, dtype: array.dtype(), len: array.len(), written });
        Operand::contiguous(Base::Extern(program.externs.len() as u32 - 1), array.dtype(), array.shape())
    };
    let mut outputs: Vec<Array> =
        expr.outputs().iter().map(|&(_, dtype)| Array::zeros(dtype, &shape).unwrap()).collect();
    let step = Step {
        kernel: Kernel::Map(Map { expr: expr.clone(), segments: 1 }),
        inputs: inputs.iter().map(|array| operand(array, false)).collect(),
        outputs: outputs.iter().map(|array| operand(array, true)).collect(),
        label: String::new(),
    };
    program.steps.push(step);
    let mut executor = device.executor().unwrap();
    let mut loaded = executor.load(&program).unwrap();
    let mut memory: Vec<Memory<'_>> = inputs.iter().map(|array| Memory::Read(array.bytes())).collect();
    memory.extend(outputs.iter_mut().map(|array| Memory::Write(array.bytes_mut().unwrap())));
    executor.run(&mut loaded, 1, memory.into_iter()).unwrap();
    outputs
}

/// A function, how many units in the last place it may be off, and the truth.
type Bounded = (Unary, f64, fn(f64) -> f64);

fn unary(op: Unary, dtype: DType) -> Expr {
    let mut expr = Expr::new([dtype]);
    let x = expr.push(Scalar::Input(0)).unwrap();
    let y = expr.push(Scalar::Unary(op, x)).unwrap();
    expr.output(y, dtype).unwrap();
    expr
}

fn devices() -> impl Iterator<Item = Device> {
    Isa::ALL.into_iter().filter_map(|isa| Device::cpu().isa(isa).ok())
}

/// Distance from `y`, a result of `T`, to the true value in units of the last place there.
fn ulps(y: f64, wanted: f64, digits: i32, smallest: f64) -> f64 {
    let ulp = (wanted.abs().log2().floor() - f64::from(digits)).exp2().max(smallest);
    (y - wanted).abs() / ulp
}

/// A `f32` of every size and sign.
fn sweep() -> Array {
    let values: Vec<f32> = (0..u32::MAX).step_by(701 * 3).map(f32::from_bits).collect();
    Array::new(&[values.len()], &values).unwrap()
}

#[test]
fn f32_functions_are_accurate_to_the_last_places() {
    // semantics 8.12
    let x = sweep();
    let values = x.to_f64();
    let functions: [Bounded; 7] = [
        (Unary::Exp, 1.5, f64::exp),
        (Unary::Log, 1.5, f64::ln),
        (Unary::Tanh, 2.0, f64::tanh),
        (Unary::Sigmoid, 2.5, |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }),
        (Unary::Expm1, 2.5, f64::exp_m1),
        (Unary::Log1p, 2.5, f64::ln_1p),
        (Unary::Softplus, 3.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    ];
    for device in devices() {
        for (op, bound, f) in functions {
            let y = run(&device, &unary(op, DType::F32), std::slice::from_ref(&x)).remove(0).to_f64();
            let mut worst = (0.0, 0.0);
            for (&x, &y) in values.iter().zip(&y) {
                let wanted = f(x);
                let rounded = f64::from(wanted as f32);
                if y == rounded || y.is_nan() && wanted.is_nan() {
                    continue;
                }
                let off = ulps(y, wanted, 23, 2f64.powi(-149));
                // A result beyond the largest number may round to either side of it.
                worst = if off > worst.0 || off.is_nan() { (off, x) } else { worst };
            }
            println!("{device}: {} is off by {:.2} ulp at {:e}", op.name(), worst.0, worst.1);
            assert!(worst.0 <= bound, "{device}: {} is off by {:.2} ulp at {:e}", op.name(), worst.0, worst.1);
        }
    }
}

#[test]
fn f64_functions_are_accurate_to_the_last_places() {
    // Moderate arguments of all sizes; the library's functions are accurate to about one unit themselves.
    let values: Vec<f64> = (0..200_000)
        .map(|i| {
            let size = (f64::from(i % 997) / 997.0 * 16.0 - 10.0).exp2() * (1.0 + f64::from(i) * 1e-6);
            if i % 2 == 0 { size } else { -size }
        })
        .collect();
    let x = Array::new(&[values.len()], &values).unwrap();
    let functions: [Bounded; 5] = [
        (Unary::Exp, 2.0, f64::exp),
        (Unary::Log, 2.0, f64::ln),
        (Unary::Tanh, 3.0, f64::tanh),
        (Unary::Expm1, 3.0, f64::exp_m1),
        (Unary::Softplus, 4.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    ];
    for device in devices() {
        for (op, bound, f) in functions {
            let y = run(&device, &unary(op, DType::F64), std::slice::from_ref(&x)).remove(0).to_f64();
            let off = |(&x, &y): (&f64, &f64)| {
                let wanted = f(x);
                if y == wanted || y.is_nan() && wanted.is_nan() { 0.0 } else { ulps(y, wanted, 52, f64::from_bits(1)) }
            };
            let worst = values.iter().zip(&y).map(off).fold(0.0, f64::max);
            println!("{device}: {} of f64 is off by {worst:.2} ulp", op.name());
            assert!(worst <= bound, "{device}: {} of f64 is off by {worst:.2} ulp", op.name());
        }
    }
}

/// All floating-point instructions of one operand one after another, and some of two.
fn everything(dtype: DType) -> Expr {
    let mut expr = Expr::new([dtype, dtype]);
    let x = expr.push(Scalar::Input(0)).unwrap();
    let y = expr.push(Scalar::Input(1)).unwrap();
    let mut results = Vec::new();
    for &op in Unary::ALL.iter().filter(|op| op.accepts(dtype)) {
        results.push(expr.push(Scalar::Unary(op, x)).unwrap());
    }
    let product = expr.push(Scalar::Binary(Binary::Mul, x, y)).unwrap();
    results.push(expr.push(Scalar::Binary(Binary::Add, product, y)).unwrap());
    for op in [Binary::Pow, Binary::Mod, Binary::Div] {
        results.push(expr.push(Scalar::Binary(op, x, y)).unwrap());
    }
    for value in results {
        expr.output(value, expr.dtype(value)).unwrap();
    }
    expr
}

fn bits(array: &Array, range: std::ops::Range<usize>) -> &[u8] {
    &array.bytes()[range.start * array.dtype().size()..range.end * array.dtype().size()]
}

#[test]
fn bits_do_not_depend_on_threads_or_position() {
    // semantics 8.10
    const LEN: usize = 20_011;
    for device in devices() {
        for dtype in [DType::F32, DType::F64] {
            let expr = everything(dtype);
            let inputs = [7919, 104_729]
                .map(|prime| Array::from_fn(dtype, &[LEN], |i| (i * prime % 1013) as f64 / 59.0).unwrap());
            let whole = run(&device.clone().threads(1), &expr, &inputs);
            for threads in [2, 3, 7] {
                let shared = run(&device.clone().threads(threads), &expr, &inputs);
                for (a, b) in whole.iter().zip(&shared) {
                    assert_eq!(a.bytes(), b.bytes(), "{device} with {threads} threads");
                }
            }
            // Any part alone: at another position in its block, in a shorter block, among other neighbours.
            for (start, len) in [(0, 1), (1, 1), (5, 3), (17, 16), (100, 31), (513, 512), (1000, 700), (77, 1031)] {
                let part = inputs.each_ref().map(|array| match dtype {
                    DType::F32 => slice::<f32>(array, start, len),
                    _ => slice::<f64>(array, start, len),
                });
                for (a, b) in whole.iter().zip(&run(&device, &expr, &part)) {
                    assert_eq!(bits(a, start..start + len), b.bytes(), "{device}, {len} elements from {start}");
                }
            }
        }
    }
}

fn slice<T: Element>(array: &Array, start: usize, len: usize) -> Array {
    Array::new(&[len], &array.as_slice::<T>().unwrap()[start..start + len]).unwrap()
}

#[test]
fn masked_lanes_do_not_become_nan() {
    let x = Array::new(&[4], &[-1e30f32, f32::NEG_INFINITY, 0.0, -104.0]).unwrap();
    for device in devices() {
        let y = run(&device, &unary(Unary::Exp, DType::F32), std::slice::from_ref(&x)).remove(0);
        assert_eq!(y.to_vec::<f32>().unwrap()[..3], [0.0, 0.0, 1.0]);
    }
}

#[test]
fn layouts_with_one_element_per_axis_are_walked_by_few_axes() {
    let layout = Layout::contiguous(&[2, 1, 3, 4]).permuted(&[1, 0, 2, 3]);
    assert!(!super::Walk::new(&layout).is_uniform());
    assert_eq!(super::Walk::new(&layout).straight(2, 22), Some(2));
}

/// An epilogue as GEMM has it: the panel given in place, a row of biases, and an operand that is the output's memory.
#[test]
fn given_memory_may_be_overwritten_in_any_range() {
    const SHAPE: [usize; 2] = [23, 90];
    const LEN: usize = SHAPE[0] * SHAPE[1];
    let mut expr = Expr::new([DType::F32; 3]);
    let [c, bias, old] = [0, 1, 2].map(|n| expr.push(Scalar::Input(n)).unwrap());
    let sum = expr.push(Scalar::Binary(Binary::Add, c, bias)).unwrap();
    let relu = expr.push(Scalar::Unary(Unary::Relu, sum)).unwrap();
    let twice = expr.push(Scalar::Binary(Binary::Add, relu, c)).unwrap();
    let result = expr.push(Scalar::Binary(Binary::Sub, twice, old)).unwrap();
    expr.output(relu, DType::F32).unwrap();
    expr.output(result, DType::F16).unwrap();

    let team = Team::new(1).unwrap();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (start, end) in [(0, LEN), (0, 1), (7, 20), (89, 91), (90, 180), (33, 545), (100, 1400), (2069, LEN)] {
            let value = |i: usize| (i * 37 % 101) as f32 / 8.0 - 6.0;
            let mut c: Vec<f32> = (0..LEN).map(value).collect();
            let mut bias: Vec<f32> = (0..SHAPE[1]).map(|i| i as f32 / 4.0 - 11.0).collect();
            let mut halves = vec![half::f16::ZERO; LEN];
            let bases = [bias.as_mut_ptr().cast::<u8>(), c.as_mut_ptr().cast(), halves.as_mut_ptr().cast()];
            let row = Operand {
                base: Base::Arena,
                offset: 0,
                dtype: DType::F32,
                layout: Layout::contiguous(&SHAPE[1..]).broadcast_to(&SHAPE).unwrap(),
            };
            let old = Operand::contiguous(Base::Extern(0), DType::F32, &SHAPE);
            let out = Operand::contiguous(Base::Extern(1), DType::F16, &SHAPE);
            let inputs = [Port::Given, Port::Operand(&row), Port::Operand(&old)];
            let blocks = Blocks::new(&expr, &SHAPE, &inputs, &[Port::Given, Port::Operand(&out)], isa).unwrap();
            let mut scratch = crate::Buffer::zeroed(blocks.scratch()).unwrap();
            let panel = c[start..].as_mut_ptr().cast::<u8>();
            // SAFETY: the memories have an element for every index, the panel starts at the range's first.
            unsafe {
                blocks.run(&Context::of(&bases, &team), start..end, panel, panel, scratch.as_mut().as_mut_ptr());
            }
            for i in 0..LEN {
                let relu = (value(i) + bias[i % SHAPE[1]]).max(0.0);
                let (y, z) = if (start..end).contains(&i) { (relu, relu) } else { (value(i), 0.0) };
                assert_eq!(c[i], y, "{isa}, element {i} of {start}..{end}");
                assert_eq!(halves[i], half::f16::from_f32(z), "{isa}, element {i} of {start}..{end}");
            }
        }
    }
}
