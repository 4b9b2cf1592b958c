//! What holds for every op of the table without computing anything.

use super::{Check, OPS};
use crate::{Array, DType, Device, Dim, GradOptions, Graph, Policy, Session, Tensor, gradients};
use std::collections::HashSet;

/// The inputs of a check as placeholders; `open` leaves the first axis of each open.
fn inputs(g: &Graph, check: &Check, open: bool) -> Vec<Tensor> {
    let placeholder = |shape: &[usize]| {
        g.placeholder("x", DType::F64, shape.iter().enumerate().map(|(axis, &n)| (axis > 0 || !open).then_some(n)))
    };
    check.inputs.iter().map(|(shape, ..)| placeholder(shape)).collect()
}

/// The sum's gradients and their sum's gradients have the inputs' types.
fn differentiate(name: &str, y: &Tensor, x: &[Tensor]) {
    if !y.dtype().unwrap().is_float() {
        return;
    }
    let x: Vec<&Tensor> = x.iter().collect();
    let options = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
    let first = gradients(&[&y.sum()], &x, &options);
    let second = gradients(&[&first.iter().map(Tensor::sum).reduce(|a, b| a + b).unwrap()], &x, &options);
    for gradient in [&first, &second] {
        for (x, gradient) in x.iter().zip(gradient) {
            assert_eq!(gradient.ty().unwrap(), x.ty().unwrap(), "{name}");
        }
    }
}

#[test]
fn names_are_unique() {
    let names: HashSet<&str> = OPS.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), OPS.len());
}

#[test]
fn checks_have_types_and_gradients() {
    // semantics 3.3
    for spec in OPS {
        for check in spec.checks {
            let g = Graph::new();
            let x = inputs(&g, check, false);
            differentiate(spec.name, &(check.build)(&x), &x);
        }
    }
}

#[test]
fn open_first_axes_go_through_forward_and_gradient() {
    // semantics 1.4
    let mut closed = Vec::new();
    for spec in OPS {
        for check in spec.checks {
            let g = Graph::new();
            let x = inputs(&g, check, true);
            let y = (check.build)(&x);
            match y.ty() {
                Ok(_) => differentiate(spec.name, &y, &x),
                Err(_) => closed.push(spec.name),
            }
        }
    }
    let known = ["reshape"];
    assert_eq!(closed, known, "squeeze drops an axis of known size 1 only; everything else takes an open first axis");
}

#[test]
fn misuses_name_the_op_and_the_line() {
    // semantics 6.4
    for spec in OPS {
        for misuse in spec.misuses {
            let g = Graph::new();
            let a = g.placeholder("a", DType::F32, [Some(2), Some(3)]);
            let b = g.placeholder("b", DType::F32, [Some(4), Some(5)]);
            let flag = g.placeholder("flag", DType::Bool, [Some(2), Some(3)]);
            let place = format!("{}:{}:", misuse.file, misuse.line);
            let Err(error) = (misuse.build)(&a, &b, &flag).ty() else { panic!("{place} {} takes it", misuse.text) };
            let message = error.to_string();
            assert!(error.is_build() && message.contains(&place), "{place} {}: {message}", misuse.text);
            let word: String = message.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(word == spec.name || misuse.text.contains(&word), "{place} {}: {message}", misuse.text);
        }
    }
}

#[test]
fn attributes_read_back_as_the_op() {
    for check in OPS.iter().flat_map(|spec| spec.checks) {
        let g = Graph::new();
        let x = inputs(&g, check, true);
        let y = (check.build)(&x);
        if y.dtype().is_ok_and(DType::is_float) {
            differentiate("", &y, &x);
        }
        for node in &g.state().nodes {
            let op = &node.op;
            let Some(spec) = OPS.iter().find(|spec| spec.name == op.name() && spec.name != "custom_vjp") else {
                continue;
            };
            let again = (spec.parse)(&op.attributes()).unwrap();
            assert_eq!(format!("{again:?} {:?}", again.lower()), format!("{op:?} {:?}", op.lower()));
        }
    }
}

