//! Random ops: what a draw depends on, and what it does not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use wengert_autograd::{Array, DType, Device, Graph, Initial, Policy, Session, Tensor, feed};

fn session(seed: u64) -> Session {
    Session::with_seed(Device::cpu().threads(1), seed).unwrap()
}

fn draw(session: &mut Session, tensor: &Tensor) -> Vec<f64> {
    session.run(tensor, &[]).unwrap()[0].to_f64()
}

#[test]
fn draws_follow_from_the_seed_the_op_and_how_often_it_ran() {
    // semantics 7.3
    let g = Graph::new();
    let (a, b) = (g.uniform(DType::F32, [100]), g.uniform(DType::F32, [100]));
    let (mut one, mut two) = (session(1), session(1));
    let first = draw(&mut one, &a);
    let second = draw(&mut one, &a);
    assert_ne!(first, second);
    assert_eq!((draw(&mut two, &a), draw(&mut two, &a)), (first.clone(), second));
    assert_ne!(draw(&mut one, &b), first);
    assert_ne!(draw(&mut session(2), &a), first);
    one.initialize();
    assert_eq!(draw(&mut one, &a), first);
    let still = g.function(&[], &[&a]).without_default_updates().compile().unwrap();
    let mut held = session(1);
    for _ in 0..2 {
        assert_eq!(still.call(&mut held, &[]).unwrap()[0].to_f64(), first);
    }
}

#[test]
fn a_mask_depends_on_nothing_else() {
    // semantics 7.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(33)]);
    let dropped = x.dropout(0.4, true);
    let ones = Array::full(DType::F32, &[20, 33], 1.0).unwrap();
    let alone = session(3).run(&dropped, feed! { x => &ones }).unwrap()[0].to_f64();
    assert!(alone.contains(&0.0) && alone.iter().any(|&y| y > 1.5));
    // Beside other fetches and other draws, transposed, without rewriting and fusion, in another order of building.
    let other = g.normal(DType::F64, [5]);
    let sum = (&dropped * 2.0).sum();
    for policy in [Policy::PLAIN, Policy::OPTIMISED] {
        let f = g.function(&[&x], &[&other, &sum, &dropped.t().t(), &dropped]).policy(policy).compile().unwrap();
        let out = f.call(&mut session(3), &[(&ones).into()]).unwrap();
        assert_eq!((out[2].to_f64(), out[3].to_f64()), (alone.clone(), alone.clone()));
    }
    for threads in [2, 3] {
        let mut shared = Session::with_seed(Device::cpu().threads(threads), 3).unwrap();
        assert_eq!(shared.run(&dropped, feed! { x => &ones }).unwrap()[0].to_f64(), alone);
    }
    // Steps inside one call count like calls.
    let f = g.function(&[&x], &[&dropped]).compile().unwrap();
    let (mut called, mut stepped) = (session(3), session(3));
    let twice = Array::full(DType::F32, &[2, 20, 33], 1.0).unwrap();
    let mut out = [ones.clone()];
    f.call_n(&mut stepped, 2, &[twice.view()], &mut out).unwrap();
    f.call(&mut called, &[(&ones).into()]).unwrap();
    assert_eq!(f.call(&mut called, &[(&ones).into()]).unwrap()[0], out[0]);
}

#[test]
fn a_gradient_sees_the_mask_of_its_forward_pass() {
    // semantics 7.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(1000)]);
    let y = x.dropout(0.5, true);
    let gradient = y.sum().grad(&[&x]).remove(0);
    let ones = Array::full(DType::F64, &[1000], 1.0).unwrap();
    let out = session(5).run([&y, &gradient], feed! { x => &ones }).unwrap();
    assert_eq!(out[0], out[1]);
}

#[test]
fn variables_draw_from_streams_of_their_own() {
    // semantics 7.6
    let g = Graph::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let variable = |name: &str| {
        let seen = seen.clone();
        g.variable(
            name,
            Initial::draw(DType::F64, &[], move |seed, stream| {
                seen.lock().unwrap().push((seed, stream));
                Array::scalar(0.0)
            }),
        )
    };
    let (a, b) = (variable("a"), variable("b"));
    let mut session = session(9);
    for _ in 0..2 {
        session.get(&b).unwrap();
        session.get(&a).unwrap();
    }
    // In the order in which they were needed, each with the number of its making, above every stream of a random op.
    assert_eq!(*seen.lock().unwrap(), [(9, 1 << 63 | 1), (9, 1 << 63)]);
}
