use super::*;
use wengert_autograd::{Array, DType, Device, Session};

/// The parameters after each of ten steps on a loss whose gradient is 0.15 w.
fn path(optimizer: &dyn Optimizer, dtype: DType) -> Vec<Vec<f64>> {
    let g = Graph::new();
    let w = g.variable("w", Array::new(&[3], &[1.0f32, -2.0, 3.0]).unwrap().cast(dtype));
    let step = optimizer.minimize(&(w.square().sum() * 0.075));
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    let mut next = || {
        session.run(&step, &[]).unwrap();
        session.get(&w).unwrap().to_f64()
    };
    (0..10).map(|_| next()).collect()
}

/// Parameter, its two memories, gradient, number of the step; gives the new parameter.
type Rule = fn(f64, &mut [f64; 2], f64, i32) -> f64;

const ADAM: Rule = |w, [m, v], g, t| {
    (*m, *v) = (0.9 * *m + 0.1 * g, 0.999 * *v + 0.001 * g * g);
    w - 0.001 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t)) * *m / (v.sqrt() + 1e-7)
};
const ADAGRAD: Rule = |w, [s, started], g, _| {
    *s += g * g + if *started == 0.0 { 0.1 } else { 0.0 };
    *started = 1.0;
    w - 0.001 * g / (*s + 1e-7).sqrt()
};

#[test]
fn ten_steps_follow_the_formulas() {
    // semantics 9.10
    let sgd = || GradientDescent::new(0.01);
    type Case = (&'static str, Box<dyn Optimizer>, Rule);
    let cases: &[Case] = &[
        ("sgd", Box::new(sgd()), |w, _, g, _| w - 0.01 * g),
        ("momentum", Box::new(sgd().momentum(0.9)), |w, [v, _], g, _| {
            *v = 0.9 * *v - 0.01 * g;
            w + *v
        }),
        ("nesterov", Box::new(sgd().momentum(0.9).nesterov()), |w, [v, _], g, _| {
            *v = 0.9 * *v - 0.01 * g;
            w + 0.9 * *v - 0.01 * g
        }),
        ("rmsprop", Box::new(RmsProp::default()), |w, [v, _], g, _| {
            *v = 0.9 * *v + 0.1 * g * g;
            w - 0.001 * g / (*v + 1e-7).sqrt()
        }),
        ("adagrad", Box::new(Adagrad::default()), ADAGRAD),
        ("adam", Box::new(Adam::default()), ADAM),
    ];
    for (name, optimizer, rule) in cases {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-13)] {
            let path = path(optimizer.as_ref(), dtype);
            for (coordinate, start) in [1.0, -2.0, 3.0].into_iter().enumerate() {
                let (mut w, mut memory) = (start, [0.0; 2]);
                for (number, got) in path.iter().enumerate() {
                    w = rule(w, &mut memory, 0.15 * w, number as i32 + 1);
                    assert!(
                        (got[coordinate] - w).abs() < tolerance,
                        "{name} {dtype} step {number}: {got:?} is not {w}"
                    );
                }
            }
        }
    }
}

#[test]
fn ten_steps_end_where_those_of_keras_end() {
    // semantics 9.10
    let sgd = || GradientDescent::new(0.01);
    // Keras 3 in f32, from [1, -2, 3], after steps 1 and 10.
    type Case = (&'static str, Box<dyn Optimizer>, [[f64; 3]; 2]);
    let cases: [Case; 6] = [
        ("sgd", Box::new(sgd()), [[0.9985, -1.997, 2.9955], [0.9855, -1.989, 2.9835]]),
        ("momentum", Box::new(sgd().momentum(0.9)), [[0.9985, -1.997, 2.9955], [0.943457, -1.941391, 2.912086]]),
        (
            "nesterov",
            Box::new(sgd().momentum(0.9).nesterov()),
            [[0.99715, -1.9943, 2.99145], [0.934612, -1.936252, 2.904377]],
        ),
        ("rmsprop", Box::new(RmsProp::default()), [[0.996838, -1.996838, 2.996838], [0.983036, -1.990269, 2.990269]]),
        ("adagrad", Box::new(Adagrad::default()), [[0.999571, -1.999312, 2.999182], [0.996825, -1.997817, 2.997510]]),
        ("adam", Box::new(Adam::default()), [[0.999, -1.999, 2.999], [0.990483, -1.992226, 2.992226]]),
    ];
    for (name, optimizer, wanted) in cases {
        for dtype in [DType::F32, DType::F64] {
            let g = Graph::new();
            let w = g.variable("w", Array::new(&[3], &[1.0f32, -2.0, 3.0]).unwrap().cast(dtype));
            let gradient = g.placeholder("gradient", dtype, [Some(3)]);
            let step = optimizer.updates(&[(w.clone(), gradient.clone())]);
            let mut session = Session::new(Device::cpu().threads(1)).unwrap();
            for number in 0..10 {
                // Alternating, growing in one coordinate and falling in two.
                let (swing, t) = (if number % 2 == 0 { 1.5 } else { 0.5 }, number as f64 / 100.0);
                let value = [0.1 * swing + t, -0.2 * swing + 2.0 * t, 0.3 * swing - 3.0 * t];
                let value = Array::new(&[3], &value).unwrap().cast(dtype).unwrap();
                session.run(&step, &[(&gradient, (&value).into())]).unwrap();
                let got = session.get(&w).unwrap().to_f64();
                for (wanted, _) in wanted.iter().zip([0, 9]).filter(|(_, place)| *place == number) {
                    let fits = got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-6);
                    assert!(fits, "{name} {dtype} step {}: {got:?} is not {wanted:?}", number + 1);
                }
            }
        }
    }
}

