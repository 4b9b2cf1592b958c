//! The instructions' loops: one body each, compiled for every instruction set that has something to give it.
//!
//! A loop works on whole groups of [`LANES`] elements, whatever the length: the lanes past the end compute something that
//! nobody reads, and every element is computed by the same instructions wherever it stands.

use super::{half_bits, math::Float};
use crate::{Binary, DType, Isa, Unary};
use std::marker::PhantomData;

/// Elements that an instruction handles at a time: one vector of `f32` on AVX-512.
pub(super) const LANES: usize = 16;

/// Where an instruction finds an operand: at `bases[base] + offset`, and the next group `step` bytes on. A step of 0 repeats
/// one group, whose lanes are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Arg {
    pub(super) base: u16,
    pub(super) step: u16,
    pub(super) offset: u32,
}

/// A compiled instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) kernel: Kernel,
    pub(super) to: Arg,
    pub(super) from: [Arg; 4],
}

/// Runs an instruction over `n` elements. The arguments name memory for `n` rounded up to [`LANES`] elements; where `to` is
/// also an operand, it is the very same memory. With `n` = 1 every lane of the result is the same.
pub(super) type Kernel = unsafe fn(&Op, *const *mut u8, usize);

impl Op {
    #[inline(always)]
    pub(super) unsafe fn run(&self, bases: *const *mut u8, n: usize) {
        // SAFETY: as promised by the caller.
        unsafe { (self.kernel)(self, bases, n) }
    }
}

impl Arg {
    #[inline(always)]
    pub(super) unsafe fn at(self, bases: *const *mut u8) -> *mut u8 {
        // SAFETY: the compiler of the expression numbered the bases and laid out what they point to.
        unsafe { (*bases.add(self.base as usize)).add(self.offset as usize) }
    }
}

/// What one lane computes. Booleans are bytes, 0 or 1 (in lanes past the end anything).
pub(super) trait Lane {
    /// Type of the first operand (of the first two where there are four).
    type A: Copy;
    /// Type of the other operands.
    type B: Copy;
    type R: Copy + Default;
}

pub(super) trait One: Lane {
    fn lane<const FMA: bool>(a: Self::A) -> Self::R;
}

pub(super) trait Two: Lane {
    fn lane<const FMA: bool>(a: Self::A, b: Self::B) -> Self::R;
}

pub(super) trait Three: Lane {
    fn lane<const FMA: bool>(a: Self::A, b: Self::B, c: Self::B) -> Self::R;
}

pub(super) trait Four: Lane {
    fn lane<const FMA: bool>(a: Self::A, b: Self::A, c: Self::B, d: Self::B) -> Self::R;
}

macro_rules! bodies {
    ($($body:ident $kind:ident ($($operand:ident $number:literal $ty:ident),*);)*) => {$(
        #[inline(always)]
        unsafe fn $body<L: $kind, const FMA: bool>(op: &Op, bases: *const *mut u8, n: usize) {
            // SAFETY: as the type `Kernel` says. A group's operands are read before its result is written.
            unsafe {
                let mut to = op.to.at(bases).cast::<[L::R; LANES]>();
                $(let mut $operand = op.from[$number].at(bases);)*
                for _ in 0..n.div_ceil(LANES) {
                    let mut results = [L::R::default(); LANES];
                    {
                        $(let $operand = $operand.cast::<[L::$ty; LANES]>().read_unaligned();)*
                        for i in 0..LANES {
                            results[i] = L::lane::<FMA>($($operand[i]),*);
                        }
                    }
                    to.write_unaligned(results);
                    to = to.add(1);
                    $($operand = $operand.add(op.from[$number].step as usize);)*
                }
            }
        }
    )*};
}

bodies! {
    one One(a 0 A);
    two Two(a 0 A, b 1 B);
    three Three(a 0 A, b 1 B, c 2 B);
    four Four(a 0 A, b 1 A, c 2 B, d 3 B);
}

#[inline(always)]
unsafe fn repeat<L: Element, const FMA: bool>(op: &Op, bases: *const *mut u8, _: usize) {
    // SAFETY: as the type `Kernel` says, but that the operand is a single element.
    unsafe {
        let element = op.from[0].at(bases).cast::<L>().read();
        op.to.at(bases).cast::<[L; LANES]>().write_unaligned([element; LANES]);
    }
}

