//! Reductions on the CPU: along rows, down columns, and in between.
//!
//! Elements are folded in chunks of fixed size, chunks in a binary tree ([`Tree`]). Threads take results or columns; if
//! there are few of either, fixed segments, whose results are subtrees.

use super::{
    ReduceOp, arg,
    fold::{CHUNK, Loops, Tree},
    source::{BLOCK, Plan, STAGE, Sink, Source, of_nothing},
};
use crate::{
    Error, Reduce, Step,
    cpu::{
        Context, Cpu, Launch,
        rows::{Number, by_number},
        share,
    },
};

/// Elements from which on a second thread pays: some 3 us of work.
const HEAVY_DIRECT: usize = 32 * 1024;
const HEAVY_STAGED: usize = 8 * 1024;

/// Elements that a thread folds at least, where one result is divided among threads.
const SEGMENT: usize = 16 * 1024;

/// Rows folded one after another before they become a leaf of the tree.
const ROWS: usize = 32;

/// Columns dealt to threads together: whole cache lines of a result.
const COLUMNS: usize = 64;

pub(crate) fn prepare(reduce: &Reduce, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let shape = &step.inputs.first().ok_or_else(|| Error::invalid("a reduction without an input"))?.layout.shape;
    let plan = Plan::new(shape, &reduce.axes);
    let dtype = match &reduce.prologue {
        Some(expr) => expr.outputs().first().map(|&(_, dtype)| dtype),
        None => step.inputs.first().map(|input| input.dtype),
    };
    let dtype = dtype.ok_or_else(|| Error::invalid("a prologue without a result"))?;
    let taken = reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len());
    let kept: Vec<usize> =
        (0..shape.len()).filter(|axis| !reduce.axes.contains(axis)).map(|axis| shape[axis]).collect();
    let (inputs, extra) = step.inputs.split_at(taken.min(step.inputs.len()));
    let (prologue, epilogue, outputs) = (reduce.prologue.as_ref(), reduce.epilogue.as_ref(), &step.outputs);
    by_number!(dtype, A => {
        let source = Source::<A>::new(prologue, inputs, cpu.isa)?;
        let loops = Loops::new(reduce.op, cpu.isa);
        if matches!(reduce.op, ReduceOp::ArgMax | ReduceOp::ArgMin) {
            let sink = Sink::new(epilogue, &kept, extra, outputs, cpu.isa)?;
            return Ok(Box::new(arg::Search::new(plan, source, sink, loops, reduce.op == ReduceOp::ArgMax)));
        }
        let sink = Sink::new(epilogue, &kept, extra, outputs, cpu.isa)?;
        Ok(Box::new(Folding::new(plan, source, sink, loops, of_nothing(reduce.op, dtype))))
    })
}

/// Whether a second thread pays.
pub(super) fn is_heavy<A: Number>(plan: &Plan, source: &Source<A>) -> bool {
    plan.reduced.saturating_mul(plan.results) >= if source.is_direct() { HEAVY_DIRECT } else { HEAVY_STAGED }
}

struct Folding<A> {
    plan: Plan,
    source: Source<A>,
    sink: Sink<A>,
    loops: Loops<A>,
    nothing: A,
    heavy: bool,
    /// Narrow rows are folded as if `group` of them were one, so that vectors are full.
    group: usize,
    /// Reduced elements (if rows) or rows (if columns) in one of the `segments` of a result.
    segment: usize,
    segments: usize,
    /// Where the parts of a thread's scratch begin.
    sink_at: usize,
    slots_at: usize,
    scratch: usize,
}

/// A thread's view of its scratch.
struct Bench<'a, A> {
    context: &'a Context<'a>,
    source: *mut u8,
    sink: *mut u8,
    /// Results on their way to the sink.
    out: *mut A,
    /// A group of rows.
    group: *mut A,
    /// The stack of the tree of rows, `BLOCK` elements apart.
    slots: *mut A,
}

/// The numbers of a tree whose leaves are rows.
#[derive(Default)]
struct Stack {
    depth: usize,
    leaves: usize,
}

