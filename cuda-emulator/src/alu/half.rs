//! Arithmetic of f16 and bf16, one number or two side by side.
//!
//! Doubles hold both formats' numbers and products exactly; a sum is rounded to odd there, so that rounding it to 16 bits is the
//! only rounding that is seen.

use super::Class::Half;
use super::lanes::{Two, lanes};
use super::round::{self, Bf16, F16, F64, Format};
use super::sign::Shape;
use super::table::Table;

/// `.ftz`, as a bit of a constant.
const FTZ: u8 = 1;
/// `.sat`: to between 0 and 1.
const SAT: u8 = 2;
/// `.relu`: to 0 and above.
const RELU: u8 = 4;

/// The number as a double.
#[inline(always)]
pub(super) fn widen<F: Format>(bits: u64) -> f64 {
    let magnitude = bits & (F::SIGN - 1);
    let bias = |ones: u64| ones >> 1;
    // Put where a double has its fraction, the exponent is too small by the difference of the biases; a product puts that right,
    // of subnormal numbers too.
    let factor = f64::from_bits((bias(0x7ff) * 2 - bias(F::INFINITY / F::NORMAL)) << (F64::PRECISION - 1));
    let finite = f64::from_bits(magnitude << (F64::PRECISION - F::PRECISION)) * factor;
    let special = if magnitude == F::INFINITY { f64::INFINITY } else { f64::NAN };
    let value = if magnitude < F::INFINITY { finite } else { special };
    if bits & F::SIGN == 0 { value } else { -value }
}

#[inline(always)]
fn input<F: Format, const OPTIONS: u8>(bits: u64) -> f64 {
    widen::<F>(if OPTIONS & FTZ != 0 { round::flush::<F>(bits) } else { bits })
}

/// Rounds to the format, then does what the options say.
#[inline(always)]
fn output<F: Format, const OPTIONS: u8>(value: f64) -> u64 {
    let bits = round::nearest::<F>(value);
    let bits = if OPTIONS & FTZ != 0 { round::flush::<F>(bits) } else { bits };
    let positive = if bits & F::SIGN == 0 { bits } else { 0 };
    match OPTIONS & !FTZ {
        SAT if value.is_nan() => 0,
        SAT => positive.min(F::ONE),
        RELU if !value.is_nan() => positive,
        _ => bits,
    }
}

fn sum<F: Format, const OPTIONS: u8>(a: u64, b: u64) -> u64 {
    output::<F, OPTIONS>(round::sum_to_odd(input::<F, OPTIONS>(a), input::<F, OPTIONS>(b)))
}

fn difference<F: Format, const OPTIONS: u8>(a: u64, b: u64) -> u64 {
    output::<F, OPTIONS>(round::sum_to_odd(input::<F, OPTIONS>(a), -input::<F, OPTIONS>(b)))
}

fn product<F: Format, const OPTIONS: u8>(a: u64, b: u64) -> u64 {
    output::<F, OPTIONS>(input::<F, OPTIONS>(a) * input::<F, OPTIONS>(b))
}

fn fused<F: Format, const OPTIONS: u8>(a: u64, b: u64, c: u64) -> u64 {
    let product = input::<F, OPTIONS>(a) * input::<F, OPTIONS>(b);
    output::<F, OPTIONS>(round::sum_to_odd(product, input::<F, OPTIONS>(c)))
}

fn shape<S: Shape, F: Format, const OPTIONS: u8>(table: &mut Table, env: &str, suffix: &str) {
    let flops = if suffix.is_empty() { 1 } else { 2 };
    let named = format!("{env}.{}{suffix}", F::NAME);
    let mut row = |name: &str, flops, function| table.row(&format!("{name}{named}"), Half, flops, function);
    if OPTIONS & RELU == 0 {
        row("add{,.rn}", flops, lanes!(|a: S, b: S| a.each_two(b, sum::<F, OPTIONS>)));
        row("sub{,.rn}", flops, lanes!(|a: S, b: S| a.each_two(b, difference::<F, OPTIONS>)));
        row("mul{,.rn}", flops, lanes!(|a: S, b: S| a.each_two(b, product::<F, OPTIONS>)));
    }
    row("fma.rn", 2 * flops, lanes!(|a: S, b: S, c: S| a.each_three(b, c, fused::<F, OPTIONS>)));
}

fn shapes<S: Shape>(table: &mut Table, suffix: &str) {
    shape::<S, F16, 0>(table, "", suffix);
    shape::<S, F16, FTZ>(table, ".ftz", suffix);
    shape::<S, F16, SAT>(table, ".sat", suffix);
    shape::<S, F16, { FTZ | SAT }>(table, ".ftz.sat", suffix);
    shape::<S, F16, RELU>(table, ".relu", suffix);
    shape::<S, F16, { FTZ | RELU }>(table, ".ftz.relu", suffix);
    shape::<S, Bf16, 0>(table, "", suffix);
    shape::<S, Bf16, RELU>(table, ".relu", suffix);
}

pub(super) fn rows(table: &mut Table) {
    shapes::<u16>(table, "");
    shapes::<Two<u16>>(table, "x2");
}
