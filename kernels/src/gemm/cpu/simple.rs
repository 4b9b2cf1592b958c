//! Integers, which wrap around.

use super::{Compute, Problem, Region, Target, chunks};
use crate::Element;
use crate::cpu::{Context, Place};
use std::{marker::PhantomData, ops::Range};

/// Columns of C that are computed at a time.
const COLUMNS: usize = 64;
/// Arithmetic that wraps around.
pub(super) trait Integer: Element {
    fn mul_add(a: Self, b: Self, c: Self) -> Self;
}

macro_rules! integers {
    ($($T:ty)*) => {$(
        impl Integer for $T {
            #[inline]
            fn mul_add(a: $T, b: $T, c: $T) -> $T {
                a.wrapping_mul(b).wrapping_add(c)
            }
        }
    )*};
}
integers!(u8 i32 i64);

pub(super) struct Simple<T>(PhantomData<fn() -> T>);

impl<T: Integer> Simple<T> {
    pub(super) fn new() -> Simple<T> {
        Simple(PhantomData)
    }
}

/// Adds the product of an element and a row of B to sums.
///
/// # Safety
/// `b` walks over as many elements as there are sums.
#[inline]
unsafe fn add_row<T: Integer>(factor: T, mut b: *const T, stride: isize, sums: &mut [T]) {
    for sum in sums {
        // SAFETY: the caller's duty.
        *sum = T::mul_add(factor, unsafe { *b }, *sum);
        b = b.wrapping_offset(stride);
    }
}

impl<T: Integer> Compute for Simple<T> {
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
        size_of::<T>()
    }

    unsafe fn region(&self, context: &Context<'_>, problem: &Problem, region: &Region, target: Target, _: *mut u8) {
        let (at_a, at_b) = problem.offsets(region.batch);
        let (a, b) =
            (context.at::<T>(problem.a).wrapping_offset(at_a), context.at::<T>(problem.b).wrapping_offset(at_b));
        let (rows, columns) = (region.rows.clone(), &region.columns);
        for (number, row) in rows.enumerate() {
            let a = a.wrapping_offset(row as isize * problem.a_row);
            for piece in chunks(columns, COLUMNS) {
                let sums = &mut [T::default(); COLUMNS][..piece.len()];
                let b = b.wrapping_offset(piece.start as isize * problem.b_column);
                let to = target.start.cast::<T>().wrapping_add(number * target.row + piece.start - columns.start);
                // SAFETY: the caller vouches for the operands and the target.
                unsafe {
                    for k in 0..problem.k as isize {
                        let factor = *a.wrapping_offset(k * problem.a_k);
                        add_row(factor, b.wrapping_offset(k * problem.b_k), problem.b_column, sums);
                    }
                    std::slice::from_raw_parts_mut(to, sums.len()).copy_from_slice(sums);
                }
            }
        }
    }

    unsafe fn sums(&self, context: &Context<'_>, problem: &Problem, to: Place, columns: Range<usize>) {
        for piece in chunks(&columns, COLUMNS) {
            let sums = &mut [T::default(); COLUMNS][..piece.len()];
            let b = context.at::<T>(problem.b).wrapping_offset(piece.start as isize * problem.b_column);
            // SAFETY: the caller vouches for the operands and the sums.
            unsafe {
                for k in 0..problem.k as isize {
                    add_row(T::from_f64(1.0), b.wrapping_offset(k * problem.b_k), problem.b_column, sums);
                }
                let to = context.at::<T>(to).wrapping_add(piece.start);
                std::slice::from_raw_parts_mut(to, sums.len()).copy_from_slice(sums);
            }
        }
    }
}
