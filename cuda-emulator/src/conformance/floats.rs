//! What floating-point arithmetic, comparisons and conversions give, by their definitions.

use std::cmp::Ordering;

use super::exact::{Dyadic, F16, F32, F64, Mode, Value};
use super::form::{Element, Expect, Form, Kind, Sources, Tolerance, low_bits, to_f64};

/// What an operation gives before it is rounded.
enum Outcome {
    Nan,
    Infinity(bool),
    Exact(Dyadic),
    /// A number with a sign, known by how others compare with its magnitude.
    Searched(bool, Box<dyn Fn(&Dyadic) -> Ordering>),
}

fn sum(a: &Value, b: &Value, mode: Mode) -> Outcome {
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Outcome::Nan,
        (Value::Infinity(a), Value::Infinity(b)) if a != b => Outcome::Nan,
        (Value::Infinity(sign), _) | (_, Value::Infinity(sign)) => Outcome::Infinity(*sign),
        (Value::Finite(a), Value::Finite(b)) => {
            let sum = a.plus(b);
            let same = a.is_zero() && b.is_zero() && a.negative == b.negative;
            let negative = match sum.is_zero() {
                true if same => a.negative,
                true => mode == Mode::Down,
                false => sum.negative,
            };
            Outcome::Exact(sum.signed(negative))
        }
    }
}

fn product(a: &Value, b: &Value) -> Value {
    let zero = |it: &Value| matches!(it, Value::Finite(it) if it.is_zero());
    let negative = |it: &Value| match it {
        Value::Nan => false,
        Value::Infinity(negative) => *negative,
        Value::Finite(it) => it.negative,
    };
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Value::Nan,
        (Value::Infinity(_), other) | (other, Value::Infinity(_)) if zero(other) => Value::Nan,
        (Value::Infinity(_), _) | (_, Value::Infinity(_)) => Value::Infinity(negative(a) != negative(b)),
        (Value::Finite(a), Value::Finite(b)) => Value::Finite(a.times(b)),
    }
}

fn quotient(a: &Value, b: &Value) -> Outcome {
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) | (Value::Infinity(_), Value::Infinity(_)) => Outcome::Nan,
        (Value::Infinity(sign), Value::Finite(b)) => Outcome::Infinity(*sign != b.negative),
        (Value::Finite(a), Value::Infinity(sign)) => Outcome::Exact(Dyadic::new(a.negative != *sign, 0, 0)),
        (Value::Finite(a), Value::Finite(b)) if b.is_zero() => {
            if a.is_zero() {
                Outcome::Nan
            } else {
                Outcome::Infinity(a.negative != b.negative)
            }
        }
        (Value::Finite(a), Value::Finite(b)) if a.is_zero() => {
            Outcome::Exact(Dyadic::new(a.negative != b.negative, 0, 0))
        }
        (Value::Finite(a), Value::Finite(b)) => {
            let (a, b) = (a.clone(), b.clone());
            Outcome::Searched(a.negative != b.negative, Box::new(move |it| it.times(&b).compare(&a)))
        }
    }
}

fn root(a: &Value) -> Outcome {
    match a {
        Value::Finite(a) if a.is_zero() => Outcome::Exact(a.clone()),
        Value::Infinity(false) => Outcome::Infinity(false),
        Value::Finite(a) if !a.negative => {
            let a = a.clone();
            Outcome::Searched(false, Box::new(move |it| it.times(it).compare(&a)))
        }
        _ => Outcome::Nan,
    }
}

fn outcome(value: Value) -> Outcome {
    match value {
        Value::Nan => Outcome::Nan,
        Value::Infinity(sign) => Outcome::Infinity(sign),
        Value::Finite(number) => Outcome::Exact(number),
    }
}

