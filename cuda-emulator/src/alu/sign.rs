//! What only looks at bits: signs, minima, maxima, tests. The same for every format.

use super::Class::{self, Double, Half, Single};
use super::lanes::{Lane, Two, lanes};
use super::round::{self, Bf16, F16, F32, F64, Format};
use super::table::Table;

/// A result that may be NaN, as it is written.
fn canonical<F: Format>(bits: u64) -> u64 {
    if round::is_nan::<F>(bits) { F::NAN } else { bits }
}

/// Options of an instruction, as bits of a constant.
const FTZ: u8 = 1;
/// `.NaN`: a NaN among the operands is the result.
const NAN: u8 = 2;
/// `.xorsign.abs`: of the magnitudes, with the product's sign.
const XORSIGN: u8 = 4;
/// The greater.
const MAX: u8 = 8;

fn operand<F: Format, const OPTIONS: u8>(bits: u64) -> u64 {
    if OPTIONS & FTZ != 0 { round::flush::<F>(bits) } else { bits }
}

/// Minimum or maximum. Of a number and NaN it is the number; -0 is less than +0.
fn extreme<F: Format, const OPTIONS: u8>(a: u64, b: u64) -> u64 {
    let (a, b) = (operand::<F, OPTIONS>(a), operand::<F, OPTIONS>(b));
    let xorsign = OPTIONS & XORSIGN != 0;
    let sign = if xorsign { (a ^ b) & F::SIGN } else { 0 };
    let (a, b) = if xorsign { (a & !F::SIGN, b & !F::SIGN) } else { (a, b) };
    let (a_nan, b_nan) = (round::is_nan::<F>(a), round::is_nan::<F>(b));
    // Bits whose order as integers is the order of the numbers.
    let key = |bits: u64| if bits & F::SIGN == 0 { bits | F::SIGN } else { !bits & (F::SIGN - 1) };
    let first = (key(a) < key(b)) != (OPTIONS & MAX != 0);
    let number = if first { a } else { b };
    if a_nan && b_nan || OPTIONS & NAN != 0 && (a_nan || b_nan) {
        F::NAN
    } else {
        sign | if a_nan {
            b
        } else if b_nan {
            a
        } else {
            number
        }
    }
}

fn absolute<F: Format, const OPTIONS: u8>(bits: u64) -> u64 {
    canonical::<F>(operand::<F, OPTIONS>(bits) & !F::SIGN)
}

fn negated<F: Format, const OPTIONS: u8>(bits: u64) -> u64 {
    canonical::<F>(operand::<F, OPTIONS>(bits) ^ F::SIGN)
}

/// A number's bits as an unsigned integer, or two side by side, with a function of each.
pub(super) trait Shape: Lane {
    fn each(self, f: impl Fn(u64) -> u64) -> Self;
    fn each_two(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self;
    fn each_three(self, other: Self, third: Self, f: impl Fn(u64, u64, u64) -> u64) -> Self;
}

macro_rules! shapes {
    ($($ty:ident)*) => {$(
        impl Shape for $ty {
            #[inline(always)]
            fn each(self, f: impl Fn(u64) -> u64) -> Self {
                f(self.into()) as $ty
            }
            #[inline(always)]
            fn each_two(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
                f(self.into(), other.into()) as $ty
            }
            #[inline(always)]
            fn each_three(self, other: Self, third: Self, f: impl Fn(u64, u64, u64) -> u64) -> Self {
                f(self.into(), other.into(), third.into()) as $ty
            }
        }
    )*};
}

shapes!(u16 u32 u64);

impl Shape for Two<u16> {
    #[inline(always)]
    fn each(self, f: impl Fn(u64) -> u64) -> Self {
        self.map(|it| it.each(&f))
    }
    #[inline(always)]
    fn each_two(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        self.zip(other, |a, b| a.each_two(b, &f))
    }
    #[inline(always)]
    fn each_three(self, other: Self, third: Self, f: impl Fn(u64, u64, u64) -> u64) -> Self {
        Two {
            low: self.low.each_three(other.low, third.low, &f),
            high: self.high.each_three(other.high, third.high, &f),
        }
    }
}

fn options<S: Shape, F: Format, const OPTIONS: u8>(table: &mut Table, class: Class, env: &str, ty: &str) {
    let mut row = |name: &str, function| table.row(&format!("{name}{env}.{ty}"), class, 0, function);
    if OPTIONS & !FTZ == 0 {
        row("abs", lanes!(|a: S| a.each(absolute::<F, OPTIONS>)));
        row("neg", lanes!(|a: S| a.each(negated::<F, OPTIONS>)));
    }
    let name = if OPTIONS & MAX == 0 { "min" } else { "max" };
    row(name, lanes!(|a: S, b: S| a.each_two(b, extreme::<F, OPTIONS>)));
}

/// All options of a format; `suffix` is `x2` for two side by side.
fn shape<S: Shape, F: Format>(table: &mut Table, class: Class, suffix: &str, ftz: bool, more: bool) {
    let ty = format!("{}{suffix}", F::NAME);
    macro_rules! options {
        ($($options:expr, $env:literal;)*) => {$(
            options::<S, F, { $options }>(table, class, $env, &ty);
            options::<S, F, { $options | MAX }>(table, class, $env, &ty);
        )*};
    }
    options! { 0, ""; }
    if more {
        options! { NAN, ".NaN"; XORSIGN, ".xorsign.abs"; NAN | XORSIGN, ".NaN.xorsign.abs"; }
    }
    if ftz {
        options! {
            FTZ, ".ftz"; FTZ | NAN, ".ftz.NaN"; FTZ | XORSIGN, ".ftz.xorsign.abs";
            FTZ | NAN | XORSIGN, ".ftz.NaN.xorsign.abs";
        }
    }
}

/// `testp` and `copysign`.
fn tests<S: Shape + Into<u64>, F: Format>(table: &mut Table, class: Class) {
    let mut row = |name: &str, function| table.row(&format!("{name}.{}", F::NAME), class, 0, function);
    macro_rules! test {
        ($name:literal, $magnitude:ident, $holds:expr) => {
            row(
                concat!("testp.", $name),
                lanes!(|a: S| {
                    let $magnitude = a.into() & !F::SIGN;
                    $holds
                }),
            );
        };
    }
    test!("finite", it, it < F::INFINITY);
    test!("infinite", it, it == F::INFINITY);
    test!("number", it, it <= F::INFINITY);
    test!("notanumber", it, it > F::INFINITY);
    test!("normal", it, (F::NORMAL..F::INFINITY).contains(&it));
    test!("subnormal", it, (1..F::NORMAL).contains(&it));
    // The sign of the first, the magnitude of the second.
    row("copysign", lanes!(|a: S, b: S| a.each_two(b, |a, b| a & F::SIGN | b & !F::SIGN)));
}

pub(super) fn rows(table: &mut Table) {
    shape::<u32, F32>(table, Single, "", true, true);
    shape::<u64, F64>(table, Double, "", false, false);
    shape::<u16, F16>(table, Half, "", true, true);
    shape::<Two<u16>, F16>(table, Half, "x2", true, true);
    shape::<u16, Bf16>(table, Half, "", false, true);
    shape::<Two<u16>, Bf16>(table, Half, "x2", false, true);
    tests::<u32, F32>(table, Single);
    tests::<u64, F64>(table, Double);
}
