//! ArgMax and ArgMin: the extreme of a chunk by the vector loops, then its place by a search.

use super::{
    cpu::is_heavy,
    fold::{CHUNK, Loops},
    source::{BLOCK, Plan, STAGE, Sink, Source},
};
use crate::{
    Error,
    cpu::{Context, Launch, rows::Number, share},
};

/// Columns dealt to threads together.
const COLUMNS: usize = 64;

/// Rows of fewer elements are searched one element at a time.
const SHORT: usize = 16;

pub(super) struct Search<A> {
    plan: Plan,
    source: Source<A>,
    sink: Sink<i64>,
    loops: Loops<A>,
    largest: bool,
    heavy: bool,
    sink_at: usize,
    out_at: usize,
}

impl<A: Number> Search<A> {
    pub(super) fn new(plan: Plan, source: Source<A>, sink: Sink<i64>, loops: Loops<A>, largest: bool) -> Search<A> {
        let sink_at = source.scratch().next_multiple_of(64);
        let out_at = sink_at + sink.scratch().next_multiple_of(64);
        let heavy = is_heavy(&plan, &source);
        Search { plan, source, sink, loops, largest, heavy, sink_at, out_at }
    }

    /// Whether `x` takes the place of `best`, which was met earlier: the first extreme and the first NaN stay.
    #[inline(always)]
    fn better(&self, x: A, best: A) -> bool {
        let beyond = if self.largest { x > best } else { x < best };
        beyond | (x.is_nan() & !best.is_nan())
    }

    /// The place of the extreme of a row too short for vectors.
    #[inline(always)]
    fn scan(&self, x: &[A]) -> i64 {
        let (mut best, mut place) = (x[0], 0);
        for (n, &x) in x.iter().enumerate() {
            let take = self.better(x, best);
            place = if take { n } else { place };
            best = if take { x } else { best };
        }
        place as i64
    }

    /// # Safety
    /// The results `part` are rows of existing elements, and no other thread works on them.
    unsafe fn rows(&self, context: &Context<'_>, thread: usize, part: std::ops::Range<usize>) {
        let plan = &self.plan;
        let scratch = context.scratch(thread);
        // SAFETY: the scratch has room for `BLOCK` results there.
        let out = unsafe { std::slice::from_raw_parts_mut(scratch.add(self.out_at).cast::<i64>(), BLOCK) };
        let at_once = if plan.before == 1 && plan.inner <= BLOCK { (BLOCK / plan.inner).max(1) } else { 1 };
        for first in part.clone().step_by(BLOCK) {
            let block = BLOCK.min(part.end - first);
            for start in (0..block).step_by(at_once) {
                let count = at_once.min(block - start);
                if plan.before == 1 && plan.inner <= BLOCK {
                    let range = (first + start) * plan.inner..(first + start + count) * plan.inner;
                    // SAFETY: the elements of existing results.
                    let x = unsafe { self.source.read(context, range, scratch) };
                    for (x, out) in x.chunks_exact(plan.inner).zip(&mut out[start..]) {
                        *out = if x.len() < SHORT { self.scan(x) } else { self.find(x, self.extreme(x)) as i64 };
                    }
                    continue;
                }
                let from = plan.kept.offset(first + start) as usize;
                let (mut best, mut place) = (None, 0);
                for before in 0..plan.before {
                    let from = from + plan.outer.offset(before) as usize;
                    for at in (0..plan.inner).step_by(CHUNK) {
                        let count = CHUNK.min(plan.inner - at);
                        // SAFETY: the elements of an existing result.
                        let x = unsafe { self.source.read(context, from + at..from + at + count, scratch) };
                        let extreme = self.extreme(x);
                        if best.is_none_or(|best| self.better(extreme, best)) {
                            best = Some(extreme);
                            place = before * plan.inner + at + self.find(x, extreme);
                        }
                    }
                }
                out[start] = place as i64;
            }
            // SAFETY: as the caller promises.
            unsafe { self.sink.write(context, first, &out[..block], scratch.add(self.sink_at)) };
        }
    }

    #[inline]
    fn extreme(&self, x: &[A]) -> A {
        let mut extreme = [x.first().copied().unwrap_or(A::ZERO)];
        // SAFETY: the CPU was checked for the instruction set.
        unsafe { (self.loops.rows)(x, x.len(), &mut extreme) };
        extreme[0]
    }

    #[inline]
    fn find(&self, x: &[A], extreme: A) -> usize {
        let mut place = 0;
        // SAFETY: the CPU was checked for the instruction set.
        unsafe { (self.loops.find)(x, extreme, &mut place) };
        place
    }

    /// # Safety
    /// The column grains `part` exist, and no other thread works on them.
    unsafe fn columns(&self, context: &Context<'_>, thread: usize, part: std::ops::Range<usize>) {
        let plan = &self.plan;
        let scratch = context.scratch(thread);
        // SAFETY: the scratch has room for `COLUMNS` numbers and extremes there.
        let (places, best) = unsafe {
            let at = scratch.add(self.out_at);
            (
                std::slice::from_raw_parts_mut(at.cast::<i64>(), COLUMNS),
                std::slice::from_raw_parts_mut(at.add(STAGE).cast::<A>(), COLUMNS),
            )
        };
        let grains = plan.last.div_ceil(COLUMNS);
        for grain in part {
            let (run, column) = (grain / grains, grain % grains * COLUMNS);
            let width = COLUMNS.min(plan.last - column);
            let first = plan.kept.offset(run) as usize + column;
            let (places, best) = (&mut places[..width], &mut best[..width]);
            let mut number = 0;
            for before in 0..plan.before {
                let first = first + plan.outer.offset(before) as usize;
                for row in 0..plan.inner {
                    let start = first + row * plan.last;
                    // SAFETY: the elements of existing results.
                    let x = unsafe { self.source.read(context, start..start + width, scratch) };
                    for ((place, best), &x) in places.iter_mut().zip(best.iter_mut()).zip(x) {
                        let take = number == 0 || self.better(x, *best);
                        *place = if take { number } else { *place };
                        *best = if take { x } else { *best };
                    }
                    number += 1;
                }
            }
            // SAFETY: as the caller promises.
            unsafe { self.sink.write(context, run * plan.last + column, places, scratch.add(self.sink_at)) };
        }
    }
}

impl<A: Number> Launch for Search<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let plan = &self.plan;
        if plan.results == 0 {
            return Ok(());
        }
        if plan.reduced == 0 {
            for start in (0..plan.results).step_by(BLOCK) {
                let values = &[0; BLOCK][..BLOCK.min(plan.results - start)];
                // SAFETY: the results exist, and this is the only thread at work.
                unsafe { self.sink.write(context, start, values, context.scratch(0).add(self.sink_at)) };
            }
            return Ok(());
        }
        let units = if plan.rows { plan.results } else { plan.results / plan.last * plan.last.div_ceil(COLUMNS) };
        let threads = if self.heavy { context.team.threads().min(units) } else { 1 };
        let grain = if plan.rows && units >= 16 * threads { 16 } else { 1 };
        context.team.run(threads, &|thread| {
            let part = share(units, grain, threads, thread);
            // SAFETY: the results exist; they are shared out.
            unsafe {
                if plan.rows {
                    self.rows(context, thread, part);
                } else {
                    self.columns(context, thread, part);
                }
            }
        });
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.out_at + 2 * STAGE
    }
}
