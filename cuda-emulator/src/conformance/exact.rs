//! Numbers without limits, and rounding by its definition.
//!
//! Nothing here knows how to round: among all numbers of a format the two beside an exact value are found by search, comparing
//! exactly, and the mode says which of them it is. It is slow, and as independent of the emulator's arithmetic as can be.

use std::cmp::Ordering;

/// A natural number of any size: its digits to the base 2^64, the lowest first, without zeros at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Natural(Vec<u64>);

impl Natural {
    pub(super) fn new(value: u128) -> Self {
        Natural(vec![value as u64, (value >> 64) as u64]).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Bits up to the highest that is set.
    fn length(&self) -> i64 {
        self.0.len() as i64 * 64 - self.0.last().map_or(0, |it| i64::from(it.leading_zeros()))
    }

    fn digit(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn shifted(&self, by: u64) -> Self {
        let (digits, bits) = ((by / 64) as usize, by % 64);
        let mut result = vec![0; digits];
        let mut carry = 0;
        for digit in &self.0 {
            let wide = u128::from(*digit) << bits | carry;
            result.push(wide as u64);
            carry = wide >> 64;
        }
        result.push(carry as u64);
        Natural(result).trimmed()
    }

    fn plus(&self, other: &Self) -> Self {
        let mut carry = 0;
        let digits = (0..=self.0.len().max(other.0.len())).map(|at| {
            let sum = u128::from(self.digit(at)) + u128::from(other.digit(at)) + carry;
            carry = sum >> 64;
            sum as u64
        });
        Natural(digits.collect()).trimmed()
    }

    /// The difference; the other is no greater.
    fn minus(&self, other: &Self) -> Self {
        let mut borrow = false;
        let digits = (0..self.0.len()).map(|at| {
            let (first, one) = self.digit(at).overflowing_sub(other.digit(at));
            let (second, two) = first.overflowing_sub(u64::from(borrow));
            borrow = one | two;
            second
        });
        Natural(digits.collect()).trimmed()
    }

    fn times(&self, other: &Self) -> Self {
        let mut result = vec![0u64; self.0.len() + other.0.len() + 1];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (b, digit) in other.0.iter().chain([&0]).zip(&mut result[i..]) {
                let sum = u128::from(*a) * u128::from(*b) + u128::from(*digit) + carry;
                *digit = sum as u64;
                carry = sum >> 64;
            }
        }
        Natural(result).trimmed()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.0.len().cmp(&other.0.len());
        lengths.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// A number `± magnitude · 2^exponent`; zero has a sign too.
#[derive(Clone, Debug)]
pub(super) struct Dyadic {
    pub(super) negative: bool,
    magnitude: Natural,
    exponent: i64,
}

impl Dyadic {
    pub(super) fn new(negative: bool, magnitude: u128, exponent: i64) -> Self {
        Dyadic { negative, magnitude: Natural::new(magnitude), exponent }
    }

    pub(super) fn integer(value: i128) -> Self {
        Dyadic::new(value < 0, value.unsigned_abs(), 0)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.magnitude.is_zero()
    }

    /// The same magnitude with this sign.
    pub(super) fn signed(self, negative: bool) -> Self {
        Dyadic { negative, ..self }
    }

    pub(super) fn negated(self) -> Self {
        Dyadic { negative: !self.negative, ..self }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        Dyadic {
            negative: self.negative != other.negative,
            magnitude: self.magnitude.times(&other.magnitude),
            exponent: self.exponent + other.exponent,
        }
    }

    /// Both magnitudes over the lesser exponent.
    fn aligned(&self, other: &Self) -> (Natural, Natural, i64) {
        let exponent = self.exponent.min(other.exponent);
        let up = |it: &Dyadic| it.magnitude.shifted((it.exponent - exponent) as u64);
        (up(self), up(other), exponent)
    }

    /// The sum. If it is zero, its sign is the first's.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let (a, b, exponent) = self.aligned(other);
        if self.negative == other.negative {
            return Dyadic { negative: self.negative, magnitude: a.plus(&b), exponent };
        }
        match a.compare(&b) {
            Ordering::Less => Dyadic { negative: other.negative, magnitude: b.minus(&a), exponent },
            _ => Dyadic { negative: self.negative, magnitude: a.minus(&b), exponent },
        }
    }

    /// Compares magnitudes.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let top = |it: &Dyadic| (!it.is_zero()).then_some(it.magnitude.length() + it.exponent);
        top(self).cmp(&top(other)).then_with(|| {
            let (a, b, _) = self.aligned(other);
            a.compare(&b)
        })
    }
}

/// A format of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) bits: u32,
    /// Stored bits of the significand.
    pub(super) fraction: u32,
    /// The greatest finite number.
    pub(super) greatest: u64,
    /// The NaN that arithmetic gives.
    pub(super) nan: u64,
}

const fn format(bits: u32, fraction: u32, nan: u64) -> Format {
    let infinity = ((1u64 << (bits - 1 - fraction)) - 1) << fraction;
    Format { bits, fraction, greatest: infinity - 1, nan }
}

pub(super) const F16: Format = format(16, 10, 0x7fff);
pub(super) const BF16: Format = format(16, 7, 0x7fff);
pub(super) const F32: Format = format(32, 23, 0x7fff_ffff);
pub(super) const F64: Format = format(64, 52, 0x7ff8_0000_0000_0000);
/// Without the 13 zeros below it.
pub(super) const TF32: Format = format(19, 10, 0x3_ffff);
pub(super) const E5M2: Format = format(8, 2, 0x7f);
pub(super) const E4M3: Format = Format { bits: 8, fraction: 3, greatest: 0x7e, nan: 0x7f };

