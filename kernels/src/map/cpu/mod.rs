//! Map on the CPU: an interpreter whose instructions each handle a block of elements that stays in cache.

use crate::{
    Error, Expr, Isa, Map, Operand, Step,
    cpu::{Context, Cpu, Launch, Place, share},
};
use std::ops::Range;
use vector::{LANES, Op};
use walk::Walk;

mod compile;
mod few;
mod half_bits;
mod math;
#[macro_use]
mod vector;
mod integer;
#[cfg(test)]
mod tests;
mod walk;

/// Work worth a fork, in nanoseconds for each thread.
const WORTH_A_THREAD: f64 = 1500.0;

pub(crate) fn prepare(map: &Map, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let (taken, given) = (map.expr.inputs().len(), map.expr.outputs().len());
    let mut segments = Vec::with_capacity(map.segments);
    for number in 0..map.segments {
        let inputs: Vec<Port<'_>> = step.inputs[number * taken..][..taken].iter().map(Port::Operand).collect();
        let outputs = &step.outputs[number * given..][..given];
        let shape = &outputs[0].layout.shape;
        let outputs: Vec<Port<'_>> = outputs.iter().map(Port::Operand).collect();
        segments.push(Blocks::new(&map.expr, shape, &inputs, &outputs, cpu.isa)?);
    }
    let work: f64 = segments.iter().map(|blocks| blocks.cost() * blocks.len as f64).sum();
    let threads = ((work / WORTH_A_THREAD) as usize).clamp(1, cpu.threads);
    let parts = (0..threads).map(|part| divide(&segments, threads, part)).filter(|part| !part.is_empty()).collect();
    let scratch = segments.iter().map(Blocks::scratch).max().unwrap_or(0);
    Ok(Box::new(Prepared { segments, parts, scratch }))
}

/// What part `part` of `parts` computes: segment and range, so that all parts have about as many blocks.
fn divide(segments: &[Blocks], parts: usize, part: usize) -> Vec<(usize, Range<usize>)> {
    let blocks: usize = segments.iter().map(|segment| segment.len.div_ceil(segment.block)).sum();
    let mine = share(blocks, 1, parts, part);
    let mut list = Vec::new();
    let mut first = 0;
    for (number, segment) in segments.iter().enumerate() {
        let count = segment.len.div_ceil(segment.block);
        let from = mine.start.clamp(first, first + count) - first;
        let to = mine.end.clamp(first, first + count) - first;
        if from < to {
            list.push((number, from * segment.block..(to * segment.block).min(segment.len)));
        }
        first += count;
    }
    list
}

struct Prepared {
    segments: Vec<Blocks>,
    /// For each thread: segments and their ranges.
    parts: Vec<Vec<(usize, Range<usize>)>>,
    scratch: usize,
}

impl Launch for Prepared {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        if self.parts.is_empty() {
            return Ok(());
        }
        context.team.run(self.parts.len(), &|part| {
            for (segment, range) in &self.parts[part] {
                // SAFETY: the ranges are disjoint and inside their segments; the scratch is this thread's.
                unsafe {
                    self.segments[*segment].run(
                        context,
                        range.clone(),
                        std::ptr::null(),
                        std::ptr::null_mut(),
                        context.scratch(part),
                    );
                }
            }
        });
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.scratch
    }
}

/// Where one input or output of a [`Blocks`] lies.
pub(crate) enum Port<'a> {
    /// A kernel's operand, whose layout has the shape of the iteration space.
    Operand(&'a Operand),
    /// Memory named at each run: the elements of the range, one after another.
    Given,
}

/// An expression made ready to run over row-major ranges of an iteration space: the body of Map, and the prologues and
/// epilogues of the other families.
pub(crate) struct Blocks {
    len: usize,
    block: usize,
    /// Bytes at the start of the scratch that hold the bases; the registers follow.
    table: usize,
    registers: usize,
    constants: Vec<[u64; LANES]>,
    /// Bases of the operands that are one element.
    uniforms: Vec<(usize, Place)>,
    /// What is computed once a run.
    prelude: Vec<Op>,
    loads: Vec<Load>,
    /// Set if there is at most one group of elements, which the instructions themselves fetch and put away.
    few: Option<Few>,
    body: Vec<Op>,
    stores: Vec<Store>,
    cost: f64,
}

