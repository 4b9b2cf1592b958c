//! The tape computed node by node in `f64`, as slowly and plainly as can be: what the gradients of the table are held
//! against before anything is compiled.

use super::{Check, OPS};
use crate::op::{Lower, View};
use crate::{DType, Dim, GradOptions, Graph, Padding, Sliding, Tensor, gradients};
use wengert_kernels::{Binary, ConvPass, PoolOp, ReduceOp, Unary};

#[derive(Clone, Debug, PartialEq)]
struct Value {
    shape: Vec<usize>,
    data: Vec<f64>,
}

/// Every index of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(move |i| [index.as_slice(), &[i]].concat())).collect()
    })
}

impl Value {
    fn from_fn(shape: &[usize], f: impl FnMut(&Vec<usize>) -> f64) -> Value {
        Value { shape: shape.to_vec(), data: indices(shape).iter().map(f).collect() }
    }

    /// Adds to an element.
    fn add(&mut self, index: &[usize], term: f64) {
        let flat = index.iter().zip(&self.shape).fold(0, |flat, (&i, &n)| flat * n + i);
        self.data[flat] += term;
    }

    /// The element at an index of a shape that this broadcasts to.
    fn at(&self, index: &[usize]) -> f64 {
        let missing = index.len() - self.shape.len();
        let place = |flat, (&i, &n): (&usize, &usize)| flat * n + if n == 1 { 0 } else { i };
        self.data[index[missing..].iter().zip(&self.shape).fold(0, place)]
    }
}

fn unary(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign => f64::from(x > 0.0) - f64::from(x < 0.0),
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.exp().ln_1p(),
        // The Maclaurin series; the arguments here are small.
        Unary::Erf => {
            let term =
                |(term, sum): (f64, f64), n: i32| (-term * x * x / f64::from(n), sum + term / f64::from(2 * n - 1));
            (1..60).fold((x, 0.0), term).1 * std::f64::consts::FRAC_2_SQRT_PI
        }
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Relu => x.max(0.0),
        Unary::Square => x * x,
        Unary::Not => f64::from(x == 0.0),
        Unary::IsNan => f64::from(x.is_nan()),
        Unary::IsInf => f64::from(x.is_infinite()),
        Unary::IsFinite => f64::from(x.is_finite()),
    }
}

fn binary(op: Binary, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::Mod => a - b * (a / b).floor(),
        Binary::And => f64::from(a != 0.0 && b != 0.0),
        Binary::Or => f64::from(a != 0.0 || b != 0.0),
        Binary::Xor => f64::from((a != 0.0) != (b != 0.0)),
        Binary::Equal => f64::from(a == b),
        Binary::NotEqual => f64::from(a != b),
        Binary::Less => f64::from(a < b),
        Binary::LessEqual => f64::from(a <= b),
        Binary::Greater => f64::from(a > b),
        Binary::GreaterEqual => f64::from(a >= b),
    }
}

fn reduce(op: ReduceOp, values: &[f64]) -> f64 {
    let first = |best: f64| values.iter().position(|&x| x == best).unwrap() as f64;
    let (high, low) = (
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        values.iter().copied().fold(f64::INFINITY, f64::min),
    );
    match op {
        ReduceOp::Sum => values.iter().sum(),
        ReduceOp::Prod => values.iter().product(),
        ReduceOp::Max => high,
        ReduceOp::Min => low,
        ReduceOp::ArgMax => first(high),
        ReduceOp::ArgMin => first(low),
    }
}

/// The index that names row `i` of an axis of size `n`.
fn row(i: f64, n: usize) -> usize {
    let i = if i < 0.0 { i + n as f64 } else { i };
    assert!(i >= 0.0 && (i as usize) < n, "index {i} of {n}");
    i as usize
}

