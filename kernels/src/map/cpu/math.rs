//! Elementary functions without branches: every lane of a vector computes the same instructions.
//!
//! `FMA` says whether the instruction set has a fused multiply-add; where it has none, `mul_add` would call a library.

/// A sum of powers, highest first.
macro_rules! horner {
    ($fma:ident, $x:expr, $first:expr $(, $next:expr)*) => {{
        let mut sum = $first;
        $(sum = fma::<$fma>(sum, $x, $next);)*
        sum
    }};
}

/// What the vector kernels need of `f32` and `f64`.
pub(super) trait Float: Copy + Default + PartialOrd {
    fn fma<const FMA: bool>(self, b: Self, c: Self) -> Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn div(self, b: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn relu(self) -> Self;
    fn maximum(self, b: Self) -> Self;
    fn minimum(self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    fn rsqrt(self) -> Self;
    fn reciprocal(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn is_nan(self) -> bool;
    fn is_inf(self) -> bool;
    fn is_finite(self) -> bool;
    fn exp<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn log<const FMA: bool>(self) -> Self;
    fn log1p<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn sigmoid<const FMA: bool>(self) -> Self;
    fn softplus<const FMA: bool>(self) -> Self;
    fn erf<const FMA: bool>(self) -> Self;
    /// The functions from here on are the library's, one lane at a time.
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn pow(self, b: Self) -> Self;
    fn modulo(self, b: Self) -> Self;
}

macro_rules! float {
    (
        $T:ident, $Int:ident, $Bits:ident,
        magic: $magic:expr, mantissa: $mantissa:expr, bias: $bias:expr, sqrt_half: $sqrt_half:expr,
        ln2: ($ln2_high:expr, $ln2_low:expr), exp_range: ($exp_low:expr, $exp_high:expr), expm1_low: $expm1_low:expr,
        exp: ($($exp:expr),*), log: ($($log:expr),*), log1p: ($($log1p:expr),*),
        tanh: ($($tanh:expr),*), erf: ($($erf:expr),*),
        erfc: $erfc:ident,
    ) => {
        mod $T {
            use super::Float;

            /// Adding it rounds a small float to an integer, which then stands in the lowest bits.
            const MAGIC: $T = $magic;

            #[inline(always)]
            pub(super) fn fma<const FMA: bool>(a: $T, b: $T, c: $T) -> $T {
                if FMA { a.mul_add(b, c) } else { a * b + c }
            }

            /// The integer n nearest to x / ln 2, and x - n ln 2.
            #[inline(always)]
            fn reduce<const FMA: bool>(x: $T) -> ($Int, $T) {
                let shifted = fma::<FMA>(x, std::$T::consts::LOG2_E, MAGIC);
                let n = shifted - MAGIC;
                // n times the high part of ln 2 is exact with or without FMA.
                let rest = fma::<FMA>(n, -$ln2_high, x);
                ((shifted.to_bits() as $Int).wrapping_sub(MAGIC.to_bits() as $Int), fma::<FMA>(n, -$ln2_low, rest))
            }

            #[inline(always)]
            fn power_of_two(n: $Int) -> $T {
                $T::from_bits((n.wrapping_add($bias) << $mantissa) as _)
            }

            /// y 2^n in two steps, each by a normal number: the result may be subnormal or overflow.
            #[inline(always)]
            fn scale(y: $T, n: $Int) -> $T {
                // A shift of a positive number: AVX2 has no arithmetic shift of 64 bits.
                let half = (((n.wrapping_add(4096)) as $Bits >> 1) as $Int).wrapping_sub(2048);
                y * power_of_two(half) * power_of_two(n.wrapping_sub(half))
            }

            /// e^r - 1 for |r| <= ln 2 / 2.
            #[inline(always)]
            fn expm1_small<const FMA: bool>(r: $T) -> $T {
                fma::<FMA>(r * r, horner!(FMA, r, $($exp),*), r)
            }

            impl Float for $T {
                #[inline(always)]
                fn fma<const FMA: bool>(self, b: $T, c: $T) -> $T { fma::<FMA>(self, b, c) }
                #[inline(always)]
                fn add(self, b: $T) -> $T { self + b }
                #[inline(always)]
                fn sub(self, b: $T) -> $T { self - b }
                #[inline(always)]
                fn mul(self, b: $T) -> $T { self * b }
                #[inline(always)]
                fn div(self, b: $T) -> $T { self / b }
                #[inline(always)]
                fn neg(self) -> $T { -self }
                #[inline(always)]
                fn abs(self) -> $T { $T::abs(self) }
                #[inline(always)]
                fn sign(self) -> $T {
                    let unit = (1.0 as $T).copysign(self);
                    let zero = if self == 0.0 { 0.0 } else { unit };
                    if self != self { self } else { zero }
                }
                #[inline(always)]
                fn relu(self) -> $T { if self <= 0.0 { 0.0 } else { self } }
                #[inline(always)]
                fn maximum(self, b: $T) -> $T {
                    let larger = if self > b { self } else { b };
                    if self != self { self } else { larger }
                }
                #[inline(always)]
                fn minimum(self, b: $T) -> $T {
                    let smaller = if self < b { self } else { b };
                    if self != self { self } else { smaller }
                }
                #[inline(always)]
                fn sqrt(self) -> $T { $T::sqrt(self) }
                #[inline(always)]
                fn rsqrt(self) -> $T { 1.0 / $T::sqrt(self) }
                #[inline(always)]
                fn reciprocal(self) -> $T { 1.0 / self }
                #[inline(always)]
                fn floor(self) -> $T { $T::floor(self) }
                #[inline(always)]
                fn ceil(self) -> $T { $T::ceil(self) }
                #[inline(always)]
                fn round(self) -> $T { $T::round_ties_even(self) }
                #[inline(always)]
                fn is_nan(self) -> bool { self != self }
                #[inline(always)]
                fn is_inf(self) -> bool { $T::abs(self) == $T::INFINITY }
                #[inline(always)]
                fn is_finite(self) -> bool { $T::abs(self) < $T::INFINITY }

                #[inline(always)]
                fn exp<const FMA: bool>(self) -> $T {
                    // Beyond the bounds the result is 0 or infinity anyway; NaN passes both comparisons.
                    let x = if self < $exp_low { $exp_low } else { self };
                    let x = if x > $exp_high { $exp_high } else { x };
                    let (n, r) = reduce::<FMA>(x);
                    scale(1.0 + expm1_small::<FMA>(r), n)
                }

                #[inline(always)]
                fn expm1<const FMA: bool>(self) -> $T {
                    let x = if self < $expm1_low { $expm1_low } else { self };
                    let x = if x > $exp_high { $exp_high } else { x };
                    let (n, r) = reduce::<FMA>(x);
                    let small = expm1_small::<FMA>(r);
                    let two_n = power_of_two(n);
                    // From 2^60 on the 1 does not count, and 2^n itself may overflow.
                    if n > 60 { scale(1.0 + small, n) } else { fma::<FMA>(two_n, small, two_n - 1.0) }
                }

                #[inline(always)]
                fn log<const FMA: bool>(self) -> $T {
                    const DIGITS: $Int = $mantissa + 2;
                    let subnormal = self < $T::MIN_POSITIVE;
                    let x = if subnormal { self * ((1u64 << DIGITS) as $T) } else { self };
                    // x = m 2^k with m in [sqrt 1/2, sqrt 2).
                    let one = (1.0 as $T).to_bits() as $Int;
                    let shifted = (x.to_bits() as $Int).wrapping_add(one - $sqrt_half);
                    let mask: $Int = (1 << $mantissa) - 1;
                    let m = $T::from_bits((shifted & mask).wrapping_add($sqrt_half) as _);
                    let exponent = (shifted as $Bits >> $mantissa) as $Int & (2 * $bias + 1);
                    let k = exponent.wrapping_sub($bias).wrapping_sub(if subnormal { DIGITS } else { 0 });
                    let k = $T::from_bits((MAGIC.to_bits() as $Int).wrapping_add(k) as _) - MAGIC;
                    // log(1 + f) = f - f^2/2 + s (f^2/2 + z P(z)) with s = f / (2 + f), z = s^2, as in fdlibm.
                    let f = m - 1.0;
                    let s = f / (2.0 + f);
                    let z = s * s;
                    let rest = z * horner!(FMA, z, $($log),*);
                    let half_square = 0.5 * f * f;
                    let low = fma::<FMA>(s, half_square + rest, k * $ln2_low);
                    let y = fma::<FMA>(k, $ln2_high, f - (half_square - low));
                    let y = if self == $T::INFINITY { self } else { y };
                    let y = if self == 0.0 { -$T::INFINITY } else { y };
                    if self >= 0.0 { y } else { $T::NAN }
                }

                #[inline(always)]
                fn log1p<const FMA: bool>(self) -> $T {
                    let u = 1.0 + self;
                    let y = Float::log::<FMA>(u);
                    // What the sum lost, as far as the logarithm feels it. Neither 1 - 1 nor infinity has lost anything.
                    let lost = if self < 1.0 { self - (u - 1.0) } else { 1.0 - (u - self) };
                    if u > 0.0 && u < $T::INFINITY { y + lost / u } else { y }
                }

                #[inline(always)]
                fn tanh<const FMA: bool>(self) -> $T {
                    let a = $T::abs(self);
                    let z = self * self;
                    let near = fma::<FMA>(z * horner!(FMA, z, $($tanh),*), a, a);
                    // From 22 on tanh is 1 in f64 too, and a power of two needs no second step.
                    let double = if a > 22.0 { 44.0 } else { a + a };
                    let (n, r) = reduce::<FMA>(double);
                    let two_n = power_of_two(n);
                    let far = 1.0 - 2.0 / (fma::<FMA>(two_n, expm1_small::<FMA>(r), two_n) + 1.0);
                    (if a < 0.625 { near } else { far }).copysign(self)
                }

                #[inline(always)]
                fn sigmoid<const FMA: bool>(self) -> $T {
                    let e = Float::exp::<FMA>(-$T::abs(self));
                    (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
                }

                #[inline(always)]
                fn softplus<const FMA: bool>(self) -> $T {
                    let e = Float::exp::<FMA>(-$T::abs(self));
                    // log(1 + e) for e in 0..=1 needs no power of two: e - s (e - z P(z)) with s = e / (2 + e), z = s^2.
                    let s = e / (2.0 + e);
                    let z = s * s;
                    let rest = fma::<FMA>(z, -(horner!(FMA, z, $($log1p),*)), e);
                    self.relu() + fma::<FMA>(-s, rest, e)
                }

                #[inline(always)]
                fn erf<const FMA: bool>(self) -> $T {
                    let a = $T::abs(self);
                    let z = a * a;
                    let near = fma::<FMA>(a, horner!(FMA, z, $($erf),*), a);
                    let far = 1.0 - super::$erfc::<FMA>(a);
                    (if a < 1.0 { near } else { far }).copysign(self)
                }

                #[inline(always)]
                fn sin(self) -> $T { $T::sin(self) }
                #[inline(always)]
                fn cos(self) -> $T { $T::cos(self) }
                #[inline(always)]
                fn pow(self, b: $T) -> $T { $T::powf(self, b) }
                #[inline(always)]
                fn modulo(self, b: $T) -> $T {
                    // The remainder of `fmod` is exact; the quotient of a - b floor(a / b) is not.
                    let rest = self % b;
                    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
                }
            }
        }
    };
}

// The coefficients interpolate at the nodes of Chebyshev polynomials: within a few per cent of the best for their degree.
float! {
    f32, i32, u32,
    magic: 12_582_912.0, mantissa: 23, bias: 127, sqrt_half: 0x3f35_04f3,
    ln2: (0.693_359_4, -2.121_944_4e-4), exp_range: (-104.0, 89.0), expm1_low: -18.0,
    exp: (1.392_621_3e-3, 8.363_203e-3, 4.166_655_2e-2, 1.666_657_6e-1, 0.5),
    log: (2.333_161_5e-1, 2.855_078e-1, 4.000_012e-1, 6.666_667e-1),
    log1p: (2.322_492_2e-1, 2.170_646e-1, 2.859_236_6e-1, 3.999_970_6e-1, 6.666_667e-1),
    tanh: (-6.094_641_5e-3, 2.099_575_5e-2, -5.385_061e-2, 1.333_276_8e-1, -3.333_333e-1),
    erf: (7.875_875e-5, -8.016_864_3e-4, 5.189_087_2e-3, -2.685_421_1e-2, 1.128_359_5e-1, -3.761_262_6e-1, 1.283_791_7e-1),
    erfc: erfc32,
}

float! {
    f64, i64, u64,
    magic: 6_755_399_441_055_744.0, mantissa: 52, bias: 1023, sqrt_half: 0x3fe6_a09e_667f_3bcd,
    ln2: (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10), exp_range: (-746.0, 710.0), expm1_low: -40.0,
    exp: (
        2.091_471_734_171_637_8e-9, 2.510_525_953_844_849_4e-8, 2.755_727_357_010_214e-7, 2.755_725_529_796_964_3e-6,
        2.480_158_732_560_532_4e-5, 1.984_126_987_490_126e-4, 1.388_888_888_888_373e-3, 8.333_333_333_326_112e-3,
        4.166_666_666_666_667e-2, 1.666_666_666_666_667e-1, 0.5
    ),
    log: (
        1.461_780_715_341_732_5e-1, 1.533_161_172_205_500_8e-1, 1.818_289_243_253_687e-1, 2.222_221_108_937_949_6e-1,
        2.857_142_862_625_383_6e-1, 3.999_999_999_989_889e-1, 6.666_666_666_666_67e-1
    ),
    log1p: (
        1.616_493_816_947_134e-1, 8.800_317_650_868_773e-2, 1.200_115_518_285_777_8e-1, 1.331_413_555_088_116_2e-1,
        1.538_557_059_291_224_3e-1, 1.818_178_941_732_645e-1, 2.222_222_271_780_178_2e-1, 2.857_142_856_710_506e-1,
        4.000_000_000_001_459_6e-1, 6.666_666_666_666_666e-1
    ),
    tanh: (
        -1.723_197_813_108_837e-5, 7.957_557_077_391_531e-5, -2.307_572_502_036_994_2e-4, 5.874_290_537_089_334e-4,
        -1.455_307_138_932_072_5e-3, 3.592_058_628_407_707_4e-3, -8.863_229_796_699_783e-3, 2.186_948_825_864_040_4e-2,
        -5.396_825_396_134_124e-2, 1.333_333_333_332_66e-1, -3.333_333_333_333_332e-1
    ),
    erf: (
        -4.230_945_824_295_338e-12, 8.709_045_129_053_106e-11, -1.216_456_005_728_345e-9, 1.479_240_120_940_481_3e-8,
        -1.636_464_215_816_761_6e-7, 1.646_204_544_146_841_8e-6, -1.492_564_756_751_933_2e-5, 1.205_533_290_288_873_6e-4,
        -8.548_327_021_934_83e-4, 5.223_977_625_423_298_5e-3, -2.686_617_064_512_984e-2, 1.128_379_167_095_512e-1,
        -3.761_263_890_318_375_4e-1, 1.283_791_670_955_126e-1
    ),
    erfc: erfc64,
}

/// erfc x for 1 <= x, as e^(x Q(x)).
#[inline(always)]
fn erfc32<const FMA: bool>(x: f32) -> f32 {
    use self::f32::fma;
    // Beyond 4, erf is 1.
    let x = if x > 4.0 { 4.0 } else { x };
    let q = horner!(
        FMA,
        x,
        1.152_443_1e-6,
        -3.634_163_7e-5,
        5.138_015e-4,
        -4.365_794_4e-3,
        2.528_881_3e-2,
        -1.080_639_36e-1,
        -6.339_927e-1,
        -1.128_950_6
    );
    Float::exp::<FMA>(x * q)
}

/// erfc x for 1 <= x, as e^(-x^2) Q(t) with t = (x - 5/2) / (x + 5/2).
#[inline(always)]
fn erfc64<const FMA: bool>(x: f64) -> f64 {
    use self::f64::fma;
    // Beyond 6, erf is 1.
    let x = if x > 6.0 { 6.0 } else { x };
    let t = (x - 2.5) / (x + 2.5);
    let q = horner!(
        FMA,
        t,
        1.412_727_323_497_777_5e-9,
        -3.124_284_834_373_639_4e-8,
        -5.887_426_594_860_979e-8,
        8.609_376_402_087_41e-8,
        3.894_358_333_753_031_4e-7,
        7.535_307_560_901_397e-8,
        -1.816_616_495_020_287_4e-6,
        -2.298_319_676_642_855_5e-6,
        7.555_147_115_200_144e-6,
        1.861_455_939_005_745_3e-5,
        -3.418_249_858_102_809e-5,
        -1.288_771_839_023_009_7e-4,
        2.283_803_945_444_488_2e-4,
        8.759_154_508_769_327e-4,
        -2.642_365_964_825_548_3e-3,
        -3.993_701_165_879_943e-3,
        3.992_253_907_559_371e-2,
        -1.250_330_523_788_290_3e-1,
        2.517_131_932_174_492e-1,
        -3.717_367_339_489_733_3e-1,
        2.108_063_640_611_436e-1
    );
    Float::exp::<FMA>(-x * x) * q
}
