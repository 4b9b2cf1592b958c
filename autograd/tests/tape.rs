//! What the tape promises: gradients, updates, givens, open sizes, on small graphs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{
    Array, DType, Device, Feed, FunctionBuilder, GradOptions, Graph, Policy, Session, Tensor, Update, feed, gradients,
};

fn session() -> Session {
    Session::new(Device::cpu().threads(1)).unwrap()
}

fn value(tensor: &Tensor, feeds: &[(&Tensor, Feed<'_>)]) -> Vec<f64> {
    tensor.eval(feeds).unwrap().to_f64()
}

#[test]
fn the_gradient_is_that_of_the_tape_as_written() {
    // semantics 3.1
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let h = &x * 1.0;
    let y = &h + &x;
    assert_eq!(value(&y.grad(&[&h])[0], feed! {}), [1.0]);
    assert_eq!(value(&y.grad(&[&x])[0], feed! {}), [2.0]);
}

#[test]
fn two_relus_of_one_input_stay_two() {
    // semantics 2.1
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let (a, b) = (x.relu(), x.relu());
    let y = &a * 2.0 + &b * 5.0;
    let gradients = y.grad(&[&a, &b]);
    assert_eq!(value(&gradients[0], feed! {}), [2.0]);
    assert_eq!(value(&gradients[1], feed! {}), [5.0]);
    let f = g.function(&[&x], &[&y]).compile().unwrap();
    assert_eq!(f.canonical().matches("relu").count(), 1, "{}", f.canonical());
}

#[test]
fn a_swap_reads_old_values() {
    // semantics 4.1
    for threads in [1, 2] {
        let g = Graph::new();
        let a = g.variable("a", Array::scalar(1.0f32));
        let b = g.variable("b", Array::scalar(2.0f32));
        let swap = g.function(&[], &[&a, &b]).update(&a, &b).update(&b, &a).compile().unwrap();
        let mut session = Session::new(Device::cpu().threads(threads)).unwrap();
        let mut old = swap.call(&mut session, &[]).unwrap();
        assert_eq!((old[0].to_f64(), old[1].to_f64()), (vec![1.0], vec![2.0]));
        assert_eq!(session.get(&a).unwrap().to_f64(), [2.0]);
        assert_eq!(session.get(&b).unwrap().to_f64(), [1.0]);
        swap.call_n(&mut session, 3, &[], &mut old).unwrap();
        assert_eq!(session.get(&a).unwrap().to_f64(), [1.0]);
    }
}

#[test]
fn a_value_fetched_beside_its_update_is_the_old_one() {
    // semantics 4.2
    let g = Graph::new();
    let w = g.variable("w", Array::new(&[3], &[1.0f32, 2.0, 3.0]));
    let new = &w * 2.0;
    let f = g.function(&[], &[&w, &new, &new]).update(&w, &new).compile().unwrap();
    let mut session = session();
    let out = f.call(&mut session, &[]).unwrap();
    assert_eq!(out[0].to_f64(), [1.0, 2.0, 3.0]);
    assert_eq!(out[1].to_f64(), [2.0, 4.0, 6.0]);
    assert_eq!(out[2].to_f64(), [2.0, 4.0, 6.0]);
    assert_eq!(session.get(&w).unwrap().to_f64(), [2.0, 4.0, 6.0]);
    let x = g.placeholder("x", DType::F32, [None]);
    let f = g.function(&[&x], &[&x, &x]).compile().unwrap();
    let out = f.call(&mut session, &[vec![1.0f32, 2.0].into()]).unwrap();
    assert_eq!((out[0].to_f64(), out[1].to_f64()), (vec![1.0, 2.0], vec![1.0, 2.0]));
}

#[test]
fn an_accumulator_counts_many_steps_in_one_call() {
    // semantics 4.3
    let g = Graph::new();
    let x = g.placeholder("x", DType::I64, []);
    let total = g.state_variable("total", Array::scalar(0i64));
    let f = g.function(&[&x], &[&total]).update(&total, &(&total + &x)).compile().unwrap();
    let mut session = session();
    let feeds = Array::new(&[4], &[1i64, 10, 100, 1000]).unwrap();
    let mut out = [Array::zeros(DType::I64, &[]).unwrap()];
    f.call_n(&mut session, 4, &[feeds.view()], &mut out).unwrap();
    assert_eq!(out[0].to_f64(), [111.0]);
    assert_eq!(session.get(&total).unwrap().to_f64(), [1111.0]);
    assert!(f.call_n(&mut session, 3, &[feeds.view()], &mut out).unwrap_err().is_feed());
    assert!(f.call_n(&mut session, 0, &[feeds.view()], &mut out).unwrap_err().is_feed());
}

#[test]
fn updates_are_checked() {
    // semantics 4.5
    let g = Graph::new();
    let w = g.variable("w", Array::zeros(DType::F32, &[3]));
    let twice = g.function(&[], &[]).update(&w, &(&w + 1.0)).update(&w, &(&w * 2.0)).compile().unwrap_err();
    assert!(twice.to_string().contains("`w` is updated twice"), "{twice}");
    let dtype = g.function(&[], &[]).update(&w, &w.cast(DType::F64)).compile().unwrap_err();
    assert!(dtype.to_string().contains("cast()"), "{dtype}");
    let shape = g.function(&[], &[]).update(&w, &w.sum()).compile().unwrap_err();
    assert!(shape.to_string().contains("shape never changes"), "{shape}");
    let key = g.function(&[], &[]).update(&(&w + 1.0), &w).compile().unwrap_err();
    assert!(key.to_string().contains("not a variable"), "{key}");
}

#[test]
fn default_updates_compose_and_yield_to_explicit_ones() {
    // semantics 4.6
    let g = Graph::new();
    let count = g.state_variable("count", Array::scalar(1i64));
    count.set_default_update(&(&count + 1)).unwrap();
    count.set_default_update(&(&count * 10)).unwrap();
    let mut session = session();
    let read = &count + 0;
    assert_eq!(session.run(&read, &[]).unwrap()[0].to_f64(), [1.0]);
    assert_eq!(session.run(&read, &[]).unwrap()[0].to_f64(), [20.0]);
    assert_eq!(session.get(&count).unwrap().to_f64(), [210.0]);
    let reset = g.function(&[], &[&read]).update(&count, &(&count - &count)).compile().unwrap();
    reset.call(&mut session, &[]).unwrap();
    assert_eq!(session.get(&count).unwrap().to_f64(), [0.0]);
    let quiet = g.function(&[], &[&read]).without_default_updates().compile().unwrap();
    quiet.call(&mut session, &[]).unwrap();
    assert_eq!(session.get(&count).unwrap().to_f64(), [0.0]);
}

#[test]
fn carried_updates_are_made_where_their_carrier_is_computed() {
    // semantics 4.11
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None]);
    let total = g.state_variable("total", Array::scalar(1.0));
    let (first, second) = (x.sum(), x.square().sum());
    first.carry(&total.becomes(&(&total + &first))).unwrap();
    second.carry(&total.becomes(&(&total * &second))).unwrap();
    let mut session = session();
    let feed = [(&x, vec![1.0, 2.0].into())];
    let mut after = |fetch: &Tensor| {
        session.set(&total, Array::scalar(1.0).unwrap()).unwrap();
        session.run(fetch, &feed).unwrap();
        session.get(&total).unwrap().item::<f64>().unwrap()
    };
    // Reading the variable does nothing; each carrier does its own; two compose in order, whatever is fetched first.
    assert_eq!(after(&(&total + x.max())), 1.0);
    assert_eq!(after(&(&first * 2.0)), 4.0);
    assert_eq!(after(&(&second * 2.0)), 5.0);
    assert_eq!(after(&(&second - &first)), 20.0);
    let call = |builder: FunctionBuilder, session: &mut Session| {
        session.set(&total, Array::scalar(1.0).unwrap()).unwrap();
        builder.compile().unwrap().call(session, &[vec![1.0, 2.0].into()]).unwrap();
        session.get(&total).unwrap().item::<f64>().unwrap()
    };
    let builder = || g.function(&[&x], &[&first]);
    assert_eq!(call(builder().without_default_updates(), &mut session), 1.0);
    assert_eq!(call(builder().update(&total, &(&total - 3.0)), &mut session), -2.0);
    assert_eq!(call(builder().given(&first, &x.max()), &mut session), 1.0);
    let fed = g.function(&[&first], &[&(&first + 1.0)]).compile().unwrap();
    fed.call(&mut session, &[7.0.into()]).unwrap();
    assert_eq!(session.get(&total).unwrap().item::<f64>().unwrap(), 1.0);
}

