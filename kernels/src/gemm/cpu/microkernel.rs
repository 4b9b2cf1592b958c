//! The one loop that does the work: a tile of C in registers, rows of B as vectors, elements of A broadcast.
//!
//! Broadcasting lets A lie in any way, so A is never packed. Every element of C is one chain of multiply-adds over `k`,
//! whatever the tile it falls into: the division into tiles, and so into threads, does not show in the bits.

use super::pack::{self, Dots, Panel};
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use crate::Isa;

/// Vectors of `T` of one instruction set.
///
/// # Safety
/// The methods must run inside a function that has the instruction set enabled, into which they are inlined.
pub(crate) trait Simd<T> {
    type V: Copy;
    /// Which lanes a partial load or store touches: the first so many.
    type Mask: Copy;
    const LANES: usize;

    unsafe fn mask(lanes: usize) -> Self::Mask;
    unsafe fn splat(value: T) -> Self::V;
    unsafe fn load(from: *const T) -> Self::V;
    unsafe fn load_some(from: *const T, mask: Self::Mask) -> Self::V;
    unsafe fn store(to: *mut T, value: Self::V);
    unsafe fn store_some(to: *mut T, value: Self::V, mask: Self::Mask);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, with one rounding where the instruction set can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Writes the transpose of a matrix of at most `LANES` by `LANES` elements, whose rows are contiguous; rows of
    /// `to` are written `LANES` wide.
    unsafe fn transpose(from: *const T, stride: isize, rows: usize, columns: usize, to: *mut T, to_stride: usize);
}

/// What one call computes: `c = a b`, or `c += a b`.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a, T> {
    /// Further axes that are summed over, around `k`: the outer first. A reference, as tiny products feel each word.
    pub(crate) runs: &'a [Run; 2],
    pub(crate) k: usize,
    pub(crate) a: *const T,
    pub(crate) a_row: isize,
    pub(crate) a_k: isize,
    pub(crate) b: *const T,
    pub(crate) b_k: isize,
    pub(crate) c: *mut T,
    pub(crate) c_row: usize,
    /// Columns in the last vector, at least one.
    pub(crate) last: usize,
    pub(crate) accumulate: bool,
}

/// A size, and elements from one index to the next in A and in B.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) count: usize,
    pub(crate) a: isize,
    pub(crate) b: isize,
}

impl Run {
    /// No further axes.
    pub(crate) const NONE: &[Run; 2] = &[Run { count: 1, a: 0, b: 0 }; 2];

    /// Joins axes that follow each other in A and in B alike: `k` with its steps, and what is left around it.
    pub(crate) fn merged(runs: [Run; 2], mut k: usize, a_k: isize, b_k: isize) -> ([Run; 2], usize) {
        let [mut outer, mut inner] = runs;
        for _ in 0..2 {
            if inner.a != (k as isize).wrapping_mul(a_k) || inner.b != (k as isize).wrapping_mul(b_k) {
                break;
            }
            k *= inner.count;
            inner = std::mem::replace(&mut outer, Run::NONE[0]);
        }
        ([outer, inner], k)
    }
}

#[inline(always)]
unsafe fn tile<S: Simd<T>, T: Copy + Default, const MR: usize, const NV: usize>(tile: &Tile<'_, T>) {
    // SAFETY: the caller vouches for the pointers and the instruction set.
    unsafe {
        let mask = S::mask(tile.last);
        let mut sums = [[S::splat(T::default()); NV]; MR];
        let (mut outer_a, mut outer_b) = (tile.a, tile.b);
        for _ in 0..tile.runs[0].count {
            let (mut inner_a, mut inner_b) = (outer_a, outer_b);
            for _ in 0..tile.runs[1].count {
                let (mut a, mut b) = (inner_a, inner_b);
                for _ in 0..tile.k {
                    let mut row = [S::splat(T::default()); NV];
                    for (v, vector) in row.iter_mut().enumerate() {
                        let from = b.wrapping_add(v * S::LANES);
                        *vector = if v + 1 < NV { S::load(from) } else { S::load_some(from, mask) };
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let element = S::splat(*a.wrapping_offset(r as isize * tile.a_row));
                        for (sum, &vector) in sums.iter_mut().zip(&row) {
                            *sum = S::mul_add(element, vector, *sum);
                        }
                    }
                    a = a.wrapping_offset(tile.a_k);
                    b = b.wrapping_offset(tile.b_k);
                }
                inner_a = inner_a.wrapping_offset(tile.runs[1].a);
                inner_b = inner_b.wrapping_offset(tile.runs[1].b);
            }
            outer_a = outer_a.wrapping_offset(tile.runs[0].a);
            outer_b = outer_b.wrapping_offset(tile.runs[0].b);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = tile.c.wrapping_add(r * tile.c_row + v * S::LANES);
                if v + 1 < NV {
                    S::store(to, if tile.accumulate { S::add(S::load(to), sum) } else { sum });
                } else {
                    let sum = if tile.accumulate { S::add(S::load_some(to, mask), sum) } else { sum };
                    S::store_some(to, sum, mask);
                }
            }
        }
    }
}

