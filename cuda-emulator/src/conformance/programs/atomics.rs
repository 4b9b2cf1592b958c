//! Atomics: what they give back, and what they leave in memory.

use super::super::exact::{BF16, Dyadic, F16, F32, F64, Format, Mode, Value};
use super::memory::SLOT;
use super::{Input, Special, block, random4};

/// The new value by the old one and two operands.
type Change = fn(u64, u64, u64) -> u64;

struct Operation {
    name: &'static str,
    bits: u32,
    architecture: u32,
    change: Change,
    input: fn(usize, &mut super::Random) -> Input,
}

fn any(_: usize, random: &mut super::Random) -> Input {
    random4(random)
}

/// Small numbers, often equal.
fn small(_: usize, random: &mut super::Random) -> Input {
    random4(random).map(|it| it % 5)
}

/// The operand is the old value for every other thread.
fn equal(thread: usize, random: &mut super::Random) -> Input {
    let [a, b, c, d] = random4(random);
    [a, if thread.is_multiple_of(2) { a } else { b }, c, d]
}

/// Floats between a quarter and four, of either sign, in every part of the numbers.
fn floats(format: Format, bits: u64, random: u64) -> u64 {
    let exponent = format.one() - format.normal() * 2 + format.normal() * (random % 4);
    exponent | bits & (format.normal() - 1) | bits & format.sign()
}

fn f16s(_: usize, random: &mut super::Random) -> Input {
    random4(random).map(|it| floats(F16, it & 0xffff, it >> 60) | floats(F16, it >> 16 & 0xffff, it >> 58) << 16)
}

fn bf16s(_: usize, random: &mut super::Random) -> Input {
    random4(random).map(|it| floats(BF16, it & 0xffff, it >> 60) | floats(BF16, it >> 16 & 0xffff, it >> 58) << 16)
}

fn f32s(_: usize, random: &mut super::Random) -> Input {
    random4(random).map(|it| floats(F32, it & 0xffff_ffff, it >> 60))
}

fn f64s(_: usize, random: &mut super::Random) -> Input {
    random4(random).map(|it| floats(F64, it, it >> 20))
}

/// The sum of finite numbers.
fn sum(format: Format, a: u64, b: u64) -> u64 {
    let zero = || Dyadic::integer(0);
    let number = |bits| match format.value(bits) {
        Value::Finite(number) => number,
        _ => zero(),
    };
    let sum = number(a).plus(&number(b));
    // Of opposite numbers it is +0.
    let sum = if sum.is_zero() && a != b { zero() } else { sum };
    format.nearest(Mode::Nearest, &sum)
}

fn sum_of_two(format: Format, a: u64, b: u64) -> u64 {
    sum(format, a & 0xffff, b & 0xffff) | sum(format, a >> 16 & 0xffff, b >> 16 & 0xffff) << 16
}

fn operation(name: &'static str, bits: u32, change: Change) -> Operation {
    Operation { name, bits, architecture: 75, change, input: any }
}

/// What `atom` and `red` both have.
fn operations() -> Vec<Operation> {
    let of = |name, bits, change, input| Operation { input, ..operation(name, bits, change) };
    vec![
        operation("add.u32", 32, |old, b, _| old.wrapping_add(b)),
        operation("add.s32", 32, |old, b, _| old.wrapping_add(b)),
        operation("add.u64", 64, |old, b, _| old.wrapping_add(b)),
        operation("min.u32", 32, |old, b, _| old.min(b)),
        operation("max.u32", 32, |old, b, _| old.max(b)),
        operation("min.s32", 32, |old, b, _| if (old as i32) < b as i32 { old } else { b }),
        operation("max.s32", 32, |old, b, _| if (old as i32) > b as i32 { old } else { b }),
        operation("min.u64", 64, |old, b, _| old.min(b)),
        operation("max.u64", 64, |old, b, _| old.max(b)),
        operation("min.s64", 64, |old, b, _| (old as i64).min(b as i64) as u64),
        operation("max.s64", 64, |old, b, _| (old as i64).max(b as i64) as u64),
        operation("and.b32", 32, |old, b, _| old & b),
        operation("or.b32", 32, |old, b, _| old | b),
        operation("xor.b32", 32, |old, b, _| old ^ b),
        operation("and.b64", 64, |old, b, _| old & b),
        operation("or.b64", 64, |old, b, _| old | b),
        operation("xor.b64", 64, |old, b, _| old ^ b),
        of("inc.u32", 32, |old, b, _| if old >= b { 0 } else { old + 1 }, small),
        of("dec.u32", 32, |old, b, _| if old == 0 || old > b { b } else { old - 1 }, small),
        of("add.f32", 32, |old, b, _| sum(F32, old, b), f32s),
        of("add.f64", 64, |old, b, _| sum(F64, old, b), f64s),
        of("add.noftz.f16", 16, |old, b, _| sum(F16, old, b), f16s),
        of("add.noftz.f16x2", 32, |old, b, _| sum_of_two(F16, old, b), f16s),
        Operation { architecture: 90, ..of("add.noftz.bf16", 16, |old, b, _| sum(BF16, old, b), bf16s) },
        Operation { architecture: 90, ..of("add.noftz.bf16x2", 32, |old, b, _| sum_of_two(BF16, old, b), bf16s) },
    ]
}

