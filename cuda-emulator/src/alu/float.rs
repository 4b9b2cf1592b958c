//! Arithmetic of f32 and f64.
//!
//! Rounding to nearest is what the host does; other modes compute an exact result in integers. A NaN that comes out is always the
//! canonical one: 0x7fffffff on hardware for f32, while for f64 PTX leaves open which it is.

use super::lanes::{LANES, Lane, lanes};
use super::round::{self, F32, F64, Format, Mode, Rm, Rn, Round, Rp, Rz};
use super::table::Table;
use super::{Class, Compute, Lanes};

/// What is done to operands and results: `.ftz` and `.sat`.
pub(super) trait Env {
    const FTZ: bool;
    const SAT: bool;
    /// As PTX writes it.
    const NAME: &str;
}

macro_rules! environments {
    ($($ty:ident $ftz:literal $sat:literal $name:literal)*) => {$(
        pub(super) struct $ty;
        impl Env for $ty {
            const FTZ: bool = $ftz;
            const SAT: bool = $sat;
            const NAME: &str = $name;
        }
    )*};
}

environments!(Plain false false "" Ftz true false ".ftz" Sat false true ".sat" FtzSat true true ".ftz.sat");

/// A type that the host computes with.
pub(super) trait Native: Lane {
    type Format: Format;
    const CLASS: Class;
    /// 1.
    const ONE: Self;
    fn plus<M: Round>(self, other: Self) -> Self;
    fn times<M: Round>(self, other: Self) -> Self;
    fn times_plus<M: Round>(self, factor: Self, summand: Self) -> Self;
    fn over<M: Round>(self, other: Self) -> Self;
    fn root<M: Round>(self) -> Self;
    /// `fma` over all lanes.
    fn fused<E: Env, M: Round>() -> Compute;
    fn negative(self) -> Self;
    /// An operand as it is read.
    fn input<E: Env>(self) -> Self;
    /// A result as it is written.
    fn output<E: Env>(self) -> Self;
}

macro_rules! native {
    ($ty:ident, $bits:ident, $format:ident, $class:ident, $fused:expr) => {
        impl Native for $ty {
            type Format = $format;
            const CLASS: Class = Class::$class;
            const ONE: Self = 1.0;

            // Whatever is not finite comes out of the host's operation, since it does not depend on the mode.
            #[inline(always)]
            fn plus<M: Round>(self, other: Self) -> Self {
                let nearest = self + other;
                if M::MODE == Mode::Nearest || !self.is_finite() || !other.is_finite() {
                    return nearest;
                }
                Self::read(round::sum::<$format>(self.write(), other.write(), M::MODE))
            }

            #[inline(always)]
            fn times<M: Round>(self, other: Self) -> Self {
                let nearest = self * other;
                if M::MODE == Mode::Nearest || !self.is_finite() || !other.is_finite() {
                    return nearest;
                }
                Self::read(round::product::<$format>(self.write(), other.write(), M::MODE))
            }

            #[inline(always)]
            fn times_plus<M: Round>(self, factor: Self, summand: Self) -> Self {
                let finite = self.is_finite() && factor.is_finite() && summand.is_finite();
                if M::MODE == Mode::Nearest || !finite {
                    return $fused(self, factor, summand);
                }
                Self::read(round::fused::<$format>(self.write(), factor.write(), summand.write(), M::MODE))
            }

            #[inline(always)]
            fn over<M: Round>(self, other: Self) -> Self {
                let nearest = self / other;
                if M::MODE == Mode::Nearest || !self.is_finite() || !other.is_finite() || self == 0.0 || other == 0.0 {
                    return nearest;
                }
                Self::read(round::quotient::<$format>(self.write(), other.write(), M::MODE))
            }

            #[inline(always)]
            fn root<M: Round>(self) -> Self {
                // LLVM takes a later test for NaN away, since a root of less than zero is one. Bits it leaves alone.
                let bits = self.sqrt().write();
                let nearest = Self::read(if round::is_nan::<$format>(bits) { $format::NAN } else { bits });
                if M::MODE == Mode::Nearest || !self.is_finite() || self <= 0.0 {
                    return nearest;
                }
                Self::read(round::root::<$format>(self.write(), M::MODE))
            }

            fn fused<E: Env, M: Round>() -> Compute {
                if $format::BITS == 32 && M::MODE == Mode::Nearest {
                    return fused_lanes::<E>;
                }
                let (_, each) = lanes!(|a: $ty, b: $ty, c: $ty| {
                    a.input::<E>().times_plus::<M>(b.input::<E>(), c.input::<E>()).output::<E>()
                });
                each
            }

            #[inline(always)]
            fn negative(self) -> Self {
                -self
            }

            #[inline(always)]
            fn input<E: Env>(self) -> Self {
                // As round::flush, in this type's width.
                let bits = self.to_bits();
                let sign = bits & $format::SIGN as $bits;
                if E::FTZ && bits ^ sign < $format::NORMAL as $bits { $ty::from_bits(sign) } else { self }
            }

            #[inline(always)]
            fn output<E: Env>(self) -> Self {
                if E::SAT {
                    // NaN and everything below zero become +0.
                    let positive = if self > 0.0 { self.input::<E>() } else { 0.0 };
                    return if positive < 1.0 { positive } else { 1.0 };
                }
                if self.is_nan() { Self::read($format::NAN) } else { self.input::<E>() }
            }
        }
    };
}

