//! Functions that hardware approximates: here they are computed in f64 and rounded to nearest, which is within the error that
//! PTX allows, and the same on every run. Bits differ from hardware's.

use super::Class::{Single, Special};
use super::float::{Env, Ftz, Native, Plain};
use super::half::widen;
use super::lanes::{Two, lanes};
use super::round::{self, Bf16, F16, F64, Format, Rn};
use super::sign::Shape;
use super::table::Table;

/// Divisors above it count as infinite for `div.approx`.
const GREAT: f32 = f32::from_bits(0x7e80_0000);

fn single<E: Env>(table: &mut Table) {
    let mut row = |name: &str, function| table.row(&format!("{name}.approx{}.f32", E::NAME), Special, 1, function);
    macro_rules! function {
        ($name:literal, $function:expr) => {
            row($name, lanes!(|a: f32| (($function)(f64::from(a.input::<E>())) as f32).output::<E>()));
        };
    }
    function!("ex2", f64::exp2);
    function!("lg2", f64::log2);
    function!("sin", f64::sin);
    function!("cos", f64::cos);
    function!("rcp", f64::recip);
    function!("rsqrt", |a: f64| a.sqrt().recip());
    function!("sqrt", f64::sqrt);
    let full = lanes!(|a: f32, b: f32| a.input::<E>().over::<Rn>(b.input::<E>()).output::<E>());
    let approximate = lanes!(|a: f32, b: f32| {
        let (a, b) = (a.input::<E>(), b.input::<E>());
        // 1 / b would be subnormal there, and counts as zero.
        let inverse = b.abs() > GREAT && b.abs() < f32::INFINITY;
        let quotient = if inverse { a * 0f32.copysign(b) } else { a.over::<Rn>(b) };
        quotient.output::<E>()
    });
    row("div", approximate);
    table.row(&format!("div.full{}.f32", E::NAME), Single, 1, full);
}

/// Of 64 bits only the upper half is looked at and given.
fn rough(value: f64, function: impl Fn(f64) -> f64) -> f64 {
    let upper = |value: f64| f64::from_bits(round::flush::<F64>(value.to_bits()) >> 32 << 32);
    let result = upper(function(upper(value)));
    // What a NaN has in its lower half is all that makes some of them one.
    if value.is_nan() || result.is_nan() { f64::from_bits(F64::NAN) } else { result }
}

/// A function of a number of 16 bits.
#[inline(always)]
fn short<F: Format>(bits: u64, function: impl Fn(f64) -> f64) -> u64 {
    round::nearest::<F>(function(widen::<F>(bits)))
}

/// As [`short`], with subnormal operands and results flushed.
#[inline(always)]
fn short_ftz<F: Format>(bits: u64, function: impl Fn(f64) -> f64) -> u64 {
    round::flush::<F>(short::<F>(round::flush::<F>(bits), function))
}

fn shape<S: Shape>(table: &mut Table, suffix: &str, flops: u8) {
    let mut row = |name: &str, function| table.row(&format!("{name}{suffix}"), Special, flops, function);
    row("tanh.approx.f16", lanes!(|a: S| a.each(|a| short::<F16>(a, f64::tanh))));
    row("tanh.approx.bf16", lanes!(|a: S| a.each(|a| short::<Bf16>(a, f64::tanh))));
    row("ex2.approx.f16", lanes!(|a: S| a.each(|a| short::<F16>(a, f64::exp2))));
    row("ex2.approx.ftz.bf16", lanes!(|a: S| a.each(|a| short_ftz::<Bf16>(a, f64::exp2))));
}

pub(super) fn rows(table: &mut Table) {
    single::<Plain>(table);
    single::<Ftz>(table);
    shape::<u16>(table, "", 1);
    shape::<Two<u16>>(table, "x2", 2);
    let tanh = lanes!(|a: f32| (f64::from(a).tanh() as f32).output::<Plain>());
    table.row("tanh.approx.f32", Special, 1, tanh);
    table.row("rsqrt.approx.f64", Special, 1, lanes!(|a: f64| a.sqrt().recip().output::<Plain>()));
    table.row("rcp.approx.ftz.f64", Special, 1, lanes!(|a: f64| rough(a, f64::recip)));
    table.row("rsqrt.approx.ftz.f64", Special, 1, lanes!(|a: f64| rough(a, |a| a.sqrt().recip())));
}