/// Any bits.
pub(super) trait Element: Copy {}
impl<T: Copy> Element for T {}

/// A function for each number of operands that compiles the loop for one instruction set.
macro_rules! instruction_set {
    ($name:ident, $fma:literal, $(#[$attribute:meta])*) => {
        pub(super) mod $name {
            use super::*;
            instruction_set!(@ $fma, [$(#[$attribute])*] one One, two Two, three Three, four Four, repeat Element);
        }
    };
    (@ $fma:literal, $attributes:tt $($body:ident $kind:ident),*) => {
        $(instruction_set!(@@ $fma, $attributes $body $kind);)*
    };
    (@@ $fma:literal, [$($attribute:tt)*] $body:ident $kind:ident) => {
        $($attribute)*
        pub(in super::super) unsafe fn $body<L: $kind>(op: &Op, bases: *const *mut u8, n: usize) {
            // SAFETY: as the type `Kernel` says.
            unsafe { super::$body::<L, $fma>(op, bases, n) }
        }
    };
}

instruction_set!(portable, false,);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, true, #[target_feature(enable = "avx2,fma,f16c")]);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, true, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]);

macro_rules! choose {
    ($($body:ident $kind:ident),*) => {$(
        /// The loop compiled for `isa`, of which the caller knows that the machine has it.
        pub(super) fn $body<L: $kind>(isa: Isa) -> Kernel {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => avx512::$body::<L>,
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => avx2::$body::<L>,
                _ => portable::$body::<L>,
            }
        }
    )*};
}

/// Loops for every instruction set: what floats do.
mod tuned {
    use super::*;
    choose!(one One, two Two, three Three, four Four, repeat Element);
}

/// Loops that call a library for every lane do not compute lanes past the end.
unsafe fn each<T: Float, F: Library>(op: &Op, bases: *const *mut u8, n: usize) {
    // SAFETY: as the type `Kernel` says. The second operand of a function of one is the first again.
    unsafe {
        let to = op.to.at(bases).cast::<T>();
        let [a, b] = [op.from[0], op.from[1]].map(|from| (from.at(bases), from.step as usize));
        let at = |(start, step): (*mut u8, usize), i: usize| {
            start.add(i / LANES * step).cast::<T>().add(i % LANES).read_unaligned()
        };
        for i in 0..n {
            to.add(i).write_unaligned(F::call(at(a, i), at(b, i)));
        }
        if n == 1 {
            let first = to.read_unaligned();
            (1..LANES).for_each(|i| to.add(i).write_unaligned(first));
        }
    }
}

/// A function of one or two floats that a library computes.
trait Library {
    fn call<T: Float>(a: T, b: T) -> T;
}

macro_rules! library {
    ($($name:ident $a:ident $b:ident $body:expr;)*) => {$(
        struct $name;
        impl Library for $name {
            #[inline(always)]
            fn call<T: Float>($a: T, $b: T) -> T { $body }
        }
    )*};
}

library! {
    Sin a _b a.sin();
    Cos a _b a.cos();
    Pow a b a.pow(b);
    Mod a b a.modulo(b);
}

macro_rules! lanes {
    ($Bound:ident; $($kind:ident $name:ident($($x:ident),*) -> $R:ty $body:block)*) => {$(
        struct $name<T>(PhantomData<T>);
        impl<T: $Bound> Lane for $name<T> {
            type A = T;
            type B = T;
            type R = $R;
        }
        impl<T: $Bound> $kind for $name<T> {
            #[inline(always)]
            fn lane<const FMA: bool>($($x: T),*) -> $R $body
        }
    )*};
}

lanes! {
    Float;
    One Neg(x) -> T { x.neg() }
    One Abs(x) -> T { x.abs() }
    One Sign(x) -> T { x.sign() }
    One Exp(x) -> T { x.exp::<FMA>() }
    One Expm1(x) -> T { x.expm1::<FMA>() }
    One Log(x) -> T { x.log::<FMA>() }
    One Log1p(x) -> T { x.log1p::<FMA>() }
    One Sqrt(x) -> T { x.sqrt() }
    One Rsqrt(x) -> T { x.rsqrt() }
    One Reciprocal(x) -> T { x.reciprocal() }
    One Tanh(x) -> T { x.tanh::<FMA>() }
    One Sigmoid(x) -> T { x.sigmoid::<FMA>() }
    One Softplus(x) -> T { x.softplus::<FMA>() }
    One Erf(x) -> T { x.erf::<FMA>() }
    One Floor(x) -> T { x.floor() }
    One Ceil(x) -> T { x.ceil() }
    One Round(x) -> T { x.round() }
    One Relu(x) -> T { x.relu() }
    One Square(x) -> T { x.mul(x) }
    One IsNan(x) -> u8 { u8::from(x.is_nan()) }
    One IsInf(x) -> u8 { u8::from(x.is_inf()) }
    One IsFinite(x) -> u8 { u8::from(x.is_finite()) }
    Two Add(x, y) -> T { x.add(y) }
    Two Sub(x, y) -> T { x.sub(y) }
    Two Mul(x, y) -> T { x.mul(y) }
    Two Div(x, y) -> T { x.div(y) }
    Two Maximum(x, y) -> T { x.maximum(y) }
    Two Minimum(x, y) -> T { x.minimum(y) }
    Two Equal(x, y) -> u8 { u8::from(x == y) }
    Two NotEqual(x, y) -> u8 { u8::from(x != y) }
    Two Less(x, y) -> u8 { u8::from(x < y) }
    Two LessEqual(x, y) -> u8 { u8::from(x <= y) }
    Three MulAdd(x, y, z) -> T { x.fma::<FMA>(y, z) }
    Three MulSub(x, y, z) -> T { x.fma::<FMA>(y, z.neg()) }
    Three NegMulAdd(x, y, z) -> T { x.neg().fma::<FMA>(y, z) }
    Four SelectEqual(x, y, z, w) -> T { if x == y { z } else { w } }
    Four SelectLess(x, y, z, w) -> T { if x < y { z } else { w } }
    Four SelectLessEqual(x, y, z, w) -> T { if x <= y { z } else { w } }
}

/// Any bits of one size, chosen by a boolean or copied.
struct Bits<T>(PhantomData<T>);
impl<T: Copy + Default> Lane for Bits<T> {
    type A = u8;
    type B = T;
    type R = T;
}
impl<T: Copy + Default> Three for Bits<T> {
    #[inline(always)]
    fn lane<const FMA: bool>(a: u8, b: T, c: T) -> T {
        if a != 0 { b } else { c }
    }
}

struct Same<T>(PhantomData<T>);
impl<T: Copy + Default> Lane for Same<T> {
    type A = T;
    type B = T;
    type R = T;
}
impl<T: Copy + Default> One for Same<T> {
    #[inline(always)]
    fn lane<const FMA: bool>(a: T) -> T {
        a
    }
}

/// Conversions of single lanes by plain functions.
macro_rules! conversions {
    ($($name:ident($x:ident: $A:ty) -> $R:ty { $body:expr })*) => {$(
        struct $name;
        impl Lane for $name { type A = $A; type B = $A; type R = $R; }
        impl One for $name {
            #[inline(always)]
            fn lane<const FMA: bool>($x: $A) -> $R { $body }
        }
    )*};
}

conversions! {
    FromF16(x: u16) -> f32 { half_bits::f16_to_f32(x) }
    ToF16(x: f32) -> u16 { half_bits::f32_to_f16(x) }
    RoundF16(x: f32) -> f32 { half_bits::f16_to_f32(half_bits::f32_to_f16(x)) }
    FromBf16(x: u16) -> f32 { half_bits::bf16_to_f32(x) }
    ToBf16(x: f32) -> u16 { half_bits::f32_to_bf16(x) }
    RoundBf16(x: f32) -> f32 { half_bits::bf16_to_f32(half_bits::f32_to_bf16(x)) }
    Not(x: u8) -> u8 { u8::from(x == 0) }
}

struct Cast<A, R>(PhantomData<(A, R)>);
impl<A: Copy, R: Copy + Default> Lane for Cast<A, R> {
    type A = A;
    type B = A;
    type R = R;
}

macro_rules! casts {
    ($($A:ident)*) => {$(
        casts!(@ $A u8 i32 i64 f32 f64);
        /// To `bool`, which is kept as a byte like `u8`.
        impl One for Cast<$A, bool> {
            #[inline(always)]
            fn lane<const FMA: bool>(a: $A) -> bool { a != 0 as $A }
        }
    )*};
    (@ $A:ident $($R:ident)*) => {$(
        impl One for Cast<$A, $R> {
            #[inline(always)]
            fn lane<const FMA: bool>(a: $A) -> $R { a as $R }
        }
    )*};
}
casts!(u8 i32 i64 f32 f64);

/// The kernel of a conversion between two dtypes that arithmetic is done in. What brings data to floats, and floats to each
/// other, is compiled for every instruction set; all else is rare.
pub(super) fn cast(from: DType, to: DType, isa: Isa) -> Option<Kernel> {
    /// To every type but the own one.
    macro_rules! to {
        ($A:ty: $($dtype:ident $R:ty),*) => {
            match to {
                $(DType::$dtype => portable::one::<Cast<$A, $R>>,)*
                _ => same(to.size(), isa),
            }
        };
    }
    Some(match (from, to) {
        (_, DType::F16 | DType::BF16) | (DType::F16 | DType::BF16, _) => return None,
        (DType::Bool | DType::U8, DType::F32) => tuned::one::<Cast<u8, f32>>(isa),
        (DType::I32, DType::F32) => tuned::one::<Cast<i32, f32>>(isa),
        (DType::F32, DType::F64) => tuned::one::<Cast<f32, f64>>(isa),
        (DType::F64, DType::F32) => tuned::one::<Cast<f64, f32>>(isa),
        (DType::Bool | DType::U8, _) => to!(u8: Bool bool, I32 i32, I64 i64, F64 f64),
        (DType::I32, _) => to!(i32: Bool bool, U8 u8, I64 i64, F64 f64),
        (DType::I64, _) => to!(i64: Bool bool, U8 u8, I32 i32, F32 f32, F64 f64),
        (DType::F32, _) => to!(f32: Bool bool, U8 u8, I32 i32, I64 i64),
        (DType::F64, _) => to!(f64: Bool bool, U8 u8, I32 i32, I64 i64),
    })
}

/// From the storage of a 16-bit float.
pub(super) fn widen(dtype: DType, isa: Isa) -> Kernel {
    if dtype == DType::F16 { tuned::one::<FromF16>(isa) } else { tuned::one::<FromBf16>(isa) }
}

/// To the storage of a 16-bit float.
pub(super) fn narrow(dtype: DType, isa: Isa) -> Kernel {
    if dtype == DType::F16 { tuned::one::<ToF16>(isa) } else { tuned::one::<ToBf16>(isa) }
}

/// `f32` to the nearest value of a 16-bit float, as `f32`.
pub(super) fn round_to(dtype: DType, isa: Isa) -> Kernel {
    if dtype == DType::F16 { tuned::one::<RoundF16>(isa) } else { tuned::one::<RoundBf16>(isa) }
}

/// Repeats the one element at the operand in every lane.
pub(super) fn splat(size: usize, isa: Isa) -> Kernel {
    match size {
        1 => tuned::repeat::<u8>(isa),
        2 => tuned::repeat::<u16>(isa),
        4 => tuned::repeat::<u32>(isa),
        _ => tuned::repeat::<u64>(isa),
    }
}

/// Copies elements of a size.
pub(super) fn same(size: usize, isa: Isa) -> Kernel {
    match size {
        1 => tuned::one::<Same<u8>>(isa),
        2 => tuned::one::<Same<u16>>(isa),
        4 => tuned::one::<Same<u32>>(isa),
        _ => tuned::one::<Same<u64>>(isa),
    }
}

pub(super) fn select(size: usize, isa: Isa) -> Kernel {
    match size {
        1 => tuned::three::<Bits<u8>>(isa),
        4 => tuned::three::<Bits<u32>>(isa),
        _ => tuned::three::<Bits<u64>>(isa),
    }
}

/// A product and a sum in one instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fused {
    /// a * b + c
    MulAdd,
    /// a * b - c
    MulSub,
    /// c - a * b
    NegMulAdd,
}

pub(super) fn fused(kind: Fused, dtype: DType, isa: Isa) -> Option<Kernel> {
    fn of<T: Float>(kind: Fused, isa: Isa) -> Kernel {
        match kind {
            Fused::MulAdd => tuned::three::<MulAdd<T>>(isa),
            Fused::MulSub => tuned::three::<MulSub<T>>(isa),
            Fused::NegMulAdd => tuned::three::<NegMulAdd<T>>(isa),
        }
    }
    match dtype {
        DType::F32 => Some(of::<f32>(kind, isa)),
        DType::F64 => Some(of::<f64>(kind, isa)),
        _ => None,
    }
}

/// A comparison and the choice between two values of the same dtype in one instruction.
pub(super) fn compare_select(op: Binary, dtype: DType, isa: Isa) -> Option<Kernel> {
    fn of<T: Float>(op: Binary, isa: Isa) -> Option<Kernel> {
        Some(match op {
            Binary::Equal => tuned::four::<SelectEqual<T>>(isa),
            Binary::Less => tuned::four::<SelectLess<T>>(isa),
            Binary::LessEqual => tuned::four::<SelectLessEqual<T>>(isa),
            _ => return None,
        })
    }
    match dtype {
        DType::F32 => of::<f32>(op, isa),
        DType::F64 => of::<f64>(op, isa),
        _ => None,
    }
}

pub(super) fn unary(op: Unary, dtype: DType, isa: Isa) -> Option<Kernel> {
    fn float<T: Float>(op: Unary, isa: Isa) -> Option<Kernel> {
        Some(match op {
            Unary::Neg => tuned::one::<Neg<T>>(isa),
            Unary::Abs => tuned::one::<Abs<T>>(isa),
            Unary::Sign => tuned::one::<Sign<T>>(isa),
            Unary::Exp => tuned::one::<Exp<T>>(isa),
            Unary::Expm1 => tuned::one::<Expm1<T>>(isa),
            Unary::Log => tuned::one::<Log<T>>(isa),
            Unary::Log1p => tuned::one::<Log1p<T>>(isa),
            Unary::Sqrt => tuned::one::<Sqrt<T>>(isa),
            Unary::Rsqrt => tuned::one::<Rsqrt<T>>(isa),
            Unary::Reciprocal => tuned::one::<Reciprocal<T>>(isa),
            Unary::Sin => each::<T, Sin>,
            Unary::Cos => each::<T, Cos>,
            Unary::Tanh => tuned::one::<Tanh<T>>(isa),
            Unary::Sigmoid => tuned::one::<Sigmoid<T>>(isa),
            Unary::Softplus => tuned::one::<Softplus<T>>(isa),
            Unary::Erf => tuned::one::<Erf<T>>(isa),
            Unary::Floor => tuned::one::<Floor<T>>(isa),
            Unary::Ceil => tuned::one::<Ceil<T>>(isa),
            Unary::Round => tuned::one::<Round<T>>(isa),
            Unary::Relu => tuned::one::<Relu<T>>(isa),
            Unary::Square => tuned::one::<Square<T>>(isa),
            Unary::IsNan => tuned::one::<IsNan<T>>(isa),
            Unary::IsInf => tuned::one::<IsInf<T>>(isa),
            Unary::IsFinite => tuned::one::<IsFinite<T>>(isa),
            Unary::Not => return None,
        })
    }
    match dtype {
        DType::F32 => float::<f32>(op, isa),
        DType::F64 => float::<f64>(op, isa),
        DType::Bool if op == Unary::Not => Some(portable::one::<Not>),
        _ => super::integer::unary(op, dtype),
    }
}

/// Kernels of all operators but `Greater` and `GreaterEqual`, which are `Less` and `LessEqual` the other way round.
pub(super) fn binary(op: Binary, dtype: DType, isa: Isa) -> Option<Kernel> {
    fn float<T: Float>(op: Binary, isa: Isa) -> Option<Kernel> {
        Some(match op {
            Binary::Add => tuned::two::<Add<T>>(isa),
            Binary::Sub => tuned::two::<Sub<T>>(isa),
            Binary::Mul => tuned::two::<Mul<T>>(isa),
            Binary::Div => tuned::two::<Div<T>>(isa),
            Binary::Pow => each::<T, Pow>,
            Binary::Mod => each::<T, Mod>,
            Binary::Maximum => tuned::two::<Maximum<T>>(isa),
            Binary::Minimum => tuned::two::<Minimum<T>>(isa),
            Binary::Equal => tuned::two::<Equal<T>>(isa),
            Binary::NotEqual => tuned::two::<NotEqual<T>>(isa),
            Binary::Less => tuned::two::<Less<T>>(isa),
            Binary::LessEqual => tuned::two::<LessEqual<T>>(isa),
            _ => return None,
        })
    }
    match dtype {
        DType::F32 => float::<f32>(op, isa),
        DType::F64 => float::<f64>(op, isa),
        _ => super::integer::binary(op, dtype),
    }
}
