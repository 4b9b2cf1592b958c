//! Comparisons: `setp`, `set`, `slct`.
//!
//! Two numbers are less, equal, greater or, with NaN, unordered; a comparison is the set of those for which it holds.

use std::marker::PhantomData;

use super::half::widen;
use super::lanes::{LANES, Lane, lanes};
use super::round::{self, Bf16, F16, F32, Format};
use super::table::Table;
use super::{Class, Compute, Lanes};

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;
const UNORDERED: u8 = 8;

/// What `.and`, `.or` and `.xor` do with the third source.
const ALONE: u8 = 0;
const AND: u8 = 1;
const OR: u8 = 2;
const XOR: u8 = 3;

/// A number that is read to be compared.
trait Ordered: Copy {
    type Value: PartialOrd + Copy;
    fn value(bits: u64) -> Self::Value;
}

macro_rules! ordered {
    ($($ty:ident)*) => {$(
        impl Ordered for $ty {
            type Value = $ty;
            #[inline(always)]
            fn value(bits: u64) -> $ty {
                $ty::read(bits)
            }
        }
    )*};
}

ordered!(u16 u32 u64 i16 i32 i64 f32 f64);

/// An f32 whose subnormal numbers are zeros.
#[derive(Clone, Copy)]
struct Flushed;

impl Ordered for Flushed {
    type Value = f32;
    #[inline(always)]
    fn value(bits: u64) -> f32 {
        f32::read(round::flush::<F32>(bits & u64::from(u32::MAX)))
    }
}

/// A number of 16 bits, `AT` bits up.
#[derive(Clone, Copy)]
struct Short<F, const AT: u32, const FTZ: bool>(PhantomData<F>);

impl<F: Format + Copy, const AT: u32, const FTZ: bool> Ordered for Short<F, AT, FTZ> {
    type Value = f64;
    #[inline(always)]
    fn value(bits: u64) -> f64 {
        let bits = (bits >> AT) & 0xffff;
        widen::<F>(if FTZ { round::flush::<F>(bits) } else { bits })
    }
}

/// Two numbers side by side.
trait Both {
    type Format: Format;
    type Low: Ordered;
    type High: Ordered;
}

impl<F: Format + Copy, const FTZ: bool> Both for (Short<F, 0, FTZ>, Short<F, 16, FTZ>) {
    type Format = F;
    type Low = Short<F, 0, FTZ>;
    type High = Short<F, 16, FTZ>;
}

/// Whether the relation holds, or (`NOT`) does not.
fn relate<T: Ordered, const HOLDS: u8, const NOT: bool>(sources: [&Lanes; 4], result: &mut Lanes) {
    for lane in LANES {
        let (a, b) = (T::value(sources[0][lane]), T::value(sources[1][lane]));
        let unordered = a.partial_cmp(&a).is_none() | b.partial_cmp(&b).is_none();
        let holds = (HOLDS & LESS != 0) & (a < b)
            | (HOLDS & EQUAL != 0) & (a == b)
            | (HOLDS & GREATER != 0) & (a > b)
            | (HOLDS & UNORDERED != 0) & unordered;
        result[lane] = u64::from(holds != NOT);
    }
}

/// Brings in the third source. Not inlined: thousands of functions end with it.
#[inline(never)]
fn combine<const BOOL: u8>(third: &Lanes, result: &mut Lanes) {
    for lane in LANES {
        let third = third[lane] & 1;
        result[lane] = match BOOL {
            AND => result[lane] & third,
            OR => result[lane] | third,
            XOR => result[lane] ^ third,
            _ => result[lane],
        };
    }
}

/// A predicate as a number: `truth` where it holds, else zero.
#[inline(never)]
fn spread(truth: u64, result: &mut Lanes) {
    for lane in LANES {
        result[lane] *= truth;
    }
}

fn setp<T: Ordered, const HOLDS: u8, const NOT: bool, const BOOL: u8>(sources: [&Lanes; 4], result: &mut Lanes) {
    relate::<T, HOLDS, NOT>(sources, result);
    if BOOL != ALONE {
        combine::<BOOL>(sources[2], result);
    }
}

