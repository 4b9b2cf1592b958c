//! Every rewrite rule keeps what its class promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use wengert_autograd::{Array, Class, DType, Device, Feed, Graph, Policy, RULES, Rule, Session, Tensor};

/// The values that letters take; every pair and triple of them meets.
const VALUES: [f64; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    0.5,
    3.7,
    -0.3,
    1e-3,
    -1e-3,
    1e30,
    -1e30,
    1e-40,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// What the letters `a` to `d` stand for: powers of two, so that folding them is exact.
const CONSTANTS: [f64; 4] = [0.25, 8.0, 2.0, -4.0];

/// Records a formula of the rules' grammar.
fn build(g: &Graph, text: &mut &str, dtype: DType, letters: &mut Vec<(char, Tensor)>, bools: &str) -> Tensor {
    let end = text.find([',', '(', ')']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    *text = rest;
    let word = word.trim();
    if let Ok(number) = word.parse::<f64>() {
        return g.constant(Array::full(dtype, &[], number));
    }
    if !rest.starts_with('(') {
        let letter = word.chars().next().unwrap();
        if let Some((_, tensor)) = letters.iter().find(|(known, _)| *known == letter) {
            return tensor.clone();
        }
        let tensor = match letter {
            'a'..='d' => g.constant(Array::full(dtype, &[], CONSTANTS[letter as usize - 'a' as usize])),
            _ => {
                let dtype = if bools.contains(letter) { DType::Bool } else { dtype };
                g.placeholder(&letter.to_string(), dtype, [Some(VALUES.len().pow(3))])
            }
        };
        letters.push((letter, tensor.clone()));
        return tensor;
    }
    let mut operands = Vec::new();
    while !text.starts_with(')') {
        *text = &text[1..];
        operands.push(build(g, text, dtype, letters, bools));
    }
    *text = &text[1..];
    let x = &operands[0];
    match (word, operands.as_slice()) {
        ("add", [x, y]) => x + y,
        ("sub", [x, y]) => x - y,
        ("mul", [x, y]) => x * y,
        ("div", [x, y]) => x / y,
        ("pow", [x, y]) => x.pow(y),
        ("maximum", [x, y]) => x.maximum(y),
        ("minimum", [x, y]) => x.minimum(y),
        ("select", [c, x, y]) => c.select(x, y),
        ("neg", _) => -x,
        ("abs", _) => x.abs(),
        ("square", _) => x.square(),
        ("sqrt", _) => x.sqrt(),
        ("rsqrt", _) => x.rsqrt(),
        ("reciprocal", _) => x.reciprocal(),
        ("not", _) => x.logical_not(),
        ("relu", _) => x.relu(),
        ("exp", _) => x.exp(),
        ("expm1", _) => x.expm1(),
        ("log", _) => x.log(),
        ("log1p", _) => x.log1p(),
        ("sigmoid", _) => x.sigmoid(),
        ("softplus", _) => x.softplus(),
        ("softmax", _) => x.softmax(-1),
        ("log_softmax", _) => x.log_softmax(-1),
        _ => panic!("{word} of {} operands", operands.len()),
    }
}

/// Both sides of a rule for every combination of values, computed as they are written.
fn sides(rule: &Rule, dtype: DType) -> (Vec<f64>, Vec<f64>) {
    let g = Graph::new();
    let bools = if rule.from.starts_with("select") {
        "x"
    } else if rule.from.starts_with("not") {
        "xyz"
    } else {
        ""
    };
    // In `select(x, y, y)` the condition is x; in the others of its kind too.
    let mut letters = Vec::new();
    let from = build(&g, &mut { rule.from }, dtype, &mut letters, bools);
    let to = build(&g, &mut { rule.to }, dtype, &mut letters, bools);
    let free: Vec<&(char, Tensor)> = letters.iter().filter(|(letter, _)| !('a'..='d').contains(letter)).collect();
    let n = VALUES.len();
    let values: Vec<Array> = (free.iter().enumerate())
        .map(|(place, (_, tensor))| {
            let value = |i: usize| VALUES[i / n.pow(place as u32) % n];
            Array::from_fn(tensor.dtype().unwrap(), &[n.pow(3)], value).unwrap()
        })
        .collect();
    let inputs: Vec<&Tensor> = free.iter().map(|(_, tensor)| tensor).collect();
    let shaped = |y: &Tensor| y.broadcast_to([n.pow(3)]);
    let f = g.function(&inputs, &[&shaped(&from), &shaped(&to)]).policy(Policy::PLAIN).compile().unwrap();
    let feeds: Vec<Feed<'_>> = values.iter().map(Feed::from).collect();
    let out = f.call(&mut Session::new(Device::cpu().threads(1)).unwrap(), &feeds).unwrap();
    (out[0].to_f64(), out[1].to_f64())
}

#[test]
fn rules_keep_what_their_class_promises() {
    // semantics 5.2
    let mut broken = Vec::new();
    for rule in RULES {
        for (dtype, ulp) in [(DType::F32, 2f64.powi(-23)), (DType::F64, 2f64.powi(-52))] {
            let (from, to) = sides(rule, dtype);
            let kept = |a: f64, b: f64| match rule.class {
                Class::Exact => a == b || (a.is_nan() && b.is_nan()),
                // Where neither side leaves the range of normal numbers, or cancels.
                Class::Rounding => {
                    let ordinary = |x: f64| x.is_finite() && x.abs() > 1e-25 && x.abs() < 1e25;
                    !ordinary(a) || !ordinary(b) || (a - b).abs() <= 8.0 * ulp * a.abs()
                }
                Class::Stabilising | Class::AssumesFinite => {
                    !a.is_finite() || !b.is_finite() || (a - b).abs() <= 64.0 * ulp * a.abs().max(1.0)
                }
            };
            if let Some((a, b)) = from.iter().zip(&to).find(|&(&a, &b)| !kept(a, b)) {
                broken.push(format!("{:?} {} -> {} of {dtype}: {a:e} {b:e}", rule.class, rule.from, rule.to));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_assumes_finite_values_is_asked_for() {
    // semantics 5.2
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, []);
    let y = &x * 0.0 + (&x - &x);
    let compile = |policy| g.function(&[&x], &[&y]).policy(policy).compile().unwrap();
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    let exact = compile(Policy::OPTIMISED);
    assert!(exact.call(&mut session, &[f64::INFINITY.into()]).unwrap()[0].to_f64()[0].is_nan());
    let finite = compile(Policy { assume_finite: true, ..Policy::OPTIMISED });
    assert_eq!(finite.call(&mut session, &[f64::INFINITY.into()]).unwrap()[0].to_f64(), [0.0]);
}
