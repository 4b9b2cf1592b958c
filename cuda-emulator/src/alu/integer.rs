//! Integer arithmetic.
//!
//! What PTX leaves open is as on hardware: a division by zero gives all ones, the remainder too, and `MIN / -1` wraps.

use super::Class::Integer;
use super::lanes::{Two, lanes};
use super::table::Table;

/// What all integer types have.
macro_rules! common {
    ($table:ident, $ty:ident, $name:literal, $wide:ident) => {
        let mut row = |name: &str, function| $table.row(&format!("{name}.{}", $name), Integer, 0, function);
        row("add", lanes!(|a: $ty, b: $ty| a.wrapping_add(b)));
        row("sub", lanes!(|a: $ty, b: $ty| a.wrapping_sub(b)));
        row("mul.lo", lanes!(|a: $ty, b: $ty| a.wrapping_mul(b)));
        row("mul.hi", lanes!(|a: $ty, b: $ty| high!($ty, $wide, a, b)));
        row("mad.lo", lanes!(|a: $ty, b: $ty, c: $ty| a.wrapping_mul(b).wrapping_add(c)));
        row("mad.hi", lanes!(|a: $ty, b: $ty, c: $ty| high!($ty, $wide, a, b).wrapping_add(c)));
        row("sad", lanes!(|a: $ty, b: $ty, c: $ty| a.max(b).wrapping_sub(a.min(b)).wrapping_add(c)));
        row("div", lanes!(|a: $ty, b: $ty| if b == 0 { !0 } else { a.wrapping_div(b) }));
        row("rem", lanes!(|a: $ty, b: $ty| if b == 0 { !0 } else { a.wrapping_rem(b) }));
        row("min", lanes!(|a: $ty, b: $ty| a.min(b)));
        row("max", lanes!(|a: $ty, b: $ty| a.max(b)));
    };
}

macro_rules! high {
    ($ty:ident, $wide:ident, $a:expr, $b:expr) => {
        (($wide::from($a).wrapping_mul($wide::from($b))) >> $ty::BITS) as $ty
    };
}

/// What signed types have too.
macro_rules! signed {
    ($table:ident, $ty:ident, $name:literal) => {
        $table.row(concat!("abs.", $name), Integer, 0, lanes!(|a: $ty| a.wrapping_abs()));
        $table.row(concat!("neg.", $name), Integer, 0, lanes!(|a: $ty| a.wrapping_neg()));
    };
}

/// Products twice as wide as their factors.
macro_rules! wide {
    ($table:ident, $ty:ident, $name:literal, $wide:ident) => {
        $table.row(concat!("mul.wide.", $name), Integer, 0, lanes!(|a: $ty, b: $ty| $wide::from(a) * $wide::from(b)));
        let sum = lanes!(|a: $ty, b: $ty, c: $wide| ($wide::from(a) * $wide::from(b)).wrapping_add(c));
        $table.row(concat!("mad.wide.", $name), Integer, 0, sum);
    };
}

/// Products of the low 24 bits.
macro_rules! narrow {
    ($table:ident, $ty:ident, $name:literal, $wide:ident) => {
        let mut row = |name: &str, function| $table.row(&format!("{name}.{}", $name), Integer, 0, function);
        row("mul24.lo", lanes!(|a: $ty, b: $ty| product24!($ty, $wide, a, b, 0)));
        row("mul24.hi", lanes!(|a: $ty, b: $ty| product24!($ty, $wide, a, b, 16)));
        row("mad24.lo", lanes!(|a: $ty, b: $ty, c: $ty| product24!($ty, $wide, a, b, 0).wrapping_add(c)));
        row("mad24.hi", lanes!(|a: $ty, b: $ty, c: $ty| product24!($ty, $wide, a, b, 16).wrapping_add(c)));
    };
}

macro_rules! product24 {
    ($ty:ident, $wide:ident, $a:expr, $b:expr, $shift:literal) => {
        (($wide::from($a << 8 >> 8) * $wide::from($b << 8 >> 8)) >> $shift) as $ty
    };
}