fn set<T: Ordered, const HOLDS: u8, const BOOL: u8, const TRUTH: u64>(sources: [&Lanes; 4], result: &mut Lanes) {
    setp::<T, HOLDS, false, BOOL>(sources, result);
    spread(TRUTH, result);
}

fn set_two<P: Both, const HOLDS: u8, const BOOL: u8, const TRUTH: u64>(sources: [&Lanes; 4], result: &mut Lanes) {
    let mut high = [0; super::WARP];
    set::<P::High, HOLDS, BOOL, TRUTH>(sources, &mut high);
    set::<P::Low, HOLDS, BOOL, TRUTH>(sources, result);
    for lane in LANES {
        result[lane] |= high[lane] << 16;
    }
}

/// What a comparison is called: `lt`, then `.ftz` or nothing, then the types it is for.
#[derive(Clone, Copy)]
struct Name<'a> {
    comparison: &'a str,
    ftz: &'a str,
    types: &'a str,
    /// Whether `set` has results of 16 bits too.
    short: bool,
}

fn rows_of<T: Ordered, const HOLDS: u8, const BOOL: u8>(table: &mut Table, name: Name<'_>, logic: &str) {
    let Name { comparison, ftz, types, short } = name;
    let sources = if BOOL == ALONE { 2 } else { 3 };
    let p: Compute = setp::<T, HOLDS, false, BOOL>;
    let q: Compute = setp::<T, HOLDS, true, BOOL>;
    table.row_two(&format!("setp.{comparison}{logic}{ftz}.{types}"), Class::Integer, (sources, p), q);
    let mut row = |result: &str, compute: Compute| {
        let names = format!("set.{comparison}{logic}{ftz}.{result}.{types}");
        table.row(&names, Class::Integer, 0, (sources, compute));
    };
    row("{u32,s32}", set::<T, HOLDS, BOOL, 0xffff_ffff>);
    row("f32", set::<T, HOLDS, BOOL, { F32::ONE }>);
    row("f16", set::<T, HOLDS, BOOL, { F16::ONE }>);
    row("bf16", set::<T, HOLDS, BOOL, { Bf16::ONE }>);
    if short {
        row("{u16,s16}", set::<T, HOLDS, BOOL, 0xffff>);
    }
}

fn rows_of_two<P: Both, const HOLDS: u8, const BOOL: u8>(table: &mut Table, name: Name<'_>, logic: &str) {
    let Name { comparison, ftz, types, .. } = name;
    let sources = if BOOL == ALONE { 2 } else { 3 };
    let p: Compute = setp::<P::Low, HOLDS, false, BOOL>;
    let q: Compute = setp::<P::High, HOLDS, false, BOOL>;
    table.row_two(&format!("setp.{comparison}{logic}{ftz}.{types}"), Class::Half, (sources, p), q);
    let mut row = |result: &str, compute: Compute| {
        let names = format!("set.{comparison}{logic}{ftz}.{result}.{types}");
        table.row(&names, Class::Half, 0, (sources, compute));
    };
    row("{u32,s32}", set_two::<P, HOLDS, BOOL, 0xffff>);
    if P::Format::PRECISION == F16::PRECISION {
        row(types, set_two::<P, HOLDS, BOOL, { F16::ONE }>);
    } else {
        row(types, set_two::<P, HOLDS, BOOL, { Bf16::ONE }>);
    }
}

/// All comparisons of a list, each with all that may be done with the third source.
macro_rules! comparisons {
    ($rows:ident [$ty:ty] $table:ident, $name:expr; $($comparison:literal $holds:expr;)*) => {$({
        let name = Name { comparison: $comparison, ..$name };
        $rows::<$ty, { $holds }, ALONE>($table, name, "");
        $rows::<$ty, { $holds }, AND>($table, name, ".and");
        $rows::<$ty, { $holds }, OR>($table, name, ".or");
        $rows::<$ty, { $holds }, XOR>($table, name, ".xor");
    })*};
}

