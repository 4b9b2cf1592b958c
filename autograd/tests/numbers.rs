//! Numbers: special values, ties, empty reductions, integers, conversions, indices, and the same bits every time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Feed, Function, Graph, Session, Tensor, feed};

fn value(tensor: &Tensor, feeds: &[(&Tensor, Feed<'_>)]) -> Vec<f64> {
    tensor.eval(feeds).unwrap().to_f64()
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Equal, or both NaN.
#[track_caller]
fn same(got: &[f64], wanted: &[f64]) {
    let equal = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    assert!(got.len() == wanted.len() && got.iter().zip(wanted).all(equal), "{got:?} {wanted:?}");
}

#[test]
fn sixteen_bits_are_storage_and_sums_are_wide() {
    // semantics 8.1
    let g = Graph::new();
    let ones = |shape: &[usize]| Array::full(DType::F16, shape, 1.0).unwrap();
    let (a, b) = (g.placeholder("a", DType::F16, [Some(1), None]), g.placeholder("b", DType::F16, [None, Some(1)]));
    let product = a.matmul(&b);
    assert_eq!(product.dtype().unwrap(), DType::F16);
    // An accumulator of 16 bits would stop at 2048, where adding 1 changes nothing any more.
    assert_eq!(value(&product, feed! { a => ones(&[1, 4096]), b => ones(&[4096, 1]) }), [4096.0]);
    assert_eq!(value(&a.sum(), feed! { a => ones(&[1, 4096]) }), [4096.0]);
    // semantics 8.2
    let x = g.placeholder("x", DType::F32, [None]);
    let many = Array::full(DType::F32, &[10_000_000], 0.1).unwrap();
    let wanted = f64::from(0.1f32) * 1e7;
    let sum = value(&x.sum(), feed! { x => &many })[0];
    assert!((sum - wanted).abs() < 1e-6 * wanted, "{sum}");
}

#[test]
fn nan_and_infinity_pass_as_in_numpy() {
    // semantics 8.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(4)]);
    let special = || Array::new(&[4], &[1.0f32, f32::NAN, f32::INFINITY, -0.0]);
    let of = |y: Tensor| value(&y, feed! { x => special() });
    same(&of(&x * 0.0), &[0.0, NAN, NAN, 0.0]);
    same(&of(&x - &x), &[0.0, NAN, NAN, 0.0]);
    same(&of(x.reciprocal()), &[1.0, NAN, 0.0, -INF]);
    same(&of(x.relu()), &[1.0, NAN, INF, 0.0]);
    same(&of(x.maximum(0.5)), &[1.0, NAN, INF, 0.5]);
    same(&of(x.max()), &[NAN]);
    same(&of(x.equal(&x).cast(DType::I64)), &[1.0, 0.0, 1.0, 1.0]);
    same(&of(x.clip(-1.0, 2.0)), &[1.0, NAN, 2.0, 0.0]);
}

#[test]
fn ties_and_kinks_have_one_gradient() {
    // semantics 8.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(4)]);
    let at = |y: &Tensor, values: [f64; 4]| value(&y.grad(&[&x])[0], feed! { x => values });
    assert_eq!(at(&x.max(), [3.0, 1.0, 3.0, 2.0]), [0.5, 0.0, 0.5, 0.0]);
    assert_eq!(at(&x.min(), [3.0, 1.0, 1.0, 1.0]), [0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_eq!(at(&x.maximum(1.0).sum(), [0.0, 1.0, 2.0, -1.0]), [0.0, 0.5, 1.0, 0.0]);
    assert_eq!(at(&x.minimum(1.0).sum(), [0.0, 1.0, 2.0, -1.0]), [1.0, 0.5, 0.0, 1.0]);
    assert_eq!(at(&x.relu().sum(), [-1.0, 0.0, -0.0, 2.0]), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(at(&x.abs().sum(), [-1.0, 0.0, -0.0, 2.0]), [-1.0, 0.0, 0.0, 1.0]);
    assert_eq!(at(&x.clip(0.0, 1.0).sum(), [-1.0, 0.0, 0.5, 1.0]), [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn the_first_extreme_is_named_and_a_nan_before_all() {
    // semantics 8.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(5)]);
    let of = |y: Tensor, values: [f64; 5]| value(&y, feed! { x => values })[0];
    assert_eq!(of(x.argmax(0), [1.0, 3.0, 3.0, 2.0, 3.0]), 1.0);
    assert_eq!(of(x.argmin(0), [1.0, 0.0, 3.0, 0.0, 3.0]), 1.0);
    assert_eq!(of(x.argmax(0), [1.0, INF, NAN, 2.0, NAN]), 2.0);
    assert_eq!(of(x.argmin(0), [1.0, -INF, NAN, 2.0, NAN]), 2.0);
}

#[test]
fn reductions_of_nothing() {
    // semantics 8.6
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None]);
    let nothing = |y: Tensor| value(&y, feed! { x => Array::zeros(DType::F64, &[0]) });
    same(&nothing(x.sum()), &[0.0]);
    same(&nothing(x.prod()), &[1.0]);
    same(&nothing(x.max()), &[-INF]);
    same(&nothing(x.min()), &[INF]);
    same(&nothing(x.mean()), &[NAN]);
    same(&nothing(x.logsumexp()), &[-INF]);
    same(&nothing(x.greater(0.0).all().cast(DType::I64)), &[1.0]);
    same(&nothing(x.greater(0.0).any().cast(DType::I64)), &[0.0]);
    let empty = g.placeholder("empty", DType::F64, [Some(0)]);
    let error = empty.argmax(0).ty().unwrap_err().to_string();
    assert!(error.contains("no extreme of nothing"), "{error}");
}

#[test]
fn integers_wrap_and_divide_as_in_numpy() {
    // semantics 8.7
    let g = Graph::new();
    let x = g.placeholder("x", DType::I32, [Some(3)]);
    let of = |y: Tensor, values: [i32; 3]| value(&y, feed! { x => values });
    assert_eq!(of(&x / 2, [7, -7, 1]), [3.5, -3.5, 0.5]);
    assert_eq!(of(&x % 3, [7, -7, -3]), [1.0, 2.0, 0.0]);
    assert_eq!(of(&x % -3, [7, -7, 3]), [-2.0, -1.0, 0.0]);
    assert_eq!(of(&x % 0, [7, -7, 0]), [0.0, 0.0, 0.0]);
    assert_eq!(of(&x + 1, [i32::MAX, 0, 1]), [f64::from(i32::MIN), 1.0, 2.0]);
    assert_eq!(of(x.sum(), [i32::MAX, i32::MAX, 2]), [f64::from(i32::MAX) * 2.0 + 2.0]);
}

#[test]
fn casts_truncate_and_saturate() {
    // semantics 8.8
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(6)]);
    let of = |dtype| value(&x.cast(dtype), feed! { x => [-2.9, 2.9, 1e30, -INF, NAN, 0.0] });
    let (low, high) = (f64::from(i32::MIN), f64::from(i32::MAX));
    assert_eq!(of(DType::I32), [-2.0, 2.0, high, low, 0.0, 0.0]);
    assert_eq!(of(DType::U8), [0.0, 2.0, 255.0, 0.0, 0.0, 0.0]);
    assert_eq!(of(DType::Bool), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn indices_count_from_either_end_and_are_checked() {
    // semantics 8.9
    let g = Graph::new();
    let x = g.constant(vec![10.0, 20.0, 30.0]);
    let index = g.placeholder("index", DType::I64, [None]);
    let rows = x.gather(&index, 0);
    assert_eq!(value(&rows, feed! { index => [0i64, -1, 2] }), [10.0, 30.0, 30.0]);
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    for wrong in [3i64, -4] {
        let error = session.run(&rows, feed! { index => [0, wrong] }).unwrap_err();
        assert!(error.is_run() && error.to_string().contains(&wrong.to_string()), "{error}");
    }
    assert_eq!(session.run(&rows, feed! { index => [1i64] }).unwrap()[0].to_f64(), [20.0]);
    let u = g.placeholder("u", DType::F64, [None]);
    let sums = x.scatter_add(&index, &u, 0);
    assert_eq!(value(&sums, feed! { index => [1i64, 1, -3], u => [1.0, 2.0, 5.0] }), [15.0, 23.0, 30.0]);
    // In another order, the 1 would get lost otherwise or not at all.
    assert_eq!(value(&sums, feed! { index => [0i64, 0, 0], u => [1e16, 1.0, -1e16] }), [12.0, 20.0, 30.0]);
    assert_eq!(value(&index.one_hot(2, DType::F64), feed! { index => [1i64, 2, -1] }), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

/// A step of training with a mask, a softmax, sums and products of uneven sizes.
fn training() -> (Graph, Function, Vec<Tensor>) {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(37)]);
    let labels = g.placeholder("labels", DType::I64, [None]);
    let weights = |name: &str, shape: [usize; 2]| {
        g.variable(name, Array::from_fn(DType::F32, &shape, |i| ((i * 7919 % 1013) as f64 / 1013.0 - 0.5) / 4.0))
    };
    let (w, v) = (weights("w", [37, 129]), weights("v", [129, 10]));
    let b = g.variable("b", Array::zeros(DType::F32, &[129]));
    let hidden = (x.matmul(&w) + &b).relu().dropout(0.3, true);
    let logp = hidden.matmul(&v).log_softmax(-1);
    let loss = -(labels.one_hot(10, DType::F32) * logp).sum_axes([-1]).mean();
    let parameters = vec![w, b, v];
    let gradients = loss.grad(&parameters.iter().collect::<Vec<_>>());
    let updates: Vec<_> = parameters.iter().zip(&gradients).map(|(p, g)| p.becomes(&(p - g * 0.1))).collect();
    let f = g.function(&[&x, &labels], &[&loss]).updates(&updates).compile().unwrap();
    (g, f, parameters)
}

fn trained(threads: usize, seed: u64) -> Vec<Vec<u8>> {
    let (_graph, f, parameters) = training();
    let mut session = Session::with_seed(Device::cpu().threads(threads), seed).unwrap();
    let mut bytes = Vec::new();
    for step in 0..5 {
        let rows = 301 + step;
        let x = Array::from_fn(DType::F32, &[rows, 37], |i| ((i * 31 + step) % 997) as f64 / 997.0 - 0.5).unwrap();
        let labels = Array::from_fn(DType::I64, &[rows], |i| (i * 7 % 10) as f64).unwrap();
        bytes.push(f.call(&mut session, &[(&x).into(), (&labels).into()]).unwrap()[0].bytes().to_vec());
    }
    bytes.extend(parameters.iter().map(|parameter| session.get(parameter).unwrap().bytes().to_vec()));
    bytes
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_training() {
    // semantics 8.10
    let alone = trained(1, 7);
    for threads in [2, 3, 7] {
        assert!(trained(threads, 7) == alone, "{threads} threads differ from one");
    }
    assert!(trained(1, 8) != alone, "the seed does nothing");
}

#[test]
fn what_is_written_alike_becomes_the_same_program() {
    // semantics 8.11: hash maps are seeded differently each time they are made, so an order taken from one would show.
    let program = || {
        let (_graph, f, _) = training();
        let planned = f.plan(&[&[64, 37], &[64]]).unwrap();
        format!("{}\n{}\n{planned}", f.canonical(), f.fused())
    };
    let first = program();
    for _ in 0..10 {
        assert_eq!(program(), first);
    }
}
