//! Functions as they are compiled, planned and called.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Function, Graph, Policy, Session, Tensor, feed};

fn session() -> Session {
    Session::new(Device::cpu().threads(1)).unwrap()
}

/// The lines of the planned program for these shapes that name a kernel.
fn kernels(f: &Function, shapes: &[&[usize]]) -> Vec<String> {
    let text = f.plan(shapes).unwrap().to_string();
    text.lines().filter(|line| line.starts_with('%')).map(str::to_owned).collect()
}

#[test]
fn a_prologue_gives_up_what_is_fetched() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(3)]);
    let y = x.exp();
    let f = g.function(&[&x], &[&(&y * 2.0).sum(), &y]).compile().unwrap();
    let out = f.call(&mut session(), &[vec![0.0, 0.0, 0.0].into()]).unwrap();
    assert_eq!((out[0].to_f64(), out[1].to_f64()), (vec![6.0], vec![1.0; 3]));
}

#[test]
fn a_sign_leaves_a_sum_and_a_repeated_number() {
    // semantics 5.9
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    let loss = (-x.square().sum_axes([1])).mean();
    let f = |y: &Tensor, policy| g.function(&[&x], &[y]).policy(policy).compile().unwrap();
    for y in [&loss, &loss.grad(&[&x]).remove(0)] {
        let (plain, optimised) = (f(y, Policy::PLAIN), f(y, Policy::OPTIMISED));
        assert_eq!(kernels(&optimised, &[&[4, 3]]).len(), 1, "{}", optimised.canonical());
        let feed = Array::from_fn(DType::F32, &[4, 3], |i| i as f64 / 4.0 - 1.0).unwrap();
        let value = |f: &Function| f.call(&mut session(), &[(&feed).into()]).unwrap().remove(0);
        assert_eq!(value(&plain), value(&optimised));
    }
}

#[test]
fn stages_show_what_they_are() {
    // semantics 5.1
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    let y = (&x * 1.0 + 0.0).sum();
    let f = g.function(&[&x], &[&y]).compile().unwrap();
    assert_eq!(f.recorded().to_string().matches("mul").count(), 1);
    assert_eq!(f.canonical().matches("mul").count() + f.canonical().matches("add").count(), 0, "{}", f.canonical());
    f.fused().verify().unwrap();
    let planned = f.plan(&[&[5, 3]]).unwrap();
    planned.program().verify().unwrap();
    assert_eq!(planned.program().to_string().parse::<wengert_kernels::Program>().unwrap(), *planned.program());
}

#[test]
fn a_dense_layer_and_its_step_are_few_kernels() {
    // semantics 5.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(8)]);
    let w = g.variable("w", Array::from_fn(DType::F32, &[8, 4], |i| (i as f64 * 0.7).sin()));
    let b = g.variable("b", Array::zeros(DType::F32, &[4]));
    let y = (x.matmul(&w) + &b).relu();
    let forward = g.function(&[&x], &[&y]).compile().unwrap();
    let lines = kernels(&forward, &[&[16, 8]]);
    assert!(lines.len() == 1 && lines[0].contains("gemm") && lines[0].contains("relu"), "{lines:?}");
    let loss = y.square().sum();
    let slopes = loss.grad(&[&w, &b]);
    let updates = [w.becomes(&(&w - &slopes[0] * 0.1)), b.becomes(&(&b - &slopes[1] * 0.1))];
    let step = |policy| g.function(&[&x], &[&loss]).updates(&updates).policy(policy).compile().unwrap();
    let (plain, fused) = (step(Policy::PLAIN), step(Policy::OPTIMISED));
    let lines = kernels(&fused, &[&[16, 8]]);
    assert!(lines.iter().any(|line| line.contains("column_sums")), "{lines:?}");
    assert!(lines.len() < kernels(&plain, &[&[16, 8]]).len(), "{lines:?}");
    let feed = Array::from_fn(DType::F32, &[16, 8], |i| (i as f64 * 0.3).cos()).unwrap();
    let (mut one, mut two) = (session(), session());
    for _ in 0..3 {
        let a = plain.call(&mut one, &[(&feed).into()]).unwrap()[0].to_f64()[0];
        let b = fused.call(&mut two, &[(&feed).into()]).unwrap()[0].to_f64()[0];
        assert!((a - b).abs() < 1e-5 * a.abs().max(1.0), "{a} {b}");
    }
    assert!(one.get(&w).unwrap().max_abs_diff(&two.get(&w).unwrap()).unwrap() < 1e-5);
}

