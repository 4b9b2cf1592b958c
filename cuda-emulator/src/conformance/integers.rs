//! What integer arithmetic and bit operations give, by their definitions: on integers that do not wrap, or bit by bit.

use super::form::{Expect, Form, Sources, low_bits};

/// Arithmetic that is right on numbers without limits and is cut to the width at the end.
pub(super) fn arithmetic(form: &Form, values: &Sources) -> Expect {
    form.each(values, |form, values| {
        let [a, b, c] = [0, 1, 2].map(|at| if at < form.sources.len() { form.int(values, at) } else { 0 });
        let value = match form.name.as_str() {
            "add" => a + b,
            "sub" => a - b,
            "min" => a.min(b),
            "max" => a.max(b),
            "abs" => a.abs(),
            "neg" => -a,
            "sad" => (a - b).abs() + c,
            // What a division by zero gives is not said.
            "div" | "rem" if b == 0 => return Expect::Anything,
            "div" => a / b,
            "rem" => a % b,
            _ => return Expect::Anything,
        };
        if form.has("sat") {
            return form.wrap(value.clamp(i32::MIN.into(), i32::MAX.into()));
        }
        form.wrap(if form.has("relu") { value.max(0) } else { value })
    })
}

/// Bits `from` up of the product of two numbers of 64 bits, by halves of their digits.
fn product_from(a: i128, b: i128, from: u32) -> i128 {
    let (x, y) = (a.unsigned_abs(), b.unsigned_abs());
    let (x1, x0, y1, y0) = (x >> 32, x & 0xffff_ffff, y >> 32, y & 0xffff_ffff);
    let middle = x1 * y0 + ((x0 * y0) >> 32);
    let cross = x0 * y1 + (middle & 0xffff_ffff);
    // 192 bits: `upper` from bit 64 on, `lower` below.
    let upper = x1 * y1 + (middle >> 32) + (cross >> 32);
    let lower = (cross & 0xffff_ffff) << 32 | (x0 * y0) & 0xffff_ffff;
    let product = (upper << 64) | lower;
    // Two's complement of all 128 bits.
    let product = if (a < 0) != (b < 0) { (!product).wrapping_add(1) } else { product };
    (product >> from) as i128
}

/// `mul`, `mad`, and of 24 bits.
pub(super) fn products(form: &Form, values: &Sources) -> Expect {
    let short = form.name.ends_with("24");
    let width = form.width();
    let factor = |at| {
        let value = form.int(values, at);
        // The low 24 bits, with their sign if the type has one.
        let low = value & 0xff_ffff;
        match short {
            true if form.parts.last().is_some_and(|it| it == "s32") && low >= 1 << 23 => low - (1 << 24),
            true => low,
            false => value,
        }
    };
    let from = match (form.has("hi"), short) {
        (false, _) => 0,
        (true, true) => 16,
        (true, false) => width,
    };
    let product = product_from(factor(0), factor(1), from);
    if form.sources.len() < 3 {
        return form.wrap(product);
    }
    let third = form.int(values, 2);
    if form.has("sat") {
        let part = i128::from(product as i32);
        return form.wrap((part + third).clamp(i32::MIN.into(), i32::MAX.into()));
    }
    form.wrap(product.wrapping_add(third))
}

pub(super) fn logic(form: &Form, values: &Sources) -> Expect {
    let bits = |at| form.bits(values, at);
    let value = match form.name.as_str() {
        "and" => bits(0) & bits(1),
        "or" => bits(0) | bits(1),
        "xor" => bits(0) ^ bits(1),
        "not" => !bits(0),
        "cnot" => u64::from(bits(0) == 0),
        "mov" => bits(0),
        _ => bits(if values[2] & 1 == 1 { 0 } else { 1 }),
    };
    Expect::Bits(value & low_bits(form.width()))
}

/// One bit of a value; none beyond its width.
fn bit(value: u64, at: i64) -> bool {
    (0..64).contains(&at) && value >> at & 1 == 1
}

