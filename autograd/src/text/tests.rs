use super::*;
use crate::{Array, DType, Device, Session, Tensor};

/// A graph with a bit of everything: open sizes that met, names to be quoted, updates, attributes of every kind.
fn example() -> Function {
    let g = Graph::new();
    let x = g.placeholder("my \"x\"", DType::F32, [None, Some(4), Some(3)]);
    let y = g.placeholder("y", DType::I64, [None]);
    let unused = g.placeholder("unused", DType::F64, []);
    let w = g.scope("dense", || g.variable("kernel", Array::zeros(DType::F32, &[12, 2])));
    let only_written = g.state_variable("last", Array::scalar(0.0f32));
    let h = x.flatten().matmul(&w).named("h");
    let rows = h.gather(&y, 0).t().reshape([-1]) * g.constant([0.1f32, f32::MIN_POSITIVE, -0.0, 7.0]).sum();
    let late = h.slice(crate::s![1.., 0]).log_softmax(-1).mean();
    let drawn = g.uniform(DType::F32, [3]);
    let loss = (h.select_positive() + h.mean_axes([0])).sum() + &late + drawn.sum();
    g.function(&[&y, &unused, &x], &[&rows, &loss, &y])
        .update(&only_written, &late)
        .update(&w, &(&w - loss.grad(&[&w])[0].clone() * 0.1))
        .compile()
        .unwrap()
}

