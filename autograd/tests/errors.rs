//! Errors name the op, the shapes, the user's line and the remedy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Error, GradOptions, Graph, Session, feed, gradients};

fn session() -> Session {
    Session::new(Device::cpu().threads(1)).unwrap()
}

fn words(result: Result<Vec<Array>, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn feeds_are_checked() {
    // semantics 6.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(784)]);
    let t = g.placeholder("t", DType::F32, [None]);
    let y = x.sum_axes([1]) + &t;
    let f = g.function(&[&x, &t], &[&y]).compile().unwrap();
    let mut session = session();
    let zeros = |dtype, shape: &[usize]| Array::zeros(dtype, shape);
    let error = words(f.call(&mut session, &[zeros(DType::F32, &[4, 784]).into()]));
    assert!(error.contains("takes 2 inputs (x, t), got 1"), "{error}");
    let error = words(f.call(&mut session, &[zeros(DType::F32, &[4, 783]).into(), zeros(DType::F32, &[4]).into()]));
    assert!(error.contains("feed of `x` has shape [4, 783] where f32[x.0, 784]"), "{error}");
    let error = words(f.call(&mut session, &[zeros(DType::F64, &[4, 784]).into(), zeros(DType::F32, &[4]).into()]));
    assert!(error.contains("feed of `x` is f64"), "{error}");
    let error = words(f.call(&mut session, &[zeros(DType::F32, &[784]).into(), zeros(DType::F32, &[4]).into()]));
    assert!(error.contains("hint: a batch of one sample"), "{error}");
    let error = words(f.call(&mut session, &[zeros(DType::F32, &[4, 784]).into(), zeros(DType::F32, &[5]).into()]));
    assert!(
        error.contains("the open size x.0 is 4, but must equal t.0, which is 5") && error.contains("errors.rs"),
        "{error}"
    );
    let error = words(session.run(&y, feed! { x => zeros(DType::F32, &[4, 784]) }));
    assert!(error.contains("the placeholder `t`") && error.contains("errors.rs"), "{error}");
}

#[test]
fn graphs_do_not_mix() {
    // semantics 6.2
    let (g, other) = (Graph::new(), Graph::new());
    let x = g.placeholder("x", DType::F32, []);
    let y = other.placeholder("y", DType::F32, []);
    let line = line!() + 1;
    let error = (&x + &y).ty().unwrap_err();
    assert!(error.is_build() && error.to_string().contains("two graphs"), "{error}");
    assert_eq!((error.origin().unwrap().file(), error.origin().unwrap().line()), (file!(), line));
    assert!(g.function(&[&y], &[&x]).compile().is_err());
    let mut session = session();
    session.run(&x, feed! { x => 1.0 }).unwrap();
    assert!(words(session.run(&y, feed! { y => 1.0 })).contains("another graph"));
}

#[test]
fn poison_reaches_only_what_depends_on_it() {
    // semantics 6.1
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(2), Some(3)]);
    let line = line!() + 1;
    let wrong = x.matmul(&x);
    let derived = wrong.relu().sum();
    assert_eq!(x.sum().eval(feed! { x => Array::full(DType::F32, &[2, 3], 1.0) }).unwrap().to_f64(), [6.0]);
    let error = derived.shape().unwrap_err();
    assert!(error.to_string().contains("matmul of f32[2, 3] and f32[2, 3]: the inner sizes 3 and 2 differ"), "{error}");
    assert_eq!((error.origin().unwrap().file(), error.origin().unwrap().line()), (file!(), line));
    assert_eq!(g.function(&[&x], &[&derived]).compile().unwrap_err().to_string(), error.to_string());
    assert_eq!(derived.grad(&[&x])[0].ty().unwrap_err().to_string(), error.to_string());
    g.freeze();
    assert!(x.exp().ty().unwrap_err().to_string().contains("frozen"));
}