/// Two numbers of 16 bits side by side.
macro_rules! packed {
    ($table:ident, $ty:ident, $name:literal) => {
        let mut row = |name: &str, function| $table.row(&format!("{name}.{}", $name), Integer, 0, function);
        row("add", lanes!(|a: Two<$ty>, b: Two<$ty>| a.zip(b, |a, b| a.wrapping_add(b))));
        row("min", lanes!(|a: Two<$ty>, b: Two<$ty>| a.zip(b, |a, b| a.min(b))));
        row("max", lanes!(|a: Two<$ty>, b: Two<$ty>| a.zip(b, |a, b| a.max(b))));
    };
}

/// Sums of products of bytes, and of halves with bytes.
macro_rules! dot {
    ($table:ident, $name:literal, $byte_a:ident, $half_a:ident, $byte_b:ident) => {
        let four = lanes!(|a: u32, b: u32, c: u32| {
            let products = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
            products.fold(c, |sum, (a, b)| {
                sum.wrapping_add((i32::from(a as $byte_a) * i32::from(b as $byte_b)) as u32)
            })
        });
        let low = lanes!(|a: u32, b: u32, c: u32| dot!(@ two $half_a, $byte_b, a, b, c));
        let high = lanes!(|a: u32, b: u32, c: u32| dot!(@ two $half_a, $byte_b, a, b >> 16, c));
        $table.row(concat!("dp4a.", $name), Integer, 0, four);
        $table.row(concat!("dp2a.lo.", $name), Integer, 0, low);
        $table.row(concat!("dp2a.hi.", $name), Integer, 0, high);
    };
    (@ two $half:ident, $byte:ident, $a:expr, $b:expr, $c:expr) => {{
        let product = |shift: u32| i32::from(($a >> (2 * shift)) as $half) * i32::from(($b >> shift) as $byte);
        $c.wrapping_add(product(0) as u32).wrapping_add(product(8) as u32)
    }};
}

pub(super) fn rows(table: &mut Table) {
    common!(table, u16, "u16", u32);
    common!(table, u32, "u32", u64);
    common!(table, u64, "u64", u128);
    common!(table, i16, "s16", i32);
    common!(table, i32, "s32", i64);
    common!(table, i64, "s64", i128);
    signed!(table, i16, "s16");
    signed!(table, i32, "s32");
    signed!(table, i64, "s64");
    wide!(table, u16, "u16", u32);
    wide!(table, u32, "u32", u64);
    wide!(table, i16, "s16", i32);
    wide!(table, i32, "s32", i64);
    narrow!(table, u32, "u32", u64);
    narrow!(table, i32, "s32", i64);
    packed!(table, u16, "u16x2");
    packed!(table, i16, "s16x2");
    dot!(table, "u32.u32", u8, u16, u8);
    dot!(table, "u32.s32", u8, u16, i8);
    dot!(table, "s32.u32", i8, i16, u8);
    dot!(table, "s32.s32", i8, i16, i8);

    let mut row = |name: &str, function| table.row(name, Integer, 0, function);
    row("add.sat.s32", lanes!(|a: i32, b: i32| a.saturating_add(b)));
    row("sub.sat.s32", lanes!(|a: i32, b: i32| a.saturating_sub(b)));
    row("mad.hi.sat.s32", lanes!(|a: i32, b: i32, c: i32| high!(i32, i64, a, b).saturating_add(c)));
    row("mad24.hi.sat.s32", lanes!(|a: i32, b: i32, c: i32| product24!(i32, i64, a, b, 16).saturating_add(c)));
    row("min.relu.s32", lanes!(|a: i32, b: i32| a.min(b).max(0)));
    row("max.relu.s32", lanes!(|a: i32, b: i32| a.max(b).max(0)));
    row("min.relu.s16x2", lanes!(|a: Two<i16>, b: Two<i16>| a.zip(b, |a, b| a.min(b).max(0))));
    row("max.relu.s16x2", lanes!(|a: Two<i16>, b: Two<i16>| a.zip(b, |a, b| a.max(b).max(0))));
}