impl Tensor {
    fn select_positive(&self) -> Tensor {
        self.greater(0.0).logical_and(self.less(f64::INFINITY)).select(self, self.cast(DType::F64).cast(DType::F32))
    }
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("  #").next().unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn what_is_printed_reads_back() {
    let f = example();
    for text in [f.recorded().to_string(), f.canonical().to_owned()] {
        let again: Recorded = text.parse().unwrap_or_else(|why| panic!("{why}\n{text}"));
        assert_eq!(again.to_string(), without_comments(&text));
        again.0.verify().unwrap();
        Function::from_text(&text, Policy::OPTIMISED).unwrap_or_else(|why| panic!("{why}\n{text}"));
    }
    let text = f.recorded().to_string();
    assert!(text.contains("input \"my \\\"x\\\"\"") && text.contains("update dense/kernel = %"), "{text}");
}

#[test]
fn constants_keep_their_values() {
    let cases: Vec<(Array, &str)> = vec![
        (Array::scalar(0.1f32).unwrap(), "0.1"),
        (Array::scalar(-0.0f64).unwrap(), "-0.0"),
        (Array::new(&[2], &[i64::MAX, i64::MIN]).unwrap(), "[9223372036854775807, -9223372036854775808]"),
        (Array::new(&[2], &[f64::MIN_POSITIVE, 1e300]).unwrap(), "[2.2250738585072014e-308, 1e300]"),
        (Array::new(&[3], &[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]).unwrap(), "[inf, -inf, NaN]"),
        (Array::new(&[2, 1], &[true, false]).unwrap(), "[true, false]"),
        (Array::new(&[2], &[7u8, 255]).unwrap(), "[7, 255]"),
        (Array::new(&[2], &[-7i32, i32::MAX]).unwrap(), "[-7, 2147483647]"),
        (Array::full(DType::BF16, &[2, 3], 0.1).unwrap(), "0.100097656"),
        (Array::from_fn(DType::F16, &[2], |i| 1.0 / (i + 3) as f64).unwrap(), "[0.33325195, 0.25]"),
        (Array::zeros(DType::F32, &[0, 3]).unwrap(), "[]"),
        (Array::from_fn(DType::F32, &[4096], |i| (i as f64).sin()).unwrap(), "[0.0, 0.84147096"),
    ];
    for (array, text) in cases {
        let g = Graph::new();
        let c = g.constant(&array);
        let f = g.function(&[], &[&c]).compile().unwrap();
        let printed = f.recorded().to_string();
        assert!(printed.contains(text), "{printed}");
        let mut session = Session::new(Device::cpu().threads(1)).unwrap();
        let again = Function::from_text(&printed, Policy::PLAIN).unwrap().call(&mut session, &[]).unwrap();
        assert_eq!((again[0].dtype(), again[0].shape()), (array.dtype(), array.shape()));
        let same = again[0].to_f64().iter().zip(array.to_f64()).all(|(a, b)| a.to_bits() == b.to_bits() || b.is_nan());
        assert!(same && (array.dtype() != DType::I64 || again[0].bytes() == array.bytes()), "{printed}");
    }
    let g = Graph::new();
    let large = g.constant(Array::from_fn(DType::F32, &[4097], |i| i as f64));
    let printed = g.function(&[], &[&large]).compile().unwrap().recorded().to_string();
    assert!(printed.starts_with("%0 = constant{..}(): f32[4097]"), "{printed}");
    let error = printed.parse::<Recorded>().unwrap_err();
    assert!(error.is_text() && error.to_string().contains("too large to be printed"), "{error}");
}

#[test]
fn sizes_read_back() {
    for text in ["x.0", "28*x.0", "(x.0+1)/(2)", "x.0*x.0-1", "-x.0+5", "3*x.0*(x.0+2)/(4)+2", "\"a b\""] {
        let text = format!("%0 = input x: f32[{text}]\nreturn %0\n");
        assert_eq!(text.parse::<Recorded>().unwrap().to_string(), text);
    }
    let text = "%0 = input x: f32[2*n+n, (6*n)/(3)]\nreturn %0";
    assert!(text.parse::<Recorded>().unwrap().to_string().contains("f32[3*n, 2*n]"));
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    let cases = [
        ("", "line 1, column 1: expected `return`, found the end of the text"),
        ("%0 = exp(%1)", "line 1, column 10: there is no value %1 above"),
        ("%0 = input x: f32[n]\n%1 = foo(%0)", "line 2, column 6: foo: there is no op `foo`"),
        ("%0 = input x: f32[n]\n%1 = add(%0)", "line 2, column 6: add of [f32[n]]: it takes two operands"),
        ("%0 = input x: f32[n]\n%1 = exp(%0): f32[3]", "line 2, column 13: exp makes f32[n] of its operands"),
        ("%0 = input x: f33[n]", "line 1, column 15: expected a dtype, found `f33`"),
        ("%0 = input x: f32[n", "line 1, column 20: expected `,`, found the end of the text"),
        ("%0 = input x: f32[-2]", "line 1, column 19: a size is not negative"),
        ("%0 = input x", "line 1, column 13: expected `:` and a type, found the end of the text"),
        ("%0 = variable w: f32[n]", "line 1, column 15: a variable has no open sizes"),
        ("where 2 = 3", "line 1, column 7: 2 does not equal 3"),
        ("%0 = constant{[1, 2]}(): f32[3]", "line 1, column 26: expected 3 values, found 2"),
        ("%0 = constant{1.5}(): i64[]", "line 1, column 15: expected a value of i64, found `1.5`"),
        ("%0 = constant{1}(): f32[9999999999999, 99999999999]", "column 21: a constant has 4096 elements at most"),
        ("%0 = input x: f32[2]\n%1 = sum{axis=1}(%0)", "line 2, column 6: sum: attribute axes is missing"),
        ("%0 = input x: f32[2]\n%1 = exp{axis=1}(%0)", "line 2, column 6: exp has no attribute axis"),
        ("return\nreturn", "line 2, column 7: there is a second `return`"),
        ("return\nupdate w = %0", "line 2, column 8: there is no variable w above"),
        ("return now", "line 1, column 8: expected `%`, found `now`"),
        ("input x: f32[]\ninput x: f32[]", "line 2, column 7: the input x was mentioned before"),
    ];
    for (text, wanted) in cases {
        let error = text.parse::<Recorded>().unwrap_err();
        assert!(error.is_text() && error.to_string().contains(wanted), "{text:?}: {error}");
    }
}

#[test]
fn hostile_texts_are_refused_without_a_panic() {
    let f = example();
    let texts = [f.recorded().to_string(), f.canonical().to_owned()];
    let mut state = 1;
    for n in 0..3000 {
        let mut bytes = texts[n % 2].clone().into_bytes();
        mutate(&mut bytes, &mut state);
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(recorded) = text.parse::<Recorded>()
        {
            let again = recorded.to_string();
            again.parse::<Recorded>().unwrap_or_else(|why| panic!("{why}\n{again}"));
            // What can be read can be compiled or is refused.
            if n % 40 < 2 {
                let _ = Function::from_text(&again, Policy::OPTIMISED);
            }
        }
    }
    let doubling: String = (0..60).map(|n| format!("where a{n} = a{}*a{}\n", n + 1, n + 1)).collect();
    let nested = format!("%0 = input x: f32[{}", "(".repeat(100_000));
    let product = format!("%0 = input x: f32[{}1]\nreturn %0", "(a+b+c+d)/(1)*".repeat(1000));
    let axes = format!("%0 = input x: f32[{}]\nreturn %0", "a, ".repeat(100_000));
    for text in [doubling, nested, product, axes] {
        assert!(text.parse::<Recorded>().unwrap_err().is_text());
    }
}

fn mutate(bytes: &mut Vec<u8>, state: &mut u64) {
    let mut next = |bound: usize| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % bound.max(1)
    };
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        let end = (at + next(6)).min(bytes.len());
        match next(4) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let from = next(bytes.len());
                let piece = bytes[from..(from + next(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => {
                let words: [&[u8]; 10] = [
                    b"18446744073709551615",
                    b"9223372036854775807",
                    b"-9223372036854775808",
                    b"x.0",
                    b"%1",
                    b"[",
                    b"0",
                    b"-1",
                    b"\n",
                    b"\"",
                ];
                bytes.splice(at..end, words[next(words.len())].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = next(128) as u8;
                }
            }
        }
    }
}

#[test]
fn formulas_are_as_one_would_write_them() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    let (a, b) = (g.placeholder("a", DType::F32, []), g.placeholder("b", DType::F32, []));
    let w = g.variable("w", Array::zeros(DType::F32, &[3, 2]));
    let cases = [
        (&a - (&b - &a), "a - (b - a)"),
        ((&a + &b) * (&a - 1.5), "(a + b) * (a - 1.5)"),
        (&a / (&b * &a), "a / (b * a)"),
        (-(&a + &b) * &a, "-(a + b) * a"),
        (-(-&a), "--a"),
        (&a * -2.0, "a * -2.0"),
        ((x.matmul(&w) + &a).relu().sum_axes([0]), "sum(relu(x @ w + a), axes=[0])"),
        ((&a + &b) + (&a + &b), "a + b + a + b"),
        (x.greater(0.0).select(&x, 0.0), "select(greater(x, 0.0), x, 0.0)"),
        (x.mean(), "sum(x, axes=[0, 1]) / size(3*x.0)"),
    ];
    for (tensor, formula) in cases {
        assert_eq!(tensor.pp(), formula);
    }
    let h = (x.matmul(&w) * 2.0).exp();
    assert_eq!((&h / (&h + 1.0)).pp(), "t1 = exp(x @ w * 2.0)\nt1 / (t1 + 1.0)");
    let loss = h.named("scores").sum().named("loss");
    assert_eq!((&loss + &a).pp(), "scores = exp(x @ w * 2.0)\nloss = sum(scores, axes=[0, 1])\nloss + a");
    let mut deep = a.clone();
    for _ in 0..50_000 {
        deep = (deep * 2.0).exp();
    }
    assert!(deep.pp().lines().all(|line| line.len() < 130));
    assert_eq!(x.matmul(&a).pp(), "x @ a");
}