#[test]
fn only_what_reaches_the_loss_is_trained() {
    // semantics 9.11
    let g = Graph::new();
    let used = g.variable("used", Array::scalar(1.0f32));
    let idle = g.variable("idle", Array::scalar(1.0f32));
    let frozen = g.state_variable("frozen", Array::scalar(2.0f32));
    let loss = (&used * &frozen + idle.stop_gradient()).square();
    assert_eq!(GradientDescent::new(0.1).minimize(&loss).len(), 1);
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    let wrong = GradientDescent::new(0.1).minimize_over(&loss, &[&used, &idle]);
    let message = session.run(&wrong, &[]).unwrap_err().to_string();
    assert!(message.contains("`idle`"), "{message}");
    let hopeless = Adam::default().minimize(&idle.stop_gradient());
    assert!(session.run(&hopeless, &[]).unwrap_err().is_gradient());
}

#[test]
fn the_learning_rate_is_a_variable() {
    // semantics 9.12
    let g = Graph::new();
    let w = g.variable("w", Array::scalar(1.0f32));
    let adam = Adam::default();
    assert!(adam.learning_rate(&g).is_none());
    let step = adam.minimize(&w.square());
    assert_eq!(adam.minimize(&w.square()).len(), step.len());
    let names: Vec<String> = g.variables().iter().filter_map(Tensor::name).collect();
    assert_eq!(names, ["w", "adam/learning_rate", "adam/iterations", "adam/m/w", "adam/v/w"]);
    let rate = adam.learning_rate(&g).unwrap();
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    session.set(&rate, 0.0).unwrap();
    session.run(&step, &[]).unwrap();
    assert_eq!(session.get(&w).unwrap().item::<f32>().unwrap(), 1.0);
    session.set(&rate, 0.5).unwrap();
    session.run(&step, &[]).unwrap();
    assert!(session.get(&w).unwrap().item::<f32>().unwrap() < 0.8);
    assert_eq!(session.stats().compiled, 1);
}

#[test]
fn a_global_norm_bounds_all_gradients_together() {
    let g = Graph::new();
    let (a, b) = (g.variable("a", Array::scalar(3.0f64)), g.variable("b", Array::scalar(4.0f64)));
    let loss = (a.square() + b.square()) * 0.5;
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    session.run(&GradientDescent::new(1.0).clip_by_global_norm(0.5).minimize(&loss), &[]).unwrap();
    let [a, b] = [a, b].map(|w| session.get(&w).unwrap().item::<f64>().unwrap());
    assert!((a - 2.7).abs() < 1e-12 && (b - 3.6).abs() < 1e-12, "{a} {b}");
    let zero = g.constant([0.0f32]);
    assert_eq!(clip_by_global_norm(&[&zero], 1.0)[0].eval(&[]).unwrap().to_f64(), [0.0]);
}

#[test]
fn names_are_looked_up() {
    for (name, _) in TABLE {
        assert!(name.into_optimizer().is_ok());
    }
    let message = "adamax".into_optimizer().map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("no optimizer `adamax`; known are adagrad, adam"), "{message}");
}
