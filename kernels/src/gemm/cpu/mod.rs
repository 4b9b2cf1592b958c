//! The family on the CPU: where the operands lie, how the work is divided, and the loops around the microkernel.

use crate::cpu::{Context, Cpu, Launch, Place, share};
use crate::map::cpu::{Blocks, Port};
use crate::{DType, Error, Gemm, Step};
use std::ops::Range;

mod direct;
mod half;
pub(crate) mod microkernel;
pub(crate) mod pack;
mod simple;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) fn prepare(gemm: &Gemm, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let dtype = step.inputs[0].dtype;
    let given = gemm.epilogue.as_ref().map_or(dtype, |expr| expr.inputs()[0]);
    let problem = Problem::new(gemm, step);
    let epilogue = Epilogue::new(gemm, step, cpu, given, &problem)?;
    let compute: Box<dyn Compute> = match dtype {
        DType::F32 if given == DType::F32 => Box::new(direct::Direct::<f32>::new(&problem, cpu)),
        DType::F64 => Box::new(direct::Direct::<f64>::new(&problem, cpu)),
        DType::F32 | DType::F16 | DType::BF16 => Box::new(half::Half::new(cpu, dtype, given)),
        DType::U8 => Box::new(simple::Simple::<u8>::new()),
        DType::I32 => Box::new(simple::Simple::<i32>::new()),
        DType::I64 => Box::new(simple::Simple::<i64>::new()),
        DType::Bool => return Err(Error::dtype("a product of matrices of bool")),
    };
    Ok(Box::new(Gemms::new(compute, problem, epilogue, cpu)))
}

/// `k` is summed in blocks of at most so many, each from zero: this keeps a panel of B in the caches, and long sums
/// accurate. It depends on nothing but `k`, as results do.
const DEPTH: usize = 256;

/// Sizes, places and strides.
struct Problem {
    a: Place,
    b: Place,
    c: Place,
    sums: Option<Place>,
    m: usize,
    n: usize,
    k: usize,
    a_row: isize,
    a_k: isize,
    b_k: isize,
    b_column: isize,
    /// Axes of the batch that could not be merged: size, stride in A, stride in B.
    batch: Vec<(usize, isize, isize)>,
    batches: usize,
}

impl Problem {
    fn new(gemm: &Gemm, step: &Step) -> Problem {
        let (a, b) = (&step.inputs[0], &step.inputs[1]);
        let axes = a.layout.rank() - 2;
        let (sizes, sa, sb) = (&a.layout.shape, &a.layout.strides, &b.layout.strides);
        let mut problem = Problem {
            a: a.into(),
            b: b.into(),
            c: (&step.outputs[0]).into(),
            sums: if gemm.column_sums { step.outputs.last().map(Place::from) } else { None },
            m: sizes[axes],
            k: sizes[axes + 1],
            n: b.layout.shape[axes + 1],
            a_row: sa[axes],
            a_k: sa[axes + 1],
            b_k: sb[axes],
            b_column: sb[axes + 1],
            batch: Vec::new(),
            batches: sizes[..axes].iter().product(),
        };
        // From the innermost axis outwards. C is row-major, so only the strides of A and B decide what can be merged.
        for axis in (0..axes).rev().filter(|&axis| sizes[axis] != 1) {
            let (size, a, b) = (sizes[axis], sa[axis], sb[axis]);
            match problem.batch.last_mut() {
                // The same B for each: more rows of A.
                None if b == 0 && (a == problem.a_row.wrapping_mul(problem.m as isize) || problem.m == 1) => {
                    problem.a_row = if problem.m == 1 { a } else { problem.a_row };
                    problem.m *= size;
                    problem.batches = problem.batches.checked_div(size).unwrap_or(1);
                }
                Some((inner, ia, ib))
                    if a == ia.wrapping_mul(*inner as isize) && b == ib.wrapping_mul(*inner as isize) =>
                {
                    *inner *= size;
                }
                _ => problem.batch.push((size, a, b)),
            }
        }
        let along = problem.a_row == 1 || (problem.a_k == 1 && problem.b_k == 1);
        if problem.n == 1 && problem.m > 1 && along && !gemm.column_sums {
            // A column is a row transposed; as a row it is computed in vectors along whichever axis of A is contiguous.
            std::mem::swap(&mut problem.a, &mut problem.b);
            (problem.m, problem.n) = (1, problem.m);
            (problem.a_k, problem.b_k) = (problem.b_k, problem.a_k);
            (problem.a_row, problem.b_column) = (0, problem.a_row);
            problem.batch.iter_mut().for_each(|(_, a, b)| std::mem::swap(a, b));
        }
        // Strides along axes of one element are free; these serve best.
        problem.b_column = if problem.n == 1 { 1 } else { problem.b_column };
        problem.b_k = if problem.k == 1 { problem.n as isize } else { problem.b_k };
        problem
    }