/// Rounds, then does what `.sat`, `.relu` and `.ftz` say. NaN of f64 may have any payload; of the others it is the canonical one.
fn finish(form: &Form, outcome: Outcome) -> Expect {
    let format = form.result_format();
    let sign = |negative: bool| if negative { format.sign() } else { 0 };
    let bits = match outcome {
        Outcome::Nan if form.has("sat") => 0,
        Outcome::Nan if format == F64 => return Expect::Nan(F64),
        Outcome::Nan => return Expect::Bits(widened(form, format.nan)),
        Outcome::Infinity(negative) => sign(negative) | format.beyond(),
        Outcome::Exact(number) => format.nearest(form.mode(), &number),
        Outcome::Searched(negative, compare) => format.round(form.mode(), negative, compare),
    };
    let negative = bits & format.sign() != 0;
    let magnitude = bits & (format.sign() - 1);
    let bits = if form.has("sat") {
        if negative { 0 } else { magnitude.min(format.one()) }
    } else if form.has("relu") && negative {
        0
    } else if form.has("satfinite") {
        sign(negative) | magnitude.min(format.greatest)
    } else {
        bits
    };
    Expect::Bits(widened(form, form.flushed(format, bits)))
}

/// tf32 stands in the upper bits of its register.
fn widened(form: &Form, bits: u64) -> u64 {
    let format = form.result_format();
    match form.results.first() {
        Some(ty) if matches!(ty.kind, Kind::Float(_)) && ty.bits == 32 => bits << (32 - format.bits),
        _ => bits,
    }
}

/// `add`, `sub`, `mul`, `fma`, `mad`, `div`, `rcp`, `sqrt`.
pub(super) fn arithmetic(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let value = |at| form.value(values, at);
        let negated = |value| match value {
            Value::Finite(number) => Value::Finite(Dyadic::negated(number)),
            Value::Infinity(sign) => Value::Infinity(!sign),
            Value::Nan => Value::Nan,
        };
        finish(
            form,
            match form.name.as_str() {
                "add" => sum(&value(0), &value(1), form.mode()),
                "sub" => sum(&value(0), &negated(value(1)), form.mode()),
                "mul" => outcome(product(&value(0), &value(1))),
                "div" => quotient(&value(0), &value(1)),
                "rcp" => quotient(&Value::Finite(Dyadic::integer(1)), &value(0)),
                "sqrt" => root(&value(0)),
                _ => sum(&product(&value(0), &value(1)), &value(2), form.mode()),
            },
        )
    })
}

/// How two numbers compare; `None` with NaN.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let (a, b) = match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => return None,
        (Value::Infinity(a), Value::Infinity(b)) => return Some(b.cmp(a)),
        (Value::Infinity(negative), _) => return Some(if *negative { Ordering::Less } else { Ordering::Greater }),
        (_, Value::Infinity(negative)) => return Some(if *negative { Ordering::Greater } else { Ordering::Less }),
        (Value::Finite(a), Value::Finite(b)) => (a, b),
    };
    if a.is_zero() && b.is_zero() {
        return Some(Ordering::Equal);
    }
    Some(match (a.negative, b.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (true, true) => b.compare(a),
        _ => a.compare(b),
    })
}

/// `min` and `max`, whose -0 is less than +0.
pub(super) fn extreme(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let format = form.format(0);
        let nan = if format == F64 { Expect::Nan(F64) } else { Expect::Bits(format.nan) };
        let [a, b] = [0, 1].map(|at| form.flushed(format, form.bits(values, at)));
        let sign = (a ^ b) & format.sign();
        let xorsign = form.has("xorsign");
        let [a, b] = [a, b].map(|it| if xorsign { it & (format.sign() - 1) } else { it });
        let is_nan = |bits| matches!(format.value(bits), Value::Nan);
        let chosen = match (is_nan(a), is_nan(b)) {
            (true, true) => return nan,
            (true, false) | (false, true) if form.has("NaN") => return nan,
            (true, false) => b,
            (false, true) => a,
            _ => {
                // Of equal numbers, which are zeros or the same bits, the negative one is the less.
                let order = order(&format.value(a), &format.value(b)).map(|it| it.then_with(|| b.cmp(&a)));
                if (order == Some(Ordering::Less)) == (form.name == "min") { a } else { b }
            }
        };
        Expect::Bits(if xorsign { chosen ^ sign } else { chosen })
    })
}

