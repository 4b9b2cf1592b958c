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
    type Low: Ordered;
    type High: Ordered;
}

impl<F: Format + Copy, const FTZ: bool> Both for (Short<F, 0, FTZ>, Short<F, 16, FTZ>) {
    type Low = Short<F, 0, FTZ>;
    type High = Short<F, 16, FTZ>;
}

/// Whether the relation holds.
#[inline(never)]
#[allow(clippy::eq_op, reason = "what is not equal to itself is NaN")]
fn relate<T: Ordered, const HOLDS: u8>(sources: [&Lanes; 4], result: &mut Lanes) {
    for lane in LANES {
        let (a, b) = (T::value(sources[0][lane]), T::value(sources[1][lane]));
        let mut holds = false;
        if HOLDS & LESS != 0 {
            holds |= a < b;
        }
        if HOLDS & EQUAL != 0 {
            holds |= a == b;
        }
        if HOLDS & GREATER != 0 {
            holds |= a > b;
        }
        if HOLDS & UNORDERED != 0 {
            holds |= (a != a) | (b != b);
        }
        result[lane] = u64::from(holds);
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

fn setp<T: Ordered, const HOLDS: u8, const BOOL: u8>(sources: [&Lanes; 4], result: &mut Lanes) {
    relate::<T, HOLDS>(sources, result);
    if BOOL != ALONE {
        combine::<BOOL>(sources[2], result);
    }
}

fn set<T: Ordered, const HOLDS: u8, const BOOL: u8, const TRUTH: u64>(sources: [&Lanes; 4], result: &mut Lanes) {
    setp::<T, HOLDS, BOOL>(sources, result);
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
    results: Results<'a>,
}

/// The functions of one comparison: of `setp` both results, then of `set` by its result's type. Names are put to them elsewhere, in
/// code that is there only once.
type Functions = [Compute; 7];

fn functions<T: Ordered, const HOLDS: u8, const ELSE: u8, const BOOL: u8>() -> Functions {
    [
        setp::<T, HOLDS, BOOL>,
        setp::<T, ELSE, BOOL>,
        set::<T, HOLDS, BOOL, 0xffff_ffff>,
        set::<T, HOLDS, BOOL, { F32::ONE }>,
        set::<T, HOLDS, BOOL, { F16::ONE }>,
        set::<T, HOLDS, BOOL, { Bf16::ONE }>,
        set::<T, HOLDS, BOOL, 0xffff>,
    ]
}

fn functions_of_two<P: Both, const HOLDS: u8, const ELSE: u8, const BOOL: u8>() -> Functions {
    let integer: Compute = set_two::<P, HOLDS, BOOL, 0xffff>;
    [
        setp::<P::Low, HOLDS, BOOL>,
        setp::<P::High, HOLDS, BOOL>,
        integer,
        integer,
        set_two::<P, HOLDS, BOOL, { F16::ONE }>,
        set_two::<P, HOLDS, BOOL, { Bf16::ONE }>,
        integer,
    ]
}

fn add(table: &mut Table, name: Name<'_>, logic: &str, functions: Functions) {
    let Name { comparison, ftz, types, .. } = name;
    let sources = if logic.is_empty() { 2 } else { 3 };
    let class = if types.contains("f16") { Class::Half } else { Class::Integer };
    let [p, q, results @ ..] = functions;
    let names = format!("setp.{comparison}{logic}{ftz}.{types}");
    // Of numbers of 16 bits there is the second result only where there is a second number.
    if types.ends_with("f16") {
        table.row(&names, class, 0, (sources, p));
    } else {
        table.row_two(&names, class, (sources, p), q);
    }
    for (result, compute) in name.results.iter().filter_map(|(result, at)| Some((result, results.get(*at)?))) {
        let names = format!("set.{comparison}{logic}{ftz}.{result}.{types}");
        table.row(&names, class, 0, (sources, *compute));
    }
}

/// All comparisons of a list, each with all that may be done with the third source.
macro_rules! comparisons {
    ($functions:ident [$ty:ty] $table:ident, $name:expr, $all:expr; $($comparison:literal $holds:expr;)*) => {$({
        let name = Name { comparison: $comparison, ..$name };
        add($table, name, "", $functions::<$ty, { $holds }, { $all & !($holds) }, ALONE>());
        add($table, name, ".and", $functions::<$ty, { $holds }, { $all & !($holds) }, AND>());
        add($table, name, ".or", $functions::<$ty, { $holds }, { $all & !($holds) }, OR>());
        add($table, name, ".xor", $functions::<$ty, { $holds }, { $all & !($holds) }, XOR>());
    })*};
}

macro_rules! float_comparisons {
    ($functions:ident [$ty:ty] $table:ident, $name:expr) => {
        comparisons! {
            $functions [$ty] $table, $name, LESS | EQUAL | GREATER | UNORDERED;
            "eq" EQUAL; "ne" LESS | GREATER; "lt" LESS; "le" LESS | EQUAL; "gt" GREATER; "ge" GREATER | EQUAL;
            "equ" EQUAL | UNORDERED; "neu" LESS | GREATER | UNORDERED; "ltu" LESS | UNORDERED;
            "leu" LESS | EQUAL | UNORDERED; "gtu" GREATER | UNORDERED; "geu" GREATER | EQUAL | UNORDERED;
            "num" LESS | EQUAL | GREATER; "nan" UNORDERED;
        }
    };
}

/// Types of results of `set`, each with the place of its function.
type Results<'a> = &'a [(&'a str, usize)];

fn integers<U: Ordered, S: Ordered>(table: &mut Table, bits: u32) {
    let all = format!("{{b{bits},u{bits},s{bits}}}");
    let (unsigned, signed) = (format!("u{bits}"), format!("s{bits}"));
    let plain = Name { comparison: "", ftz: "", types: &all, results: &SINGLE };
    comparisons! { functions [U] table, plain, LESS | EQUAL | GREATER; "eq" EQUAL; "ne" LESS | GREATER; }
    let plain = Name { types: &unsigned, ..plain };
    comparisons! {
        functions [U] table, plain, LESS | EQUAL | GREATER;
        "{lt,lo}" LESS; "{le,ls}" LESS | EQUAL; "{gt,hi}" GREATER; "{ge,hs}" GREATER | EQUAL;
    }
    let plain = Name { types: &signed, ..plain };
    comparisons! {
        functions [S] table, plain, LESS | EQUAL | GREATER;
        "lt" LESS; "le" LESS | EQUAL; "gt" GREATER; "ge" GREATER | EQUAL;
    }
}

fn floats<T: Ordered>(table: &mut Table, types: &str, ftz: &str, results: Results<'_>) {
    let plain = Name { comparison: "", ftz, types, results };
    float_comparisons!(functions [T] table, plain);
}

fn pairs<P: Both>(table: &mut Table, types: &str, ftz: &str, results: Results<'_>) {
    let plain = Name { comparison: "", ftz, types, results };
    float_comparisons!(functions_of_two [P] table, plain);
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

const INTEGERS: (&str, usize) = ("{u32,s32}", 0);
const SINGLE: [(&str, usize); 4] = [INTEGERS, ("f32", 1), ("f16", 2), ("bf16", 3)];
const HALF: [(&str, usize); 4] = [INTEGERS, ("{u16,s16}", 4), ("f16", 2), ("bf16", 3)];

pub(super) fn rows(table: &mut Table) {
    integers::<u16, i16>(table, 16);
    integers::<u32, i32>(table, 32);
    integers::<u64, i64>(table, 64);
    // With `.ftz` there is no bf16 as result.
    floats::<f32>(table, "f32", "", &SINGLE);
    floats::<Flushed>(table, "f32", ".ftz", &SINGLE[..3]);
    floats::<f64>(table, "f64", "", &SINGLE);
    floats::<Short<F16, 0, false>>(table, "f16", "", &HALF);
    floats::<Short<F16, 0, true>>(table, "f16", ".ftz", &HALF[..3]);
    floats::<Short<Bf16, 0, false>>(table, "bf16", "", &[HALF[0], HALF[1], HALF[3]]);
    pairs::<(Short<F16, 0, false>, Short<F16, 16, false>)>(table, "f16x2", "", &[INTEGERS, ("f16x2", 2)]);
    pairs::<(Short<F16, 0, true>, Short<F16, 16, true>)>(table, "f16x2", ".ftz", &[INTEGERS, ("f16x2", 2)]);
    pairs::<(Short<Bf16, 0, false>, Short<Bf16, 16, false>)>(table, "bf16x2", "", &[INTEGERS, ("bf16x2", 3)]);
    slct(table);
}