macro_rules! float_comparisons {
    ($rows:ident [$ty:ty] $table:ident, $name:expr) => {
        comparisons! {
            $rows [$ty] $table, $name;
            "eq" EQUAL; "ne" LESS | GREATER; "lt" LESS; "le" LESS | EQUAL; "gt" GREATER; "ge" GREATER | EQUAL;
            "equ" EQUAL | UNORDERED; "neu" LESS | GREATER | UNORDERED; "ltu" LESS | UNORDERED;
            "leu" LESS | EQUAL | UNORDERED; "gtu" GREATER | UNORDERED; "geu" GREATER | EQUAL | UNORDERED;
            "num" LESS | EQUAL | GREATER; "nan" UNORDERED;
        }
    };
}

fn integers<U: Ordered, S: Ordered>(table: &mut Table, bits: u32) {
    let all = format!("{{b{bits},u{bits},s{bits}}}");
    let (unsigned, signed) = (format!("u{bits}"), format!("s{bits}"));
    let plain = Name { comparison: "", ftz: "", types: &all, short: false };
    comparisons! { rows_of [U] table, plain; "eq" EQUAL; "ne" LESS | GREATER; }
    let plain = Name { types: &unsigned, ..plain };
    comparisons! {
        rows_of [U] table, plain;
        "{lt,lo}" LESS; "{le,ls}" LESS | EQUAL; "{gt,hi}" GREATER; "{ge,hs}" GREATER | EQUAL;
    }
    let plain = Name { types: &signed, ..plain };
    comparisons! {
        rows_of [S] table, plain;
        "lt" LESS; "le" LESS | EQUAL; "gt" GREATER; "ge" GREATER | EQUAL;
    }
}

fn floats<T: Ordered>(table: &mut Table, types: &str, ftz: &str, short: bool) {
    let plain = Name { comparison: "", ftz, types, short };
    float_comparisons!(rows_of [T] table, plain);
}

fn shorts<F: Format + Copy, const FTZ: bool>(table: &mut Table, ftz: &str) {
    floats::<Short<F, 0, FTZ>>(table, F::NAME, ftz, true);
    let types = format!("{}x2", F::NAME);
    let plain = Name { comparison: "", ftz, types: &types, short: false };
    float_comparisons!(rows_of_two [(Short<F, 0, FTZ>, Short<F, 16, FTZ>)] table, plain);
}

/// `slct`: the first where the third is at least zero, else (NaN too) the second.
fn slct(table: &mut Table) {
    macro_rules! width {
        ($ty:ident $types:literal) => {
            let mut row = |third: &str, function| {
                table.row(&format!("slct{third}").replace('#', $types), Class::Integer, 0, function);
            };
            row(".#.s32", lanes!(|a: $ty, b: $ty, c: i32| if c >= 0 { a } else { b }));
            row(".#.f32", lanes!(|a: $ty, b: $ty, c: f32| if c >= 0.0 { a } else { b }));
            let flushed = lanes!(|a: $ty, b: $ty, c: u32| if Flushed::value(c.into()) >= 0.0 { a } else { b });
            row(".ftz.#.f32", flushed);
        };
    }
    width!(u16 "{b16,u16,s16}");
    width!(u32 "{b32,u32,s32,f32}");
    width!(u64 "{b64,u64,s64,f64}");
}

pub(super) fn rows(table: &mut Table) {
    integers::<u16, i16>(table, 16);
    integers::<u32, i32>(table, 32);
    integers::<u64, i64>(table, 64);
    floats::<f32>(table, "f32", "", false);
    floats::<Flushed>(table, "f32", ".ftz", false);
    floats::<f64>(table, "f64", "", false);
    shorts::<F16, false>(table, "");
    shorts::<F16, true>(table, ".ftz");
    shorts::<Bf16, false>(table, "");
    slct(table);
}