    /// The length of the blocks of `k`, the last excepted.
    fn depth(&self) -> usize {
        self.k.div_ceil(self.k.div_ceil(DEPTH).max(1))
    }

    /// Where a matrix of the batch starts in A and B.
    #[inline]
    fn offsets(&self, mut batch: usize) -> (isize, isize) {
        if let [(_, a, b)] = self.batch[..] {
            return (batch as isize * a, batch as isize * b);
        }
        let (mut at_a, mut at_b) = (0, 0);
        for &(size, a, b) in &self.batch {
            at_a += (batch % size) as isize * a;
            at_b += (batch % size) as isize * b;
            batch /= size;
        }
        (at_a, at_b)
    }
}

/// An expression over C, block by block: C exists only in a thread's scratch.
struct Epilogue {
    blocks: Blocks,
    given: DType,
    /// Rows and columns of a block.
    block: (usize, usize),
}

/// Elements of a block of C that waits for its epilogue: with the rows of A that belong to it, it stays in the cache of
/// second level.
const BLOCK: usize = 64 << 10;
const BLOCK_COLUMNS: usize = 512;

impl Epilogue {
    fn new(gemm: &Gemm, step: &Step, cpu: Cpu, given: DType, problem: &Problem) -> Result<Option<Epilogue>, Error> {
        let Some(expr) = &gemm.epilogue else { return Ok(None) };
        let extra = step.inputs[2..].iter().map(Port::Operand);
        let inputs: Vec<Port<'_>> = std::iter::once(Port::Given).chain(extra).collect();
        let outputs: Vec<Port<'_>> = step.outputs[..expr.outputs().len()].iter().map(Port::Operand).collect();
        let blocks = Blocks::new(expr, &step.outputs[0].layout.shape, &inputs, &outputs, cpu.isa)?;
        let columns = problem.n.div_ceil(problem.n.div_ceil(BLOCK_COLUMNS).max(1)).next_multiple_of(64).min(problem.n);
        let rows = (BLOCK / columns.max(1)).min(problem.m).max(1);
        Ok(Some(Epilogue { blocks, given, block: (rows, columns) }))
    }

    fn bytes(&self) -> usize {
        (self.block.0 * self.block.1 * self.given.size()).next_multiple_of(64)
    }
}