#[test]
fn a_carried_update_that_does_not_fit_is_refused() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(2)]);
    let w = g.state_variable("w", Array::scalar(1.0));
    let refused = |carrier: &Tensor, update: &Update| carrier.carry(update).unwrap_err().to_string();
    assert!(refused(&x, &w.becomes(&x)).contains("shape never changes"));
    assert!(refused(&x, &x.becomes(&x)).contains("not a variable"));
    assert!(refused(&x.reshape([3]), &w.becomes(&w)).contains("reshape"));
    let other = Graph::new();
    assert!(refused(&other.constant(1.0), &w.becomes(&w)).contains("two graphs"));
    other.add_to_collection("penalties", &w);
    assert!(other.collection("penalties")[0].ty().unwrap_err().to_string().contains("another graph"));
}

#[test]
fn givens_replace_inputs_intermediates_and_variables() {
    // semantics 4.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let y = g.placeholder("y", DType::F64, []);
    let h = &x * &y;
    let f = g.function(&[&y], &[&(&h + 1.0)]).given(&h, &(&y * 10.0)).compile().unwrap();
    assert_eq!(f.call(&mut session(), &[2.0.into()]).unwrap()[0].to_f64(), [21.0]);
    let f = g.function(&[&y], &[&(&x + &y)]).given(&x, &(&y * 10.0)).compile().unwrap();
    assert_eq!(f.call(&mut session(), &[2.0.into()]).unwrap()[0].to_f64(), [22.0]);
    let w = g.variable("w", Array::scalar(5.0f64));
    let f = g.function(&[&y], &[&(&w + &y)]).given(&w, &(&y * 2.0)).compile().unwrap();
    assert_eq!(f.call(&mut session(), &[3.0.into()]).unwrap()[0].to_f64(), [9.0]);
    let p = g.placeholder("p", DType::F64, []);
    let chained = g.function(&[&p], &[&(&x + &y)]).given(&x, &y).given(&y, &p).compile().unwrap_err();
    assert!(chained.to_string().contains("itself replaced"), "{chained}");
    let both = g.function(&[&x, &p], &[&x]).given(&x, &p).compile().unwrap_err();
    assert!(both.to_string().contains("also an input"), "{both}");
    let data = g.state_variable("data", Array::new(&[6], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let batch = g.placeholder("batch", DType::F32, [Some(2)]);
    let f = g.function(&[], &[&batch.sum()]).given(&batch, &data.slice_axis(0, 2..4)).compile().unwrap();
    assert_eq!(f.call(&mut session(), &[]).unwrap()[0].to_f64(), [7.0]);
}

#[test]
fn derivatives_of_any_order() {
    // semantics 3.2
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let mut y = &x * &x * &x * &x;
    for expected in [32.0, 48.0, 48.0, 24.0] {
        y = y.grad(&[&x]).remove(0);
        assert_eq!(value(&y, feed! { x => 2.0 }), [expected]);
    }
}

#[test]
fn jvp_is_a_double_vjp() {
    // semantics 3.5
    let g = Graph::new();
    let [x, v, u] = ["x", "v", "u"].map(|name| g.placeholder(name, DType::F64, [Some(3)]));
    let pull = |y: &Tensor, x: &Tensor, by: &Tensor| {
        gradients(&[y], &[x], &GradOptions { grad_ys: vec![by.clone()], ..Default::default() }).remove(0)
    };
    let jvp = pull(&pull(&x.sin(), &x, &u), &u, &v);
    let got = value(&jvp, feed! { x => vec![0.1, 0.2, 0.3], v => vec![1.0, -2.0, 3.0] });
    for (got, (x, v)) in got.iter().zip([(0.1f64, 1.0), (0.2, -2.0), (0.3, 3.0)]) {
        assert!((got - x.cos() * v).abs() < 1e-12);
    }
}

#[test]
fn hessian_vector_product_through_an_mlp() {
    // semantics 3.5
    let g = Graph::new();
    let x = g.constant(Array::from_fn(DType::F64, &[5, 4], |i| ((i * 7 % 11) as f64 - 5.0) / 6.0));
    let labels = g.constant(vec![0i64, 2, 1, 2, 0]);
    let w1 = g.placeholder("w1", DType::F64, [Some(4), Some(6)]);
    let w2 = g.placeholder("w2", DType::F64, [Some(6), Some(3)]);
    let logp = x.matmul(&w1).tanh().matmul(&w2).log_softmax(-1);
    let loss = -(labels.one_hot(3, DType::F64) * &logp).sum() / 5.0;
    let v1 = g.placeholder("v1", DType::F64, [Some(4), Some(6)]);
    let v2 = g.placeholder("v2", DType::F64, [Some(6), Some(3)]);
    let first = loss.grad(&[&w1, &w2]);
    let hvp = ((&first[0] * &v1).sum() + (&first[1] * &v2).sum()).grad(&[&w1, &w2]);
    let array = |shape: &[usize], seed: usize| {
        Array::from_fn(DType::F64, shape, |i| (((i + seed) * 37 % 101) as f64 / 101.0) - 0.5).unwrap()
    };
    let (a1, a2, d1, d2) = (array(&[4, 6], 1), array(&[6, 3], 2), array(&[4, 6], 3), array(&[6, 3], 4));
    let f = g.function(&[&w1, &w2, &v1, &v2], &[&hvp[0], &hvp[1]]).compile().unwrap();
    let gradient = g.function(&[&w1, &w2], &[&first[0], &first[1]]).compile().unwrap();
    let mut session = session();
    let exact = f.call(&mut session, &[(&a1).into(), (&a2).into(), (&d1).into(), (&d2).into()]).unwrap();
    let step = 1e-5;
    let mut moved = |sign: f64| {
        let shift = |a: &Array, d: &Array| {
            let (a_values, d_values) = (a.to_f64(), d.to_f64());
            Array::from_fn(DType::F64, a.shape(), |i| a_values[i] + sign * step * d_values[i]).unwrap()
        };
        gradient.call(&mut session, &[shift(&a1, &d1).into(), shift(&a2, &d2).into()]).unwrap()
    };
    let (above, below) = (moved(1.0), moved(-1.0));
    for n in 0..2 {
        for ((exact, above), below) in exact[n].to_f64().iter().zip(above[n].to_f64()).zip(below[n].to_f64()) {
            assert!((exact - (above - below) / (2.0 * step)).abs() < 1e-8, "{exact}");
        }
    }
}

#[test]
fn a_long_chain_differentiates_in_linear_time() {
    // semantics 3.6
    const LENGTH: usize = 100_000;
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let mut y = x.clone();
    for _ in 0..LENGTH {
        y = y.sin();
    }
    let before = g.len();
    let gradient = y.grad(&[&x]).remove(0);
    assert!(g.len() - before < 3 * LENGTH + 10);
    let f = g.function(&[&x], &[&y, &gradient]).compile().unwrap();
    let out = f.call(&mut session(), &[0.5.into()]).unwrap();
    let (mut wanted, mut slope) = (0.5f64, 1.0f64);
    for _ in 0..LENGTH {
        slope *= wanted.cos();
        wanted = wanted.sin();
    }
    assert!((out[0].to_f64()[0] - wanted).abs() < 1e-9 * wanted);
    assert!((out[1].to_f64()[0] - slope).abs() < 1e-6 * slope.abs());
}

#[test]
fn a_doubling_graph_stays_linear() {
    // semantics 3.6
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [Some(2)]);
    let mut y = x.clone();
    for _ in 0..60 {
        y = (&y + &y) * 0.5;
    }
    let gradient = y.sum().grad(&[&x]).remove(0);
    assert!(g.len() < 1000);
    for policy in [Policy::PLAIN, Policy::OPTIMISED] {
        let f = g.function(&[&x], &[&gradient]).policy(policy).compile().unwrap();
        assert_eq!(f.call(&mut session(), &[vec![1.0, 2.0].into()]).unwrap()[0].to_f64(), [1.0, 1.0]);
    }
}

#[test]
fn peak_memory_of_a_chain_is_two_buffers() {
    // semantics 5.6
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None]);
    let mut y = x.clone();
    for _ in 0..100 {
        y = y.exp();
    }
    for policy in [Policy::PLAIN, Policy::OPTIMISED] {
        let f = g.function(&[&x], &[&y.sum()]).policy(policy).compile().unwrap();
        let peak = f.plan(&[&[1024]]).unwrap().peak_bytes();
        assert!(peak <= 2 * 4096 + 64, "{peak}");
    }
}