#[test]
fn what_later_kernels_read_leaves_the_kernel_that_computes_it() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(5), Some(3)]);
    let w = g.variable("w", Array::from_fn(DType::F32, &[3, 3], |i| (i as f64 * 0.7).sin()));
    let z = x.matmul(&w) + 0.5;
    // `z` and its sigmoid are results of one product; both are read by the next.
    let y = z.sigmoid().matmul(&w) * &z;
    let step = w.becomes(&(&w - y.square().sum().grad(&[&w]).remove(0) * 0.1));
    let f = |policy| g.function(&[&x], &[&y]).policy(policy).compile().unwrap();
    let lines = kernels(&f(Policy::OPTIMISED), &[&[5, 3]]);
    assert!(lines.len() == 2 && lines[0].contains("sigmoid"), "{lines:?}");
    // What only the fetched loss needs comes after the update, whose kernels it does not keep apart.
    let loss = y.square().mean();
    let count = |outputs: &[&Tensor]| {
        let f = g.function(&[&x], outputs).updates(std::slice::from_ref(&step)).compile().unwrap();
        kernels(&f, &[&[5, 3]]).len()
    };
    assert_eq!(count(&[&loss]), count(&[]) + 1);
    let feed = Array::from_fn(DType::F32, &[5, 3], |i| (i as f64 * 0.3).cos()).unwrap();
    let value = |policy| f(policy).call(&mut session(), &[(&feed).into()]).unwrap().remove(0);
    assert!(value(Policy::OPTIMISED).max_abs_diff(&value(Policy::PLAIN)).unwrap() < 1e-5);
}