/// What a pattern of bits stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Nan,
    /// Whether it is the negative one.
    Infinity(bool),
    Finite(Dyadic),
}

impl Format {
    pub(super) fn sign(self) -> u64 {
        1 << (self.bits - 1)
    }

    /// The pattern after the greatest number. For most formats it is infinity; for rounding it stands for the number that would be
    /// there if exponents went on.
    pub(super) fn beyond(self) -> u64 {
        self.greatest + 1
    }

    /// The pattern of the least normal number.
    pub(super) fn normal(self) -> u64 {
        1 << self.fraction
    }

    /// The pattern of 1.
    pub(super) fn one(self) -> u64 {
        ((1 << (self.bits - 2 - self.fraction)) - 1) << self.fraction
    }

    /// Formats with infinities have the one that follows the greatest number.
    fn infinity(self) -> Option<u64> {
        (self.beyond() >> self.fraction << self.fraction == self.beyond()).then_some(self.beyond())
    }

    /// The number of a pattern without sign.
    pub(super) fn magnitude(self, pattern: u64) -> Dyadic {
        let (exponent, fraction) = (pattern >> self.fraction, pattern % self.normal());
        let bias = (1i64 << (self.bits - 2 - self.fraction)) - 1;
        let significand = if exponent == 0 { fraction } else { self.normal() + fraction };
        Dyadic::new(false, significand.into(), exponent.max(1) as i64 - bias - i64::from(self.fraction))
    }

    pub(super) fn value(self, bits: u64) -> Value {
        let negative = bits & self.sign() != 0;
        let pattern = bits & (self.sign() - 1);
        if pattern <= self.greatest {
            Value::Finite(Dyadic { negative, ..self.magnitude(pattern) })
        } else if Some(pattern) == self.infinity() {
            Value::Infinity(negative)
        } else {
            Value::Nan
        }
    }

    /// The number nearest in the sense of the mode to one that is not zero, given by its sign and by how a number compares with
    /// its magnitude.
    pub(super) fn round(self, mode: Mode, negative: bool, compare: impl Fn(&Dyadic) -> Ordering) -> u64 {
        // The greatest pattern whose number is no greater than the magnitude.
        let (mut below, mut above) = (0, self.beyond());
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            match compare(&self.magnitude(middle)) {
                Ordering::Greater => above = middle,
                _ => below = middle,
            }
        }
        let outward = || match mode {
            Mode::Up => !negative,
            Mode::Down => negative,
            Mode::Zero => false,
            Mode::Nearest | Mode::Away => {
                let half = Dyadic::new(false, 1, -1);
                let middle = self.magnitude(below).plus(&self.magnitude(above)).times(&half);
                match compare(&middle) {
                    Ordering::Less => true,
                    Ordering::Greater => false,
                    Ordering::Equal => mode == Mode::Away || below % 2 == 1,
                }
            }
        };
        let exact = compare(&self.magnitude(below)) == Ordering::Equal;
        let pattern = if !exact && outward() { above } else { below };
        if negative { self.sign() | pattern } else { pattern }
    }

    /// An exact number in this format.
    pub(super) fn nearest(self, mode: Mode, value: &Dyadic) -> u64 {
        if value.is_zero() {
            return if value.negative { self.sign() } else { 0 };
        }
        self.round(mode, value.negative, |it| it.compare(value))
    }
}

/// How numbers are rounded, as PTX calls it: `rn`, `rna`, `rz`, `rm`, `rp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Nearest,
    Away,
    Zero,
    Down,
    Up,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naturals() {
        let big = Natural::new(u128::MAX);
        let product = big.times(&big);
        assert_eq!(product, big.shifted(128).minus(&big));
        assert_eq!(big.plus(&Natural::new(1)), Natural::new(1).shifted(128));
        assert_eq!(big.length(), 128);
        assert_eq!(Natural::new(0).length(), 0);
        assert_eq!(product.compare(&big), Ordering::Greater);
    }

    /// Known bits, by hand.
    #[test]
    fn rounding_finds_known_numbers() {
        // 1/10 in f32 and f64.
        let (one, ten) = (Dyadic::integer(1), Dyadic::integer(10));
        let tenth = |format: Format, mode| format.round(mode, false, |it| it.times(&ten).compare(&one));
        assert_eq!(tenth(F32, Mode::Nearest), 0x3dcc_cccd);
        assert_eq!(tenth(F32, Mode::Zero), 0x3dcc_cccc);
        assert_eq!(tenth(F64, Mode::Nearest), 0x3fb9_9999_9999_999a);
        assert_eq!(tenth(F16, Mode::Nearest), 0x2e66);
        // 65520 is half way between the greatest f16 and what would follow.
        let near = |value| F16.nearest(Mode::Nearest, &Dyadic::integer(value));
        assert_eq!([near(65519), near(65520), near(-65520), near(65504)], [0x7bff, 0x7c00, 0xfc00, 0x7bff]);
        assert_eq!(F16.nearest(Mode::Zero, &Dyadic::integer(1 << 100)), 0x7bff);
        assert_eq!(F16.nearest(Mode::Down, &Dyadic::integer(-(1 << 100))), 0xfc00);
        // 2^-25 is half the least f16.
        assert_eq!(F16.nearest(Mode::Nearest, &Dyadic::new(false, 1, -25)), 0);
        assert_eq!(F16.nearest(Mode::Away, &Dyadic::new(false, 1, -25)), 1);
        assert_eq!(F16.nearest(Mode::Nearest, &Dyadic::new(true, 3, -25)), 0x8002);
        assert_eq!(E4M3.nearest(Mode::Nearest, &Dyadic::integer(448)), 0x7e);
        assert_eq!([F16.one(), BF16.one(), F32.one()], [0x3c00, 0x3f80, 0x3f80_0000]);
    }
}