/// A value whose bit `at` is what a function says.
fn bits_of(width: u32, bit: impl Fn(i64) -> bool) -> Expect {
    Expect::Bits((0..i64::from(width)).filter(|at| bit(*at)).fold(0, |sum, at| sum | 1 << at))
}

/// `shl` and `shr`, where every shift past the width shifts all out.
pub(super) fn shifts(form: &Form, values: &Sources) -> Expect {
    let (value, by, width) = (form.bits(values, 0), form.bits(values, 1) as i64, form.width());
    let sign = form.parts.last().is_some_and(|it| it.starts_with('s')) && bit(value, i64::from(width) - 1);
    match form.name.as_str() {
        "shl" => bits_of(width, |at| bit(value, at - by)),
        _ => bits_of(width, |at| if at + by < i64::from(width) { bit(value, at + by) } else { sign }),
    }
}

/// `shf`: 32 bits out of two registers.
pub(super) fn funnel(form: &Form, values: &Sources) -> Expect {
    let [low, high, by] = [0, 1, 2].map(|at| form.bits(values, at));
    let by = if form.has("wrap") { by % 32 } else { by.min(32) } as i64;
    let joined = |at: i64| if at < 32 { bit(low, at) } else { at < 64 && bit(high, at - 32) };
    match form.has("l") {
        true => bits_of(32, |at| joined(at + 32 - by)),
        false => bits_of(32, |at| joined(at + by)),
    }
}

pub(super) fn truth_table(form: &Form, values: &Sources) -> Expect {
    let [a, b, c, table] = [0, 1, 2, 3].map(|at| form.bits(values, at));
    bits_of(32, |at| {
        let row = [a, b, c].iter().fold(0, |row, it| 2 * row + u64::from(bit(*it, at)));
        bit(table, row as i64)
    })
}

/// `popc`, `clz`, `brev`, `bfind`.
pub(super) fn counts(form: &Form, values: &Sources) -> Expect {
    let (value, width) = (form.bits(values, 0), i64::from(form.width()));
    let highest = |wanted: bool| (0..width).rev().find(|at| bit(value, *at) == wanted);
    let sign = form.parts.last().is_some_and(|it| it.starts_with('s')) && bit(value, width - 1);
    match form.name.as_str() {
        "popc" => Expect::Bits((0..width).filter(|at| bit(value, *at)).count() as u64),
        "clz" => Expect::Bits(highest(true).map_or(width, |at| width - 1 - at) as u64),
        "brev" => bits_of(form.width(), |at| bit(value, width - 1 - at)),
        _ => Expect::Bits(match highest(!sign) {
            Some(at) if form.has("shiftamt") => (width - 1 - at) as u64,
            Some(at) => at as u64,
            None => 0xffff_ffff,
        }),
    }
}

/// `bfe` and `bfi`, whose positions and lengths are bytes.
pub(super) fn fields(form: &Form, values: &Sources) -> Expect {
    let width = form.width();
    let last = i64::from(width) - 1;
    if form.name == "bfi" {
        let (value, base) = (form.bits(values, 0), form.bits(values, 1));
        let (position, length) = ((values[2] & 0xff) as i64, (values[3] & 0xff) as i64);
        let inside = |at: i64| at >= position && at < position + length;
        return bits_of(width, |at| if inside(at) { bit(value, at - position) } else { bit(base, at) });
    }
    let value = form.bits(values, 0);
    let (position, length) = ((values[1] & 0xff) as i64, (values[2] & 0xff) as i64);
    let signed = form.parts.last().is_some_and(|it| it.starts_with('s'));
    let sign = signed && length > 0 && bit(value, (position + length - 1).min(last));
    bits_of(width, |at| if at < length && position + at <= last { bit(value, position + at) } else { sign })
}