native!(f32, u32, F32, Single, fused_f32);
native!(f64, u64, F64, Double, f64::mul_add);

/// The product of two f32 is exact in f64. Faster than the call that the host's fma is without a target feature.
#[inline(always)]
fn fused_f32(a: f32, b: f32, c: f32) -> f32 {
    round::sum_to_odd(f64::from(a) * f64::from(b), f64::from(c)) as f32
}

/// `fma.rn.f32`, the instruction that kernels run most, over all lanes. The sum in f64, rounded to f32, is wrong only where the f64
/// lies half way between two f32, and f32 are not evenly spaced where they are subnormal: then all is computed again.
fn fused_lanes<E: Env>(sources: [&Lanes; 4], result: &mut Lanes) {
    let read = |at: usize, lane: usize| f32::read(sources[at][lane]).input::<E>();
    let mut doubtful = 0;
    for lane in LANES {
        let sum = f64::from(read(0, lane)) * f64::from(read(1, lane)) + f64::from(read(2, lane));
        let tie = sum.to_bits() & 0x1fff_ffff ^ 0x1000_0000;
        doubtful |= u64::from(tie == 0) | u64::from(sum.abs() < f64::from(f32::MIN_POSITIVE)) & u64::from(sum != 0.0);
        result[lane] = (sum as f32).output::<E>().write();
    }
    if doubtful != 0 {
        for lane in LANES {
            result[lane] = fused_f32(read(0, lane), read(1, lane), read(2, lane)).output::<E>().write();
        }
    }
}

/// What has a rounding mode. `.rn` may be left away where `plain` says so.
fn arithmetic<T: Native, E: Env, M: Round>(table: &mut Table) {
    let (env, ty) = (E::NAME, T::Format::NAME);
    let named = format!(".{}{env}.{ty}", M::NAME);
    let mut row = |name: &str, flops, function| table.row(&format!("{name}{named}"), T::CLASS, flops, function);
    let sum = lanes!(|a: T, b: T| a.input::<E>().plus::<M>(b.input::<E>()).output::<E>());
    let difference = lanes!(|a: T, b: T| a.input::<E>().plus::<M>(b.input::<E>().negative()).output::<E>());
    let product = lanes!(|a: T, b: T| a.input::<E>().times::<M>(b.input::<E>()).output::<E>());
    row("add", 1, sum);
    row("sub", 1, difference);
    row("mul", 1, product);
    row("{fma,mad}", 2, (3, T::fused::<E, M>()));
    if !E::SAT {
        row("div", 1, lanes!(|a: T, b: T| a.input::<E>().over::<M>(b.input::<E>()).output::<E>()));
        row("rcp", 1, lanes!(|a: T| T::ONE.over::<M>(a.input::<E>()).output::<E>()));
        row("sqrt", 1, lanes!(|a: T| a.input::<E>().root::<M>().output::<E>()));
    }
    if M::MODE == Mode::Nearest {
        table.row(&format!("add{env}.{ty}"), T::CLASS, 1, sum);
        table.row(&format!("sub{env}.{ty}"), T::CLASS, 1, difference);
        table.row(&format!("mul{env}.{ty}"), T::CLASS, 1, product);
    }
}

fn all_modes<T: Native, E: Env>(table: &mut Table) {
    arithmetic::<T, E, Rn>(table);
    arithmetic::<T, E, Rz>(table);
    arithmetic::<T, E, Rm>(table);
    arithmetic::<T, E, Rp>(table);
}

pub(super) fn rows(table: &mut Table) {
    all_modes::<f32, Plain>(table);
    all_modes::<f32, Ftz>(table);
    all_modes::<f32, Sat>(table);
    all_modes::<f32, FtzSat>(table);
    all_modes::<f64, Plain>(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alu::WARP;

    /// Lanes that are all alike: one that is computed again cannot hide another that should be.
    #[test]
    fn the_quick_fma_is_the_exact_one() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for round in 0..60_000 {
            let (mut a, mut b, mut c) = (random(), random(), random());
            if round % 2 == 0 {
                // A product that is by less than f64 can tell beside half of the last bit of the summand, subnormal or not.
                c &= if round % 4 == 0 { 0x8000_3fff } else { 0xffff_ffff };
                let half = (c >> 23 & 0xff).clamp(1, 254) as i32 - 151;
                let near = random() % 4;
                let power = |exponent: i32| ((127 + exponent) as u32) << 23;
                (a, b) = (power(half / 2) + near, power(half - half / 2) - 2 * near);
                a |= random() & 0x8000_0000;
            }
            let [x, y, z] = [a, b, c].map(|it| [u64::from(it); WARP]);
            let mut result = [0; WARP];
            fused_lanes::<Plain>([&x, &y, &z, &[0; WARP]], &mut result);
            let exact = fused_f32(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c)).output::<Plain>();
            assert_eq!(result, [exact.write(); WARP], "{a:x} {b:x} {c:x}");
        }
    }
}
