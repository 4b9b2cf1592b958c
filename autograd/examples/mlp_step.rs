//! Scratch: MLP Adam step.
use std::time::Instant;
use wengert_autograd::*;

fn adam(g: &Graph, loss: &Tensor, lr: f64) -> Vec<Update> {
    let params = g.trainable_variables();
    let refs: Vec<&Tensor> = params.iter().collect();
    let grads = loss.grad(&refs);
    let t = g.state_variable("t", Array::scalar(0.0f32));
    let t1 = &t + 1.0;
    let mut updates = vec![t.becomes(&t1)];
    let scale = lr * (1.0 - (&t1 * (0.999f64).ln()).exp()).sqrt() / (1.0 - (&t1 * (0.9f64).ln()).exp());
    for (p, grad) in params.iter().zip(&grads) {
        let shape: Vec<usize> = p.shape().unwrap().iter().map(|d| d.known().unwrap()).collect();
        let m = g.state_variable("m", Array::zeros(DType::F32, &shape));
        let v = g.state_variable("v", Array::zeros(DType::F32, &shape));
        let m1 = &m * 0.9 + grad * 0.1;
        let v1 = &v * 0.999 + grad.square() * 0.001;
        let p1 = p - &scale * &m1 / (v1.sqrt() + 1e-7);
        updates.extend([m.becomes(&m1), v.becomes(&v1), p.becomes(&p1)]);
    }
    updates
}

fn sgd(g: &Graph, loss: &Tensor, lr: f64) -> Vec<Update> {
    let params = g.trainable_variables();
    let refs: Vec<&Tensor> = params.iter().collect();
    let grads = loss.grad(&refs);
    params.iter().zip(&grads).map(|(p, grad)| p.becomes(&(p - grad * lr))).collect()
}

fn init(shape: &[usize]) -> Array {
    let scale = (6.0 / (shape.iter().sum::<usize>() as f64)).sqrt();
    let mut s = 12345u64 + shape[0] as u64;
    Array::from_fn(DType::F32, shape, |_| {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((s >> 40) as f64 / (1u64 << 24) as f64 * 2.0 - 1.0) * scale
    })
    .unwrap()
}

fn run(name: &str, layers: &[usize], batch: usize, act: &str, opt: &str, threads: usize, show: bool) {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(layers[0])]);
    let mut h = x.clone();
    for n in 1..layers.len() {
        let w = g.variable("w", init(&[layers[n - 1], layers[n]]));
        let b = g.variable("b", Array::zeros(DType::F32, &[layers[n]]));
        h = h.matmul(&w) + &b;
        if n + 1 < layers.len() || act == "sigmoid" {
            h = if act == "relu" { h.relu() } else { h.sigmoid() };
        }
    }
    let classes = *layers.last().unwrap();
    let (t, loss) = if classes > 1 {
        let t = g.placeholder("t", DType::I64, [None]);
        let loss = -(t.one_hot(classes, DType::F32) * h.log_softmax(-1)).sum_axes([-1]).mean();
        (t, loss)
    } else {
        let t = g.placeholder("t", DType::F32, [None, Some(1)]);
        let loss = (&h - &t).square().mean();
        (t, loss)
    };
    let updates = if opt == "adam" { adam(&g, &loss, 1e-3) } else { sgd(&g, &loss, 0.01) };
    let outs: Vec<&Tensor> = if opt == "adam" { vec![&loss] } else { vec![] };
    let f = g.function(&[&x, &t], &outs).updates(&updates).compile().unwrap();
    let tshape: &[usize] = if classes > 1 { &[batch] } else { &[batch, 1] };
    let plan = f.plan(&[&[batch, layers[0]], tshape]).unwrap();
    if show {
        println!("{}", f.fused());
        println!("{plan}");
    }
    println!("{name}: {} kernels, arena {}", plan.program().steps.len(), plan.peak_bytes());
    let mut session = Session::new(Device::cpu().threads(threads)).unwrap();
    let n = if layers[0] > 500 { 30 } else { 2000 };
    let feed = |lead: &[usize]| {
        let shape: Vec<usize> = [lead, &[batch, layers[0]]].concat();
        let xs = init(&shape);
        let ts: Vec<usize> = [lead, tshape].concat();
        let ts =
            Array::from_fn(if classes > 1 { DType::I64 } else { DType::F32 }, &ts, |i| (i % classes.max(2)) as f64)
                .unwrap();
        (xs, ts)
    };
    let (xs, ts) = feed(&[]);
    let mut out = if opt == "adam" { vec![Array::zeros(DType::F32, &[]).unwrap()] } else { vec![] };
    for _ in 0..3 {
        f.call_into(&mut session, &[xs.view(), ts.view()], &mut out).unwrap();
    }
    let mut best = f64::MAX;
    let mut times = vec![];
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..n {
            f.call_into(&mut session, &[xs.view(), ts.view()], &mut out).unwrap();
        }
        let per = start.elapsed().as_secs_f64() / n as f64;
        best = best.min(per);
        times.push(per);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "  call_into {threads}T: median {:.3} us, best {:.3} us, {:.0} samples/s",
        times[3] * 1e6,
        best * 1e6,
        batch as f64 / times[3]
    );
    if layers[0] < 500 {
        let n = 1000;
        let (xs, ts) = feed(&[n]);
        let mut times = vec![];
        for _ in 0..7 {
            let start = Instant::now();
            f.call_n(&mut session, n, &[xs.view(), ts.view()], &mut out).unwrap();
            times.push(start.elapsed().as_secs_f64() / n as f64);
        }
        times.sort_by(f64::total_cmp);
        println!("  call_n {threads}T: median {:.3} us, best {:.3}", times[3] * 1e6, times[0] * 1e6);
    }
}

fn main() {
    let show = std::env::args().any(|a| a == "show");
    run("mlp adam", &[784, 512, 512, 10], 128, "relu", "adam", 2, show);
    run("mlp adam", &[784, 512, 512, 10], 128, "relu", "adam", 1, false);
    run("xor sgd", &[2, 2, 1], 1, "sigmoid", "sgd", 1, show);
    run("digits sgd", &[64, 32, 16, 10], 10, "relu", "sgd", 1, show);
    run("digits sgd", &[64, 32, 16, 10], 10, "relu", "sgd", 2, false);
}