#[test]
fn kernels_do_not_know_open_sizes() {
    // semantics 5.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(4)]);
    let f = g.function(&[&x], &[&(&x - x.mean_axes([0])).square().mean()]).compile().unwrap();
    let kernels = |rows| {
        let planned = f.plan(&[&[rows, 4]]).unwrap();
        planned.program().steps.iter().map(|step| step.kernel.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kernels(7), kernels(1000));
    assert!(f.fused().to_string().contains("size("), "{}", f.fused());
}

#[test]
fn updates_are_made_in_place_where_nobody_needs_the_old_value() {
    // semantics 5.7
    let g = Graph::new();
    let a = g.variable("a", Array::new(&[3], &[1.0f32, 2.0, 3.0]));
    let b = g.variable("b", Array::new(&[3], &[4.0f32, 5.0, 6.0]));
    let scale = g.function(&[], &[]).update(&a, &(&a * 2.0)).compile().unwrap();
    let plan = scale.plan(&[]).unwrap();
    assert!(!plan.to_string().contains("commit") && plan.peak_bytes() == 0, "{plan}");
    let mixed = g.function(&[], &[]).update(&a, &(&a + &b)).update(&b, &(&a * &b)).compile().unwrap();
    let mut session = session();
    scale.call(&mut session, &[]).unwrap();
    mixed.call(&mut session, &[]).unwrap();
    assert_eq!(session.get(&a).unwrap().to_f64(), [6.0, 9.0, 12.0]);
    assert_eq!(session.get(&b).unwrap().to_f64(), [8.0, 20.0, 36.0]);
    let reversed =
        g.function(&[], &[]).update(&a, &a.slice(wengert_autograd::s![wengert_autograd::Span::from(..).step(-1)]));
    reversed.compile().unwrap().call(&mut session, &[]).unwrap();
    assert_eq!(session.get(&a).unwrap().to_f64(), [12.0, 9.0, 6.0]);
}

#[test]
fn a_session_starts_sets_and_forgets_variables() {
    // semantics 4.7
    let g = Graph::new();
    let w = g.variable("w", Array::new(&[2], &[1.0f32, 2.0]));
    let f = g.function(&[], &[]).update(&w, &(&w + 1.0)).compile().unwrap();
    let (mut one, mut two) = (session(), session());
    f.call(&mut one, &[]).unwrap();
    assert_eq!(one.get(&w).unwrap().to_f64(), [2.0, 3.0]);
    assert_eq!(two.get(&w).unwrap().to_f64(), [1.0, 2.0]);
    one.set(&w, vec![5.0f32, 6.0]).unwrap();
    f.call(&mut one, &[]).unwrap();
    assert_eq!(one.get(&w).unwrap().to_f64(), [6.0, 7.0]);
    assert!(one.set(&w, vec![1.0f32]).unwrap_err().is_feed());
    assert!(one.set(&w, vec![1.0f64, 2.0]).unwrap_err().is_feed());
    let kept = one.get(&w).unwrap();
    one.initialize();
    f.call(&mut one, &[]).unwrap();
    assert_eq!(one.get(&w).unwrap().to_f64(), [2.0, 3.0]);
    // What was read is a value of its own.
    assert_eq!(kept.to_f64(), [6.0, 7.0]);
}

#[test]
fn a_call_that_fails_changes_no_variable() {
    // semantics 4.8
    let g = Graph::new();
    let index = g.placeholder("index", DType::I64, [None]);
    let table = g.variable("table", Array::new(&[3], &[1.0f32, 2.0, 3.0]));
    let count = g.state_variable("count", Array::scalar(0i64));
    let rows = table.gather(&index, 0);
    let turned = table.gather(&index, 0) * 1.0;
    for f in [
        g.function(&[&index], &[&rows]).update(&count, &(&count + 1)).compile().unwrap(),
        g.function(&[&index], &[])
            .update(&count, &(&count + 1))
            .update(&table, &(&table + rows.sum()))
            .compile()
            .unwrap(),
        g.function(&[&index], &[])
            .update(&count, &(&count + 1))
            .update(&table, &turned.reshape([3]))
            .compile()
            .unwrap(),
    ] {
        let mut session = session();
        assert!(f.call(&mut session, &[vec![0i64, 7, 1].into()]).is_err());
        assert_eq!(session.get(&count).unwrap().to_f64(), [0.0], "{}", f.fused());
        assert_eq!(session.get(&table).unwrap().to_f64(), [1.0, 2.0, 3.0]);
        f.call(&mut session, &[vec![0i64, 2, 1].into()]).unwrap();
        assert_eq!(session.get(&count).unwrap().to_f64(), [1.0]);
    }
    // The product that computes a weight's new value also sums columns, for which another update waits.
    let x = g.placeholder("x", DType::F32, [Some(4), Some(8)]);
    let (w, b) = (g.variable("w", Array::zeros(DType::F32, &[8, 2])), g.variable("b", Array::zeros(DType::F32, &[2])));
    let slopes = (x.matmul(&w) + &b + 1.0).relu().square().sum().grad(&[&w, &b]);
    let updates = [w.becomes(&(&w - &slopes[0])), b.becomes(&(&b - &slopes[1]))];
    let f = g.function(&[&x, &index], &[&rows]).updates(&updates).compile().unwrap();
    let mut trained = session();
    let ones = Array::full(DType::F32, &[4, 8], 1.0).unwrap();
    assert!(f.call(&mut trained, &[(&ones).into(), vec![0i64, 7, 1].into()]).is_err());
    assert_eq!((trained.get(&w).unwrap().to_f64(), trained.get(&b).unwrap().to_f64()), (vec![0.0; 16], vec![0.0; 2]));
    let f = g.function(&[&index], &[&rows]).update(&count, &(&count + 1)).compile().unwrap();
    let steps = Array::new(&[3, 3], &[0i64, 1, 2, 0, 9, 0, 0, 0, 0]).unwrap();
    let (mut session, mut out) = (session(), [Array::zeros(DType::F32, &[3]).unwrap()]);
    let error = f.call_n(&mut session, 3, &[steps.view()], &mut out).unwrap_err();
    assert!(error.is_run(), "{error}");
    assert_eq!(session.get(&count).unwrap().to_f64(), [1.0], "{error}");
}

#[test]
fn any_tensor_may_be_an_input() {
    // semantics 4.10
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let h = &x * 2.0;
    let y = &h + 1.0;
    let f = g.function(&[&h], &[&y]).compile().unwrap();
    assert_eq!(f.call(&mut session(), &[5.0.into()]).unwrap()[0].to_f64(), [6.0]);
    assert_eq!(y.eval(feed! { h => 7.0 }).unwrap().to_f64(), [8.0]);
    let unused = g.function(&[&x, &h], &[&y]).compile().unwrap();
    assert_eq!(unused.call(&mut session(), &[1.0.into(), 5.0.into()]).unwrap()[0].to_f64(), [6.0]);
    assert!(g.function(&[&x, &x], &[&y]).compile().unwrap_err().to_string().contains("named twice"));
    let w = g.variable("w", Array::scalar(1.0));
    assert!(g.function(&[&w], &[&y]).compile().unwrap_err().to_string().contains("set and not fed"));
    assert!(g.function(&[], &[&y]).compile().unwrap_err().to_string().contains("needed but not fed"));
}

#[test]
fn the_set_of_sizes_used_longest_ago_is_forgotten() {
    // semantics 5.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None]);
    let f = g.function(&[&x], &[&x.sum()]).compile().unwrap();
    let mut session = session();
    let mut call = |n: usize| {
        f.call(&mut session, &[Array::full(DType::F32, &[n], 1.0).into()]).unwrap();
        session.stats().bound
    };
    assert_eq!((0..32).map(&mut call).last(), Some(32));
    assert_eq!(call(0), 32);
    assert_eq!(call(32), 33);
    assert_eq!(call(0), 33);
    assert_eq!(call(1), 34);
}

#[test]
fn a_slice_may_begin_at_any_of_its_elements() {
    // semantics 6.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None]);
    let f = g.function(&[&x], &[&(&x * 2.0)]).compile().unwrap();
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    let values: Vec<f32> = (0..40).map(|i| i as f32).collect();
    for start in 0..5 {
        let shape = [values.len() - start];
        let view = wengert_autograd::ArrayView::new(&shape, &values[start..]).unwrap();
        let doubled = f.call(&mut session, &[view.into()]).unwrap()[0].to_f64();
        assert_eq!(doubled, values[start..].iter().map(|&value| f64::from(value) * 2.0).collect::<Vec<_>>());
    }
}