/// A rectangle of C.
#[derive(Clone, Debug)]
struct Region {
    batch: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Where rows of C go.
#[derive(Clone, Copy)]
struct Target {
    start: *mut u8,
    /// Elements from one row to the next.
    row: usize,
}

/// How a dtype's products are computed.
trait Compute: Send + Sync {
    /// Rows and columns by which C is divided among threads.
    fn grain(&self) -> (usize, usize);
    /// The largest region that is computed at a time.
    fn most_rows(&self) -> usize;
    /// Nanoseconds for a matrix of the batch, about.
    fn cost(&self, problem: &Problem) -> usize;
    /// Work for each column besides a row's, in rows: what a split along rows repeats.
    fn column_overhead(&self) -> usize;
    fn scratch(&self) -> usize;
    /// Computes a region of C.
    ///
    /// # Safety
    /// The operands are those of the problem; `target` has room for the region and `scratch` for [`Compute::scratch`]
    /// bytes, and no other thread uses either.
    unsafe fn region(
        &self,
        context: &Context<'_>,
        problem: &Problem,
        region: &Region,
        target: Target,
        scratch: *mut u8,
    );
    /// Computes the sums of some columns of B.
    ///
    /// # Safety
    /// The operands are those of the problem, and no other thread writes these sums.
    unsafe fn sums(&self, context: &Context<'_>, problem: &Problem, to: Place, columns: Range<usize>);
    fn result_size(&self) -> usize;
}

/// How the threads divide the work.
#[derive(Clone, Copy, Debug)]
enum Split {
    Batch,
    /// Every matrix into so many rows and columns of regions.
    Grid(usize, usize),
}

/// From so many nanoseconds of work on, a further thread pays. Tests divide even the smallest products.
const WORTH: usize = if cfg!(test) { 1 } else { 1500 };

struct Gemms {
    compute: Box<dyn Compute>,
    /// All of C, if one thread computes it in one block.
    whole: Option<Region>,
    /// What `compute` says of itself, asked once.
    grain: (usize, usize),
    most_rows: usize,
    scratch: usize,
    result_size: usize,
    problem: Problem,
    epilogue: Option<Epilogue>,
    parts: usize,
    split: Split,
}

/// What an epilogue costs once for each part of a row that it runs over alone, in elements of C: it begins anew there.
const BEGIN: usize = 64;

/// The division of a matrix whose largest region costs least; in doubt along rows, which keeps rows of C whole.
fn grid(compute: &dyn Compute, problem: &Problem, parts: usize, epilogue: bool) -> Split {
    let (grain_rows, grain_columns) = compute.grain();
    let largest = |len: usize, grain: usize, parts: usize| (len.div_ceil(grain).div_ceil(parts) * grain).min(len);
    let cost = |rows: usize| {
        let tall = largest(problem.m, grain_rows, rows);
        let begins = if epilogue && parts / rows > 1 { BEGIN * tall } else { 0 };
        largest(problem.n, grain_columns, parts / rows) * (tall + compute.column_overhead()) + begins
    };
    let rows = (1..=parts).rev().min_by_key(|&rows| cost(rows)).unwrap_or(1);
    Split::Grid(rows, parts / rows)
}

impl Launch for Gemms {
    #[inline]
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        if let Some(whole) = &self.whole {
            // SAFETY: no other thread is at work.
            unsafe { self.whole(context, whole) }
        } else if self.parts == 1 {
            self.part(context, 0);
        } else {
            context.team.run(self.parts, &|thread| self.part(context, thread));
        }
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        let epilogue = self.epilogue.as_ref().map_or(0, |epilogue| epilogue.bytes() + epilogue.blocks.scratch());
        self.scratch + epilogue
    }
}

impl Gemms {
    fn new(compute: Box<dyn Compute>, problem: Problem, epilogue: Option<Epilogue>, cpu: Cpu) -> Gemms {
        let each = compute.cost(&problem);
        let parts = (each.saturating_mul(problem.batches) / WORTH).clamp(1, cpu.threads);
        let whole = problem.batches.is_multiple_of(parts) || problem.batches >= 4 * parts || each < WORTH * parts;
        let split = if problem.batches > 1 && whole {
            Split::Batch
        } else {
            grid(&*compute, &problem, parts, epilogue.is_some())
        };
        let (grain, most_rows) = (compute.grain(), compute.most_rows());
        let (scratch, result_size) = (compute.scratch().next_multiple_of(64), compute.result_size());
        let most = epilogue.as_ref().map_or((most_rows, usize::MAX), |epilogue| epilogue.block);
        let fits = parts == 1 && problem.batches == 1 && problem.m <= most.0 && problem.n <= most.1;
        let whole = (fits && problem.m > 0 && problem.n > 0).then_some(Region {
            batch: 0,
            rows: 0..problem.m,
            columns: 0..problem.n,
        });
        Gemms { compute, whole, grain, most_rows, scratch, result_size, problem, epilogue, parts, split }
    }

