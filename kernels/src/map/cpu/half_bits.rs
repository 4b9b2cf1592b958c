//! 16-bit floats to and from `f32`, without branches.

#[inline(always)]
pub(super) fn f16_to_f32(half: u16) -> f32 {
    let (sign, rest) = (u32::from(half & 0x8000) << 16, u32::from(half & 0x7fff) << 13);
    // The exponents' biases differ by 112; the product is exact, for subnormal numbers too.
    let finite = (f32::from_bits(rest) * f32::from_bits(239 << 23)).to_bits();
    let bits = if rest >= 0x7c00 << 13 { rest | 0x7f80_0000 } else { finite };
    f32::from_bits(bits | sign)
}

/// Rounds half to even; beyond 65504 to infinity.
#[inline(always)]
pub(super) fn f32_to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, rest) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    // Below 2^-14 the addition of 1/2 lets the last bit of the sum be the last bit of a subnormal result.
    let subnormal = (f32::from_bits(rest) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let normal = rest.wrapping_sub(112 << 23).wrapping_add(0xfff + ((rest >> 13) & 1)) >> 13;
    let finite = if rest < 113 << 23 { subnormal } else { normal };
    let large = if rest > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    (sign | if rest >= 143 << 23 { large } else { finite }) as u16
}

#[inline(always)]
pub(super) fn bf16_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// Rounds half to even.
#[inline(always)]
pub(super) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { bits >> 16 | 0x40 } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn agrees_with_the_half_crate() {
        for bits in 0..=u16::MAX {
            let (wide, brain) = (f16_to_f32(bits), bf16_to_f32(bits));
            assert!(wide == f16::from_bits(bits).to_f32() || wide.is_nan() && f16::from_bits(bits).is_nan());
            assert!(brain == bf16::from_bits(bits).to_f32() || brain.is_nan() && bf16::from_bits(bits).is_nan());
        }
        for bits in (0..u32::MAX - 9973).step_by(9973) {
            let x = f32::from_bits(bits);
            let (half, brain) = (f16::from_f32(x), bf16::from_f32(x));
            assert!(f32_to_f16(x) == half.to_bits() || x.is_nan() && half.is_nan(), "{x:e}");
            assert!(f32_to_bf16(x) == brain.to_bits() || x.is_nan() && brain.is_nan(), "{x:e}");
        }
    }
}
