//! What each thread of a block knows, and how it learns it.

use std::sync::Arc;

use super::Strength;
use super::clock::{Entry, Knowledge, MaybeOthers, More, Others, Table, join_others};
use super::readers::Sets;
use super::shadow::{BLOCKS, Record, TIMES};
use crate::lower::{Order, Scope};

/// The threads of one block.
///
/// Every access carries the time of its thread. A thread's time steps on whenever others may learn of what it did so far: at
/// barriers and releases. All times of a block come from barriers that set them to one value, so what a thread knows of its
/// block is mostly one number, and single threads beyond it.
#[derive(Debug)]
pub(super) struct Threads {
    /// The block's index.
    pub(super) block: u32,
    /// Whether the block is looked at: its index and its times fit a record.
    pub(super) tracked: bool,
    /// The last barrier of all threads: everybody knows all up to here.
    pub(super) floor: u32,
    pub(super) now: Vec<Now>,
    /// Each thread knows some threads of the block further than all,
    pub(super) more: Vec<More>,
    /// and this of other blocks.
    pub(super) others: Vec<MaybeOthers>,
    sync: Vec<Option<Box<Sync>>>,
    /// Whether any entry of `more` or `others` says something since the last barrier of all.
    any: bool,
    pub(super) sets: Sets,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Its time.
    pub(super) time: u32,
    /// It knows all threads of the block up to this time.
    pub(super) all: u32,
}

/// What fences have made of a thread's accesses.
#[derive(Debug, Default)]
struct Sync {
    /// What it knew at its last releasing fence: what its strong writes publish to its block,
    released: Option<Knowledge>,
    /// and to other blocks.
    released_wide: Option<Knowledge>,
    /// What its strong reads have seen published in its block: known from its next acquiring fence on,
    seen: Option<Knowledge>,
    /// or from the next one of device scope.
    seen_wide: MaybeOthers,
}

/// What has been published at one place in memory and not been overwritten since.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// To threads of the publisher's block; by block.
    blocks: Vec<(u32, Knowledge)>,
    /// To all.
    wide: MaybeOthers,
}

pub(super) fn acquires(order: Order) -> bool {
    matches!(order, Order::Acquire | Order::AcquireRelease | Order::Sequential)
}

pub(super) fn releases(order: Order) -> bool {
    matches!(order, Order::Release | Order::AcquireRelease | Order::Sequential)
}

/// Whether a scope reaches beyond the block. Clusters are not run, so each block is one by itself.
fn is_wide(scope: Scope) -> bool {
    matches!(scope, Scope::Device | Scope::System)
}

impl Threads {
    pub(super) fn new(block: u32, threads: u32) -> Self {
        let count = threads.min(1024) as usize;
        Threads {
            block: block & (BLOCKS - 1),
            tracked: block < BLOCKS,
            floor: 0,
            now: vec![Now { time: 1, all: 0 }; count],
            more: vec![More::None; count],
            others: vec![None; count],
            sync: std::iter::repeat_with(|| None).take(count).collect(),
            any: false,
            sets: Sets::new(),
        }
    }

    /// Whether the thread knows of an access of this launch.
    #[inline]
    pub(super) fn thread_knows(&self, thread: usize, all: u32, record: Record) -> bool {
        if record.block() == self.block {
            record.time() <= all
                || record.thread() as usize == thread
                || self.more.get(thread).is_some_and(|it| record.time() <= it.time_of(record.thread()))
        } else {
            let others = self.others.get(thread).and_then(Option::as_ref);
            let entry = others.and_then(|it| it.get(record.block()));
            entry.is_some_and(|it| it.covers(record.thread(), record.time()))
        }
    }

    fn own(&self, thread: usize) -> Entry {
        Entry {
            all: self.now.get(thread).map_or(0, |it| it.all),
            more: self.more.get(thread).cloned().unwrap_or_default(),
        }
    }

    /// What the thread knows, itself included.
    fn current(&self, thread: usize) -> Knowledge {
        let mut own = self.own(thread);
        own.add(thread as u32, self.now.get(thread).map_or(0, |it| it.time));
        Knowledge { own, others: self.others.get(thread).cloned().flatten() }
    }

    fn step(&mut self, thread: usize) {
        if let Some(now) = self.now.get_mut(thread) {
            now.time += 1;
            self.check_time(thread);
        }
    }

    /// A block whose clock has run out is not looked at any more.
    fn check_time(&mut self, thread: usize) {
        if let Some(now) = self.now.get_mut(thread)
            && now.time >= TIMES
        {
            now.time = TIMES;
            self.tracked = false;
        }
    }

    /// A barrier of all threads of the block.
    pub(super) fn meet_all(&mut self) {
        let now = self.now.iter().map(|it| it.time).max().unwrap_or(0);
        if self.any {
            let mut others = None;
            for it in &self.others {
                join_others(&mut others, it);
            }
            self.others.fill(others);
            self.more.fill(More::None);
            self.any = false;
        }
        self.floor = now;
        let time = (now + 1).min(TIMES);
        self.now.fill(Now { time, all: now });
        self.tracked &= time < TIMES;
        self.sets.clear();
    }

