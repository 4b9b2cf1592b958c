//! Rewrite rules: what becomes of whole graphs, and that every rule keeps what its class promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf};
use wengert_autograd::{Array, Class, DType, Device, Feed, Function, Graph, Policy, RULES, Rule, Session};

const FINITE: Policy = Policy { assume_finite: true, ..Policy::OPTIMISED };

/// The files of `tests/rewrite`: a graph, and after `---` what becomes of it; a second part is for `assume_finite`.
fn files() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rewrite");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The lines of both, marked by where they stand.
fn difference(wanted: &str, have: &str) -> String {
    let (wanted, have): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), have.lines().collect());
    let gone = wanted.iter().filter(|line| !have.contains(line)).map(|line| format!("- {line}"));
    let come = have.iter().map(|line| format!("{} {line}", if wanted.contains(line) { " " } else { "+" }));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

#[test]
fn graphs_become_what_their_files_say() {
    // semantics 5.2
    let mut wrong = Vec::new();
    for (path, text) in files() {
        let parts: Vec<&str> = text.split("---\n").collect();
        assert!(parts.len() > 1, "{}: there is no line ---", path.display());
        for (wanted, policy) in parts[1..].iter().zip([Policy::OPTIMISED, FINITE]) {
            let f = Function::from_text(parts[0], policy).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            if f.canonical() != *wanted {
                wrong.push(format!("{} ({policy:?}):\n{}", path.display(), difference(wanted, f.canonical())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Name, dtype and shape of the inputs that a graph's text declares, with every open size 3.
fn inputs(text: &str) -> Vec<(DType, Vec<usize>)> {
    let declared = text.lines().filter_map(|line| line.split_once("input ")?.1.split_once(": "));
    let parsed = |(_, ty): (&str, &str)| {
        let (dtype, shape) = ty.trim_end_matches(']').split_once('[').unwrap();
        let sizes = shape.split(", ").filter(|size| !size.is_empty()).map(|size| size.parse().unwrap_or(3));
        (dtype.parse().unwrap(), sizes.collect())
    };
    declared.map(parsed).collect()
}

#[test]
fn rewritten_graphs_compute_the_same_with_no_more_kernels() {
    for (path, text) in files() {
        let text = text.split("---\n").next().unwrap();
        let inputs = inputs(text);
        let shapes: Vec<&[usize]> = inputs.iter().map(|(_, shape)| shape.as_slice()).collect();
        let values: Vec<Array> = (inputs.iter().enumerate())
            .map(|(n, (dtype, shape))| {
                Array::from_fn(*dtype, shape, |i| ((i * 7 + n * 3) % 11) as f64 * 0.25 + 0.125).unwrap()
            })
            .collect();
        let feeds: Vec<Feed<'_>> = values.iter().map(Feed::from).collect();
        let compiled = |policy| Function::from_text(text, policy).unwrap();
        let run = |f: &Function| f.call(&mut Session::new(Device::cpu().threads(1)).unwrap(), &feeds);
        let kernels = |f: &Function| f.plan(&shapes).unwrap().program().steps.len();
        let as_written = compiled(Policy { rewrite: false, ..Policy::OPTIMISED });
        let plain = run(&compiled(Policy::PLAIN));
        for policy in [Policy::OPTIMISED, FINITE] {
            let f = compiled(policy);
            assert!(kernels(&f) <= kernels(&as_written), "{}:\n{}", path.display(), f.fused());
            let (Ok(plain), Ok(out)) = (&plain, run(&f)) else {
                assert!(plain.is_err() && run(&f).is_err(), "{}: only one of them fails", path.display());
                continue;
            };
            for (a, b) in plain.iter().zip(&out) {
                assert_eq!((a.dtype(), a.shape()), (b.dtype(), b.shape()), "{}", path.display());
                for (a, b) in a.to_f64().into_iter().zip(b.to_f64()) {
                    let close = (a - b).abs() <= 1e-5 * a.abs().max(1.0) || a == b;
                    assert!(close, "{} {policy:?}: {a} {b}", path.display());
                }
            }
        }
    }
}

/// What letters take: every pair and triple of them meets.
const VALUES: [f64; 21] = [
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
    17.0,
    -17.0,
    100.0,
    -100.0,
    1e30,
    -1e30,
    1e-40,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// What the letters `a` to `d` stand for: powers of two, so that folding them is exact.
const CONSTANTS: [f64; 4] = [0.25, 8.0, 2.0, -4.0];

/// Both sides of a rule as one graph in the text form.
struct Sides {
    text: String,
    count: usize,
    /// The letters that are fed, in order.
    free: Vec<char>,
    dtype: &'static str,
    shapes: [&'static str; 3],
}

impl Sides {
    /// Adds a formula of the rules' grammar, whose value is of that dtype; gives its number.
    fn add(&mut self, formula: &mut &str, dtype: &'static str) -> String {
        let end = formula.find([',', '(', ')']).unwrap_or(formula.len());
        let (word, rest) = formula.split_at(end);
        *formula = rest;
        let word = word.trim();
        let node = if let Ok(number) = word.parse::<f64>() {
            let number = if dtype == "bool" { (number != 0.0).to_string() } else { number.to_string() };
            format!("constant{{{number}}}(): {dtype}[]")
        } else if rest.starts_with('(') {
            let mut operands = Vec::new();
            while !formula.starts_with(')') {
                *formula = &formula[1..];
                let condition = word == "not" || (word == "select" && operands.is_empty());
                operands.push(self.add(formula, if condition { "bool" } else { dtype }));
            }
            *formula = &formula[1..];
            format!("{word}({})", operands.join(", "))
        } else {
            let letter = word.chars().next().unwrap();
            if let 'a'..='d' = letter {
                format!("constant{{{}}}(): {dtype}[]", CONSTANTS[letter as usize - 'a' as usize])
            } else {
                let place = self.free.iter().position(|&known| known == letter).unwrap_or_else(|| {
                    self.free.push(letter);
                    self.text = format!("input {letter}: {dtype}{}\n{}", self.shapes[self.free.len() - 1], self.text);
                    self.free.len() - 1
                });
                format!("input {}", self.free[place])
            }
        };
        self.text += &format!("%{} = {node}\n", self.count);
        self.count += 1;
        format!("%{}", self.count - 1)
    }

    fn new(rule: &Rule, dtype: &'static str, shapes: [&'static str; 3]) -> Sides {
        let mut sides = Sides { text: String::new(), count: 0, free: vec![], dtype, shapes };
        let root = if rule.from.starts_with("not") { "bool" } else { dtype };
        let (from, to) = (sides.add(&mut { rule.from }, root), sides.add(&mut { rule.to }, root));
        sides.text += &format!("return {from}, {to}\n");
        sides
    }

    /// Both sides for feeds in the order of `free`, which may be of another dtype: `value` knows letter and element.
    fn run(&self, shape: &[&[usize]], value: impl Fn(usize, usize) -> f64) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
        let f = Function::from_text(&self.text, Policy::PLAIN).unwrap_or_else(|why| panic!("{why}\n{}", self.text));
        let declared = self.text.lines().filter(|line| line.starts_with("input "));
        let names: Vec<(char, bool)> =
            declared.map(|line| (line.chars().nth(6).unwrap(), line.contains("bool"))).collect();
        let arrays: Vec<Array> = (names.iter())
            .map(|(name, is_bool)| {
                let place = self.free.iter().position(|known| known == name).unwrap();
                let dtype = if *is_bool { DType::Bool } else { self.dtype.parse().unwrap() };
                Array::from_fn(dtype, shape[place], |i| value(place, i)).unwrap()
            })
            .collect();
        let feeds: Vec<Feed<'_>> = arrays.iter().map(Feed::from).collect();
        let out = f.call(&mut Session::new(Device::cpu().threads(1)).unwrap(), &feeds).unwrap();
        // A side of fewer axes is repeated to the other's shape.
        let len = out[0].len().max(out[1].len());
        let shape = if out[0].len() == len { out[0].shape() } else { out[1].shape() }.to_vec();
        let shaped = |array: &Array| repeated(array, &shape);
        (shaped(&out[0]), shaped(&out[1]), arrays.iter().map(shaped).collect())
    }
}

/// The elements of an array that broadcasts to a shape.
fn repeated(array: &Array, shape: &[usize]) -> Vec<f64> {
    let (values, missing) = (array.to_f64(), shape.len() - array.shape().len());
    let len: usize = shape.iter().product();
    let element = |mut i: usize| {
        let (mut place, mut stride) = (0, 1);
        for axis in (0..shape.len()).rev() {
            let index = i % shape[axis];
            i /= shape[axis];
            if axis >= missing && array.shape()[axis - missing] > 1 {
                place += index * stride;
                stride *= array.shape()[axis - missing];
            }
        }
        values[place]
    };
    (0..len).map(element).collect()
}

/// Whether one element of both sides is as the class promises. `truth` is the right side computed in f64.
fn kept(rule: &Rule, a: f64, b: f64, truth: f64, operands: &[f64], ulp: f64) -> bool {
    let moderate = operands.iter().all(|x| (1e-3..=1e3).contains(&x.abs()));
    // Sums of constants and operands cancel: what they are rounded at is the size of their terms.
    let terms = 32.0 + operands.iter().map(|x| 8.0 * x.abs()).sum::<f64>();
    let size = if rule.from.contains("add") || rule.from.contains("sub") { terms } else { a.abs() };
    match rule.class {
        Class::Exact => a == b || (a.is_nan() && b.is_nan()),
        Class::Rounding => !moderate || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 8.0 * ulp * size,
        Class::AssumesFinite => !moderate || !a.is_finite() || (a - b).abs() <= 16.0 * ulp * terms.max(a.abs()),
        Class::Stabilising => {
            let largest = if ulp > 1e-10 { f64::from(f32::MAX) } else { f64::MAX };
            let same =
                (b.is_nan() && truth.is_nan()) || b == truth || (truth.abs() > largest && b == truth.signum() / 0.0);
            // Where x - ln sum e^x is nothing, x is what it is rounded at.
            let shift = if rule.to.contains("log_softmax") { terms } else { 1e-37 };
            let right = same || (b - truth).abs() <= 8.0 * ulp * truth.abs().max(shift);
            // The written form agrees where nothing overflows, cancels or vanishes in it.
            let small = operands.iter().all(|x| (0.25..=4.0).contains(&x.abs()));
            right && (!small || a.is_nan() || a == b || (a - b).abs() <= 256.0 * ulp * a.abs().max(1.0))
        }
    }
}

#[test]
fn rules_keep_what_their_class_promises() {
    // semantics 5.2
    let n = VALUES.len();
    let all = n.pow(3);
    let text: &str = &format!("[{all}]");
    let mut broken = Vec::new();
    for rule in RULES {
        let rows = rule.from.contains("softmax");
        let whole: &'static str = if rows { "[1024, 4]" } else { String::leak(text.to_owned()) };
        let spaces: [([&'static str; 3], [&[usize]; 3]); 2] = [
            ([whole; 3], if rows { [&[1024, 4]; 3] } else { [&[9261]; 3] }),
            (["[7, 1, 3]", "[5, 1]", "[]"], [&[7, 1, 3], &[5, 1], &[]]),
        ];
        for (names, shapes) in spaces {
            for (dtype, ulp) in [("f32", 2f64.powi(-23)), ("f64", 2f64.powi(-52))] {
                let value = |place: usize, i: usize| match rows {
                    true => VALUES[(i * 2_654_435_761 >> 7) % n],
                    false => VALUES[(i / n.pow(place as u32) + place * 5) % n],
                };
                let stored = |x: f64| if dtype == "f32" { f64::from(x as f32) } else { x };
                let (from, to, operands) = Sides::new(rule, dtype, names).run(&shapes, |p, i| stored(value(p, i)));
                let (_, truth, _) = Sides::new(rule, "f64", names).run(&shapes, |p, i| stored(value(p, i)));
                for i in 0..from.len() {
                    let operands: Vec<f64> = operands.iter().map(|values| values[i]).collect();
                    if !kept(rule, from[i], to[i], truth[i], &operands, ulp) {
                        let (a, b) = (from[i], to[i]);
                        broken.push(format!("{rule:?} of {dtype} {operands:?}: {a:e} {b:e}, truly {:e}", truth[i]));
                        break;
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn rules_for_integers_and_booleans_are_exact() {
    let ring = |text: &str| !["div", "exp", "log", "abs", "pow"].iter().any(|op| text.contains(op));
    let arithmetic = |rule: &&Rule| {
        let words = [rule.from, rule.to].join(" ").replace(|c: char| !c.is_ascii_lowercase(), " ");
        ring(&words)
            && words.split(' ').all(|word| {
                word.len() < 2
                    || ["add", "sub", "mul", "neg", "square", "select", "not", "maximum", "minimum"].contains(&word)
            })
    };
    let rules: Vec<&Rule> = RULES.iter().filter(arithmetic).collect();
    assert!(rules.len() > 20);
    for rule in rules {
        for dtype in ["i32", "i64", "u8"] {
            if dtype == "u8" && (rule.from.contains('c') || rule.to.contains('c')) && rule.from.contains('d') {
                // The constants here are not all of u8.
                continue;
            }
            let constants = |text: &str| text.replace("0.25", "5");
            let mut sides = Sides::new(rule, dtype, ["[8]", "[8, 1]", "[]"]);
            sides.text = constants(&sides.text);
            if sides.text.contains("{-") && dtype == "u8" {
                continue;
            }
            let values = [0.0, 1.0, 2.0, 7.0, 255.0, 100.0, 2147483647.0, -2147483648.0];
            let (from, to, _) = sides.run(&[&[8], &[8, 1], &[]], |place, i| values[(i * 3 + place) % 8]);
            assert_eq!(from, to, "{rule:?} of {dtype}");
        }
    }
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
    let finite = compile(FINITE);
    assert_eq!(finite.call(&mut session, &[f64::INFINITY.into()]).unwrap()[0].to_f64(), [0.0]);
}
