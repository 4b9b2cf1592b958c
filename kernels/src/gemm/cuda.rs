//! Gemm on CUDA: tiles of C, panels of A and B in shared memory, a few elements in each thread's registers.
//!
//! Ladder:
//! 1. a thread for an element of C, A and B read from global memory;
//! 2. tiles in shared memory, read once for all of a tile's elements;
//! 3. several elements a thread, so that arithmetic outweighs reads of shared memory, which are 16 bytes each without conflicts;
//! 4. the next panels on their way while the present ones are multiplied, in pieces of four elements where they lie side by
//!    side, along whichever axis that is;
//! 5. long sums in slices where C has few tiles, added up by a second launch in a fixed order; tiles of three sizes.
//!
//! Estimate for large square matrices in `f32`: bound by arithmetic, 2 m n k / (rate of multiply-adds outside of the tensor
//! cores); 16 bytes of shared memory are read for 16 multiply-adds of a thread. Small ones wait for memory: k / 8 panels, each a
//! read of global memory behind a panel's arithmetic.

use crate::cuda::{Argument, Finish, Prepared, Product, Space, Way};
use crate::{Error, Gemm, Operand, Step};

/// One of the matrices: strides along the batch, across lines (rows of A, columns of B) and along the sum.
struct Side<'a> {
    operand: &'a Operand,
    batch: Vec<isize>,
    line: isize,
    deep: isize,
}

pub(crate) fn prepare(gemm: &Gemm, step: &Step) -> Result<Prepared, Error> {
    let (a, b) = (&step.inputs[0], &step.inputs[1]);
    let axes = a.layout.rank() - 2;
    let (k, n) = (a.layout.shape[axes + 1], b.layout.shape[axes + 1]);
    // Where B is the same for all matrices of a batch, their rows are rows of one: B's stride along rows is 0, and so the axes
    // merge.
    let along_b: Vec<isize> = b.layout.strides[..axes].iter().copied().chain([0]).collect();
    let mut space = Space::merged(&a.layout.shape[..=axes], &[&a.layout.strides[..=axes], &along_b]);
    let (mut m, mut row) = (1, 0);
    if space.strides[1].last() == Some(&0) {
        m = space.sizes.pop().unwrap_or(1);
        let last: Vec<Option<isize>> = space.strides.iter_mut().map(Vec::pop).collect();
        row = last.first().copied().flatten().unwrap_or(0);
    }
    if space.sizes.is_empty() {
        space.extend(1);
    }
    let batches = space.len();
    let mut batch = std::mem::take(&mut space.strides).into_iter();
    let mut side = |operand, line, deep| Side { operand, batch: batch.next().unwrap_or_default(), line, deep };
    let sides = [side(a, row, a.layout.strides[axes + 1]), side(b, b.layout.strides[axes + 1], b.layout.strides[axes])];
    let results = step.outputs.len() - usize::from(gemm.column_sums);
    let sums = if gemm.column_sums { step.outputs.last().map(Into::into) } else { None };
    let mut operands = Vec::new();
    for side in &sides {
        let along_sum = side.deep.unsigned_abs() < side.line.unsigned_abs();
        operands.push(Argument::Place(side.operand.into()));
        operands.extend([side.line, side.deep].map(|it| Argument::I64(it as i64)));
        operands.extend(side.batch.iter().map(|&it| Argument::I64(it as i64)));
        operands.push(Argument::I64(i64::from(along_sum)));
    }
    operands.extend(space.sizes.iter().map(|&size| Argument::I64(size as i64)));
    let ways = [sides[0].way(m, k), sides[1].way(n, k)];
    Product {
        dtype: a.dtype,
        m,
        n,
        k,
        batches,
        batch_step: m * n,
        row_step: n,
        ways,
        sides: format!("#define AXES {}\n{}", space.sizes.len(), include_str!("strided.cu")),
        operands,
        finish: Finish::new(gemm.epilogue.as_ref(), a.dtype, &step.inputs[2..], &step.outputs[..results]),
        sums,
    }
    .prepare()
}

impl Side<'_> {
    /// Pieces of four are read only where all begin at a multiple of their size and none reaches over an end.
    fn way(&self, lines: usize, k: usize) -> Way {
        // Integers are no bottleneck, and each way is a text of its own.
        let dtype = self.operand.dtype;
        let piece = |stride: &isize| stride.rem_euclid(Way::PIECE as isize) == 0;
        let aligned = dtype.is_float()
            && self.operand.offset.is_multiple_of(Way::PIECE * dtype.size())
            && self.batch.iter().all(piece);
        match (self.deep, self.line) {
            (1, line) if aligned && (piece(&line) || lines == 1) && k.is_multiple_of(Way::PIECE) => Way::AlongSum,
            (deep, 1) if aligned && (piece(&deep) || k == 1) && lines.is_multiple_of(Way::PIECE) => Way::AcrossLines,
            _ => Way::One,
        }
    }
}