/// `abs` and `neg`. Which NaN comes out PTX does not say.
pub(super) fn signs(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let format = form.format(0);
        let bits = form.flushed(format, form.bits(values, 0));
        match format.value(bits) {
            Value::Nan => Expect::Nan(format),
            _ if form.name == "abs" => Expect::Bits(bits & (format.sign() - 1)),
            _ => Expect::Bits(bits ^ format.sign()),
        }
    })
}

/// `copysign`: the first's sign, the second's magnitude.
pub(super) fn copysign(form: &Form, values: &Sources) -> Expect {
    let sign = form.format(0).sign();
    Expect::Bits((form.bits(values, 0) & sign) + (form.bits(values, 1) & (sign - 1)))
}

pub(super) fn testp(form: &Form, values: &Sources) -> Expect {
    let format = form.format(0);
    let normal = |number: &Dyadic| number.compare(&format.magnitude(format.normal())).is_ge();
    let value = form.value(values, 0);
    Expect::Bits(u64::from(match (form.parts.first().map(String::as_str), &value) {
        (Some("finite"), Value::Finite(_)) | (Some("infinite"), Value::Infinity(_)) => true,
        (Some("notanumber"), Value::Nan) | (Some("number"), Value::Finite(_) | Value::Infinity(_)) => true,
        (Some("normal"), Value::Finite(number)) => normal(number),
        (Some("subnormal"), Value::Finite(number)) => !number.is_zero() && !normal(number),
        _ => false,
    }))
}

/// Whether a comparison holds, by what it is called.
fn holds(form: &Form, order: Option<Ordering>) -> bool {
    let name = form.parts.iter().find(|it| COMPARISONS.contains(&it.as_str())).map_or("", String::as_str);
    let (name, unordered) = match name.strip_suffix('u') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some(order) = order else { return unordered || name == "nan" };
    match name {
        "eq" => order.is_eq(),
        "ne" => order.is_ne(),
        "lt" | "lo" => order.is_lt(),
        "le" | "ls" => order.is_le(),
        "gt" | "hi" => order.is_gt(),
        "ge" | "hs" => order.is_ge(),
        "num" => true,
        _ => false,
    }
}

const COMPARISONS: [&str; 18] = [
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
];

/// The relation of the first two sources, and it with the third as a predicate.
fn relation(form: &Form, values: &Sources, negated: bool) -> bool {
    let order = match form.sources.first().map(|it| it.kind) {
        Some(Kind::Float(_)) => order(&form.value(values, 0), &form.value(values, 1)),
        _ => Some(form.int(values, 0).cmp(&form.int(values, 1))),
    };
    let holds = holds(form, order) != negated;
    let third = values[2] & 1 == 1;
    if form.has("and") {
        holds && third
    } else if form.has("or") {
        holds || third
    } else if form.has("xor") {
        holds != third
    } else {
        holds
    }
}

/// Both results of `setp`: of halves, one a half; else the relation and its opposite.
pub(super) fn setp(form: &Form, values: &Sources) -> Vec<Expect> {
    let result = |it: bool| Expect::Bits(u64::from(it));
    if form.sources.first().is_some_and(|it| matches!(it.kind, Kind::Two(_))) {
        let halves = form.each(values, |form, values| result(relation(form, values, false)));
        return match halves {
            Expect::Two(low, high, _) => vec![*low, *high],
            other => vec![other],
        };
    }
    let second = form.results.get(1).map(|_| result(relation(form, values, true)));
    [Some(result(relation(form, values, false))), second].into_iter().flatten().collect()
}

pub(super) fn set(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let ty = form.results.first();
        let truth = match ty.map(|it| it.kind) {
            Some(Kind::Float(format)) => format.one(),
            // An integer of 32 bits from two halves takes 16 from each.
            _ if form.parts.last().is_some_and(|it| it.ends_with("x2")) => 0xffff,
            _ => low_bits(form.result_register(0)),
        };
        Expect::Bits(if relation(form, values, false) { truth } else { 0 })
    })
}

pub(super) fn slct(form: &Form, values: &Sources) -> Expect {
    let first = match form.sources.get(2).map(|it| it.kind) {
        Some(Kind::Float(_)) => order(&form.value(values, 2), &Value::Finite(Dyadic::integer(0))),
        _ => Some(form.int(values, 2).cmp(&0)),
    };
    let first = first.is_some_and(Ordering::is_ge);
    Expect::Bits(form.bits(values, usize::from(!first)))
}