#[test]
fn pictures_name_op_type_and_line() {
    let g = Graph::new();
    let x = g.placeholder("the \"x\"", DType::F32, [None]);
    let w = g.state_variable("w", Array::scalar(1.0f32));
    let (y, line) = (&x * 2.0, line!());
    let f = g.function(&[&x], &[&y]).update(&w, &(&w + 0.0)).compile().unwrap();
    let dot = f.recorded().to_dot();
    let lines: Vec<&str> = dot.lines().map(str::trim).collect();
    assert_eq!(lines[0], "digraph {");
    let place = format!("tests.rs:{line}");
    assert_eq!(
        lines[2],
        format!(
            "n1 [label=\"input the \\\"x\\\"\\nf32[\\\"the \\\\\\\"x\\\\\\\".0\\\"]\\ntests.rs:{}\", shape=box];",
            line - 2
        )
    );
    assert_eq!(lines[1], format!("n0 [label=\"2.0\\nf32[]\\n{place}\", shape=plaintext];"));
    assert_eq!(lines[3..4].join(" ").matches(&place).count(), 1);
    for wanted in ["n1 -> n2;", "n1 -> n2;", "n2 -> output0;", "update0 [label=\"update w\", shape=plaintext];"] {
        assert!(lines.contains(&wanted), "{dot}");
    }
    assert_eq!(lines.last(), Some(&"}"));
}
