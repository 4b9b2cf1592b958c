//! `f32` and `f64`: panels of B as wide as two vectors, under them tiles of a few rows.

use super::microkernel::{Kernels, Real, Run, Tile, TileFn, WIDE};
use super::pack::{self, Dots, Panel};
use super::{Compute, Problem, Region, Target};
use crate::cpu::{Context, Cpu, Place};
use std::ops::Range;

/// Row strides of B in bytes from which on a copy is faster: one page.
const FAR: usize = 4096;

/// Up to so many rows of A, copying a transposed B is more work than multiplying.
const FEW: usize = 4;

/// How a panel of B comes to lie in contiguous rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Packing {
    None,
    /// Not at all: rows of A and columns of B, both contiguous, are multiplied element by element.
    Dots,
    Rows,
    Columns,
    Scattered,
}

pub(super) struct Direct<T: Real> {
    kernels: &'static Kernels<T>,
    packing: Packing,
    depth: usize,
    /// The kernel of a product that is one tile, and the columns of its last vector.
    single: Option<(TileFn<T>, usize)>,
}

impl<T: Real> Direct<T> {
    pub(super) fn new(problem: &Problem, cpu: Cpu) -> Direct<T> {
        let kernels = T::kernels(cpu.isa);
        let stride = problem.b_k.unsigned_abs().saturating_mul(size_of::<T>());
        let dots = problem.a_k == 1 && problem.b_k == 1 && problem.m <= FEW && problem.k >= kernels.lanes / 2;
        let packing = match (problem.b_column, problem.b_k) {
            (column, _) if dots && (column != 1 || problem.n == 1) => Packing::Dots,
            (1, _) if stride >= FAR && problem.m > 4 * kernels.tiles.len() && problem.k > 1 => Packing::Rows,
            (1, _) => Packing::None,
            (_, 1) => Packing::Columns,
            _ => Packing::Scattered,
        };
        let (vectors, tiles) = (problem.n.div_ceil(kernels.lanes), kernels.tiles.len());
        let fits = problem.batches == 1 && (1..=tiles).contains(&problem.m) && (1..=2).contains(&vectors);
        let fits = fits && problem.depth() == problem.k && packing == Packing::None;
        let single =
            fits.then(|| (kernels.tiles[problem.m - 1][vectors - 1], problem.n - (vectors - 1) * kernels.lanes));
        Direct { kernels, packing, depth: problem.depth(), single }
    }

    /// Columns of a panel.
    #[inline]
    fn width(&self) -> usize {
        2 * self.kernels.lanes
    }
}

impl<T: Real> Compute for Direct<T> {
    fn grain(&self) -> (usize, usize) {
        (self.kernels.tiles.len(), self.width())
    }

    fn most_rows(&self) -> usize {
        512
    }

    fn cost(&self, problem: &Problem) -> usize {
        let columns = problem.n.next_multiple_of(self.kernels.lanes);
        problem.m.saturating_mul(columns).saturating_mul(problem.k).saturating_mul(2) / self.kernels.rate
    }

    fn column_overhead(&self) -> usize {
        match self.packing {
            Packing::None | Packing::Dots => 1,
            Packing::Rows => 8,
            Packing::Columns => 12,
            Packing::Scattered => 64,
        }
    }

    fn scratch(&self) -> usize {
        match self.packing {
            Packing::None | Packing::Dots => 0,
            _ => self.depth * self.width() * size_of::<T>(),
        }
    }

    fn result_size(&self) -> usize {
        size_of::<T>()
    }