pub(crate) type TileFn<T> = unsafe fn(&Tile<'_, T>);

/// The kernels of one instruction set for elements of type `T`.
pub(crate) struct Kernels<T: 'static> {
    /// By rows less one, then by vectors less one.
    pub(crate) tiles: &'static [[TileFn<T>; 2]],
    /// A tile of one row and [`WIDE`] vectors: a row by itself needs them to keep the multiplier busy.
    pub(crate) wide: TileFn<T>,
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// What a thread reaches, in operations a nanosecond; decides when a second thread pays.
    pub(crate) rate: usize,
    pub(crate) pack_rows: unsafe fn(&Panel<T>),
    pub(crate) pack_columns: unsafe fn(&Panel<T>),
    pub(crate) column_sums: unsafe fn(&Panel<T>),
    pub(super) dots: unsafe fn(&Dots<T>),
}

impl<T> Kernels<T> {
    /// Computes `rows` rows of C in a panel of at most two vectors: the tiles below each other. The first of them is given,
    /// but for the number of its last columns; it is used up. (Copied, it would be read before its parts have arrived in the
    /// cache, which tiny products feel.)
    ///
    /// # Safety
    /// The tile's pointers are good for so many rows and columns, and the machine has the kernels' instruction set.
    #[inline]
    pub(crate) unsafe fn column(&self, tile: &mut Tile<'_, T>, rows: usize, columns: usize) {
        let vectors = 1 + usize::from(columns > self.lanes);
        tile.last = columns - (vectors - 1) * self.lanes;
        // Divisions would be half of the time that a tiny product takes.
        let highest = self.tiles.len();
        let tiles = if rows <= highest { 1 } else { rows.div_ceil(highest) };
        let (height, higher) = if tiles == 1 { (rows, 0) } else { (rows / tiles, rows % tiles) };
        for number in 0..tiles {
            // Tiles of nearly equal height: a low one cannot fill the multiplier's pipeline.
            let height = height + usize::from(number < higher);
            // SAFETY: the caller's duty.
            unsafe { (self.tiles[height - 1][vectors - 1])(tile) }
            tile.a = tile.a.wrapping_offset(height as isize * tile.a_row);
            tile.c = tile.c.wrapping_add(height * tile.c_row);
        }
    }
}

/// Vectors in a wide tile.
pub(super) const WIDE: usize = 8;

/// Element types that have kernels.
pub(crate) trait Real: crate::Element + std::ops::Add<Output = Self> {
    fn kernels(isa: Isa) -> &'static Kernels<Self>;
}