impl<A: Number> Folding<A> {
    fn new(plan: Plan, source: Source<A>, sink: Sink<A>, loops: Loops<A>, nothing: A) -> Folding<A> {
        let mut group = 1;
        if !plan.rows && plan.last < 32 {
            group = 16 >> plan.last.trailing_zeros().min(4);
            group *= COLUMNS.div_ceil(group * plan.last.max(1));
        }
        let (mut segment, mut segments) = (plan.inner, 1);
        let elements = plan.reduced.saturating_mul(plan.results);
        if plan.before == 1 && plan.rows && plan.results < 16 && plan.inner >= 2 * SEGMENT {
            segment = plan.inner.div_ceil(256).next_power_of_two().max(SEGMENT);
            segments = plan.inner.div_ceil(segment);
        } else if plan.before == 1 && !plan.rows && elements >= 4 * SEGMENT {
            let units = plan.results / plan.last * plan.last.div_ceil(COLUMNS);
            let leaf = ROWS * group;
            let wanted = (SEGMENT / plan.last).max(plan.inner / 64).max(leaf);
            if units < 8 && plan.inner >= 2 * leaf {
                segment = leaf * wanted.div_ceil(leaf).next_power_of_two();
                segments = plan.inner.div_ceil(segment);
            }
        }
        let leaves = plan.before.saturating_mul(plan.inner.div_ceil(ROWS * group) + 1).max(segments);
        let slots = if plan.rows { 0 } else { leaves.ilog2() as usize + 3 };
        let sink_at = source.scratch().next_multiple_of(64);
        let slots_at = sink_at + sink.scratch().next_multiple_of(64);
        let scratch = slots_at + (2 + slots) * STAGE;
        let heavy = is_heavy(&plan, &source);
        Folding { plan, source, sink, loops, nothing, heavy, group, segment, segments, sink_at, slots_at, scratch }
    }

    fn bench<'a>(&self, context: &'a Context<'a>, thread: usize) -> Bench<'a, A> {
        let start = context.scratch(thread);
        let slot = |n: usize| start.wrapping_add(self.slots_at + n * STAGE).cast();
        let sink = start.wrapping_add(self.sink_at);
        Bench { context, source: start, sink, out: slot(0), group: slot(1), slots: slot(2) }
    }

    /// Folds elements that follow one another, chunk by chunk.
    ///
    /// # Safety
    /// `first..first + len` lies inside the iteration space.
    unsafe fn stretch(&self, bench: &Bench<'_, A>, tree: &mut Tree<A>, first: usize, len: usize) {
        for start in (0..len).step_by(CHUNK) {
            let count = CHUNK.min(len - start);
            let mut leaf = [A::ZERO];
            // SAFETY: the range is inside the stretch, and the CPU was checked for the instruction set.
            unsafe {
                let x = self.source.read(bench.context, first + start..first + start + count, bench.source);
                (self.loops.rows)(x, count, &mut leaf);
            }
            tree.push(leaf[0], self.loops.fold);
        }
    }

    /// # Safety
    /// The results `first..last` exist, no other thread works on them, and they are rows of at least one element.
    unsafe fn rows(&self, bench: &Bench<'_, A>, first: usize, last: usize) {
        let plan = &self.plan;
        let whole = plan.before == 1 && (self.source.is_direct() || plan.inner <= BLOCK);
        let at_once = match () {
            () if !whole => 1,
            () if self.source.is_direct() => BLOCK,
            () => BLOCK / plan.inner,
        };
        let mut result = first;
        while result < last {
            let block = BLOCK.min(last - result);
            // SAFETY: `out` has room for `BLOCK` results.
            let out = unsafe { std::slice::from_raw_parts_mut(bench.out, block) };
            for (n, out) in out.chunks_mut(at_once).enumerate() {
                let start = result + n * at_once;
                // SAFETY: the elements of existing results; the CPU was checked for the instruction set.
                unsafe {
                    if whole {
                        let range = start * plan.inner..(start + out.len()) * plan.inner;
                        let x = self.source.read(bench.context, range, bench.source);
                        (self.loops.rows)(x, plan.inner, out);
                    } else {
                        let mut tree = Tree::new();
                        let start = plan.kept.offset(start) as usize;
                        for before in 0..plan.before {
                            let offset = plan.outer.offset(before) as usize;
                            self.stretch(bench, &mut tree, start + offset, plan.inner);
                        }
                        out[0] = tree.finish(self.loops.fold);
                    }
                }
            }
            // SAFETY: as the caller promises.
            unsafe { self.sink.write(bench.context, result, out, bench.sink) };
            result += block;
        }
    }

    /// Pushes the row of `width` elements in the slot on top of the stack into the tree.
    ///
    /// # Safety
    /// The slot at `stack.depth` is filled.
    unsafe fn push(&self, bench: &Bench<'_, A>, stack: &mut Stack, width: usize) {
        for _ in 0..stack.leaves.trailing_ones() {
            // SAFETY: below the top of the stack.
            unsafe { self.merge(bench, stack.depth, width) };
            stack.depth -= 1;
        }
        stack.depth += 1;
        stack.leaves += 1;
    }