/// What only `atom` has.
fn exchanges() -> Vec<Operation> {
    let swap = |name, bits| Operation {
        input: equal,
        ..operation(name, bits, |old, compare, new| if old == compare { new } else { old })
    };
    vec![
        operation("exch.b32", 32, |_, b, _| b),
        operation("exch.b64", 64, |_, b, _| b),
        swap("cas.b16", 16),
        swap("cas.b32", 32),
        swap("cas.b64", 64),
    ]
}

/// One operation on a thread's own number.
fn program(instruction: &str, space: &str, operation: &Operation) -> Special {
    let Operation { name, bits, architecture, change, input } = *operation;
    let slot = if space == "global" { "%out" } else { "%r0" };
    let (result, operands, widened) = match bits {
        16 => ("%h0", "%h1, %h2", "\tcvt.u64.u16 %y, %h0;\n"),
        32 => ("%r1", "%rb, %rc", "\tcvt.u64.u32 %y, %r1;\n"),
        _ => ("%y", "%b, %c", ""),
    };
    let operands = if name.starts_with("cas") { operands } else { operands.split(',').next().unwrap_or_default() };
    let narrow = if bits == 16 { "\tcvt.u16.u64 %h1, %b;\n\tcvt.u16.u64 %h2, %c;\n" } else { "" };
    let atom = instruction == "atom";
    let target = if atom { format!("{result}, ") } else { String::new() };
    let widened = if atom { widened } else { "" };
    let body = format!(
        "{SLOT}{narrow}\tst.{space}.b64 [{slot}], %a;\n\t{instruction}.{space}.{name} {target}[{slot}], {operands};
	ld.{space}.b64 %x, [{slot}];\n{widened}"
    );
    let full = format!("{instruction}.{space}.{name}");
    Special::new(full, body, move |thread, inputs| {
        let mask = u64::MAX >> (64 - bits);
        let [a, b, c, _] = inputs[thread];
        let new = change(a & mask, b & mask, c & mask) & mask;
        [a & !mask | new, if atom { a & mask } else { 0 }]
    })
    .needs(architecture)
    .with(input)
}

/// All threads of a block at one number.
fn contended() -> Special {
    let body = "	setp.eq.u32 %p0, %thread, 0;
	mov.b64 %l0, 0;
	@%p0 st.shared.v2.b64 [buffer], {%l0, %l0};
	bar.sync 0;
	red.shared.add.u64 [buffer], %a;
	atom.shared.max.u64 %l1, [buffer+8], %b;
	bar.sync 0;
	ld.shared.v2.b64 {%x, %y}, [buffer];
";
    Special::new("red.shared.add.u64 and atom.shared.max.u64 by all threads", body, |thread, inputs| {
        let block = block(thread, inputs);
        [block.iter().fold(0u64, |sum, it| sum.wrapping_add(it[0])), block.iter().map(|it| it[1]).max().unwrap_or(0)]
    })
}

pub(super) fn programs() -> Vec<Special> {
    let mut programs = vec![contended()];
    for space in ["global", "shared"] {
        for operation in operations() {
            programs.push(program("atom", space, &operation));
            programs.push(program("red", space, &operation));
        }
        programs.extend(exchanges().iter().map(|it| program("atom", space, it)));
    }
    programs
}
