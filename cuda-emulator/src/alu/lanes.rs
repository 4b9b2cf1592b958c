//! From a function of numbers to a function of 32 lanes.

use super::{Compute, WARP};

/// A value as it stands in the low bits of a lane. Signed integers are written with their sign in all 64 bits, so that a
/// register wider than the type gets the value that PTX asks for; the machine cuts at the register's width.
pub(super) trait Lane: Copy {
    /// Reads the bits of this type and no others.
    fn read(bits: u64) -> Self;
    /// The bits to write.
    fn write(self) -> u64;
}

macro_rules! integer_lanes {
    ($($ty:ident)*) => {$(
        impl Lane for $ty {
            #[inline(always)]
            fn read(bits: u64) -> Self {
                bits as $ty
            }
            #[inline(always)]
            fn write(self) -> u64 {
                self as u64
            }
        }
    )*};
}

integer_lanes!(u8 u16 u32 u64 i8 i16 i32 i64);

impl Lane for bool {
    #[inline(always)]
    fn read(bits: u64) -> Self {
        bits & 1 == 1
    }
    #[inline(always)]
    fn write(self) -> u64 {
        u64::from(self)
    }
}

impl Lane for f32 {
    #[inline(always)]
    fn read(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }
    #[inline(always)]
    fn write(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Lane for f64 {
    #[inline(always)]
    fn read(bits: u64) -> Self {
        f64::from_bits(bits)
    }
    #[inline(always)]
    fn write(self) -> u64 {
        self.to_bits()
    }
}

/// Two values of 16 bits in a register of 32.
#[derive(Clone, Copy)]
pub(super) struct Two<T> {
    pub(super) low: T,
    pub(super) high: T,
}

impl<T: Lane> Lane for Two<T> {
    #[inline(always)]
    fn read(bits: u64) -> Self {
        Two { low: T::read(bits), high: T::read(bits >> 16) }
    }
    #[inline(always)]
    fn write(self) -> u64 {
        (self.low.write() & 0xffff) | (self.high.write() & 0xffff) << 16
    }
}

impl<T: Copy> Two<T> {
    /// Each of the two by itself.
    #[inline(always)]
    pub(super) fn map<U>(self, f: impl Fn(T) -> U) -> Two<U> {
        Two { low: f(self.low), high: f(self.high) }
    }

    /// Each of the two with its partner.
    #[inline(always)]
    pub(super) fn zip<U: Copy, V>(self, other: Two<U>, f: impl Fn(T, U) -> V) -> Two<V> {
        Two { low: f(self.low, other.low), high: f(self.high, other.high) }
    }
}

/// How many sources are read, and the loop over all lanes.
pub(super) type Loop = (u8, Compute);

/// Lanes, as a range that the compiler knows.
pub(super) const LANES: std::ops::Range<usize> = 0..WARP;

/// `lanes!(|a: u32, b: u32| a.wrapping_add(b))` is the [`Loop`] of this function. It is a macro because only a literal closure
/// becomes a plain function that the compiler can turn into vector code.
macro_rules! lanes {
    (|$a:ident: $ta:ty| $body:expr) => {
        lanes!(@ 1; $a: $ta = 0; $body)
    };
    (|$a:ident: $ta:ty, $b:ident: $tb:ty| $body:expr) => {
        lanes!(@ 2; $a: $ta = 0, $b: $tb = 1; $body)
    };
    (|$a:ident: $ta:ty, $b:ident: $tb:ty, $c:ident: $tc:ty| $body:expr) => {
        lanes!(@ 3; $a: $ta = 0, $b: $tb = 1, $c: $tc = 2; $body)
    };
    (|$a:ident: $ta:ty, $b:ident: $tb:ty, $c:ident: $tc:ty, $d:ident: $td:ty| $body:expr) => {
        lanes!(@ 4; $a: $ta = 0, $b: $tb = 1, $c: $tc = 2, $d: $td = 3; $body)
    };
    (@ $count:literal; $($name:ident: $ty:ty = $at:literal),+; $body:expr) => {{
        let compute: $crate::alu::Compute = |sources, result| {
            for lane in $crate::alu::lanes::LANES {
                $(let $name = <$ty as $crate::alu::lanes::Lane>::read(sources[$at][lane]);)+
                result[lane] = $crate::alu::lanes::Lane::write($body);
            }
        };
        ($count, compute)
    }};
}

pub(super) use lanes;