#[test]
fn few_sizes_bind_few_programs() {
    // semantics 4.9, semantics 5.4
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    let y = (&x * 2.0).sum_axes([0]);
    let mut session = session();
    for n in 0..50 {
        let feed = Array::full(DType::F32, &[1 + n % 3, 3], 1.0).unwrap();
        let out = session.run(&y, feed! { x => &feed }).unwrap();
        assert_eq!(out[0].to_f64(), [2.0 * (1 + n % 3) as f64; 3]);
    }
    assert_eq!((session.stats().bound, session.stats().compiled), (3, 1));
}

#[test]
fn one_graph_serves_every_size() {
    // semantics 1.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None, None]);
    let y = (&x * x.sum_keepdims([-1])).mean();
    let f = g.function(&[&x], &[&y, &y.grad(&[&x]).remove(0)]).compile().unwrap();
    let mut session = session();
    for (rows, columns) in [(0, 3), (1, 1), (7, 2), (3, 0), (2, 5)] {
        let feed = Array::from_fn(DType::F64, &[rows, columns], |i| i as f64 - 2.0).unwrap();
        let out = f.call(&mut session, &[(&feed).into()]).unwrap();
        assert_eq!(out[1].shape(), [rows, columns]);
        if rows * columns > 0 {
            let values = feed.to_f64();
            let wanted: f64 = values.chunks(columns).map(|row| row.iter().sum::<f64>().powi(2)).sum::<f64>()
                / (rows * columns) as f64;
            assert!((out[0].to_f64()[0] - wanted).abs() < 1e-12);
        }
    }
    let met = &x + g.constant(vec![1.0f64, 2.0]);
    assert_eq!(met.shape().unwrap()[1].to_string(), "2");
    let f = g.function(&[&x], &[&met]).compile().unwrap();
    let error = f.call(&mut session, &[Array::zeros(DType::F64, &[4, 3]).into()]).unwrap_err();
    assert!(error.is_feed() && error.to_string().contains("the open size x.1 is 3, but must be 2"), "{error}");
}