#[test]
fn a_missing_gradient_is_an_error_with_a_reason() {
    // semantics 3.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, []);
    let y = g.placeholder("y", DType::F32, []);
    let loss = &x * 2.0;
    let error = loss.grad(&[&x, &y])[1].ty().unwrap_err();
    assert!(error.is_gradient() && error.to_string().contains("`y`"), "{error}");
    let zeros = gradients(&[&loss], &[&y], &GradOptions { zeros_if_disconnected: true, ..Default::default() });
    assert_eq!(zeros[0].eval(feed! {}).unwrap().to_f64(), [0.0]);
    let error = (x.stop_gradient() * 3.0).grad(&[&x])[0].ty().unwrap_err();
    assert!(error.to_string().contains("cut by stop_gradient"), "{error}");
    let both = &x * x.stop_gradient();
    assert_eq!(both.grad(&[&x])[0].eval(feed! { x => 3.0 }).unwrap().to_f64(), [3.0]);
    let constant = gradients(
        &[&(&loss * &x)],
        &[&x],
        &GradOptions { consider_constant: vec![loss.clone()], ..Default::default() },
    );
    assert_eq!(constant[0].eval(feed! { x => 3.0 }).unwrap().to_f64(), [6.0]);
    let vector = g.placeholder("v", DType::F32, [None]);
    assert!(vector.grad(&[&vector])[0].ty().unwrap_err().to_string().contains("only a scalar"));
}

#[test]
fn the_nan_trap_names_the_op_and_the_line() {
    // semantics 6.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(2)]);
    let w = g.variable("w", Array::scalar(1.0f32));
    let line = line!() + 1;
    let bad = x.log();
    let loss = (&bad * &w).sum();
    let f = g.function(&[&x], &[&loss]).update(&w, &(&w - &loss)).compile().unwrap();
    let mut session = session();
    session.set_nan_trap(true);
    f.call(&mut session, &[vec![1.0f32, 1.0].into()]).unwrap();
    let error = f.call(&mut session, &[vec![1.0f32, -1.0].into()]).unwrap_err();
    assert!(
        error.is_non_finite() && error.to_string().contains("log of f32[2] in [-1e0, 1e0] has NaN: 1 of 2"),
        "{error}"
    );
    assert_eq!(error.origin().unwrap().line(), line);
    assert_eq!(session.get(&w).unwrap().to_f64(), [1.0]);
    let bad = Array::new(&[2], &[1.0f32, -1.0]).unwrap();
    let mut out = [Array::zeros(DType::F32, &[]).unwrap()];
    assert!(f.call_into(&mut session, &[bad.view()], &mut out).unwrap_err().is_non_finite());
    assert_eq!(session.get(&w).unwrap().to_f64(), [1.0]);
    // The steps of one call are looked at one by one: the first is made, the second is not.
    let steps = Array::new(&[2, 2], &[1.0f32, 1.0, 1.0, -1.0]).unwrap();
    let mut out = [Array::zeros(DType::F32, &[]).unwrap()];
    assert!(f.call_n(&mut session, 2, &[steps.view()], &mut out).unwrap_err().is_non_finite());
}

#[test]
fn debug_mode_compares_with_the_reference() {
    // semantics 6.6
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(4)]);
    let w = g.variable("w", Array::from_fn(DType::F32, &[4, 3], |i| i as f64 / 10.0));
    let loss = x.matmul(&w).tanh().sum();
    let f = g.function(&[&x], &[&loss]).update(&w, &(&w - 0.1 * &loss.grad(&[&w])[0])).compile().unwrap();
    let feed = Array::from_fn(DType::F32, &[5, 4], |i| (i as f64).sin()).unwrap();
    let (mut plain, mut debug) = (session(), session());
    debug.set_debug_mode(true);
    for _ in 0..3 {
        assert_eq!(f.call(&mut plain, &[(&feed).into()]).unwrap(), f.call(&mut debug, &[(&feed).into()]).unwrap());
    }
    assert_eq!(plain.get(&w).unwrap(), debug.get(&w).unwrap());
}
