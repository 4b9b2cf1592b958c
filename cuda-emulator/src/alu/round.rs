//! Formats of floating-point numbers, and exact numbers that are rounded to them once.

/// How a number that a format lacks is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// To the nearest, ties to even: `.rn`.
    Nearest,
    /// To the nearest, ties away from zero: `.rna`.
    Away,
    /// Towards zero: `.rz`.
    Zero,
    /// Towards minus infinity: `.rm`.
    Down,
    /// Towards plus infinity: `.rp`.
    Up,
}

/// A mode as a type, so that each is a function of its own.
pub(super) trait Round {
    const MODE: Mode;
    /// As PTX writes it: `rn`.
    const NAME: &str;
}

macro_rules! modes {
    ($($ty:ident $mode:ident $name:literal)*) => {$(
        pub(super) struct $ty;
        impl Round for $ty {
            const MODE: Mode = Mode::$mode;
            const NAME: &str = $name;
        }
    )*};
}

modes!(Rn Nearest "rn" Rna Away "rna" Rz Zero "rz" Rm Down "rm" Rp Up "rp");

/// A binary format: sign, exponent, and a significand whose first bit is not stored.
pub(super) trait Format {
    /// Bits in all.
    const BITS: u32;
    /// Bits of the significand, with the one that is not stored.
    const PRECISION: u32;
    /// The NaN that operations give.
    const NAN: u64;
    /// The largest finite number.
    const MAX: u64 = Self::INFINITY - 1;
    /// As PTX writes it: `f32`.
    const NAME: &str;

    /// The sign's bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// The least normal number, which is the unit of the exponent field too.
    const NORMAL: u64 = 1 << (Self::PRECISION - 1);
    /// Infinity.
    const INFINITY: u64 = Self::SIGN - Self::NORMAL;
    /// 1.
    const ONE: u64 = Self::INFINITY >> Self::PRECISION << (Self::PRECISION - 1);
    /// The exponent of the last bit of a subnormal number.
    const LEAST: i32 = 3 - (1 << (Self::BITS - Self::PRECISION - 1)) - Self::PRECISION as i32;
}

macro_rules! formats {
    ($($ty:ident $name:literal $bits:literal $precision:literal $nan:literal)*) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $ty;
        impl Format for $ty {
            const BITS: u32 = $bits;
            const PRECISION: u32 = $precision;
            const NAN: u64 = $nan;
            const NAME: &str = $name;
        }
    )*};
}

formats! {
    F16 "f16" 16 11 0x7fff
    Bf16 "bf16" 16 8 0x7fff
    F32 "f32" 32 24 0x7fff_ffff
    F64 "f64" 64 53 0x7ff8_0000_0000_0000
    // Its 19 bits stand in the upper ones of 32.
    Tf32 "tf32" 19 11 0x3ffff
    E5m2 "e5m2" 8 3 0x7f
}

/// Eight bits without infinities: what would be infinity is a number, and there is one NaN.
#[derive(Clone, Copy)]
pub(super) struct E4m3;

impl Format for E4m3 {
    const BITS: u32 = 8;
    const PRECISION: u32 = 4;
    const NAN: u64 = 0x7f;
    const MAX: u64 = 0x7e;
    const NAME: &str = "e4m3";
}

pub(super) fn is_nan<F: Format>(bits: u64) -> bool {
    bits & (F::SIGN - 1) > if F::MAX > F::INFINITY { F::MAX } else { F::INFINITY }
}

/// Zero of the same sign for a subnormal number.
#[inline(always)]
pub(super) fn flush<F: Format>(bits: u64) -> u64 {
    if bits & (F::SIGN - 1) < F::NORMAL { bits & F::SIGN } else { bits }
}

/// A finite number, `significand · 2^exponent`. Where bits below the last have been lost, the last is set: that is enough to
/// round right, since a format's last bit stands at least two places higher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) negative: bool,
    pub(super) significand: u128,
    pub(super) exponent: i32,
}

impl Exact {
    /// A finite number in its format; of others it makes nonsense.
    pub(super) fn decode<F: Format>(bits: u64) -> Self {
        let magnitude = bits & (F::SIGN - 1);
        let (field, fraction) = (magnitude / F::NORMAL, magnitude % F::NORMAL);
        let significand = if field == 0 { fraction } else { fraction + F::NORMAL };
        let exponent = F::LEAST + (field as i32 - 1).max(0);
        Exact { negative: bits & F::SIGN != 0, significand: significand.into(), exponent }
    }

