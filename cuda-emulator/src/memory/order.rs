//! What happens before what: the PTX memory model, read strictly.
//!
//! An access comes before another if a chain of these leads from one to the other:
//! - both are of one thread, in the order of its program;
//! - a barrier (`bar.sync`, `bar.red`, a named one, `bar.warp.sync`) joins the first's thread, which came to it after the first, and
//!   the second's, which went on from it before the second. Who only arrives (`bar.arrive`) hands over but learns nothing. What
//!   a thread has learnt from other blocks it hands over too;
//! - a release in one thread is seen by an acquire in another. A release is a `.release` write, or a fence and later, in the same
//!   thread, a strong write; an acquire is an `.acquire` read of the same place, or a strong read of it and later, in the same thread,
//!   a fence. It is seen if the read reads what was written, or what atomic updates made of it; a plain store in between ends it.
//!   Scopes must reach: to another block all four (write, read, fences) must have the scope of the device or more, within the
//!   block any will do. Clusters are not run, so their scope is the block's.
//! - the first is a strong write, and the second comes after a strong read of it (or of what atomic updates made of it). This
//!   orders these accesses to the place itself, and nothing else of their threads: so the last block that counts itself may reset
//!   the counter.
//!
//! Shuffles, votes and `match` exchange registers and order no memory. Relaxed atomics alone order nothing but themselves, and a
//! barrier is no fence: a thread that has seen a flag must pass a fence before the barrier, or what the flag stands for is
//! not ordered.
//!
//! Accesses of an earlier launch, and all that the host did, come before the launch.
//!
//! It is cheap because grids have structure. Instead of a clock for each pair of threads, a thread has one time, one time up to which it knows
//! all threads of its block, exceptions for single threads where barriers were partial, and a table of other blocks that is
//! shared with those it was learnt from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::Knowledge;
use super::threads::{Released, Threads};
use super::{Actor, Strength};
use crate::alu::WARP;
use crate::lower::{Order, Scope};

const SHARDS: usize = 64;
const FILTER_BITS: u64 = 4096;
/// Locations of a shard. With more, a release might go unnoticed, so no race of the launch is reported any more.
const SHARD_LIMIT: usize = 1 << 16;

/// What the threads of all blocks of a launch have published to each other through atomics and fences.
#[derive(Debug)]
pub struct LaunchOrder {
    shards: Vec<Mutex<Locations>>,
    /// Locations that were ever released to, by hash: most atomics meet none, and need not look.
    filter: Vec<AtomicU64>,
    blind: AtomicBool,
}

type Locations = HashMap<u64, Released>;

impl Default for LaunchOrder {
    fn default() -> Self {
        LaunchOrder {
            shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            filter: std::iter::repeat_with(AtomicU64::default).take(FILTER_BITS as usize / 64).collect(),
            blind: AtomicBool::new(false),
        }
    }
}

