//! What is done to B besides the microkernel's loop: copies that lie as it reads them, products with a vector, sums of
//! columns.

use super::microkernel::Simd;

/// Some columns of B over a range of `k`, and where their copy (or their sums) go.
#[derive(Clone, Copy)]
pub(crate) struct Panel<T> {
    pub(crate) b: *const T,
    pub(crate) b_k: isize,
    pub(crate) b_column: isize,
    pub(crate) k: usize,
    /// At most twice the lanes of a vector for a copy.
    pub(crate) columns: usize,
    pub(crate) to: *mut T,
}

/// Copies rows that are contiguous, so that the rows of the copy follow each other without the matrix' stride: large
/// strides, above all those that are powers of two, use few sets of the cache and many pages.
#[inline(always)]
pub(super) unsafe fn rows<S: Simd<T>, T: Copy>(panel: &Panel<T>) {
    let wide = panel.columns > S::LANES;
    let last = panel.columns - if wide { S::LANES } else { 0 };
    let (mut from, mut to) = (panel.b, panel.to);
    // SAFETY: the caller vouches for `k` rows of `columns` elements and a copy of `k` rows of two vectors.
    unsafe {
        let mask = S::mask(last);
        for _ in 0..panel.k {
            if wide {
                S::store(to, S::load(from));
                S::store(to.wrapping_add(S::LANES), S::load_some(from.wrapping_add(S::LANES), mask));
            } else {
                S::store(to, S::load_some(from, mask));
            }
            from = from.wrapping_offset(panel.b_k);
            to = to.wrapping_add(2 * S::LANES);
        }
    }
}

/// Copies columns that are contiguous: B is a transposed matrix, transposed back in square blocks of a vector's size.
#[inline(always)]
pub(super) unsafe fn columns<S: Simd<T>, T: Copy>(panel: &Panel<T>) {
    for column in (0..panel.columns).step_by(S::LANES) {
        let width = S::LANES.min(panel.columns - column);
        let from = panel.b.wrapping_offset(column as isize * panel.b_column);
        for k in (0..panel.k).step_by(S::LANES) {
            let to = panel.to.wrapping_add(k * 2 * S::LANES + column);
            // SAFETY: the caller vouches for `columns` runs of `k` elements and a copy of `k` rows of two vectors.
            unsafe {
                let height = S::LANES.min(panel.k - k);
                S::transpose(from.wrapping_add(k), panel.b_column, width, height, to, 2 * S::LANES);
            }
        }
    }
}

/// Copies element by element what is contiguous along neither axis.
pub(crate) unsafe fn scattered<T: Copy>(panel: &Panel<T>, width: usize) {
    for k in 0..panel.k {
        for column in 0..panel.columns {
            let from = panel.b.wrapping_offset(k as isize * panel.b_k + column as isize * panel.b_column);
            // SAFETY: the caller vouches for `k` by `columns` elements and a copy of `k` rows of `width` elements.
            unsafe { *panel.to.wrapping_add(k * width + column) = *from }
        }
    }
}

/// So many rows are summed by themselves before they join the total, which keeps long sums accurate.
const CHUNK: usize = 128;

/// Sums of columns when rows are contiguous. Four rows at a time have sums of their own, as additions take a while.
#[inline(always)]
pub(super) unsafe fn column_sums<S: Simd<T>, T: Copy + Default>(panel: &Panel<T>) {
    for column in (0..panel.columns).step_by(S::LANES) {
        // SAFETY: the caller vouches for `k` rows of `columns` elements and as many sums.
        unsafe {
            let mask = S::mask(S::LANES.min(panel.columns - column));
            let mut from = panel.b.wrapping_add(column);
            let mut total = S::splat(T::default());
            for start in (0..panel.k).step_by(CHUNK) {
                let mut sums = [S::splat(T::default()); 4];
                let rows = CHUNK.min(panel.k - start);
                for _ in 0..rows / 4 {
                    for sum in &mut sums {
                        *sum = S::add(*sum, S::load_some(from, mask));
                        from = from.wrapping_offset(panel.b_k);
                    }
                }
                for _ in 0..rows % 4 {
                    sums[0] = S::add(sums[0], S::load_some(from, mask));
                    from = from.wrapping_offset(panel.b_k);
                }
                total = S::add(total, S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])));
            }
            S::store_some(panel.to.wrapping_add(column), total, mask);
        }
    }
}