    /// Rounds to a format.
    #[inline(never)]
    pub(super) fn encode<F: Format>(self, mode: Mode) -> u64 {
        let sign = if self.negative { F::SIGN } else { 0 };
        let Some(top) = self.significand.checked_ilog2() else { return sign };
        let exponent = (self.exponent + top as i32 - (F::PRECISION as i32 - 1)).max(F::LEAST);
        let kept = shift_right(self.significand, exponent - self.exponent - 2) as u64;
        let (quarters, kept) = (kept & 3, kept >> 2);
        let up = match mode {
            Mode::Nearest => quarters > 2 || quarters == 2 && kept & 1 == 1,
            Mode::Away => quarters >= 2,
            Mode::Zero => false,
            Mode::Down => self.negative && quarters > 0,
            Mode::Up => !self.negative && quarters > 0,
        };
        // The bit that is not stored adds one to the exponent field, and so does a carry out of the significand.
        let magnitude = (exponent - F::LEAST) as u64 * F::NORMAL + kept + u64::from(up);
        let limit = match mode {
            Mode::Nearest | Mode::Away => F::INFINITY.max(F::MAX + 1),
            Mode::Up if !self.negative => F::INFINITY,
            Mode::Down if self.negative => F::INFINITY,
            _ => F::MAX,
        };
        sign | if magnitude > F::MAX { limit } else { magnitude }
    }

    fn times(self, other: Self) -> Self {
        Exact {
            negative: self.negative != other.negative,
            significand: self.significand * other.significand,
            exponent: self.exponent + other.exponent,
        }
    }

    /// The significand moved up so that its highest bit is bit 125, which leaves room for a carry.
    fn normal(self) -> Self {
        let shift = self.significand.leading_zeros() as i32 - 2;
        Exact { significand: self.significand << shift.max(0), exponent: self.exponent - shift.max(0), ..self }
    }

    /// The sum. Of operands with at most 107 bits, bits are lost only where one is so much the greater that they do not matter.
    fn plus(self, other: Self, mode: Mode) -> Self {
        if self.significand == 0 || other.significand == 0 {
            let both = self.significand == other.significand;
            let zero = Exact { negative: zero_sign(self.negative, other.negative, mode), ..self };
            return if both {
                zero
            } else if self.significand == 0 {
                other
            } else {
                self
            };
        }
        let (a, b) = (self.normal(), other.normal());
        let (large, small) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
        let moved = shift_right(small.significand, large.exponent - small.exponent);
        if large.negative == small.negative {
            return Exact { significand: large.significand + moved, ..large };
        }
        if large.significand == moved {
            return Exact { negative: mode == Mode::Down, significand: 0, exponent: 0 };
        }
        let negative = if large.significand > moved { large.negative } else { small.negative };
        Exact { negative, significand: large.significand.abs_diff(moved), exponent: large.exponent }
    }

    /// The quotient; the divisor is not zero and has at most 64 bits.
    fn over(self, other: Self) -> Self {
        let (up, down) = (self.significand.leading_zeros(), other.significand.leading_zeros() - 64);
        let (a, b) = (self.significand << up.min(127), other.significand << down);
        let significand = (a / b) << 1 | u128::from(a % b != 0);
        let exponent = (self.exponent - up as i32) - (other.exponent - down as i32) - 1;
        Exact { negative: self.negative != other.negative, significand, exponent }
    }

    /// The square root of a positive number.
    fn root(self) -> Self {
        let shift = (self.significand.leading_zeros() as i32 & !1) - (self.exponent & 1);
        let value = self.significand << shift;
        let root = value.isqrt();
        let significand = root << 1 | u128::from(root * root != value);
        Exact { negative: false, significand, exponent: (self.exponent - shift) / 2 - 1 }
    }
}

/// The sum of finite numbers.
#[inline(never)]
pub(super) fn sum<F: Format>(a: u64, b: u64, mode: Mode) -> u64 {
    Exact::decode::<F>(a).plus(Exact::decode::<F>(b), mode).encode::<F>(mode)
}

