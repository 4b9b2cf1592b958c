//! A filter for each channel: nothing is shared between channels, so vectors run along them.

use crate::gemm::cpu::microkernel::{Simd, Tile};

/// Computes channels of some pixels: for each tap of the tile's runs, a row of channels of A times one of B.
///
/// # Safety
/// As for a tile, with `channels` elements at each of the places.
#[inline(always)]
pub(super) unsafe fn pixels<S: Simd<T>, T: Copy + Default>(tile: &Tile<'_, T>, pixels: usize, channels: usize) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's duty.
        unsafe {
            let mask = S::mask(S::LANES.min(channels - channel));
            // The last block is as large as the others: some pixels are computed twice.
            let mut pixel = 0;
            while pixel < pixels {
                let left = pixels - pixel;
                if pixels >= 8 {
                    block::<S, T, 8>(tile, pixel.min(pixels - 8), channel, mask);
                    pixel += 8;
                } else if left >= 4 {
                    block::<S, T, 4>(tile, pixel, channel, mask);
                    pixel += 4;
                } else {
                    block::<S, T, 1>(tile, pixel, channel, mask);
                    pixel += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn block<S: Simd<T>, T: Copy + Default, const N: usize>(
    tile: &Tile<'_, T>,
    pixel: usize,
    channel: usize,
    mask: S::Mask,
) {
    // SAFETY: the caller's duty.
    unsafe {
        let mut sums = [S::splat(T::default()); N];
        let a = tile.a.wrapping_offset(pixel as isize * tile.a_row).wrapping_add(channel);
        let b = tile.b.wrapping_add(channel);
        let [outer, inner] = *tile.runs;
        for i in 0..outer.count as isize {
            let (mut a, mut b) = (a.wrapping_offset(i * outer.a), b.wrapping_offset(i * outer.b));
            for _ in 0..inner.count {
                let weight = S::load_some(b, mask);
                for (number, sum) in sums.iter_mut().enumerate() {
                    let from = a.wrapping_offset(number as isize * tile.a_row);
                    *sum = S::mul_add(S::load_some(from, mask), weight, *sum);
                }
                (a, b) = (a.wrapping_offset(inner.a), b.wrapping_offset(inner.b));
            }
        }
        for (number, &sum) in sums.iter().enumerate() {
            S::store_some(tile.c.wrapping_add((pixel + number) * tile.c_row + channel), sum, mask);
        }
    }
}

/// Sums the products of channels of A and of B over the tile's runs and `k`.
///
/// # Safety
/// As for a tile, with `channels` elements at each of the places.
#[inline(always)]
pub(super) unsafe fn weights<S: Simd<T>, T: Copy + Default>(tile: &Tile<'_, T>, channels: usize) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's duty.
        unsafe {
            let mask = S::mask(S::LANES.min(channels - channel));
            // Multiply-adds take a while: four sums wait for each other less than one.
            let mut sums = [S::splat(T::default()); 4];
            let [outer, inner] = *tile.runs;
            for i in 0..outer.count as isize {
                for j in 0..inner.count as isize {
                    let mut a = tile.a.wrapping_offset(i * outer.a + j * inner.a).wrapping_add(channel);
                    let mut b = tile.b.wrapping_offset(i * outer.b + j * inner.b).wrapping_add(channel);
                    for k in 0..tile.k.div_ceil(4) {
                        for sum in sums.iter_mut().take(tile.k - 4 * k) {
                            *sum = S::mul_add(S::load_some(a, mask), S::load_some(b, mask), *sum);
                            (a, b) = (a.wrapping_offset(tile.a_k), b.wrapping_offset(tile.b_k));
                        }
                    }
                }
            }
            let to = tile.c.wrapping_add(channel);
            let sum = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
            let sum = if tile.accumulate { S::add(S::load_some(to, mask), sum) } else { sum };
            S::store_some(to, sum, mask);
        }
    }
}
