//! `cvt` between all types.
//!
//! A double holds every number of the narrower formats, so it stands between them; integers of 64 bits are rounded by themselves.

use super::Class::Convert;
use super::float::{Env, Ftz, FtzSat, Plain, Sat};
use super::half::widen;
use super::lanes::{Lane, Loop, lanes};
use super::round::{self, Bf16, E4m3, E5m2, Exact, F16, F32, F64, Format, Mode, Rm, Rn, Rna, Round, Rp, Rz, Tf32};
use super::table::Table;

/// An integer type.
trait Integer: Lane {
    const NAME: &str;
    const BITS: u32;
    fn wide(self) -> i128;
    /// The low bits.
    fn cut(value: i128) -> Self;
    /// The nearest that the type has.
    fn clamp(value: i128) -> Self;
    /// The nearest f64 and f32, as the host rounds.
    fn to_f64(self) -> f64;
    fn to_f32(self) -> f32;
    /// The number without its fraction, or the nearest that the type has; 0 for NaN.
    fn truncate(value: f64) -> Self;
}

macro_rules! integers {
    ($($ty:ident $name:literal)*) => {$(
        impl Integer for $ty {
            const NAME: &str = $name;
            const BITS: u32 = $ty::BITS;
            #[inline(always)]
            fn wide(self) -> i128 {
                self.into()
            }
            #[inline(always)]
            fn cut(value: i128) -> Self {
                value as $ty
            }
            #[inline(always)]
            fn clamp(value: i128) -> Self {
                value.clamp($ty::MIN.into(), $ty::MAX.into()) as $ty
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn truncate(value: f64) -> Self {
                value as $ty
            }
        }
    )*};
}

integers!(u8 "u8" u16 "u16" u32 "u32" u64 "u64" i8 "s8" i16 "s16" i32 "s32" i64 "s64");

/// A format that registers hold as it is, with its way to a double.
trait Float: Format {
    type Bits: Lane + Into<u64>;
    fn widen(bits: u64) -> f64;
}

impl Float for F16 {
    type Bits = u16;
    #[inline(always)]
    fn widen(bits: u64) -> f64 {
        widen::<F16>(bits)
    }
}

impl Float for Bf16 {
    type Bits = u16;
    #[inline(always)]
    fn widen(bits: u64) -> f64 {
        widen::<Bf16>(bits)
    }
}

impl Float for F32 {
    type Bits = u32;
    #[inline(always)]
    fn widen(bits: u64) -> f64 {
        f64::from(f32::from_bits(bits as u32))
    }
}

impl Float for F64 {
    type Bits = u64;
    #[inline(always)]
    fn widen(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

/// An operand as a double; `.ftz` says something of f32 only.
#[inline(always)]
fn input<S: Float, E: Env>(bits: u64) -> f64 {
    S::widen(if E::FTZ && S::BITS == 32 { round::flush::<S>(bits) } else { bits })
}

/// A double in the format, with `.ftz` and `.sat`.
#[inline(always)]
fn output<D: Float, E: Env>(value: f64, mode: Mode) -> u64 {
    let value = match E::SAT {
        true if value > 0.0 => value.min(1.0),
        true => 0.0,
        false => value,
    };
    let bits = match (D::BITS, mode) {
        (64, _) if value.is_nan() => D::NAN,
        (64, _) => value.to_bits(),
        (16, Mode::Nearest) => round::nearest::<D>(value),
        (32, Mode::Nearest) if !value.is_nan() => u64::from((value as f32).to_bits()),
        _ => round::narrow::<D>(value, mode),
    };
    if E::FTZ && D::BITS == 32 { round::flush::<D>(bits) } else { bits }
}

/// The number without fraction that the mode chooses.
#[inline(always)]
fn integral(value: f64, mode: Mode) -> f64 {
    match mode {
        Mode::Zero => value.trunc(),
        Mode::Down => value.floor(),
        Mode::Up => value.ceil(),
        Mode::Nearest | Mode::Away => value.round_ties_even(),
    }
}

fn from_integer<S: Integer, D: Float, E: Env, M: Round>(value: S) -> u64 {
    match (M::MODE, D::BITS) {
        (Mode::Nearest, 32) => output::<D, E>(f64::from(value.to_f32()), M::MODE),
        (Mode::Nearest, 64) => output::<D, E>(value.to_f64(), M::MODE),
        (mode, _) => {
            let wide = value.wide();
            let exact = Exact { negative: wide < 0, significand: wide.unsigned_abs(), exponent: 0 };
            output::<D, E>(D::widen(exact.encode::<D>(mode)), mode)
        }
    }
}

fn to_integer<S: Float, D: Integer, E: Env, M: Round>(bits: u64) -> D {
    let value = input::<S, E>(bits);
    // PTX: zero for NaN, but with 64 bits on either side the upper bit alone.
    if value.is_nan() && (S::BITS == 64 || D::BITS == 64) {
        return D::cut(1 << (D::BITS - 1));
    }
    D::truncate(integral(value, M::MODE))
}

/// Rounding modes in the order of the lists below.
const MODES: [&str; 4] = [".rn", ".rz", ".rm", ".rp"];

fn add(table: &mut Table, options: &str, to: &str, from: &str, function: Loop) {
    table.row(&format!("cvt{options}.{to}.{from}"), Convert, 0, function);
}

fn integer_to_integer<S: Integer, D: Integer>(table: &mut Table) {
    add(table, "", D::NAME, S::NAME, lanes!(|a: S| D::cut(a.wide())));
    let magnitude = |signed: bool, bits: u32| if signed { bits - 1 } else { bits };
    let (from_signed, to_signed) = (S::NAME.starts_with('s'), D::NAME.starts_with('s'));
    // Where nothing is ever cut there is no `.sat`.
    if from_signed && !to_signed || magnitude(from_signed, S::BITS) > magnitude(to_signed, D::BITS) {
        add(table, ".sat", D::NAME, S::NAME, lanes!(|a: S| D::clamp(a.wide())));
    }
}

/// The functions of one rounding mode; what they are called stands in code that is there only once.
fn integer_to_float<S: Integer, D: Float>(table: &mut Table) {
    fn mode<S: Integer, D: Float, M: Round>() -> [Loop; 2] {
        [lanes!(|a: S| from_integer::<S, D, Plain, M>(a)), lanes!(|a: S| from_integer::<S, D, Sat, M>(a))]
    }
    let short = D::PRECISION == Bf16::PRECISION;
    if short && S::BITS == 8 {
        return;
    }
    let modes = [mode::<S, D, Rn>(), mode::<S, D, Rz>(), mode::<S, D, Rm>(), mode::<S, D, Rp>()];
    // No integer becomes a subnormal number.
    let ftz = if D::BITS == 32 { "{,.ftz}" } else { "" };
    for (name, [plain, sat]) in MODES.into_iter().zip(modes) {
        add(table, &format!("{name}{ftz}"), D::NAME, S::NAME, plain);
        if !short {
            add(table, &format!("{name}{ftz}.sat"), D::NAME, S::NAME, sat);
        }
    }
}

fn float_to_integer<S: Float, D: Integer>(table: &mut Table) {
    fn mode<S: Float, D: Integer, E: Env, M: Round>() -> Loop {
        lanes!(|a: S::Bits| to_integer::<S, D, E, M>(a.into()))
    }
    fn modes<S: Float, D: Integer, E: Env>() -> [Loop; 4] {
        [mode::<S, D, E, Rn>(), mode::<S, D, E, Rz>(), mode::<S, D, E, Rm>(), mode::<S, D, E, Rp>()]
    }
    let short = S::PRECISION == Bf16::PRECISION;
    if short && D::BITS == 8 {
        return;
    }
    let sat = if short { "" } else { "{,.sat}" };
    for (name, function) in MODES.into_iter().zip(modes::<S, D, Plain>()) {
        add(table, &format!("{name}i{sat}"), D::NAME, S::NAME, function);
    }
    if S::BITS == 32 {
        for (name, function) in MODES.into_iter().zip(modes::<S, D, Ftz>()) {
            add(table, &format!("{name}i.ftz{{,.sat}}"), D::NAME, S::NAME, function);
        }
    }
}

fn float_to_float<S: Float, D: Float>(table: &mut Table) {
    fn mode<S: Float, D: Float, E: Env, M: Round>() -> Loop {
        lanes!(|a: S::Bits| output::<D, E>(input::<S, E>(a.into()), M::MODE))
    }
    fn environment<S: Float, D: Float, E: Env>(table: &mut Table) {
        if D::BITS < S::BITS || D::BITS == S::BITS && D::PRECISION != S::PRECISION {
            let modes = [mode::<S, D, E, Rn>(), mode::<S, D, E, Rz>(), mode::<S, D, E, Rm>(), mode::<S, D, E, Rp>()];
            for (name, function) in MODES.into_iter().zip(modes) {
                add(table, &format!("{name}{}", E::NAME), D::NAME, S::NAME, function);
            }
        } else {
            add(table, E::NAME, D::NAME, S::NAME, mode::<S, D, E, Rn>());
        }
    }
    // There is no `.sat` for bf16.
    let single = S::BITS == 32 || D::BITS == 32;
    let sat = S::PRECISION != Bf16::PRECISION && D::PRECISION != Bf16::PRECISION;
    environment::<S, D, Plain>(table);
    if single {
        environment::<S, D, Ftz>(table);
    }
    if sat {
        environment::<S, D, Sat>(table);
    }
    if sat && single {
        environment::<S, D, FtzSat>(table);
    }
}

/// To a number without fraction of the same format.
fn to_integral<F: Float>(table: &mut Table) {
    fn mode<F: Float, E: Env, M: Round>() -> Loop {
        lanes!(|a: F::Bits| output::<F, E>(integral(input::<F, E>(a.into()), M::MODE), M::MODE))
    }
    fn environment<F: Float, E: Env>(table: &mut Table) {
        let modes = [mode::<F, E, Rn>(), mode::<F, E, Rz>(), mode::<F, E, Rm>(), mode::<F, E, Rp>()];
        for (name, function) in MODES.into_iter().zip(modes) {
            add(table, &format!("{name}i{}", E::NAME), F::NAME, F::NAME, function);
        }
    }
    environment::<F, Plain>(table);
    if F::PRECISION != Bf16::PRECISION {
        environment::<F, Sat>(table);
    }
    if F::BITS == 32 {
        environment::<F, Ftz>(table);
        environment::<F, FtzSat>(table);
    }
}

/// Whether the result is kept finite, and whether what is negative becomes zero.
const FINITE: u8 = 1;
const RELU: u8 = 2;

/// A format narrower than f32, with `.satfinite` and `.relu`.
fn narrow<D: Format, const OPTIONS: u8>(value: f64, mode: Mode) -> u64 {
    let bits = match (D::BITS, mode) {
        (16, Mode::Nearest) => round::nearest::<D>(value),
        _ => round::narrow::<D>(value, mode),
    };
    let (sign, magnitude) = (bits & D::SIGN, bits & (D::SIGN - 1));
    if value.is_nan() {
        D::NAN
    } else if OPTIONS & RELU != 0 && sign != 0 {
        0
    } else if OPTIONS & FINITE != 0 {
        sign | magnitude.min(D::MAX)
    } else {
        bits
    }
}

/// From f32 to `D` and, the first operand in the upper half, to two of it.
fn from_single<D: Format, M: Round, const OPTIONS: u8>(table: &mut Table, options: &str, one: bool) {
    let name = format!("cvt.{}{options}.{}", M::NAME, D::NAME);
    let two = lanes!(|a: f32, b: f32| {
        let convert = |value: f32| narrow::<D, OPTIONS>(f64::from(value), M::MODE);
        convert(a) << D::BITS | convert(b)
    });
    table.row(&format!("{name}x2.f32"), Convert, 0, two);
    if one {
        let one = lanes!(|a: f32| narrow::<D, OPTIONS>(f64::from(a), M::MODE));
        table.row(&format!("{name}.f32"), Convert, 0, one);
    }
}

fn halves<D: Format, M: Round>(table: &mut Table) {
    // Without options the conversion to one number is among those between all formats.
    from_single::<D, M, 0>(table, "", false);
    from_single::<D, M, RELU>(table, ".relu", true);
    from_single::<D, M, FINITE>(table, ".satfinite", true);
    from_single::<D, M, { RELU | FINITE }>(table, ".relu.satfinite", true);
}

/// To tf32, whose bits are the upper ones of an f32.
fn tensor_float<M: Round, const OPTIONS: u8>(table: &mut Table, options: &str) {
    const BELOW: u32 = F32::PRECISION - Tf32::PRECISION;
    let function = lanes!(|a: f32| narrow::<Tf32, OPTIONS>(f64::from(a), M::MODE) << BELOW);
    table.row(&format!("cvt.{}{options}.tf32.f32", M::NAME), Convert, 0, function);
}

fn widen_byte<S: Format>(bits: u64) -> f64 {
    if round::is_nan::<S>(bits) {
        return f64::NAN;
    }
    if S::MAX > S::INFINITY || bits & (S::SIGN - 1) < S::INFINITY {
        return f64::from_bits(Exact::decode::<S>(bits).encode::<F64>(Mode::Nearest));
    }
    if bits & S::SIGN == 0 { f64::INFINITY } else { f64::NEG_INFINITY }
}

/// Two numbers of eight bits, from and to two of f32 or f16.
fn bytes<D: Format>(table: &mut Table) {
    fn to<D: Format, const OPTIONS: u8, const FINITE_TOO: u8>(table: &mut Table, relu: &str) {
        let name = D::NAME;
        from_single::<D, Rn, FINITE_TOO>(table, &format!(".satfinite{relu}"), false);
        let from_half = lanes!(|a: u32| {
            let convert = |bits: u32| narrow::<D, FINITE_TOO>(widen::<F16>(u64::from(bits & 0xffff)), Mode::Nearest);
            convert(a >> 16) << 8 | convert(a)
        });
        table.row(&format!("cvt.rn.satfinite{relu}.{name}x2.f16x2"), Convert, 0, from_half);
        let to_half = lanes!(|a: u16| {
            let convert = |bits: u16| narrow::<F16, OPTIONS>(widen_byte::<D>(u64::from(bits & 0xff)), Mode::Nearest);
            convert(a >> 8) << 16 | convert(a)
        });
        table.row(&format!("cvt.rn{relu}.f16x2.{name}x2"), Convert, 0, to_half);
    }
    to::<D, 0, FINITE>(table, "");
    to::<D, RELU, { FINITE | RELU }>(table, ".relu");
}

/// `cvt.pack`: two integers cut to a range, side by side; narrow ones push the third operand up.
fn pack(table: &mut Table) {
    fn join(a: i32, b: i32, range: std::ops::RangeInclusive<i32>, bits: u32) -> u32 {
        let cut = |value: i32| value.clamp(*range.start(), *range.end()) as u32 & ((1 << bits) - 1);
        cut(a) << bits | cut(b)
    }
    let mut row = |names: &str, function| table.row(&format!("cvt.pack.sat.{names}"), Convert, 0, function);
    row("u16.s32", lanes!(|a: i32, b: i32| join(a, b, 0..=0xffff, 16)));
    row("s16.s32", lanes!(|a: i32, b: i32| join(a, b, -0x8000..=0x7fff, 16)));
    row("u8.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 16 | join(a, b, 0..=0xff, 8)));
    row("s8.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 16 | join(a, b, -0x80..=0x7f, 8)));
    row("u4.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 8 | join(a, b, 0..=15, 4)));
    row("s4.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 8 | join(a, b, -8..=7, 4)));
    row("u2.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 4 | join(a, b, 0..=3, 2)));
    row("s2.s32.b32", lanes!(|a: i32, b: i32, c: u32| c << 4 | join(a, b, -2..=1, 2)));
}

/// Calls a function for every pair of a type of the first list and one of the second.
macro_rules! pairs {
    ($function:ident [$($first:ident)*] $second:tt $table:ident) => {
        $(pairs!(@ $function $first $second $table);)*
    };
    (@ $function:ident $first:ident [$($second:ident)*] $table:ident) => {
        $($function::<$first, $second>($table);)*
    };
}

pub(super) fn rows(table: &mut Table) {
    pairs!(integer_to_integer [u8 u16 u32 u64 i8 i16 i32 i64] [u8 u16 u32 u64 i8 i16 i32 i64] table);
    pairs!(integer_to_float [u8 u16 u32 u64 i8 i16 i32 i64] [F16 Bf16 F32 F64] table);
    pairs!(float_to_integer [F16 Bf16 F32 F64] [u8 u16 u32 u64 i8 i16 i32 i64] table);
    pairs!(float_to_float [F16 Bf16 F32 F64] [F16 Bf16 F32 F64] table);
    to_integral::<F16>(table);
    to_integral::<Bf16>(table);
    to_integral::<F32>(table);
    to_integral::<F64>(table);
    pairs!(halves [F16 Bf16] [Rn Rz] table);
    tensor_float::<Rna, 0>(table, "");
    tensor_float::<Rna, FINITE>(table, ".satfinite");
    tensor_float::<Rn, 0>(table, "");
    tensor_float::<Rz, 0>(table, "");
    tensor_float::<Rn, RELU>(table, ".relu");
    tensor_float::<Rz, RELU>(table, ".relu");
    bytes::<E4m3>(table);
    bytes::<E5m2>(table);
    pack(table);
}
