//! 16-bit floats: blocks of A and B are widened into scratch, multiplied there as `f32`, and C is rounded once.

use super::microkernel::{Kernels, Real, Run, Tile};
use super::{Compute, DEPTH, Problem, Region, Target, chunks};
use crate::cpu::{Context, Cpu, Place};
use crate::{DType, Element};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use std::ops::Range;

/// Rows and columns of C that are computed at a time.
const ROWS: usize = 64;
const COLUMNS: usize = 256;
/// Elements that are widened at a time when they are not contiguous.
const PIECE: usize = 64;
/// So many rows are summed by themselves before they join the total, which keeps long sums accurate.
const CHUNK: usize = 128;

/// Floats whose arithmetic happens in `f32`.
trait Narrow: Element {
    fn widen(from: &[Self], to: &mut [f32]);
}

impl Narrow for f16 {
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}

impl Narrow for bf16 {
    fn widen(from: &[bf16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}

/// Only for an epilogue that wants C rounded to 16 bits.
impl Narrow for f32 {
    fn widen(from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}

/// Widens as many elements, `stride` apart, as there is room for in `to`.
///
/// # Safety
/// `from` walks over elements.
unsafe fn widen<T: Narrow>(from: *const u8, stride: isize, to: &mut [f32]) {
    let from = from.cast::<T>();
    if stride == 1 {
        // SAFETY: the caller vouches for the elements.
        return T::widen(unsafe { std::slice::from_raw_parts(from, to.len()) }, to);
    }
    let mut piece = [T::default(); PIECE];
    for (number, to) in to.chunks_mut(PIECE).enumerate() {
        let piece = &mut piece[..to.len()];
        for (i, element) in piece.iter_mut().enumerate() {
            // SAFETY: the caller vouches for the elements.
            *element = unsafe { *from.wrapping_offset((number * PIECE + i) as isize * stride) };
        }
        T::widen(piece, to);
    }
}

/// Rounds sums to elements of `dtype`.
///
/// # Safety
/// `to` has room for them, aligned as they need.
unsafe fn round(sums: &[f32], to: *mut u8, dtype: DType) {
    // SAFETY: the caller's duty.
    unsafe {
        match dtype {
            DType::F16 => std::slice::from_raw_parts_mut(to.cast::<f16>(), sums.len()).convert_from_f32_slice(sums),
            DType::BF16 => std::slice::from_raw_parts_mut(to.cast::<bf16>(), sums.len()).convert_from_f32_slice(sums),
            _ => std::slice::from_raw_parts_mut(to.cast::<f32>(), sums.len()).copy_from_slice(sums),
        }
    }
}

pub(super) struct Half {
    kernels: &'static Kernels<f32>,
    of: DType,
    result: DType,
    widen: unsafe fn(*const u8, isize, &mut [f32]),
}

impl Half {
    /// Products of matrices of `of` stored as `result`, dtypes computed in `f32`.
    pub(super) fn new(cpu: Cpu, of: DType, result: DType) -> Half {
        let widen = match of {
            DType::F16 => widen::<f16>,
            DType::BF16 => widen::<bf16>,
            _ => widen::<f32>,
        };
        Half { kernels: f32::kernels(cpu.isa), of, result, widen }
    }

    fn width(&self) -> usize {
        2 * self.kernels.lanes
    }
}

impl Compute for Half {
    fn grain(&self) -> (usize, usize) {
        (self.kernels.tiles.len(), self.width())
    }

    fn most_rows(&self) -> usize {
        usize::MAX
    }

    fn cost(&self, problem: &Problem) -> usize {
        problem.m.saturating_mul(problem.n).saturating_mul(problem.k).saturating_mul(4) / self.kernels.rate
    }

    fn column_overhead(&self) -> usize {
        16
    }

    fn scratch(&self) -> usize {
        (ROWS * DEPTH + DEPTH * self.width() + ROWS * COLUMNS) * size_of::<f32>()
    }

    fn result_size(&self) -> usize {
        self.result.size()
    }

    unsafe fn region(
        &self,
        context: &Context<'_>,
        problem: &Problem,
        region: &Region,
        target: Target,
        scratch: *mut u8,
    ) {
        let (at_a, at_b) = problem.offsets(region.batch);
        let size = self.of.size() as isize;
        let a = context.at::<u8>(problem.a).wrapping_offset(at_a * size).cast_const();
        let b = context.at::<u8>(problem.b).wrapping_offset(at_b * size).cast_const();
        let block_a = scratch.cast::<f32>();
        let panel_b = block_a.wrapping_add(ROWS * DEPTH);
        let block_c = panel_b.wrapping_add(DEPTH * self.width());
        let depth = problem.depth();
        for columns in chunks(&region.columns, COLUMNS) {
            for rows in chunks(&region.rows, ROWS) {
                let mut done = 0;
                // At least one round: a product over nothing is zero.
                loop {
                    let k = depth.min(problem.k - done);
                    let a = a.wrapping_offset(done as isize * problem.a_k * size);
                    let b = b.wrapping_offset(done as isize * problem.b_k * size);
                    // SAFETY: the caller vouches for operands and scratch, whose parts hold `rows` by `k`, `k` by one
                    // panel's columns, and `rows` by `columns` elements; the kernels are the device's.
                    unsafe {
                        for (number, row) in rows.clone().enumerate() {
                            let to = std::slice::from_raw_parts_mut(block_a.wrapping_add(number * depth), k);
                            (self.widen)(a.wrapping_offset(row as isize * problem.a_row * size), problem.a_k, to);
                        }
                        for panel in chunks(&columns, self.width()) {
                            let from = b.wrapping_offset(panel.start as isize * problem.b_column * size);
                            for row in 0..k {
                                let to = panel_b.wrapping_add(row * self.width());
                                let to = std::slice::from_raw_parts_mut(to, panel.len());
                                (self.widen)(
                                    from.wrapping_offset(row as isize * problem.b_k * size),
                                    problem.b_column,
                                    to,
                                );
                            }
                            let mut tile = Tile {
                                runs: Run::NONE,
                                k,
                                a: block_a,
                                a_row: depth as isize,
                                a_k: 1,
                                b: panel_b,
                                b_k: self.width() as isize,
                                c: block_c.wrapping_add(panel.start - columns.start),
                                c_row: COLUMNS,
                                last: 0,
                                accumulate: done > 0,
                            };
                            self.kernels.column(&mut tile, rows.len(), panel.len());
                        }
                    }
                    done += k;
                    if done >= problem.k {
                        break;
                    }
                }
                for (number, row) in rows.enumerate() {
                    let at = (row - region.rows.start) * target.row + columns.start - region.columns.start;
                    // SAFETY: the rows of the block were written above; the caller vouches for the target.
                    unsafe {
                        let sums = std::slice::from_raw_parts(block_c.wrapping_add(number * COLUMNS), columns.len());
                        round(sums, target.start.wrapping_add(at * self.result.size()), self.result);
                    }
                }
            }
        }
    }

    unsafe fn sums(&self, context: &Context<'_>, problem: &Problem, to: Place, columns: Range<usize>) {
        let size = self.of.size() as isize;
        for columns in chunks(&columns, PIECE) {
            let from = context.at::<u8>(problem.b).wrapping_offset(columns.start as isize * problem.b_column * size);
            let mut total = [0f32; PIECE];
            for chunk in chunks(&(0..problem.k), CHUNK) {
                let (mut sums, mut row) = ([0f32; PIECE], [0f32; PIECE]);
                for k in chunk {
                    let from = from.wrapping_offset(k as isize * problem.b_k * size);
                    // SAFETY: the caller vouches for the operands.
                    unsafe { (self.widen)(from.cast_const(), problem.b_column, &mut row[..columns.len()]) }
                    sums.iter_mut().zip(&row).for_each(|(sum, element)| *sum += element);
                }
                total.iter_mut().zip(&sums).for_each(|(total, sum)| *total += sum);
            }
            let to = context.at::<u8>(to).wrapping_add(columns.start * self.of.size());
            // SAFETY: the caller vouches for the sums, which have the dtype of B.
            unsafe { round(&total[..columns.len()], to, self.of) }
        }
    }
}
