//! What a graph keeps of what was written: names, places, threads, and what reaches a gradient.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Feed, Function, GradOptions, Graph, Session, Tensor, gradients};

fn value(tensor: &Tensor, feeds: &[(&Tensor, Feed<'_>)]) -> Vec<f64> {
    tensor.eval(feeds).unwrap().to_f64()
}

fn refusal(tensor: &Tensor) -> String {
    tensor.ty().unwrap_err().to_string()
}

#[test]
fn names_are_unique_and_scoped() {
    // semantics 2.5
    let g = Graph::new();
    let scalar = || Array::scalar(0.0f32);
    let first = g.variable("w", scalar());
    let second = g.variable("w", scalar());
    let inner = g.scope("dense", || g.scope("inner", || g.variable("w", scalar())));
    let names: Vec<String> = g.variables().iter().filter_map(Tensor::name).collect();
    assert_eq!(names, ["w", "w_1", "dense/inner/w"]);
    assert_eq!(g.by_name("w_1"), Some(second));
    assert_eq!(g.by_name("dense/inner/w"), Some(inner));
    assert_eq!((&first + 1.0).named("next").name().unwrap(), "next");
}

#[test]
fn gradient_nodes_say_where_their_forward_node_was_written() {
    // semantics 2.6
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(3)]);
    let line = line!() + 1;
    let y = g.scope("layer", || x.sin());
    assert_eq!((y.origin().file(), y.origin().line(), y.origin().scope()), (file!(), line, Some("layer")));
    let total = y.sum();
    let gradient = total.grad(&[&x]).remove(0);
    assert_eq!((gradient.origin().line(), gradient.origin().scope()), (line, Some("layer")));
    let place = y.origin();
    let elsewhere = g.scope_at("other", &place, || x.cos());
    assert_eq!((elsewhere.origin().line(), elsewhere.origin().scope()), (line, Some("other")));
}

#[test]
fn a_frozen_graph_refuses_nodes_and_keeps_its_functions() {
    // semantics 2.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let y = x.exp();
    let line = line!() + 1;
    g.freeze();
    let error = refusal(&x.sin());
    assert!(error.contains("the graph was frozen at") && error.contains(&format!("graph.rs:{line}:")), "{error}");
    assert_eq!(value(&y, &[(&x, 0.0.into())]), [1.0]);
}

#[test]
fn graphs_and_functions_are_shared_by_threads() {
    // semantics 2.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let sums: Vec<Tensor> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=4).map(|n| (n, &x)).map(|(n, x)| scope.spawn(move || x * f64::from(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let f = g.function(&[&x], &sums.iter().collect::<Vec<_>>()).compile().unwrap();
    let run = |f: Function| {
        let mut session = Session::new(Device::cpu().threads(1)).unwrap();
        f.call(&mut session, &[2.0.into()]).unwrap().iter().map(|y| y.to_f64()[0]).collect::<Vec<_>>()
    };
    let there = std::thread::spawn({
        let f = f.clone();
        move || run(f)
    });
    assert_eq!(run(f), [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(there.join().unwrap(), [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn cotangents_weigh_the_results() {
    // semantics 3.7
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(2)]);
    let weights = g.constant(vec![3.0, 5.0]);
    let (a, b) = (x.square(), &x * 10.0);
    let options = GradOptions { grad_ys: vec![weights.clone(), weights], ..Default::default() };
    let gradient = gradients(&[&a, &b], &[&x], &options).remove(0);
    assert_eq!(value(&gradient, &[(&x, vec![1.0, 2.0].into())]), [3.0 * 2.0 + 30.0, 5.0 * 4.0 + 50.0]);
    let few = GradOptions { grad_ys: vec![g.constant(1.0)], ..Default::default() };
    let error = refusal(&gradients(&[&a, &b], &[&x], &few)[0]);
    assert!(error.contains("2 results but 1 cotangents"), "{error}");
}

#[test]
fn gradients_pass_between_floats_only() {
    // semantics 3.8
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(2)]);
    let through = x.cast(DType::F32).cast(DType::F64).sum().grad(&[&x]).remove(0);
    assert_eq!(value(&through, &[(&x, vec![1.0, 2.0].into())]), [1.0, 1.0]);
    let cut = x.cast(DType::I64).cast(DType::F64).sum().grad(&[&x]).remove(0);
    assert!(refusal(&cut).contains("cut by cast"), "{}", refusal(&cut));
    let chosen = x.greater(0.0).select(&x, 0.0).sum().grad(&[&x]).remove(0);
    assert_eq!(value(&chosen, &[(&x, vec![1.0, -2.0].into())]), [1.0, 0.0]);
    let counts = x.cast(DType::I64).sum();
    assert!(refusal(&counts.grad(&[&x])[0]).contains("only floats have gradients"));
}

#[test]
fn a_function_of_ones_own_has_a_gradient_of_ones_own() {
    // semantics 3.9
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(2)]);
    let rounded = wengert_autograd::custom_vjp(&[&x], |x| x[0].round(), |x, _, g| vec![g * &x[0]]);
    let first = rounded.sum().grad(&[&x]).remove(0);
    let second = first.sum().grad(&[&x]).remove(0);
    let feeds = [(&x, vec![1.2, 2.9].into())];
    assert_eq!(value(&rounded, &feeds), [1.0, 3.0]);
    assert_eq!(value(&first, &feeds), [1.2, 2.9]);
    assert_eq!(value(&second, &feeds), [1.0, 1.0]);
}
