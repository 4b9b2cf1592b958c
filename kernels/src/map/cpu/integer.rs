//! Instructions of integers and booleans, compiled once, for what every CPU of the target has.

use super::vector::{Kernel, Lane, One, Two, portable};
use crate::{Binary, DType, Unary};
use std::marker::PhantomData;

/// What the kernels need of an integer type. A boolean is a `u8`.
trait Int: Copy + Default + Ord {
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn relu(self) -> Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn div(self, b: Self) -> Self;
    fn modulo(self, b: Self) -> Self;
    fn and(self, b: Self) -> Self;
    fn or(self, b: Self) -> Self;
    fn xor(self, b: Self) -> Self;
}

macro_rules! int {
    ($($T:ident $abs:expr, $sign:expr;)*) => {$(
        impl Int for $T {
            #[inline(always)]
            fn neg(self) -> $T { self.wrapping_neg() }
            #[inline(always)]
            fn abs(self) -> $T { $abs(self) }
            #[inline(always)]
            fn sign(self) -> $T { $sign(self) }
            #[inline(always)]
            fn relu(self) -> $T { self.max(0) }
            #[inline(always)]
            fn add(self, b: $T) -> $T { self.wrapping_add(b) }
            #[inline(always)]
            fn sub(self, b: $T) -> $T { self.wrapping_sub(b) }
            #[inline(always)]
            fn mul(self, b: $T) -> $T { self.wrapping_mul(b) }
            #[inline(always)]
            fn div(self, b: $T) -> $T { if b == 0 { 0 } else { self.wrapping_div(b) } }
            #[inline(always)]
            fn modulo(self, b: $T) -> $T {
                if b == 0 {
                    return 0;
                }
                // The remainder has the sign of the dividend; the result wants that of the divisor.
                let rest = self.wrapping_rem(b);
                if rest != 0 && (rest < Self::default()) != (b < Self::default()) { rest + b } else { rest }
            }
            #[inline(always)]
            fn and(self, b: $T) -> $T { self & b }
            #[inline(always)]
            fn or(self, b: $T) -> $T { self | b }
            #[inline(always)]
            fn xor(self, b: $T) -> $T { self ^ b }
        }
    )*};
}

int! {
    u8 (|x| x), (|x: u8| x.min(1));
    i32 i32::wrapping_abs, i32::signum;
    i64 i64::wrapping_abs, i64::signum;
}

lanes! {
    Int;
    One Neg(x) -> T { x.neg() }
    One Abs(x) -> T { x.abs() }
    One Sign(x) -> T { x.sign() }
    One Relu(x) -> T { x.relu() }
    One Square(x) -> T { x.mul(x) }
    Two Add(x, y) -> T { x.add(y) }
    Two Sub(x, y) -> T { x.sub(y) }
    Two Mul(x, y) -> T { x.mul(y) }
    Two Div(x, y) -> T { x.div(y) }
    Two Mod(x, y) -> T { x.modulo(y) }
    Two Maximum(x, y) -> T { x.max(y) }
    Two Minimum(x, y) -> T { x.min(y) }
    Two And(x, y) -> T { x.and(y) }
    Two Or(x, y) -> T { x.or(y) }
    Two Xor(x, y) -> T { x.xor(y) }
    Two Equal(x, y) -> u8 { u8::from(x == y) }
    Two NotEqual(x, y) -> u8 { u8::from(x != y) }
    Two Less(x, y) -> u8 { u8::from(x < y) }
    Two LessEqual(x, y) -> u8 { u8::from(x <= y) }
}

pub(super) fn unary(op: Unary, dtype: DType) -> Option<Kernel> {
    fn of<T: Int>(op: Unary) -> Option<Kernel> {
        Some(match op {
            Unary::Neg => portable::one::<Neg<T>>,
            Unary::Abs => portable::one::<Abs<T>>,
            Unary::Sign => portable::one::<Sign<T>>,
            Unary::Relu => portable::one::<Relu<T>>,
            Unary::Square => portable::one::<Square<T>>,
            _ => return None,
        })
    }
    match dtype {
        DType::Bool | DType::U8 => of::<u8>(op),
        DType::I32 => of::<i32>(op),
        DType::I64 => of::<i64>(op),
        _ => None,
    }
}

pub(super) fn binary(op: Binary, dtype: DType) -> Option<Kernel> {
    fn of<T: Int>(op: Binary) -> Option<Kernel> {
        Some(match op {
            Binary::Add => portable::two::<Add<T>>,
            Binary::Sub => portable::two::<Sub<T>>,
            Binary::Mul => portable::two::<Mul<T>>,
            Binary::Div => portable::two::<Div<T>>,
            Binary::Mod => portable::two::<Mod<T>>,
            Binary::Maximum => portable::two::<Maximum<T>>,
            Binary::Minimum => portable::two::<Minimum<T>>,
            Binary::And => portable::two::<And<T>>,
            Binary::Or => portable::two::<Or<T>>,
            Binary::Xor => portable::two::<Xor<T>>,
            Binary::Equal => portable::two::<Equal<T>>,
            Binary::NotEqual => portable::two::<NotEqual<T>>,
            Binary::Less => portable::two::<Less<T>>,
            Binary::LessEqual => portable::two::<LessEqual<T>>,
            _ => return None,
        })
    }
    match dtype {
        DType::Bool | DType::U8 => of::<u8>(op),
        DType::I32 => of::<i32>(op),
        DType::I64 => of::<i64>(op),
        _ => None,
    }
}