/// The integer that a mode makes of a number, found by search as in a format.
fn integral(number: &Dyadic, mode: Mode) -> Option<i128> {
    let limit = 1i128 << 100;
    if number.compare(&Dyadic::integer(limit)).is_ge() {
        return None;
    }
    let (mut below, mut above) = (0, limit);
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if Dyadic::integer(middle).compare(number).is_le() { below = middle } else { above = middle }
    }
    let exact = Dyadic::integer(below).compare(number).is_eq();
    let half = Dyadic::integer(2 * below + 1).times(&Dyadic::new(false, 1, -1));
    let outward = match (mode, half.compare(number)) {
        (Mode::Up, _) => !number.negative,
        (Mode::Down, _) => number.negative,
        (Mode::Zero, _) => false,
        (_, Ordering::Less) => true,
        (_, Ordering::Equal) => mode == Mode::Away || below % 2 == 1,
        (_, Ordering::Greater) => false,
    };
    let magnitude = if outward && !exact { above } else { below };
    Some(if number.negative { -magnitude } else { magnitude })
}

/// Greatest and least number of the result's integer type.
fn range(form: &Form) -> (i128, i128) {
    match form.results.first() {
        Some(ty) if ty.kind == Kind::Signed => (-(1 << (ty.bits - 1)), (1 << (ty.bits - 1)) - 1),
        Some(ty) => (0, (1 << ty.bits) - 1),
        None => (0, 0),
    }
}

/// `cvt` between any two types.
pub(super) fn convert(form: &Form, values: &Sources) -> Expect {
    let kinds = (form.sources.first().map(|it| it.kind), form.results.first().map(|it| it.kind));
    match kinds {
        (Some(Kind::Float(_)), Some(Kind::Unsigned | Kind::Signed)) => to_integer(form, values),
        (Some(Kind::Float(_)), Some(Kind::Float(_))) if form.parts.iter().any(|it| INTEGRAL.contains(&it.as_str())) => {
            let value = match form.value(values, 0) {
                // What is too great for a search has no fraction.
                Value::Finite(number) => Value::Finite(match integral(&number, form.mode()) {
                    Some(whole) => Dyadic::integer(whole).signed(number.negative),
                    None => number,
                }),
                other => other,
            };
            finish(form, outcome(value))
        }
        (Some(Kind::Float(_)), Some(Kind::Float(_))) => finish(form, outcome(form.value(values, 0))),
        (Some(_), Some(Kind::Float(_))) => finish(form, Outcome::Exact(Dyadic::integer(form.int(values, 0)))),
        _ => {
            let (least, greatest) = range(form);
            let value = form.int(values, 0);
            form.wrap(if form.has("sat") { value.clamp(least, greatest) } else { value })
        }
    }
}

const INTEGRAL: [&str; 4] = ["rni", "rzi", "rmi", "rpi"];

fn to_integer(form: &Form, values: &Sources) -> Expect {
    let (least, greatest) = range(form);
    let bits = form.results.first().map_or(0, |it| it.bits);
    form.wrap(match form.value(values, 0) {
        Value::Nan if bits == 64 || form.format(0) == F64 => 1 << (bits - 1),
        Value::Nan => 0,
        Value::Infinity(negative) => {
            if negative {
                least
            } else {
                greatest
            }
        }
        Value::Finite(number) => match integral(&number, form.mode()) {
            Some(whole) => whole.clamp(least, greatest),
            None if number.negative => least,
            None => greatest,
        },
    })
}

/// Two f32 to two narrower numbers, the first in the upper half; and between two numbers of eight and of sixteen bits.
pub(super) fn convert_two(form: &Form, values: &Sources) -> Expect {
    if form.sources.len() == 1 {
        return form.each(values, |form, values| finish(form, outcome(form.value(values, 0))));
    }
    let one = |at: usize| {
        let mut one = Form { sources: vec![form.sources[0]], ..form.clone() };
        one.results = form.results.clone();
        let half = |it: Kind| match it {
            Kind::Two(Element::Float(format)) => Kind::Float(format),
            other => other,
        };
        one.results.iter_mut().for_each(|it| (it.kind, it.bits) = (half(it.kind), it.bits / 2));
        finish(&one, outcome(one.value(&[values[at]; 4], 0)))
    };
    Expect::Two(Box::new(one(1)), Box::new(one(0)), form.results[0].bits / 2)
}