    /// Folds slot `newer` into the one below.
    ///
    /// # Safety
    /// Both slots are filled, `newer > 0`.
    unsafe fn merge(&self, bench: &Bench<'_, A>, newer: usize, width: usize) {
        // SAFETY: slots are `BLOCK` elements apart; the CPU was checked for the instruction set.
        unsafe {
            let older = std::slice::from_raw_parts_mut(bench.slots.add((newer - 1) * BLOCK), width);
            let newer = std::slice::from_raw_parts(bench.slots.add(newer * BLOCK), width);
            (self.loops.columns)(newer, 1, width, older);
        }
    }

    /// Folds the rest of the stack into slot 0.
    ///
    /// # Safety
    /// At least one leaf was pushed.
    unsafe fn settle(&self, bench: &Bench<'_, A>, stack: &Stack, width: usize) {
        for newer in (1..stack.depth).rev() {
            // SAFETY: `newer` is below the top of the stack.
            unsafe { self.merge(bench, newer, width) };
        }
    }

    /// Folds `rows` rows of `width` columns, from element number `first` on, into slot 0.
    ///
    /// # Safety
    /// The elements exist; `width` is all columns if rows are grouped, and at most `BLOCK`.
    unsafe fn tile(&self, bench: &Bench<'_, A>, first: usize, width: usize, rows: std::ops::Range<usize>) {
        let (plan, mut stack) = (&self.plan, Stack::default());
        for before in 0..plan.before {
            let start = first + plan.outer.offset(before) as usize;
            let mut row = rows.start;
            while row < rows.end {
                let left = rows.end - row;
                let group = if left >= self.group { self.group } else { 1 };
                let count = (left / group).min(ROWS);
                // SAFETY: the elements exist; slots and group have room for `BLOCK` elements.
                unsafe {
                    let slot = std::slice::from_raw_parts_mut(bench.slots.add(stack.depth * BLOCK), width);
                    if group == 1 {
                        slot.fill(self.loops.start);
                        self.leaf(bench, start + row * plan.last, count, plan.last, slot);
                    } else {
                        let lanes = std::slice::from_raw_parts_mut(bench.group, width * group);
                        lanes.fill(self.loops.start);
                        self.leaf(bench, start + row * plan.last, count, width * group, lanes);
                        let (first, others) = lanes.split_at(width);
                        slot.copy_from_slice(first);
                        (self.loops.columns)(others, group - 1, width, slot);
                    }
                    self.push(bench, &mut stack, width);
                }
                row += count * group;
            }
        }
        // SAFETY: there is a leaf, as nothing is never reduced here.
        unsafe { self.settle(bench, &stack, width) };
    }

    /// Folds `count` rows, `stride` apart, into `out`.
    ///
    /// # Safety
    /// The elements exist.
    unsafe fn leaf(&self, bench: &Bench<'_, A>, first: usize, count: usize, stride: usize, out: &mut [A]) {
        let at_once = match () {
            () if self.source.is_direct() => count,
            () if stride == out.len() => (BLOCK / stride).clamp(1, count),
            () => 1,
        };
        for row in (0..count).step_by(at_once) {
            let rows = at_once.min(count - row);
            let start = first + row * stride;
            // SAFETY: the elements exist; the CPU was checked for the instruction set.
            unsafe {
                let x = self.source.read(bench.context, start..start + (rows - 1) * stride + out.len(), bench.source);
                (self.loops.columns)(x, rows, stride, out);
            }
        }
    }

    /// Works on the column grains `first..last`, counted over all runs of results.
    ///
    /// # Safety
    /// The grains exist, and no other thread works on them.
    unsafe fn columns(&self, bench: &Bench<'_, A>, first: usize, last: usize) {
        let plan = &self.plan;
        let grains = plan.last.div_ceil(COLUMNS);
        let (mut grain, mut held) = (first, 0);
        while grain < last {
            let (run, column) = (grain / grains, grain % grains);
            let count = (grains - column).min(last - grain).min(BLOCK / COLUMNS);
            let start = column * COLUMNS;
            let width = (count * COLUMNS).min(plan.last - start);
            let result = run * plan.last + start;
            // SAFETY: existing columns of an existing run; `out` has room for `BLOCK` results.
            unsafe {
                self.tile(bench, plan.kept.offset(run) as usize + start, width, 0..plan.inner);
                std::ptr::copy_nonoverlapping(bench.slots, bench.out.add(held), width);
                held += width;
                grain += count;
                if grain >= last || held + plan.last.min(BLOCK) > BLOCK {
                    let out = std::slice::from_raw_parts(bench.out, held);
                    self.sink.write(bench.context, result + width - held, out, bench.sink);
                    held = 0;
                }
            }
        }
    }

