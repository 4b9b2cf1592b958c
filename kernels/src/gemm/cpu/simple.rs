//! The dtypes without a microkernel: integers, which wrap around, and 16-bit floats, which accumulate in `f32`.

use super::{Compute, Problem, Region, Target};
use crate::cpu::{Context, Place};
use crate::{DType, Element};
use half::{bf16, f16};
use std::{marker::PhantomData, ops::Range};

/// Columns of C that are computed at a time.
const COLUMNS: usize = 64;
/// Sums are taken over so many terms before they join the total, which keeps long sums of floats accurate.
const DEPTH: usize = 512;

/// An element type and the type its sums have.
pub(super) trait Number: Element {
    type Sum: Copy + Default + Send + Sync;
    fn widen(self) -> Self::Sum;
    fn mul_add(a: Self::Sum, b: Self::Sum, c: Self::Sum) -> Self::Sum;
    fn add(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// Stores sums as elements of `dtype`, one of those that compute in the type of the sums.
    ///
    /// # Safety
    /// `to` has room for them.
    unsafe fn store(sums: &[Self::Sum], to: *mut u8, dtype: DType);
}

/// Stores converted elements one after another.
///
/// # Safety
/// `to` has room for as many elements and is aligned for them.
unsafe fn put<S: Copy, T>(sums: &[S], to: *mut u8, convert: impl Fn(S) -> T) {
    for (number, &sum) in sums.iter().enumerate() {
        // SAFETY: the caller's duty.
        unsafe { to.cast::<T>().wrapping_add(number).write(convert(sum)) }
    }
}

macro_rules! numbers {
    (integers $($T:ty)*) => {$(
        impl Number for $T {
            type Sum = $T;
            #[inline]
            fn widen(self) -> $T {
                self
            }
            #[inline]
            fn mul_add(a: $T, b: $T, c: $T) -> $T {
                a.wrapping_mul(b).wrapping_add(c)
            }
            #[inline]
            fn add(a: $T, b: $T) -> $T {
                a.wrapping_add(b)
            }
            unsafe fn store(sums: &[$T], to: *mut u8, _: DType) {
                // SAFETY: the caller's duty.
                unsafe { put(sums, to, |sum| sum) }
            }
        }
    )*};
    (floats $($T:ty)*) => {$(
        impl Number for $T {
            type Sum = f32;
            #[inline]
            fn widen(self) -> f32 {
                f32::from(self)
            }
            #[inline]
            fn mul_add(a: f32, b: f32, c: f32) -> f32 {
                a * b + c
            }
            #[inline]
            fn add(a: f32, b: f32) -> f32 {
                a + b
            }
            unsafe fn store(sums: &[f32], to: *mut u8, dtype: DType) {
                // SAFETY: the caller's duty.
                unsafe {
                    match dtype {
                        DType::F16 => put(sums, to, f16::from_f32),
                        DType::BF16 => put(sums, to, bf16::from_f32),
                        _ => put(sums, to, |sum| sum),
                    }
                }
            }
        }
    )*};
}
numbers!(integers u8 i32 i64);
numbers!(floats f16 bf16 f32);

pub(super) struct Simple<T> {
    result: DType,
    of: PhantomData<fn() -> T>,
}

impl<T: Number> Simple<T> {
    /// Products of matrices of `T` stored as `result`, a dtype computed in the same type.
    pub(super) fn new(result: DType) -> Simple<T> {
        Simple { result, of: PhantomData }
    }

    /// Sums over `k`, for at most `COLUMNS` columns of B, of its elements times those of a row of A (or times one).
    ///
    /// # Safety
    /// The pointers walk over elements.
    unsafe fn row(&self, problem: &Problem, a: Option<*const T>, b: *const T, total: &mut [T::Sum]) {
        total.fill(T::Sum::default());
        let mut sums = [T::Sum::default(); COLUMNS];
        let sums = &mut sums[..total.len()];
        for start in (0..problem.k).step_by(DEPTH) {
            sums.fill(T::Sum::default());
            for k in start..problem.k.min(start + DEPTH) {
                let mut from = b.wrapping_offset(k as isize * problem.b_k);
                // SAFETY: the caller vouches for `k` elements of A.
                let factor = a.map(|a| unsafe { *a.wrapping_offset(k as isize * problem.a_k) }.widen());
                for sum in sums.iter_mut() {
                    // SAFETY: the caller vouches for `k` rows of as many columns as there are sums.
                    let element = unsafe { *from }.widen();
                    *sum = match factor {
                        Some(factor) => T::mul_add(factor, element, *sum),
                        None => T::add(element, *sum),
                    };
                    from = from.wrapping_offset(problem.b_column);
                }
            }
            for (total, &sum) in total.iter_mut().zip(&*sums) {
                *total = T::add(*total, sum);
            }
        }
    }
}

impl<T: Number> Compute for Simple<T> {
    fn grain(&self) -> (usize, usize) {
        (1, COLUMNS)
    }

    fn most_rows(&self) -> usize {
        usize::MAX
    }

    fn cost(&self, problem: &Problem) -> usize {
        problem.m.saturating_mul(problem.n).saturating_mul(problem.k)
    }

    fn column_overhead(&self) -> usize {
        0
    }

    fn scratch(&self) -> usize {
        0
    }

    fn result_size(&self) -> usize {
        self.result.size()
    }

    unsafe fn region(&self, context: &Context<'_>, problem: &Problem, region: &Region, target: Target, _: *mut u8) {
        let (at_a, at_b) = problem.offsets(region.batch);
        let (a, b) =
            (context.at::<T>(problem.a).wrapping_offset(at_a), context.at::<T>(problem.b).wrapping_offset(at_b));
        let mut sums = [T::Sum::default(); COLUMNS];
        for (number, row) in region.rows.clone().enumerate() {
            let a = a.wrapping_offset(row as isize * problem.a_row).cast_const();
            for column in (0..region.columns.len()).step_by(COLUMNS) {
                let sums = &mut sums[..COLUMNS.min(region.columns.len() - column)];
                let b = b.wrapping_offset((region.columns.start + column) as isize * problem.b_column);
                let to = target.start.wrapping_add((number * target.row + column) * self.result.size());
                // SAFETY: the caller vouches for the operands and the target.
                unsafe {
                    self.row(problem, Some(a), b, sums);
                    T::store(sums, to, self.result);
                }
            }
        }
    }

    unsafe fn sums(&self, context: &Context<'_>, problem: &Problem, to: Place, columns: Range<usize>) {
        let mut sums = [T::Sum::default(); COLUMNS];
        for start in columns.clone().step_by(COLUMNS) {
            let sums = &mut sums[..COLUMNS.min(columns.end - start)];
            let b = context.at::<T>(problem.b).wrapping_offset(start as isize * problem.b_column);
            // SAFETY: the caller vouches for the operands, and the sums have the dtype of B.
            unsafe {
                self.row(problem, None, b, sums);
                T::store(sums, context.at::<T>(to).wrapping_add(start).cast(), T::DTYPE);
            }
        }
    }
}