/// `prmt`: which byte, and whether only its sign, for each byte of the result.
pub(super) fn permutation(form: &Form, values: &Sources) -> Expect {
    let [a, b, selector] = [0, 1, 2].map(|at| form.bits(values, at));
    let mode = (selector % 4) as i64;
    let choose = |byte: i64| -> (i64, bool) {
        let fixed = match form.parts.last().map(String::as_str) {
            Some("f4e") => mode + byte,
            Some("b4e") => (mode - byte).rem_euclid(8),
            Some("rc8") => mode,
            Some("ecl") => byte.max(mode),
            Some("ecr") => byte.min(mode),
            Some("rc16") => 2 * (mode % 2) + byte % 2,
            _ => {
                let nibble = (selector >> (4 * byte) & 15) as i64;
                return (nibble % 8, nibble >= 8);
            }
        };
        (fixed, false)
    };
    let joined = |at: i64| if at < 32 { bit(a, at) } else { bit(b, at - 32) };
    bits_of(32, |at| {
        let (byte, sign) = choose(at / 8);
        joined(8 * byte + if sign { 7 } else { at % 8 })
    })
}

/// `fns`: the n-th bit that is set. A base past the end has no meaning.
pub(super) fn nth(form: &Form, values: &Sources) -> Expect {
    let (mask, base, offset) = (form.bits(values, 0), form.bits(values, 1) as i64, form.int(values, 2));
    if base > 31 {
        return Expect::Anything;
    }
    if offset == 0 {
        return Expect::Bits(if bit(mask, base) { base as u64 } else { 0xffff_ffff });
    }
    let (mut at, mut left) = (base, offset.abs());
    while (0..32).contains(&at) {
        left -= i128::from(bit(mask, at));
        if left == 0 {
            return Expect::Bits(at as u64);
        }
        at += if offset > 0 { 1 } else { -1 };
    }
    Expect::Bits(0xffff_ffff)
}

/// `bmsk` and `szext`.
pub(super) fn masks(form: &Form, values: &Sources) -> Expect {
    let limit = |number: u64| if form.has("clamp") { number.min(32) } else { number % 32 } as i64;
    let (a, b) = (form.bits(values, 0), form.bits(values, 1));
    if form.name == "bmsk" {
        return bits_of(32, |at| at >= limit(a) && at < limit(a) + limit(b));
    }
    let length = limit(b);
    let sign = form.has("s32") && bit(a, length - 1);
    bits_of(32, |at| if at < length { bit(a, at) } else { sign })
}

/// `dp4a` and `dp2a`.
pub(super) fn dots(form: &Form, values: &Sources) -> Expect {
    let signed = |at: usize| form.parts.iter().rev().nth(1 - at).is_some_and(|it| it.starts_with('s'));
    let part = |at: usize, width: u32, index: u32| {
        let value = i128::from(values[at] >> (width * index) & low_bits(width));
        if signed(at) && value >= 1 << (width - 1) { value - (1 << width) } else { value }
    };
    let (count, width, first) = match (form.name.as_str(), form.has("hi")) {
        ("dp4a", _) => (4, 8, 0),
        (_, high) => (2, 16, if high { 2 } else { 0 }),
    };
    let products: i128 = (0..count).map(|at| part(0, width, at) * part(1, 8, at + first)).sum();
    form.wrap(products + i128::from(values[2] as u32))
}

/// `cvt.pack`: the first above the second; narrow ones below what the third had.
pub(super) fn pack(form: &Form, values: &Sources) -> Expect {
    let (width, signed) = match form.parts.get(2).map(|it| it.split_at(1)) {
        Some((kind, width)) => (width.parse().unwrap_or(16), kind == "s"),
        None => (16, false),
    };
    let (least, greatest) =
        if signed { (-(1i128 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) };
    let part = |at| (form.int(values, at).clamp(least, greatest) as u64) & low_bits(width);
    let third = if form.sources.len() == 3 { values[2] << (2 * width) } else { 0 };
    Expect::Bits((third | part(0) << width | part(1)) & low_bits(32))
}