fn hash(address: u64) -> u64 {
    (address / 4).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

impl LaunchOrder {
    fn filter(&self, address: u64) -> Option<(&AtomicU64, u64)> {
        let bit = hash(address) % FILTER_BITS;
        Some((self.filter.get(bit as usize / 64)?, 1 << (bit % 64)))
    }

    /// Whether anybody may have released something at this address.
    fn may_hold(&self, address: u64) -> bool {
        self.filter(address).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn will_hold(&self, address: u64) {
        if let Some((word, bit)) = self.filter(address) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    fn shard(&self, address: u64) -> Option<MutexGuard<'_, Locations>> {
        let shard = self.shards.get(hash(address) as usize / FILTER_BITS as usize % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether no race may be reported any more, because too much was published to keep account of.
    pub(super) fn blind(&self) -> bool {
        self.blind.load(Ordering::Relaxed)
    }
}

/// What the threads of one block know of each other and of other blocks.
#[derive(Debug)]
pub struct BlockOrder {
    launch: Arc<LaunchOrder>,
    pub(super) threads: Threads,
    /// What was released in shared memory.
    shared: Locations,
    /// Who has arrived at a barrier and gone on, and what they knew then; by barrier.
    arrivals: Vec<Arrival>,
}

#[derive(Debug, Default)]
struct Arrival {
    id: u32,
    threads: Vec<u32>,
    knowledge: Knowledge,
}

/// How a strong access treats its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    Read,
    Write,
    Update,
}

/// A strong access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strong {
    pub(super) thread: usize,
    pub(super) address: u64,
    pub(super) strength: Strength,
    pub(super) touch: Touch,
}

/// What a strong access does.
pub(super) trait Work {
    /// Whether it will write.
    fn will_write(&mut self) -> Option<bool>;
    /// Notes the access in the shadow.
    fn note(&mut self, threads: &mut Threads, writes: bool);
    /// Reads, writes or updates; answers the value read. A read may be done twice.
    fn run(&mut self) -> Option<u64>;
}

impl BlockOrder {
    /// A block at its start: its threads know nothing of each other. A block has at most 1024 of them.
    pub fn new(launch: &Arc<LaunchOrder>, block: u32, threads: u32) -> Self {
        BlockOrder {
            launch: launch.clone(),
            threads: Threads::new(block, threads),
            shared: HashMap::new(),
            arrivals: Vec::new(),
        }
    }

    /// A barrier has been passed by these threads. Those that have ended count as passed when `all` holds.
    pub fn barrier(&mut self, threads: &[u32], all: bool) {
        self.meet(threads, all, None);
    }

    /// These threads arrive at barrier `id` and go on without waiting (`bar.arrive`): those that wait there will know what
    /// they did so far.
    pub fn arrive(&mut self, id: u32, threads: &[u32]) {
        let knowledge = self.threads.arrive(threads);
        if let Some(arrival) = self.arrivals.iter_mut().find(|it| it.id == id) {
            arrival.knowledge.join(&knowledge);
            arrival.threads.extend(threads);
        } else if self.arrivals.len() < 16 {
            // There are 16 barriers; whoever asks for more has been refused.
            self.arrivals.push(Arrival { id, threads: threads.to_vec(), knowledge });
        }
    }

    /// Barrier `id` is complete: as [`barrier`](Self::barrier) for the threads that waited, which learn what those knew that
    /// came by [`arrive`](Self::arrive).
    pub fn complete(&mut self, id: u32, threads: &[u32], all: bool) {
        let at = self.arrivals.iter().position(|it| it.id == id);
        let arrival = at.map(|at| self.arrivals.swap_remove(at));
        self.meet(threads, all, arrival);
    }

    fn meet(&mut self, threads: &[u32], all: bool, arrival: Option<Arrival>) {
        let count = self.threads.now.len();
        let Some(mut arrival) = arrival else {
            if all || threads.len() >= count {
                self.threads.meet_all();
            } else {
                self.threads.meet(threads.iter().copied(), None);
            }
            return;
        };
        // Who has arrived and gone on does not wait, so not all threads know what all did; but who is neither here nor there
        // has ended.
        if all {
            let mut here = vec![false; count];
            for &thread in threads.iter().chain(&arrival.threads) {
                here.get_mut(thread as usize).into_iter().for_each(|it| *it = true);
            }
            let ended: Vec<u32> = (0..).zip(&here).filter(|it| !it.1).map(|it| it.0).collect();
            arrival.knowledge.join(&self.threads.arrive(&ended));
        }
        self.threads.meet(threads.iter().copied(), Some(arrival.knowledge));
    }

    /// A barrier of a warp has been passed by these lanes.
    pub fn warp_barrier(&mut self, warp: u32, lanes: u32) {
        let first = warp.saturating_mul(WARP as u32);
        let lanes = (0..WARP as u32).filter(move |lane| lanes >> lane & 1 != 0);
        self.threads.meet(lanes.map(move |lane| first.saturating_add(lane)), None);
    }

    /// A thread passes a fence.
    pub fn fence(&mut self, actor: Actor, order: Order, scope: Scope) {
        self.threads.fence(actor.thread as usize, order, scope);
    }

    /// Whether no race may be reported any more.
    pub(super) fn blind(&self) -> bool {
        self.launch.blind()
    }

    /// Runs a strong access with what it learns and publishes. Locations of a block's own memory are the block's own.
    ///
    /// Strong writes to global memory hold the lock of their shard, and whoever has read a value that may have been published
    /// takes it too: so a reader finds what was published with the value that it saw, perhaps more, never less.
    pub(super) fn strong(&mut self, of: Strong, shared: bool, mut work: impl Work) -> Option<u64> {
        let writes = of.touch != Touch::Read;
        let publishes = writes && self.threads.publishes(of.thread, of.strength.order);
        if shared {
            let locations = if publishes || !self.shared.is_empty() { Some(&mut self.shared) } else { None };
            return through(&mut self.threads, locations, of, publishes, work);
        }
        if !writes {
            let value = work.run()?;
            if !self.launch.may_hold(of.address) {
                work.note(&mut self.threads, false);
                return Some(value);
            }
        }
        let mut shard = self.launch.shard(of.address)?;
        if publishes {
            if shard.len() >= SHARD_LIMIT {
                self.launch.blind.store(true, Ordering::Relaxed);
            }
            self.launch.will_hold(of.address);
        }
        let publishes = publishes && !self.launch.blind();
        through(&mut self.threads, Some(&mut shard), of, publishes, work)
    }
}

/// Runs a strong access; `locations` are where it learns and publishes, if there are any.
fn through(
    threads: &mut Threads,
    mut locations: Option<&mut Locations>,
    of: Strong,
    publishes: bool,
    mut work: impl Work,
) -> Option<u64> {
    let writes = work.will_write()?;
    if let Some(locations) = &mut locations {
        if of.touch == Touch::Write {
            // What was published before can no longer be read. After an atomic update it still counts.
            locations.remove(&of.address);
        } else if let Some(released) = locations.get(&of.address) {
            threads.observe(of.thread, of.strength, released);
        }
    }
    // What an acquire learns orders the acquire itself too; what a release publishes includes the release. Nobody may see a
    // value before its write is noted.
    work.note(threads, writes);
    let value = work.run()?;
    if let Some(locations) = locations
        && publishes
        && writes
    {
        threads.publish(of.thread, of.strength, locations.entry(of.address).or_default());
    }
    Some(value)
}