#[test]
fn numbers_take_the_dtype_of_what_they_meet() {
    // semantics 1.3
    let g = Graph::new();
    let of = |dtype| g.placeholder("x", dtype, [Some(2)]);
    assert_eq!((of(DType::F16) * 2.0).dtype().unwrap(), DType::F16);
    assert_eq!((of(DType::U8) * 2).dtype().unwrap(), DType::U8);
    assert_eq!((of(DType::I64) / 2).dtype().unwrap(), DType::F32);
    assert_eq!(of(DType::Bool).select(of(DType::F64), 0).dtype().unwrap(), DType::F64);
    assert_eq!(of(DType::Bool).select(1.0, 0.0).dtype().unwrap(), DType::F32);
    assert_eq!(of(DType::Bool).sum().dtype().unwrap(), DType::I64);
    assert_eq!(of(DType::I32).mean().dtype().unwrap(), DType::F32);
    assert_eq!(of(DType::BF16).mean().dtype().unwrap(), DType::BF16);
}

#[test]
fn open_sizes_become_expressions() {
    // semantics 1.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    let shape = |y: Tensor| y.shape().unwrap().iter().map(Dim::to_string).collect::<Vec<_>>();
    assert_eq!(shape(x.reshape([-1])), ["3*x.0"]);
    assert_eq!(shape(x.max_keepdims([1])), ["x.0", "1"]);
    assert_eq!(shape(x.slice(crate::s![1..-1, 0])), ["x.0-2"]);
    assert_eq!(shape(Tensor::concat(&[&x, &x.slice_axis(0, 2..)], 0)), ["2*x.0-2", "3"]);
    assert_eq!(shape(x.repeat(2, 0).pad([(1, 1), (0, 0)], 0.0)), ["2*x.0+2", "3"]);
    assert_eq!(shape(x.argmax(1).one_hot(3, DType::F32)), ["x.0", "3"]);
    let shrinking = x.slice_axis(0, -1..1).ty().unwrap_err().to_string();
    assert!(shrinking.contains("takes fewer the larger it is"), "{shrinking}");
}

/// Every output of a check and of its gradients, for inputs spread over their intervals.
fn compiled(check: &Check, policy: Policy, device: Device, open: bool) -> Vec<Array> {
    let g = Graph::new();
    let x = inputs(&g, check, open);
    let y = (check.build)(&x);
    let mut outputs = vec![y.clone()];
    if y.dtype().is_ok_and(DType::is_float) {
        let options = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
        outputs.extend(gradients(&[&y.square().sum()], &x.iter().collect::<Vec<_>>(), &options));
    }
    let f = g.function(&x.iter().collect::<Vec<_>>(), &outputs.iter().collect::<Vec<_>>()).policy(policy).compile();
    let values: Vec<Array> = (check.inputs.iter())
        .map(|&(shape, low, high)| {
            let value = |i: usize| low + (high - low) * ((i * 7919 + 101) % 1013) as f64 / 1013.0;
            Array::from_fn(DType::F64, shape, value).unwrap()
        })
        .collect();
    let feeds: Vec<_> = values.iter().map(Into::into).collect();
    f.unwrap().call(&mut Session::new(device).unwrap(), &feeds).unwrap()
}

#[test]
fn compiled_programs_compute_what_was_written() {
    // semantics 5.9
    for spec in OPS {
        for check in spec.checks {
            let wanted = compiled(check, Policy::PLAIN, Device::reference(), false);
            for (policy, threads, open) in
                [(Policy::PLAIN, 1, false), (Policy::OPTIMISED, 1, false), (Policy::OPTIMISED, 3, true)]
            {
                if open && spec.name == "reshape" {
                    continue;
                }
                let got = compiled(check, policy, Device::cpu().threads(threads), open);
                for (n, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                    let scale = wanted.to_f64().iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
                    let off = got.max_abs_diff(wanted).unwrap();
                    assert!(off <= 1e-12 * scale, "{} {policy:?}: value {n} is off by {off:e}", spec.name);
                }
            }
        }
    }
}
