//! What happens before what.

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
    /// Reads, writes or updates: the value read, and whether it wrote. A read may be done twice.
    fn run(&mut self) -> Option<(u64, bool)>;
    /// Notes the access in the shadow.
    fn note(&mut self, threads: &mut Threads, wrote: bool);
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
    pub(super) fn strong(&mut self, of: Strong, shared: bool, mut work: impl Work) -> Option<u64> {
        if shared {
            let done = work.run()?;
            let release = done.1 && self.threads.publishes(of.thread, of.strength.order);
            let locations = if release || !self.shared.is_empty() { Some(&mut self.shared) } else { None };
            account(&mut self.threads, locations, of, done.1, release, work);
            return Some(done.0);
        }
        self.strong_global(of, work)
    }

    /// A value that releases is written while its shard is locked, and whoever has read the value locks the shard then: so a
    /// reader finds what was published with the value that it saw, perhaps more, never less.
    fn strong_global(&mut self, of: Strong, mut work: impl Work) -> Option<u64> {
        let address = of.address;
        let publishes = of.touch != Touch::Read && self.threads.publishes(of.thread, of.strength.order);
        let lock_first = publishes || of.touch == Touch::Write && self.launch.may_hold(address);
        let mut done = None;
        if !lock_first {
            let (value, wrote) = work.run()?;
            if of.touch == Touch::Write || !self.launch.may_hold(address) {
                account(&mut self.threads, None, of, wrote, false, work);
                return Some(value);
            }
            done = Some((value, wrote));
        }
        let mut shard = self.launch.shard(address)?;
        if publishes {
            if shard.len() >= SHARD_LIMIT {
                self.launch.blind.store(true, Ordering::Relaxed);
            }
            self.launch.will_hold(address);
        }
        let (value, wrote) = match done {
            Some(done) if of.touch == Touch::Update => done,
            // A read is done once more, so that value and location are of one moment.
            _ => work.run()?,
        };
        let release = publishes && wrote && !self.launch.blind();
        account(&mut self.threads, Some(&mut shard), of, wrote, release, work);
        Some(value)
    }
}

/// Brings threads and locations up to date after a strong access.
fn account(
    threads: &mut Threads,
    locations: Option<&mut Locations>,
    of: Strong,
    wrote: bool,
    release: bool,
    mut work: impl Work,
) {
    let Some(locations) = locations else { return work.note(threads, wrote) };
    match of.touch {
        // What was published before can no longer be read; after an atomic update it still counts.
        Touch::Write => _ = locations.remove(&of.address),
        Touch::Read | Touch::Update => {
            if let Some(released) = locations.get(&of.address) {
                threads.observe(of.thread, of.strength, released);
            }
        }
    }
    // What an acquire learns orders the acquire itself too; what a release publishes includes the release.
    work.note(threads, wrote);
    if release {
        threads.publish(of.thread, of.strength, locations.entry(of.address).or_default());
    }
}