    /// A barrier of some threads, of which others have arrived earlier and gone on.
    pub(super) fn meet(&mut self, threads: impl Iterator<Item = u32> + Clone, arrived: Option<Knowledge>) {
        let arrived = arrived.unwrap_or_default();
        let (mut all, mut others, mut now) = (arrived.own.all, arrived.others, 0);
        let mut table = Table::default();
        table.add_all(&arrived.own.more);
        let mut last = &More::None;
        for thread in threads.clone() {
            let at = thread as usize;
            let (Some(&Now { time, all: known }), Some(more)) = (self.now.get(at), self.more.get(at)) else { continue };
            all = all.max(known);
            now = now.max(time);
            table.add(thread, time);
            // Threads that met before mostly know the same.
            if !more.is(last) {
                table.add_all(more);
                last = more;
            }
            join_others(&mut others, self.others.get(at).unwrap_or(&None));
        }
        let more = table.finish(all);
        for thread in threads {
            let at = thread as usize;
            if let Some(it) = self.now.get_mut(at) {
                *it = Now { time: now + 1, all };
            }
            if let (Some(it), Some(known)) = (self.more.get_mut(at), self.others.get_mut(at)) {
                it.clone_from(&more);
                known.clone_from(&others);
            }
            self.check_time(at);
        }
        self.any = true;
    }

    /// What threads know that arrive at a barrier and go on; from now on they do things that the barrier does not order.
    pub(super) fn arrive(&mut self, threads: &[u32]) -> Knowledge {
        let mut knowledge = Knowledge::default();
        let count = self.now.len();
        for &thread in threads.iter().filter(|it| (**it as usize) < count) {
            knowledge.join(&self.current(thread as usize));
            self.step(thread as usize);
        }
        knowledge
    }

    /// Learns something about threads of the own block and of others.
    fn learn(&mut self, thread: usize, own: Option<&Entry>, others: &MaybeOthers) {
        let mut known = self.own(thread);
        if let Some(own) = own {
            known.join(own);
        }
        // Others may know more of this block than the thread does.
        if let Some(own) = others.as_ref().and_then(|it| it.get(self.block)) {
            known.join(own);
        }
        if let (Some(now), Some(more)) = (self.now.get_mut(thread), self.more.get_mut(thread)) {
            (now.all, *more) = (known.all, known.more);
        }
        if let Some(known) = self.others.get_mut(thread) {
            join_others(known, others);
        }
        self.any = true;
    }

    /// A fence.
    pub(super) fn fence(&mut self, thread: usize, order: Order, scope: Scope) {
        if acquires(order)
            && let Some(sync) = self.sync.get_mut(thread).and_then(Option::as_mut)
        {
            let seen = sync.seen.take();
            let wide = if is_wide(scope) { sync.seen_wide.take() } else { None };
            if let Some(seen) = seen {
                self.learn(thread, Some(&seen.own), &seen.others);
            }
            if wide.is_some() {
                self.learn(thread, None, &wide);
            }
        }
        if releases(order) {
            let known = self.current(thread);
            if let Some(sync) = self.sync.get_mut(thread) {
                let sync = sync.get_or_insert_default();
                if is_wide(scope) {
                    sync.released_wide = Some(known.clone());
                }
                sync.released = Some(known);
            }
            self.step(thread);
        }
    }

    /// Whether a strong write of this thread publishes anything.
    pub(super) fn publishes(&self, thread: usize, order: Order) -> bool {
        let sync = self.sync.get(thread).and_then(Option::as_ref);
        releases(order) || sync.is_some_and(|it| it.released.is_some())
    }

    /// A strong write of this thread publishes what its fences, or the write itself, release.
    pub(super) fn publish(&mut self, thread: usize, strength: Strength, place: &mut Released) {
        let current = releases(strength.order).then(|| self.current(thread));
        if current.is_some() {
            self.step(thread);
        }
        let sync = self.sync.get(thread).and_then(Option::as_ref);
        let narrow = current.as_ref().or(sync.and_then(|it| it.released.as_ref()));
        let wide = current.as_ref().or(sync.and_then(|it| it.released_wide.as_ref()));
        if let Some(narrow) = narrow {
            place.add(self.block, narrow, wide.filter(|_| is_wide(strength.scope)));
        }
    }

    /// A strong read of this thread sees what has been published here.
    pub(super) fn observe(&mut self, thread: usize, strength: Strength, place: &Released) {
        let narrow = place.of_block(self.block);
        let wide = if is_wide(strength.scope) { &place.wide } else { &None };
        if acquires(strength.order) {
            if let Some(it) = narrow {
                self.learn(thread, Some(&it.own), &it.others);
            }
            if wide.is_some() {
                self.learn(thread, None, wide);
            }
        } else if let Some(sync) = self.sync.get_mut(thread) {
            let sync = sync.get_or_insert_default();
            if let Some(it) = narrow {
                sync.seen.get_or_insert_default().join(it);
            }
            join_others(&mut sync.seen_wide, wide);
        }
    }
}

impl Released {
    fn of_block(&self, block: u32) -> Option<&Knowledge> {
        let at = self.blocks.binary_search_by_key(&block, |it| it.0).ok()?;
        self.blocks.get(at).map(|it| &it.1)
    }

    fn add(&mut self, block: u32, narrow: &Knowledge, wide: Option<&Knowledge>) {
        match self.blocks.binary_search_by_key(&block, |it| it.0) {
            Ok(at) => {
                if let Some(it) = self.blocks.get_mut(at) {
                    it.1.join(narrow);
                }
            }
            Err(at) => self.blocks.insert(at, (block, narrow.clone())),
        }
        if let Some(wide) = wide {
            join_others(&mut self.wide, &wide.others);
            Arc::make_mut(self.wide.get_or_insert_with(|| Arc::new(Others::default()))).add(block, &wide.own);
        }
    }
}