/// The product of finite numbers.
#[inline(never)]
pub(super) fn product<F: Format>(a: u64, b: u64, mode: Mode) -> u64 {
    Exact::decode::<F>(a).times(Exact::decode::<F>(b)).encode::<F>(mode)
}

/// `a * b + c` of finite numbers, rounded once.
#[inline(never)]
pub(super) fn fused<F: Format>(a: u64, b: u64, c: u64, mode: Mode) -> u64 {
    Exact::decode::<F>(a).times(Exact::decode::<F>(b)).plus(Exact::decode::<F>(c), mode).encode::<F>(mode)
}

/// The quotient of a finite number and one that is neither zero nor infinite.
#[inline(never)]
pub(super) fn quotient<F: Format>(a: u64, b: u64, mode: Mode) -> u64 {
    Exact::decode::<F>(a).over(Exact::decode::<F>(b)).encode::<F>(mode)
}

/// The square root of a positive finite number.
#[inline(never)]
pub(super) fn root<F: Format>(a: u64, mode: Mode) -> u64 {
    Exact::decode::<F>(a).root().encode::<F>(mode)
}

/// A double in another format; what the format cannot hold is infinite or, by the mode, its largest number.
#[inline(never)]
pub(super) fn narrow<F: Format>(value: f64, mode: Mode) -> u64 {
    if value.is_nan() {
        return F::NAN;
    }
    if value.is_infinite() {
        return F::INFINITY.max(F::MAX + 1) | if value < 0.0 { F::SIGN } else { 0 };
    }
    Exact::decode::<F64>(value.to_bits()).encode::<F>(mode)
}

/// As [`narrow`] to the nearest, without branches: for formats of 16 bits, which much is rounded to.
#[inline(always)]
pub(super) fn nearest<F: Format>(value: f64) -> u64 {
    let bits = value.abs().to_bits();
    let below = F64::PRECISION - F::PRECISION;
    // Half of the last bit less a little, or just half if the last bit is set; then the exponent field's other bias.
    let rounded = (bits + (1 << (below - 1)) - 1 + (bits >> below & 1)) >> below;
    let normal = rounded.wrapping_sub((F64::ONE >> below) - F::ONE);
    // The last bit of this sum is the last one of a subnormal number: the host rounds there.
    let aligned = f64::from_bits(((F::LEAST + 52 + 1023) as u64) << (F64::PRECISION - 1));
    let subnormal = (value.abs() + aligned).to_bits().wrapping_sub(aligned.to_bits());
    let least = f64::from_bits(((F::LEAST + F::PRECISION as i32 - 1 + 1023) as u64) << (F64::PRECISION - 1));
    let magnitude = if value.abs() < least { subnormal } else { normal.min(F::INFINITY) };
    if value.is_nan() { F::NAN } else { magnitude | value.to_bits() >> (64 - F::BITS) & F::SIGN }
}

/// `x + y` rounded to odd: if it is not exact, to the neighbour whose last bit is set. Rounding that once more to a format with
/// at most 51 bits is the same as rounding the sum itself once.
#[inline(always)]
pub(super) fn sum_to_odd(x: f64, y: f64) -> f64 {
    let sum = x + y;
    // What rounding took away, exactly (Knuth's two-sum). NaN if the sum is not finite, and then nothing is changed.
    let part = sum - x;
    let lost = (x - (sum - part)) + (y - part);
    let bits = sum.to_bits();
    let inexact = u64::from(lost < 0.0) | u64::from(lost > 0.0);
    let even = !bits & 1;
    let away = u64::from((lost < 0.0) == (sum < 0.0));
    // Up by one if the sum was rounded towards zero, else down by one.
    f64::from_bits(bits.wrapping_add((inexact & even).wrapping_mul((away << 1).wrapping_sub(1))))
}

/// The sign of a sum that is exactly zero.
fn zero_sign(a: bool, b: bool, mode: Mode) -> bool {
    if a == b { a } else { mode == Mode::Down }
}

/// Shifts right (left, if negative), and sets the last bit if any was lost.
fn shift_right(value: u128, by: i32) -> u128 {
    if by <= 0 {
        return value << -by;
    }
    let kept = value.checked_shr(by as u32).unwrap_or(0);
    kept | u128::from(kept.checked_shl(by as u32).unwrap_or(0) != value)
}