/// Compiles the generic bodies with an instruction set enabled. The rows are as many as its registers hold twice.
macro_rules! kernels {
    ($module:ident, $simd:ty, [$($feature:meta)?], $rows:tt, f32 at $rate32:literal, f64 at $rate64:literal) => {
        mod $module {
            use super::*;

            $(#[$feature])?
            unsafe fn compute<T: Copy + Default, const MR: usize, const NV: usize>(args: &Tile<'_, T>)
            where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { tile::<$simd, T, MR, NV>(args) }
            }
            $(#[$feature])?
            unsafe fn pack_rows<T: Copy + Default>(panel: &Panel<T>) where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { pack::rows::<$simd, T>(panel) }
            }
            $(#[$feature])?
            unsafe fn pack_columns<T: Copy + Default>(panel: &Panel<T>) where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { pack::columns::<$simd, T>(panel) }
            }
            $(#[$feature])?
            unsafe fn column_sums<T: Copy + Default>(panel: &Panel<T>) where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { pack::column_sums::<$simd, T>(panel) }
            }
            $(#[$feature])?
            unsafe fn dots<T: Copy + Default + std::ops::Add<Output = T>>(args: &Dots<T>) where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { pack::dots::<$simd, T>(args) }
            }
            kernels!(@table F32, f32, $simd, $rows, $rate32);
            kernels!(@table F64, f64, $simd, $rows, $rate64);
        }
    };
    (@table $name:ident, $T:ty, $simd:ty, [$($rows:literal)*], $rate:literal) => {
        pub(super) static $name: Kernels<$T> = Kernels {
            tiles: &[$([compute::<$T, $rows, 1>, compute::<$T, $rows, 2>]),*],
            wide: compute::<$T, 1, WIDE>,
            lanes: <$simd as Simd<$T>>::LANES,
            rate: $rate,
            pack_rows: pack_rows::<$T>,
            pack_columns: pack_columns::<$T>,
            column_sums: column_sums::<$T>,
            dots: dots::<$T>,
        };
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")], [1 2 3 4 5 6 7 8], f32 at 200, f64 at 100);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, [target_feature(enable = "avx2,fma")], [1 2 3 4 5 6], f32 at 90, f64 at 45);
kernels!(portable, Portable, [], [1 2 3 4], f32 at 16, f64 at 8);

macro_rules! real {
    ($($T:ty, $table:ident;)*) => {$(
        impl Real for $T {
            fn kernels(isa: Isa) -> &'static Kernels<$T> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => &avx512::$table,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => &avx2::$table,
                    _ => &portable::$table,
                }
            }
        }
    )*};
}
real! { f32, F32; f64, F64; }

/// Arrays of 16 bytes, which the compiler turns into what vectors the target surely has.
///
/// Multiplies and adds in two roundings: a fused one would be a call of libm where the target has no such instruction.
pub(crate) struct Portable;

macro_rules! portable {
    ($($T:ty, $lanes:literal;)*) => {$(
        impl Simd<$T> for Portable {
            type V = [$T; $lanes];
            type Mask = usize;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn mask(lanes: usize) -> usize {
                lanes
            }
            #[inline(always)]
            unsafe fn splat(value: $T) -> Self::V {
                [value; $lanes]
            }
            #[inline(always)]
            unsafe fn load(from: *const $T) -> Self::V {
                // SAFETY: the caller's duty.
                unsafe { from.cast::<Self::V>().read() }
            }
            #[inline(always)]
            unsafe fn load_some(from: *const $T, lanes: usize) -> Self::V {
                // SAFETY: the caller's duty; only the first `lanes` elements are touched.
                unsafe {
                    if lanes == $lanes {
                        return Self::load(from);
                    }
                    let mut value = [0.0; $lanes];
                    for (lane, element) in value.iter_mut().enumerate().take(lanes) {
                        *element = *from.wrapping_add(lane);
                    }
                    value
                }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $T, value: Self::V) {
                // SAFETY: the caller's duty.
                unsafe { to.cast::<Self::V>().write(value) }
            }
            #[inline(always)]
            unsafe fn store_some(to: *mut $T, value: Self::V, lanes: usize) {
                for (lane, &element) in value.iter().enumerate().take(lanes) {
                    // SAFETY: the caller's duty; only the first `lanes` elements are touched.
                    unsafe { *to.wrapping_add(lane) = element }
                }
            }
            #[inline(always)]
            unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|lane| a[lane] + b[lane])
            }
            #[inline(always)]
            unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
            }
            #[inline(always)]
            unsafe fn transpose(
                from: *const $T, stride: isize, rows: usize, columns: usize, to: *mut $T, to_stride: usize,
            ) {
                for column in 0..columns {
                    for row in 0..rows {
                        let source = from.wrapping_offset(row as isize * stride).wrapping_add(column);
                        // SAFETY: the caller's duty.
                        unsafe { *to.wrapping_add(column * to_stride + row) = *source }
                    }
                }
            }
        }
    )*};
}
portable! { f32, 4; f64, 2; }
