//! Memory to registers and back for arrays of a few elements.
//!
//! Reading a vector back soon after it was written in smaller pieces stalls the processor, so that a few elements travel
//! as one vector where the instruction set has masks.

use super::{
    vector::{Kernel, LANES, Op},
    walk,
};
use crate::Isa;

/// Copies at most [`LANES`] elements of `size` bytes from memory to a register.
pub(super) fn fill(size: usize, isa: Isa) -> Kernel {
    match (isa, size) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 1) => avx512::fill_1,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 2) => avx512::fill_2,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 4) => avx512::fill_4,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 8) => avx512::fill_8,
        (_, 1) => copy::<1>,
        (_, 2) => copy::<2>,
        (_, 4) => copy::<4>,
        _ => copy::<8>,
    }
}

/// Copies at most [`LANES`] elements of `size` bytes from a register to memory.
pub(super) fn drain(size: usize, isa: Isa) -> Kernel {
    match (isa, size) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 1) => avx512::drain_1,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 2) => avx512::drain_2,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 4) => avx512::drain_4,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 8) => avx512::drain_8,
        (_, 1) => copy::<1>,
        (_, 2) => copy::<2>,
        (_, 4) => copy::<4>,
        _ => copy::<8>,
    }
}

unsafe fn copy<const SIZE: usize>(op: &Op, bases: *const *mut u8, n: usize) {
    // SAFETY: the operand and the result have `n` elements.
    unsafe { walk::copy(op.from[0].at(bases), op.to.at(bases), n.min(LANES) * SIZE) }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::Op;
    use std::arch::x86_64::*;

    /// One bit for each of the first `n` lanes.
    #[inline(always)]
    fn lanes(n: usize) -> u16 {
        ((1u32 << n.min(16)) - 1) as u16
    }

    macro_rules! moves {
        ($($fill:ident $drain:ident $load_some:ident $load:ident $store_some:ident $store:ident;)*) => {$(
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
            pub(super) unsafe fn $fill(op: &Op, bases: *const *mut u8, n: usize) {
                // SAFETY: the operand has `n` elements, what the mask excludes is not read; a register has room for a group.
                unsafe { $store(op.to.at(bases).cast(), $load_some(lanes(n), op.from[0].at(bases).cast())) }
            }

            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
            pub(super) unsafe fn $drain(op: &Op, bases: *const *mut u8, n: usize) {
                // SAFETY: a register has a whole group; the result has room for `n`, what the mask excludes is not written.
                unsafe { $store_some(op.to.at(bases).cast(), lanes(n), $load(op.from[0].at(bases).cast())) }
            }
        )*};
    }

    moves! {
        fill_1 drain_1 _mm_maskz_loadu_epi8 _mm_loadu_si128 _mm_mask_storeu_epi8 _mm_storeu_si128;
        fill_2 drain_2 _mm256_maskz_loadu_epi16 _mm256_loadu_si256 _mm256_mask_storeu_epi16 _mm256_storeu_si256;
        fill_4 drain_4 _mm512_maskz_loadu_epi32 _mm512_loadu_si512 _mm512_mask_storeu_epi32 _mm512_storeu_si512;
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
    pub(super) unsafe fn fill_8(op: &Op, bases: *const *mut u8, n: usize) {
        // SAFETY: as for the smaller elements; a group is two vectors.
        unsafe {
            let (from, to) = (op.from[0].at(bases).cast::<i64>(), op.to.at(bases).cast::<__m512i>());
            _mm512_storeu_si512(to, _mm512_maskz_loadu_epi64(lanes(n) as u8, from));
            _mm512_storeu_si512(to.add(1), _mm512_maskz_loadu_epi64((lanes(n) >> 8) as u8, from.wrapping_add(8)));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
    pub(super) unsafe fn drain_8(op: &Op, bases: *const *mut u8, n: usize) {
        // SAFETY: as for the smaller elements; a group is two vectors.
        unsafe {
            let (from, to) = (op.from[0].at(bases).cast::<__m512i>(), op.to.at(bases).cast::<i64>());
            _mm512_mask_storeu_epi64(to, lanes(n) as u8, _mm512_loadu_si512(from));
            _mm512_mask_storeu_epi64(to.wrapping_add(8), (lanes(n) >> 8) as u8, _mm512_loadu_si512(from.add(1)));
        }
    }
}