fn lowered(op: &Lower, inputs: &[Value], shape: &[usize], dtype: DType, dim: &dyn Fn(&Dim) -> usize) -> Value {
    let each = |f: &dyn Fn(&Vec<usize>) -> f64| Value::from_fn(shape, f);
    let x = inputs.first();
    match op {
        Lower::Constant(array) => Value { shape: shape.to_vec(), data: array.to_f64() },
        Lower::Size(size) => each(&|_| dim(size) as f64),
        Lower::Index(axis) => each(&|i| i[*axis] as f64),
        Lower::Unary(op) => each(&|i| unary(*op, inputs[0].at(i))),
        Lower::Binary(op) => each(&|i| binary(*op, inputs[0].at(i), inputs[1].at(i))),
        Lower::Select => each(&|i| inputs[if inputs[0].at(i) != 0.0 { 1 } else { 2 }].at(i)),
        // Not through f32: that would drown the differences.
        Lower::Cast if dtype.is_float() => x.unwrap().clone(),
        Lower::Cast if dtype == DType::Bool => each(&|i| f64::from(inputs[0].at(i) != 0.0)),
        Lower::Cast => each(&|i| inputs[0].at(i).trunc()),
        Lower::Reduce(op, axes) => each(&|i| {
            let along: Vec<usize> = axes.iter().map(|&axis| inputs[0].shape[axis]).collect();
            let whole = |inner: &Vec<usize>| {
                let mut index = i.clone();
                axes.iter().zip(inner).for_each(|(&axis, &at)| index.insert(axis, at));
                inputs[0].at(&index)
            };
            reduce(*op, &indices(&along).iter().map(whole).collect::<Vec<f64>>())
        }),
        Lower::MatMul => each(&|i| {
            let (batch, last) = i.split_at(i.len() - 2);
            let k = inputs[0].shape[i.len() - 1];
            (0..k)
                .map(|k| {
                    inputs[0].at(&[batch, &[last[0], k]].concat()) * inputs[1].at(&[batch, &[k, last[1]]].concat())
                })
                .sum()
        }),
        Lower::Conv { pass, sliding, groups } => convolved(*pass, sliding, *groups, inputs, shape),
        Lower::Pool { op, window, sliding } => pooled(*op, *window, sliding, inputs, shape),
        Lower::Softmax { log } => each(&|i| {
            let row = &i[..i.len() - 1];
            let total: f64 = (0..shape[row.len()]).map(|k| inputs[0].at(&[row, &[k]].concat()).exp()).sum();
            let y = inputs[0].at(i) - total.ln();
            if *log { y } else { y.exp() }
        }),
        Lower::View(View::Reshape) => Value { shape: shape.to_vec(), data: x.unwrap().data.clone() },
        Lower::View(View::Permute(axes)) => each(&|i| {
            let mut index = i.clone();
            axes.iter().zip(i).for_each(|(&axis, &at)| index[axis] = at);
            inputs[0].at(&index)
        }),
        Lower::View(View::Broadcast) => each(&|i| inputs[0].at(i)),
        Lower::View(View::Slice(cuts)) => each(&|i| {
            let at =
                |(&at, (first, step)): (&usize, &(Dim, isize))| (dim(first) as isize + at as isize * step) as usize;
            inputs[0].at(&i.iter().zip(cuts).map(at).collect::<Vec<usize>>())
        }),
        Lower::Concat(axis) => each(&|i| {
            let mut index = i.clone();
            for part in inputs {
                match index[*axis].checked_sub(part.shape[*axis]) {
                    Some(rest) => index[*axis] = rest,
                    None => return part.at(&index),
                }
            }
            unreachable!()
        }),
        Lower::Pad(widths) => each(&|i| {
            let inner: Option<Vec<usize>> =
                i.iter().zip(widths).map(|(&at, &(before, _))| at.checked_sub(before)).collect();
            match inner.filter(|inner| inner.iter().zip(&inputs[1].shape).all(|(at, n)| at < n)) {
                Some(inner) => inputs[1].at(&inner),
                None => inputs[0].data[0],
            }
        }),
        Lower::Gather(axis) => each(&|i| {
            let (before, rest) = i.split_at(*axis);
            let (index, after) = rest.split_at(inputs[1].shape.len());
            inputs[0].at(&[before, &[row(inputs[1].at(index), inputs[0].shape[*axis])], after].concat())
        }),
        Lower::ScatterAdd(axis) => {
            let mut result = inputs[0].clone();
            for i in indices(&inputs[2].shape) {
                let (before, rest) = i.split_at(*axis);
                let (index, after) = rest.split_at(inputs[1].shape.len());
                let to = [before, &[row(inputs[1].at(index), shape[*axis])], after].concat();
                let flat = to.iter().zip(shape).fold(0, |flat, (&at, &n)| flat * n + at);
                result.data[flat] += inputs[2].at(&i);
            }
            result
        }
        Lower::Identity => x.unwrap().clone(),
        Lower::Input | Lower::Random(..) | Lower::Custom(_) => panic!("{op:?} has no value here"),
    }
}

