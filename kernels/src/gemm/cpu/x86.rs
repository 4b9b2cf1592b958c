//! The vectors of x86-64.

use super::microkernel::Simd;
use std::arch::x86_64::*;

pub(crate) struct Avx512;
pub(crate) struct Avx2;

/// The parts that differ only in the names of the intrinsics.
macro_rules! common {
    ($T:ty, $V:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $mul_add:ident) => {
        type V = $V;
        const LANES: usize = $lanes;

        #[inline(always)]
        unsafe fn splat(value: $T) -> $V {
            // SAFETY: the trait's contract.
            unsafe { $splat(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const $T) -> $V {
            // SAFETY: the trait's contract.
            unsafe { $load(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut $T, value: $V) {
            // SAFETY: the trait's contract.
            unsafe { $store(to, value) }
        }
        #[inline(always)]
        unsafe fn add(a: $V, b: $V) -> $V {
            // SAFETY: the trait's contract.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: $V, b: $V, c: $V) -> $V {
            // SAFETY: the trait's contract.
            unsafe { $mul_add(a, b, c) }
        }
        #[inline(always)]
        unsafe fn transpose(
            from: *const $T,
            stride: isize,
            rows: usize,
            columns: usize,
            to: *mut $T,
            to_stride: usize,
        ) {
            // SAFETY: the trait's contract.
            unsafe {
                let mask = <Self as Simd<$T>>::mask(columns);
                let mut block = [<Self as Simd<$T>>::splat(0.0); $lanes];
                for (row, vector) in block.iter_mut().enumerate().take(rows) {
                    *vector = <Self as Simd<$T>>::load_some(from.wrapping_offset(row as isize * stride), mask);
                }
                let block = Self::transposed(block);
                for (column, &vector) in block.iter().enumerate().take(columns) {
                    <Self as Simd<$T>>::store(to.wrapping_add(column * to_stride), vector);
                }
            }
        }
    };
}

macro_rules! avx512_masked {
    ($T:ty, $V:ty, $mask:ty, $load:ident, $store:ident) => {
        type Mask = $mask;

        #[inline(always)]
        unsafe fn mask(lanes: usize) -> $mask {
            ((1u32 << lanes) - 1) as $mask
        }
        #[inline(always)]
        unsafe fn load_some(from: *const $T, mask: $mask) -> $V {
            // SAFETY: the trait's contract; lanes outside the mask are not touched.
            unsafe { $load(mask, from) }
        }
        #[inline(always)]
        unsafe fn store_some(to: *mut $T, value: $V, mask: $mask) {
            // SAFETY: the trait's contract; lanes outside the mask are not touched.
            unsafe { $store(to, mask, value) }
        }
    };
}

/// Masks of AVX2 are vectors whose lanes have the sign bit set; a window onto this table gives each.
static LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first lanes of `1 <= lanes <= of`, where `of` is 4 or 8.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
unsafe fn window(lanes: usize, of: usize) -> __m256i {
    // SAFETY: the window of 8 lies in the table of 16.
    unsafe { _mm256_loadu_si256(LANES.as_ptr().wrapping_add((of - lanes) * (8 / of)).cast()) }
}

macro_rules! avx2_masked {
    ($T:ty, $V:ty, $lanes:literal, $load:ident, $store:ident) => {
        /// A number: whole vectors, by far the most, need no mask, whose register the tiles have no room for.
        type Mask = usize;

        #[inline(always)]
        unsafe fn mask(lanes: usize) -> usize {
            lanes
        }
        #[inline(always)]
        unsafe fn load_some(from: *const $T, lanes: usize) -> $V {
            // SAFETY: the trait's contract; lanes outside the mask are not touched.
            unsafe { if lanes == $lanes { Self::load(from) } else { $load(from, window(lanes, $lanes)) } }
        }
        #[inline(always)]
        unsafe fn store_some(to: *mut $T, value: $V, lanes: usize) {
            // SAFETY: the trait's contract; lanes outside the mask are not touched.
            unsafe { if lanes == $lanes { Self::store(to, value) } else { $store(to, window(lanes, $lanes), value) } }
        }
    };
}

impl Simd<f32> for Avx512 {
    common!(f32, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps);
    avx512_masked!(f32, __m512, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps);
}

impl Simd<f64> for Avx512 {
    common!(f64, __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd);
    avx512_masked!(f64, __m512d, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd);
}

impl Simd<f32> for Avx2 {
    common!(f32, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps);
    avx2_masked!(f32, __m256, 8, _mm256_maskload_ps, _mm256_maskstore_ps);
}

impl Simd<f64> for Avx2 {
    common!(f64, __m256d, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd);
    avx2_masked!(f64, __m256d, 4, _mm256_maskload_pd, _mm256_maskstore_pd);
}

/// Transposes of square blocks in registers: pairs of elements, then of pairs, then of 16-byte groups change places.
trait Transpose<V> {
    unsafe fn transposed(block: V) -> V;
}

impl Transpose<[__m512; 16]> for Avx512 {
    #[inline(always)]
    unsafe fn transposed(r: [__m512; 16]) -> [__m512; 16] {
        // SAFETY: `Simd`'s contract.
        unsafe {
            let mut t = r;
            for i in (0..16).step_by(4) {
                let low = [_mm512_unpacklo_ps(r[i], r[i + 1]), _mm512_unpacklo_ps(r[i + 2], r[i + 3])];
                let high = [_mm512_unpackhi_ps(r[i], r[i + 1]), _mm512_unpackhi_ps(r[i + 2], r[i + 3])];
                let [a, b, c, d] = [low[0], low[1], high[0], high[1]].map(|v| _mm512_castps_pd(v));
                t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
                t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
            }
            // Now group g of t[4 i + j] holds rows 4 i .. 4 i + 4 of column 4 g + j: transpose the groups.
            let mut out = t;
            for j in 0..4 {
                let even01 = _mm512_shuffle_f32x4::<0x88>(t[j], t[4 + j]);
                let odd01 = _mm512_shuffle_f32x4::<0xdd>(t[j], t[4 + j]);
                let even23 = _mm512_shuffle_f32x4::<0x88>(t[8 + j], t[12 + j]);
                let odd23 = _mm512_shuffle_f32x4::<0xdd>(t[8 + j], t[12 + j]);
                out[j] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
                out[4 + j] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
                out[8 + j] = _mm512_shuffle_f32x4::<0xdd>(even01, even23);
                out[12 + j] = _mm512_shuffle_f32x4::<0xdd>(odd01, odd23);
            }
            out
        }
    }
}

impl Transpose<[__m512d; 8]> for Avx512 {
    #[inline(always)]
    unsafe fn transposed(r: [__m512d; 8]) -> [__m512d; 8] {
        // SAFETY: `Simd`'s contract.
        unsafe {
            let mut t = r;
            for i in (0..8).step_by(2) {
                t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
                t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
            }
            // Now group g of t[2 i + j] holds rows 2 i, 2 i + 1 of column 2 g + j: transpose the groups.
            let mut out = t;
            for j in 0..2 {
                let even01 = _mm512_shuffle_f64x2::<0x88>(t[j], t[2 + j]);
                let odd01 = _mm512_shuffle_f64x2::<0xdd>(t[j], t[2 + j]);
                let even23 = _mm512_shuffle_f64x2::<0x88>(t[4 + j], t[6 + j]);
                let odd23 = _mm512_shuffle_f64x2::<0xdd>(t[4 + j], t[6 + j]);
                out[j] = _mm512_shuffle_f64x2::<0x88>(even01, even23);
                out[2 + j] = _mm512_shuffle_f64x2::<0x88>(odd01, odd23);
                out[4 + j] = _mm512_shuffle_f64x2::<0xdd>(even01, even23);
                out[6 + j] = _mm512_shuffle_f64x2::<0xdd>(odd01, odd23);
            }
            out
        }
    }
}

impl Transpose<[__m256; 8]> for Avx2 {
    #[inline(always)]
    unsafe fn transposed(r: [__m256; 8]) -> [__m256; 8] {
        // SAFETY: `Simd`'s contract.
        unsafe {
            let mut t = r;
            for i in (0..8).step_by(4) {
                let low = [_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpacklo_ps(r[i + 2], r[i + 3])];
                let high = [_mm256_unpackhi_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i + 2], r[i + 3])];
                t[i] = _mm256_shuffle_ps::<0x44>(low[0], low[1]);
                t[i + 1] = _mm256_shuffle_ps::<0xee>(low[0], low[1]);
                t[i + 2] = _mm256_shuffle_ps::<0x44>(high[0], high[1]);
                t[i + 3] = _mm256_shuffle_ps::<0xee>(high[0], high[1]);
            }
            let mut out = t;
            for j in 0..4 {
                out[j] = _mm256_permute2f128_ps::<0x20>(t[j], t[4 + j]);
                out[4 + j] = _mm256_permute2f128_ps::<0x31>(t[j], t[4 + j]);
            }
            out
        }
    }
}

impl Transpose<[__m256d; 4]> for Avx2 {
    #[inline(always)]
    unsafe fn transposed(r: [__m256d; 4]) -> [__m256d; 4] {
        // SAFETY: `Simd`'s contract.
        unsafe {
            let low = [_mm256_unpacklo_pd(r[0], r[1]), _mm256_unpacklo_pd(r[2], r[3])];
            let high = [_mm256_unpackhi_pd(r[0], r[1]), _mm256_unpackhi_pd(r[2], r[3])];
            [
                _mm256_permute2f128_pd::<0x20>(low[0], low[1]),
                _mm256_permute2f128_pd::<0x20>(high[0], high[1]),
                _mm256_permute2f128_pd::<0x31>(low[0], low[1]),
                _mm256_permute2f128_pd::<0x31>(high[0], high[1]),
            ]
        }
    }
}