    /// Computes all of C in one block.
    ///
    /// # Safety
    /// `whole` is all of C, and fits a block; no other thread is at work.
    unsafe fn whole(&self, context: &Context<'_>, whole: &Region) {
        let problem = &self.problem;
        let scratch = context.scratch(0);
        // SAFETY: verified operands; see also `region`.
        unsafe {
            if let Some(sums) = problem.sums {
                self.compute.sums(context, problem, sums, 0..problem.n);
            }
            let Some(epilogue) = &self.epilogue else {
                let target = Target { start: context.at(problem.c), row: problem.n };
                return self.compute.region(context, problem, whole, target, scratch);
            };
            let panel = scratch.wrapping_add(self.scratch);
            let target = Target { start: panel, row: problem.n };
            self.compute.region(context, problem, whole, target, scratch);
            let rest = panel.wrapping_add(epilogue.bytes());
            epilogue.blocks.run(context, 0..problem.m * problem.n, panel, std::ptr::null_mut(), rest);
        }
    }

    fn part(&self, context: &Context<'_>, thread: usize) {
        let problem = &self.problem;
        let (grain_rows, grain_columns) = self.grain;
        let divide = |len, grain, parts, part| if parts == 1 { 0..len } else { share(len, grain, parts, part) };
        if let Some(sums) = problem.sums {
            let columns = divide(problem.n, grain_columns, self.parts, thread);
            // SAFETY: verified operands; the shares of the threads are disjoint.
            unsafe { self.compute.sums(context, problem, sums, columns) }
        }
        match self.split {
            Split::Batch => {
                for batch in divide(problem.batches, 1, self.parts, thread) {
                    self.region(context, thread, Region { batch, rows: 0..problem.m, columns: 0..problem.n });
                }
            }
            Split::Grid(rows, columns) if thread < rows * columns => {
                let (row, column) = if columns == 1 { (thread, 0) } else { (thread / columns, thread % columns) };
                let rows = divide(problem.m, grain_rows, rows, row);
                let columns = divide(problem.n, grain_columns, columns, column);
                for batch in 0..problem.batches {
                    self.region(context, thread, Region { batch, rows: rows.clone(), columns: columns.clone() });
                }
            }
            Split::Grid(..) => {}
        }
    }

    /// Computes what one thread does of one matrix, in blocks.
    fn region(&self, context: &Context<'_>, thread: usize, region: Region) {
        if region.rows.is_empty() || region.columns.is_empty() {
            return;
        }
        let n = self.problem.n;
        let flat = |row: usize, column: usize| (region.batch * self.problem.m + row) * n + column;
        let scratch = context.scratch(thread);
        let Some(epilogue) = &self.epilogue else {
            let size = self.result_size;
            for rows in chunks(&region.rows, self.most_rows) {
                let start =
                    context.at::<u8>(self.problem.c).wrapping_add(flat(rows.start, region.columns.start) * size);
                let block = Region { rows, ..region.clone() };
                // SAFETY: verified operands; threads have disjoint regions of the output and scratch of their own.
                unsafe { self.compute.region(context, &self.problem, &block, Target { start, row: n }, scratch) }
            }
            return;
        };
        let panel = scratch.wrapping_add(self.scratch);
        let rest = panel.wrapping_add(epilogue.bytes());
        for columns in chunks(&region.columns, epilogue.block.1) {
            for rows in chunks(&region.rows, epilogue.block.0) {
                let row = columns.len();
                let block = Region { batch: region.batch, rows: rows.clone(), columns: columns.clone() };
                // SAFETY: verified operands; the panel holds a block of at most `epilogue.block`; threads have disjoint
                // regions and scratch of their own, and C is in the panel when an output overwrites an input.
                unsafe {
                    self.compute.region(context, &self.problem, &block, Target { start: panel, row }, scratch);
                    let run = |first: usize, last: usize, from: *const u8| {
                        epilogue.blocks.run(context, first..last, from, std::ptr::null_mut(), rest);
                    };
                    if row == n {
                        run(flat(rows.start, 0), flat(rows.end, 0), panel);
                    } else {
                        for (number, at) in rows.enumerate() {
                            let from = panel.wrapping_add(number * row * epilogue.given.size());
                            run(flat(at, columns.start), flat(at, columns.end), from);
                        }
                    }
                }
            }
        }
    }
}

/// The range cut into pieces of `most` or fewer. (`step_by` would divide, which tiny products feel.)
fn chunks(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let Range { mut start, end } = *range;
    std::iter::from_fn(move || {
        let piece = start..end.min(start.saturating_add(most));
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}