/// The pixel under a tap, by the formula of the clauses.
fn pixel(sliding: &Sliding, axis: usize, pixels: usize, taps: usize, position: usize, tap: usize) -> Option<usize> {
    let (stride, dilation) = (sliding.strides[axis] as isize, sliding.dilation[axis] as isize);
    let before = match sliding.padding {
        Padding::Valid => 0,
        Padding::Explicit(widths) => widths[axis].0 as isize,
        Padding::Same => {
            let positions = (pixels as isize + stride - 1) / stride;
            let missing = (positions - 1) * stride + (taps as isize - 1) * dilation + 1 - pixels as isize;
            missing.max(0) / 2
        }
    };
    let at = position as isize * stride + tap as isize * dilation - before;
    usize::try_from(at).ok().filter(|&at| at < pixels)
}

fn convolved(pass: ConvPass, sliding: &Sliding, groups: usize, inputs: &[Value], shape: &[usize]) -> Value {
    let (a, b) = (&inputs[0], &inputs[1]);
    let (x, f, y) = match pass {
        ConvPass::Forward => (&a.shape[..], &b.shape[..], shape),
        ConvPass::InputGradient => (shape, &b.shape[..], &a.shape[..]),
        ConvPass::WeightGradient => (&a.shape[..], shape, &b.shape[..]),
    };
    let mut result = Value::from_fn(shape, |_| 0.0);
    for i in indices(y) {
        for tap in indices(&f[..3]) {
            let row = pixel(sliding, 0, x[1], f[0], i[1], tap[0]);
            let column = pixel(sliding, 1, x[2], f[1], i[2], tap[1]);
            let (Some(row), Some(column)) = (row, column) else { continue };
            let channel = i[3] / (f[3] / groups) * f[2] + tap[2];
            let (at_x, at_f) = ([i[0], row, column, channel], [tap[0], tap[1], tap[2], i[3]]);
            match pass {
                ConvPass::Forward => result.add(&i, a.at(&at_x) * b.at(&at_f)),
                ConvPass::InputGradient => result.add(&at_x, a.at(&i) * b.at(&at_f)),
                ConvPass::WeightGradient => result.add(&at_f, a.at(&at_x) * b.at(&i)),
            }
        }
    }
    result
}

fn pooled(op: PoolOp, window: [usize; 2], sliding: &Sliding, inputs: &[Value], shape: &[usize]) -> Value {
    let x = &inputs[0];
    let image = if op == PoolOp::SumScatter { shape } else { &x.shape };
    let y = match op {
        PoolOp::MaxScatter => &inputs[1].shape[..],
        PoolOp::SumScatter => &x.shape,
        _ => shape,
    };
    let mut result = Value::from_fn(shape, |_| 0.0);
    for i in indices(y) {
        let pixels: Vec<[usize; 4]> = indices(&window)
            .iter()
            .filter_map(|tap| {
                let row = pixel(sliding, 0, image[1], window[0], i[1], tap[0])?;
                Some([i[0], row, pixel(sliding, 1, image[2], window[1], i[2], tap[1])?, i[3]])
            })
            .collect();
        let first = || *pixels.iter().rev().max_by(|a, b| x.at(&a[..]).total_cmp(&x.at(&b[..]))).unwrap();
        match op {
            PoolOp::Max => result.add(&i, x.at(&first())),
            PoolOp::MaxGather => result.add(&i, inputs[1].at(&first())),
            PoolOp::MaxScatter => result.add(&first(), inputs[1].at(&i)),
            PoolOp::Sum => pixels.iter().for_each(|pixel| result.add(&i, x.at(pixel))),
            PoolOp::SumScatter => pixels.iter().for_each(|pixel| result.add(pixel, x.at(&i))),
        }
    }
    result
}