    unsafe fn region(
        &self,
        context: &Context<'_>,
        problem: &Problem,
        region: &Region,
        target: Target,
        scratch: *mut u8,
    ) {
        if let Some((kernel, last)) = self.single
            && (region.rows.len(), region.columns.len()) == (problem.m, problem.n)
        {
            let tile = Tile {
                runs: Run::NONE,
                k: problem.k,
                a: context.at(problem.a),
                a_row: problem.a_row,
                a_k: problem.a_k,
                b: context.at(problem.b),
                b_k: problem.b_k,
                c: target.start.cast(),
                c_row: target.row,
                last,
                accumulate: false,
            };
            // SAFETY: the caller vouches for operands and target; the kernel is one of the device's instruction set.
            return unsafe { kernel(&tile) };
        }
        let (at_a, at_b) = problem.offsets(region.batch);
        let a = context.at::<T>(problem.a).wrapping_offset(at_a + region.rows.start as isize * problem.a_row);
        let b = context
            .at::<T>(problem.b)
            .wrapping_offset(at_b + region.columns.start as isize * problem.b_column)
            .cast_const();
        let (rows, columns) = (region.rows.len(), region.columns.len());
        if self.packing == Packing::Dots {
            for row in 0..rows {
                let dots = Dots {
                    a: a.wrapping_offset(row as isize * problem.a_row).cast_const(),
                    b,
                    b_column: problem.b_column,
                    k: problem.k,
                    columns,
                    to: target.start.cast::<T>().wrapping_add(row * target.row),
                };
                // SAFETY: the caller vouches for operands and target; the kernel is one of the device's instruction set.
                unsafe { (self.kernels.dots)(&dots) }
            }
            return;
        }
        let wide = if rows == 1 && self.packing == Packing::None { WIDE * self.kernels.lanes } else { usize::MAX };
        let mut done = 0;
        // At least one round: a product over nothing is zero.
        loop {
            let k = self.depth.min(problem.k - done);
            let mut column = 0;
            while column < columns {
                let width = if columns - column >= wide { wide } else { self.width().min(columns - column) };
                let from =
                    b.wrapping_offset(done as isize * problem.b_k).wrapping_offset(column as isize * problem.b_column);
                let mut tile = Tile {
                    runs: Run::NONE,
                    k,
                    a: a.wrapping_offset(done as isize * problem.a_k).cast_const(),
                    a_row: problem.a_row,
                    a_k: problem.a_k,
                    b: from,
                    b_k: problem.b_k,
                    c: target.start.cast::<T>().wrapping_add(column),
                    c_row: target.row,
                    last: self.kernels.lanes,
                    accumulate: done > 0,
                };
                // SAFETY: the caller vouches for operands, target and scratch, which has room for a panel; the kernels
                // are those of an instruction set that the device was checked to have.
                unsafe {
                    if width == wide {
                        (self.kernels.wide)(&tile);
                        column += width;
                        continue;
                    }
                    if self.packing != Packing::None {
                        let panel = Panel {
                            b: from,
                            b_k: problem.b_k,
                            b_column: problem.b_column,
                            k,
                            columns: width,
                            to: scratch.cast::<T>(),
                        };
                        match self.packing {
                            Packing::Rows => (self.kernels.pack_rows)(&panel),
                            Packing::Columns => (self.kernels.pack_columns)(&panel),
                            _ => pack::scattered(&panel, self.width()),
                        }
                        (tile.b, tile.b_k) = (scratch.cast(), self.width() as isize);
                    }
                    self.kernels.column(&mut tile, rows, width);
                }
                column += width;
            }
            done += k;
            if done >= problem.k {
                return;
            }
        }
    }

    unsafe fn sums(&self, context: &Context<'_>, problem: &Problem, to: Place, columns: Range<usize>) {
        let panel = Panel {
            b: context.at::<T>(problem.b).wrapping_offset(columns.start as isize * problem.b_column).cast_const(),
            b_k: problem.b_k,
            b_column: problem.b_column,
            k: problem.k,
            columns: columns.len(),
            to: context.at::<T>(to).wrapping_add(columns.start),
        };
        // SAFETY: the caller vouches for the operands; the kernels are those of the device's instruction set.
        unsafe { if problem.b_column == 1 { (self.kernels.column_sums)(&panel) } else { pack::scattered_sums(&panel) } }
    }
}