/// A documented bound of an error, as a power of two.
fn tolerance(form: &Form, relative: f64, absolute: f64) -> Tolerance {
    Tolerance { relative: relative.exp2(), absolute: absolute.exp2(), flush: form.has("ftz") }
}

/// Bound that stands for none.
const NONE: f64 = -2000.0;

/// Functions with an error, each against the same function of f64.
pub(super) fn approximate(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let format = form.format(0);
        let [a, b] = [0, 1].map(|at| if at < form.sources.len() { to_f64(&form.value(values, at)) } else { 0.0 });
        let (value, relative, absolute) = match (form.name.as_str(), format) {
            ("ex2", F32) => (a.exp2(), -22.0, NONE),
            ("ex2", F16) => (a.exp2(), -9.9, NONE),
            ("ex2", _) => (a.exp2(), -7.0, NONE),
            // One bound between a half and two, the other elsewhere.
            ("lg2", _) if a > 0.5 && a < 2.0 => (a.log2(), NONE, -22.0),
            ("lg2", _) => (a.log2(), -22.0, NONE),
            ("tanh", F32) => (a.tanh(), -11.0, NONE),
            ("tanh", F16) => (a.tanh(), NONE, -10.987),
            ("tanh", _) => (a.tanh(), NONE, -8.0),
            // Outside of 100 pi there is no bound.
            ("sin" | "cos", _) if a.is_finite() && a.abs() > 100.0 * std::f64::consts::PI => return Expect::Anything,
            ("sin", _) if a == 0.0 => (a, NONE, NONE),
            ("sin", _) => (a.sin(), NONE, trigonometric(a)),
            ("cos", _) => (a.cos(), NONE, trigonometric(a)),
            ("rcp", F64) => (rough(a).recip(), -19.0, NONE),
            ("rcp", _) => (a.recip(), -23.0, NONE),
            ("rsqrt", F64) if form.has("ftz") => (rough(a).sqrt().recip(), -19.0, NONE),
            ("rsqrt", _) => (a.sqrt().recip(), -22.9, NONE),
            ("sqrt", _) => (a.sqrt(), -23.0, NONE),
            ("div", _) if form.has("full") => (a / b, -22.0, NONE),
            _ => return quotient_by_product(form, a, b),
        };
        if value.is_nan() {
            Expect::Nan(format)
        } else {
            Expect::Close(format, value, tolerance(form, relative, absolute))
        }
    })
}

/// The first period is better than the rest.
fn trigonometric(a: f64) -> f64 {
    if a.abs() <= 2.0 * std::f64::consts::PI { -20.5 } else { -14.7 }
}

/// What `rcp.approx.ftz.f64` looks at: the upper half of its operand, zero if that is subnormal.
fn rough(a: f64) -> f64 {
    let upper = f64::from_bits(a.to_bits() & !low_bits(32));
    match a {
        _ if a.is_nan() => a,
        _ if upper.abs() < f64::MIN_POSITIVE => 0f64.copysign(upper),
        _ => upper,
    }
}

/// `div.approx`: within 2 units in the last place for divisors between 2^-126 and 2^126; zero for greater ones.
fn quotient_by_product(form: &Form, a: f64, b: f64) -> Expect {
    let (low, high) = ((-126f64).exp2(), 126f64.exp2());
    let value = a / b;
    match b.abs() {
        _ if a.is_nan() || b.is_nan() => Expect::Nan(F32),
        size if size > high && size.is_finite() && a.is_infinite() => Expect::Nan(F32),
        size if size > high && size.is_finite() => {
            Expect::Close(F32, 0f64.copysign(value), tolerance(form, NONE, NONE))
        }
        size if size < low && size > 0.0 => Expect::Anything,
        _ if value.is_nan() => Expect::Nan(F32),
        _ => Expect::Close(F32, value, tolerance(form, -22.0, NONE)),
    }
}