fn evaluate(results: &[Tensor], feeds: &[(&Tensor, Value)]) -> Vec<Value> {
    let graph = results[0].graph();
    let state = graph.state();
    let mut sizes = state.dims.unbound();
    for (x, value) in feeds {
        let ty = state.nodes[x.id() as usize].ty.as_ref().unwrap();
        ty.shape.iter().zip(&value.shape).for_each(|(dim, &n)| state.dims.bind(&mut sizes, dim, n).unwrap());
    }
    state.dims.settle(&mut sizes).unwrap();
    let dim = |dim: &Dim| state.dims.resolve(dim).evaluate(&sizes).unwrap();
    let mut values: Vec<Option<Value>> = vec![None; state.nodes.len()];
    let mut wanted = vec![false; state.nodes.len()];
    results.iter().for_each(|y| wanted[y.id() as usize] = true);
    for id in (0..wanted.len()).rev() {
        if wanted[id] {
            state.nodes[id].inputs.iter().for_each(|&input| wanted[input as usize] = true);
        }
    }
    for (id, node) in state.nodes.iter().enumerate().filter(|(id, _)| wanted[*id]) {
        let fed = feeds.iter().find(|(x, _)| x.id() as usize == id);
        values[id] = Some(fed.map_or_else(
            || {
                let inputs: Vec<Value> = node.inputs.iter().map(|&n| values[n as usize].clone().unwrap()).collect();
                let ty = node.ty.as_ref().unwrap();
                let shape: Vec<usize> = ty.shape.iter().map(dim).collect();
                let value = lowered(&node.op.lower(), &inputs, &shape, ty.dtype, &dim);
                assert_eq!(value.data.len(), shape.iter().product::<usize>(), "{}", node.op.name());
                value
            },
            |(_, value)| value.clone(),
        ));
    }
    results.iter().map(|y| values[y.id() as usize].clone().unwrap()).collect()
}

/// Numbers that look random, the same in every run.
fn draw(seed: &mut u64, low: f64, high: f64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    low + (high - low) * ((*seed >> 11) as f64 / (1u64 << 53) as f64)
}

/// Gradients of first and second order against central differences along one direction.
fn hold(name: &str, check: &Check, open: bool, seed: &mut u64) {
    let g = Graph::new();
    let holder = |shape: &[usize]| {
        g.placeholder("x", DType::F64, shape.iter().enumerate().map(|(axis, &n)| (axis > 0 || !open).then_some(n)))
    };
    let x: Vec<Tensor> = check.inputs.iter().map(|(shape, ..)| holder(shape)).collect();
    let y = (check.build)(&x);
    if y.ty().is_err() && open {
        return;
    }
    let values = |low_high: &mut dyn FnMut(f64, f64) -> f64| -> Vec<Value> {
        check.inputs.iter().map(|&(shape, low, high)| Value::from_fn(shape, |_| low_high(low, high))).collect()
    };
    let at = values(&mut |low, high| draw(seed, low, high));
    let way = values(&mut |_, _| draw(seed, -1.0, 1.0));
    let feeds = |step: f64| -> Vec<(&Tensor, Value)> {
        let moved = |(a, w): (&Value, &Value)| Value {
            shape: a.shape.clone(),
            data: a.data.iter().zip(&w.data).map(|(a, w)| a + step * w).collect(),
        };
        x.iter().zip(at.iter().zip(&way).map(moved)).collect()
    };
    if !y.dtype().unwrap().is_float() {
        evaluate(&[y], &feeds(0.0));
        return;
    }
    // A projection that treats every element differently, in the result's shape.
    let shape: Vec<usize> = evaluate(std::slice::from_ref(&y), &feeds(0.0))[0].shape.clone();
    let c = g.placeholder("c", DType::F64, shape.iter().map(|&n| Some(n)));
    let weights = Value::from_fn(&shape, |_| draw(seed, -1.0, 1.0));
    let options = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
    let wrt: Vec<&Tensor> = x.iter().collect();
    let along = |f: &Tensor| -> Tensor {
        let directions: Vec<Tensor> =
            way.iter().map(|w| g.constant(wengert_kernels::Array::new(&w.shape, &w.data))).collect();
        let parts = gradients(&[f], &wrt, &options);
        parts.iter().zip(&directions).map(|(g, w)| (g * w).sum()).reduce(|a, b| a + b).unwrap()
    };
    let value = (&y * &c).sum();
    let first = along(&value);
    let second = along(&first);
    let run = |f: &Tensor, step: f64| {
        let mut feeds = feeds(step);
        feeds.push((&c, weights.clone()));
        evaluate(std::slice::from_ref(f), &feeds)[0].data[0]
    };
    for (order, below, f) in [(1, &value, &first), (2, &first, &second)] {
        let h = 1e-4;
        let difference = (run(below, h) - run(below, -h)) / (2.0 * h);
        let derivative = run(f, 0.0);
        let error = (difference - derivative).abs();
        assert!(
            error <= 1e-5 * (1.0 + derivative.abs()),
            "{name} order {order} open {open}: {derivative} {difference}"
        );
    }
}

#[test]
fn gradients_agree_with_differences() {
    // semantics 3.3
    let mut seed = 1;
    for spec in OPS {
        for check in spec.checks {
            hold(spec.name, check, false, &mut seed);
            hold(spec.name, check, true, &mut seed);
        }
    }
}