    /// Folds segment number `unit`, counted over all results (or runs of them), into the shared scratch.
    ///
    /// # Safety
    /// The segment exists, and no other thread works on it.
    unsafe fn segment(&self, bench: &Bench<'_, A>, unit: usize) {
        let plan = &self.plan;
        let (run, start) = (unit / self.segments, unit % self.segments * self.segment);
        let end = (start + self.segment).min(plan.inner);
        let shared = bench.context.shared_scratch().cast::<A>();
        // SAFETY: the elements exist, and the shared scratch has room for each segment's results.
        unsafe {
            if plan.rows {
                let partial = std::slice::from_raw_parts_mut(shared.add(unit), 1);
                let first = run * plan.inner + start;
                if self.source.is_direct() {
                    let x = self.source.read(bench.context, first..first + (end - start), bench.source);
                    (self.loops.rows)(x, end - start, partial);
                } else {
                    let mut tree = Tree::new();
                    self.stretch(bench, &mut tree, first, end - start);
                    partial[0] = tree.finish(self.loops.fold);
                }
            } else {
                for column in (0..plan.last).step_by(BLOCK) {
                    let width = BLOCK.min(plan.last - column);
                    self.tile(bench, plan.kept.offset(run) as usize + column, width, start..end);
                    std::ptr::copy_nonoverlapping(bench.slots, shared.add(unit * plan.last + column), width);
                }
            }
        }
    }

    /// Folds the segments in the shared scratch.
    ///
    /// # Safety
    /// All segments are there, and no other thread is at work.
    unsafe fn join(&self, bench: &Bench<'_, A>) {
        let plan = &self.plan;
        let shared = bench.context.shared_scratch().cast::<A>().cast_const();
        let runs = if plan.rows { plan.results } else { plan.results / plan.last };
        for run in 0..runs {
            let first = run * self.segments;
            // SAFETY: the segments were written; slots have room for `BLOCK` elements.
            unsafe {
                if plan.rows {
                    let mut tree = Tree::new();
                    for partial in std::slice::from_raw_parts(shared.add(first), self.segments) {
                        tree.push(*partial, self.loops.fold);
                    }
                    self.sink.write(bench.context, run, &[tree.finish(self.loops.fold)], bench.sink);
                    continue;
                }
                for column in (0..plan.last).step_by(BLOCK) {
                    let width = BLOCK.min(plan.last - column);
                    let mut stack = Stack::default();
                    for segment in first..first + self.segments {
                        let slot = bench.slots.add(stack.depth * BLOCK);
                        std::ptr::copy_nonoverlapping(shared.add(segment * plan.last + column), slot, width);
                        self.push(bench, &mut stack, width);
                    }
                    self.settle(bench, &stack, width);
                    let out = std::slice::from_raw_parts(bench.slots, width);
                    self.sink.write(bench.context, run * plan.last + column, out, bench.sink);
                }
            }
        }
    }
}

impl<A: Number> Launch for Folding<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let plan = &self.plan;
        let threads = if self.heavy { context.team.threads() } else { 1 };
        if plan.results == 0 {
            return Ok(());
        }
        if plan.reduced == 0 {
            let bench = self.bench(context, 0);
            for start in (0..plan.results).step_by(BLOCK) {
                let values = &[self.nothing; BLOCK][..BLOCK.min(plan.results - start)];
                // SAFETY: the results exist, and this is the only thread at work.
                unsafe { self.sink.write(context, start, values, bench.sink) };
            }
            return Ok(());
        }
        if self.segments > 1 {
            let units = self.segments * if plan.rows { plan.results } else { plan.results / plan.last };
            context.team.run(threads.min(units), &|thread| {
                let bench = self.bench(context, thread);
                for unit in share(units, 1, threads.min(units), thread) {
                    // SAFETY: the segment exists; segments are shared out.
                    unsafe { self.segment(&bench, unit) };
                }
            });
            // SAFETY: every segment was folded.
            unsafe { self.join(&self.bench(context, 0)) };
            return Ok(());
        }
        let units = if plan.rows { plan.results } else { plan.results / plan.last * plan.last.div_ceil(COLUMNS) };
        let grain = if plan.rows && units >= 16 * threads { 16 } else { 1 };
        let threads = threads.min(units);
        context.team.run(threads, &|thread| {
            let bench = self.bench(context, thread);
            let part = share(units, grain, threads, thread);
            // SAFETY: the results exist; they are shared out.
            unsafe {
                if plan.rows {
                    self.rows(&bench, part.start, part.end);
                } else {
                    self.columns(&bench, part.start, part.end);
                }
            }
        });
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.scratch
    }

    fn scratch_shared(&self) -> usize {
        let width = if self.plan.rows { self.plan.results } else { self.plan.results.max(1) };
        if self.segments > 1 { self.segments * width * size_of::<A>() } else { 0 }
    }
}