/// Sums of columns that lie in any way.
pub(crate) unsafe fn scattered_sums<T: Copy + Default + std::ops::Add<Output = T>>(panel: &Panel<T>) {
    for column in 0..panel.columns {
        let mut from = panel.b.wrapping_offset(column as isize * panel.b_column);
        let mut total = T::default();
        for start in (0..panel.k).step_by(CHUNK) {
            let mut sums = [T::default(); 4];
            for k in start..panel.k.min(start + CHUNK) {
                // SAFETY: the caller vouches for `k` by `columns` elements.
                sums[k % 4] = sums[k % 4] + unsafe { *from };
                from = from.wrapping_offset(panel.b_k);
            }
            total = total + ((sums[0] + sums[1]) + (sums[2] + sums[3]));
        }
        // SAFETY: the caller vouches for `columns` sums.
        unsafe { *panel.to.wrapping_add(column) = total }
    }
}

/// A row of A times a transposed B: rows of both are contiguous along `k`.
#[derive(Clone, Copy)]
pub(crate) struct Dots<T> {
    pub(super) a: *const T,
    pub(super) b: *const T,
    pub(super) b_column: isize,
    pub(super) k: usize,
    pub(super) columns: usize,
    pub(super) to: *mut T,
}

/// Eight elements of the result at a time. Each is one vector of sums, added up in the end, in whatever group it falls.
#[inline(always)]
pub(super) unsafe fn dots<S: Simd<T>, T: Copy + Default + std::ops::Add<Output = T>>(dots: &Dots<T>) {
    const GROUP: usize = 8;
    let mut column = 0;
    while column < dots.columns {
        // SAFETY: the caller vouches for `columns` runs of `k` elements of B, one of A, and as many results.
        unsafe {
            if column + GROUP <= dots.columns {
                group::<S, T, GROUP>(dots, column);
                column += GROUP;
            } else {
                group::<S, T, 1>(dots, column);
                column += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn group<S: Simd<T>, T: Copy + Default + std::ops::Add<Output = T>, const N: usize>(
    dots: &Dots<T>,
    column: usize,
) {
    // SAFETY: the caller vouches for columns `column .. column + N`.
    unsafe {
        let b: [*const T; N] = std::array::from_fn(|i| dots.b.wrapping_offset((column + i) as isize * dots.b_column));
        let mut sums = [S::splat(T::default()); N];
        let mut k = 0;
        while k + S::LANES <= dots.k {
            let a = S::load(dots.a.wrapping_add(k));
            for (sum, b) in sums.iter_mut().zip(&b) {
                *sum = S::mul_add(a, S::load(b.wrapping_add(k)), *sum);
            }
            k += S::LANES;
        }
        if k < dots.k {
            let mask = S::mask(dots.k - k);
            let a = S::load_some(dots.a.wrapping_add(k), mask);
            for (sum, b) in sums.iter_mut().zip(&b) {
                *sum = S::mul_add(a, S::load_some(b.wrapping_add(k), mask), *sum);
            }
        }
        for (i, &sum) in sums.iter().enumerate() {
            let mut lanes = [T::default(); 16];
            S::store(lanes.as_mut_ptr(), sum);
            let mut width = S::LANES;
            while width > 1 {
                width /= 2;
                for lane in 0..width {
                    lanes[lane] = lanes[lane] + lanes[lane + width];
                }
            }
            *dots.to.wrapping_add(column + i) = lanes[0];
        }
    }
}