/// Where the instructions of a [`Blocks`] of a few elements find memory.
struct Few {
    /// Base, place of the first element, bytes from one element to the next (none for what is one element).
    places: Vec<(usize, Place, usize)>,
    given_in: Option<usize>,
    given_out: Option<usize>,
}

/// Where a port's memory is.
enum Source {
    Place(Place),
    Given,
    /// No memory: the index along an axis of this size, after which axes of `inner` elements follow.
    Index {
        inner: usize,
        size: usize,
    },
}

/// How a port's elements lie.
enum View {
    /// One after another in the order of the iteration.
    Straight,
    Strided(Walk),
    /// Computed for each block.
    Walked,
}

struct Load {
    source: Source,
    view: View,
    size: usize,
    base: usize,
    /// The register for blocks that cannot be read in place.
    staging: usize,
    /// Whether no block is read in place.
    staged: bool,
}

struct Store {
    source: Source,
    view: View,
    size: usize,
    base: usize,
    staging: usize,
}

impl Blocks {
    /// Prepares `expr` for operands of the given layouts. At most one input and one output are `Given`.
    pub(crate) fn new(
        expr: &Expr,
        shape: &[usize],
        inputs: &[Port<'_>],
        outputs: &[Port<'_>],
        isa: Isa,
    ) -> Result<Blocks, Error> {
        compile::compile(expr, shape, inputs, outputs, isa)
    }

    /// Bytes of scratch that a run needs.
    pub(crate) fn scratch(&self) -> usize {
        self.table + self.registers
    }

    /// Estimated nanoseconds for an element of a large array in cache.
    pub(crate) fn cost(&self) -> f64 {
        self.cost
    }

    /// Evaluates the elements with row-major numbers `range`.
    ///
    /// What is given and an operand of the same element size may be the same memory, element for element.
    ///
    /// # Safety
    /// `range` lies inside the iteration space; `given_in` and `given_out`, if there are such ports, point to the range's
    /// elements; `scratch` points to [`Blocks::scratch`] bytes, aligned to 64, that no other thread uses; no other thread
    /// runs an overlapping range.
    pub(crate) unsafe fn run(
        &self,
        context: &Context<'_>,
        range: Range<usize>,
        given_in: *const u8,
        given_out: *mut u8,
        scratch: *mut u8,
    ) {
        if range.is_empty() {
            return;
        }
        let bases = scratch.cast::<*mut u8>();
        // SAFETY: the table of bases lies in the scratch as the compiler laid it out; operands were verified to have memory
        // for every index. The constants are only read.
        unsafe {
            bases.write(scratch.add(self.table));
            bases.add(1).write(self.constants.as_ptr().cast::<u8>().cast_mut());
            if let Some(few) = &self.few {
                for &(base, place, size) in &few.places {
                    bases.add(base).write(context.at::<u8>(place).wrapping_add(range.start * size));
                }
                if let Some(base) = few.given_in {
                    bases.add(base).write(given_in.cast_mut());
                }
                if let Some(base) = few.given_out {
                    bases.add(base).write(given_out);
                }
                for op in &self.prelude {
                    op.run(bases, 1);
                }
                for op in &self.body {
                    op.run(bases, range.len());
                }
                return;
            }
            self.run_blocks(context, range, given_in, given_out, scratch);
        }
    }

    /// As [`run`](Blocks::run), of which it is the part for more than a few elements. (A function of its own: the other part
    /// then does not pay for its variables.)
    ///
    /// # Safety
    /// As `run`, which has written the first two bases.
    #[inline(never)]
    unsafe fn run_blocks(
        &self,
        context: &Context<'_>,
        range: Range<usize>,
        given_in: *const u8,
        given_out: *mut u8,
        scratch: *mut u8,
    ) {
        let bases = scratch.cast::<*mut u8>();
        // SAFETY: the table of bases and the registers lie in the scratch as the compiler laid them out; operands were
        // verified to have memory for every index. The constants are only read.
        unsafe {
            let registers = scratch.add(self.table);
            for &(base, place) in &self.uniforms {
                bases.add(base).write(context.at(place));
            }
            for op in &self.prelude {
                op.run(bases, 1);
            }
            let mut flat = range.start;
            while flat < range.end {
                let n = self.block.min(range.end - flat);
                let done = flat - range.start;
                for load in &self.loads {
                    bases.add(load.base).write(load.begin(
                        context,
                        flat,
                        n,
                        given_in.wrapping_add(done * load.size),
                        registers,
                    ));
                }
                for store in &self.stores {
                    let direct = store.direct(context, flat, n, given_out.wrapping_add(done * store.size));
                    bases.add(store.base).write(direct.unwrap_or(registers.add(store.staging)));
                }
                for op in &self.body {
                    op.run(bases, n);
                }
                for store in &self.stores {
                    store.end(context, flat, n, given_out.wrapping_add(done * store.size), registers);
                }
                flat += n;
            }
        }
    }
}

impl Source {
    /// The address `bytes` into a port's memory. What is given starts there already.
    #[inline(always)]
    fn start(&self, context: &Context<'_>, bytes: usize, given: *mut u8) -> *mut u8 {
        match *self {
            Source::Place(place) => context.at::<u8>(place).wrapping_add(bytes),
            Source::Given | Source::Index { .. } => given,
        }
    }
}

impl Load {
    /// Where a block's elements can be read in whole groups of lanes.
    #[inline(always)]
    unsafe fn begin(
        &self,
        context: &Context<'_>,
        flat: usize,
        n: usize,
        given: *const u8,
        registers: *mut u8,
    ) -> *mut u8 {
        let from: *const u8 = match self.source {
            Source::Place(place) => context.at(place),
            Source::Given | Source::Index { .. } => given,
        };
        let direct = !self.staged && n.is_multiple_of(LANES);
        // SAFETY: the operand has these elements, and the register room for a block.
        unsafe {
            let staging = registers.add(self.staging);
            match &self.view {
                View::Straight => {
                    let from = if matches!(self.source, Source::Given) { from } else { from.add(flat * self.size) };
                    if direct {
                        return from.cast_mut();
                    }
                    walk::copy(from, staging, n * self.size);
                }
                View::Strided(walk) => {
                    if direct && let Some(offset) = walk.straight(flat, n) {
                        return from.offset(offset * self.size as isize).cast_mut();
                    }
                    walk.gather(from, self.size, flat, n, staging);
                }
                View::Walked => {
                    if let Source::Index { inner, size } = self.source {
                        walk::indices(inner, size, flat, n, staging.cast());
                    }
                }
            }
            staging
        }
    }
}

impl Store {
    #[inline(always)]
    fn memory(&self, context: &Context<'_>, flat: usize, given: *mut u8) -> *mut u8 {
        self.source.start(context, flat * self.size, given)
    }

    /// The memory of a block that instructions may write in whole groups of lanes.
    #[inline(always)]
    fn direct(&self, context: &Context<'_>, flat: usize, n: usize, given: *mut u8) -> Option<*mut u8> {
        (n.is_multiple_of(LANES) && matches!(self.view, View::Straight)).then(|| self.memory(context, flat, given))
    }

    /// Brings what was written to the staging register to its place.
    #[inline(always)]
    unsafe fn end(&self, context: &Context<'_>, flat: usize, n: usize, given: *mut u8, registers: *mut u8) {
        // SAFETY: the operand has these elements, and the register holds a block.
        unsafe {
            let staging = registers.add(self.staging);
            match (&self.view, &self.source) {
                (View::Strided(walk), Source::Place(place)) => {
                    walk.scatter(staging, self.size, flat, n, context.at(*place));
                }
                _ if !n.is_multiple_of(LANES) => walk::copy(staging, self.memory(context, flat, given), n * self.size),
                _ => {}
            }
        }
    }
}
