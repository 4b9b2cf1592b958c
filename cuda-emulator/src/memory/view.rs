//! Global memory as a worker sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::{Access, misaligned};
use super::chunk::Chunk;
use super::device::{Allocation, Snapshot, WIDE_LOCKS};
use super::{Actor, BlockOrder, Checks, Memory, Strength, Trouble};
use crate::Finding;
use crate::lower::Order;

/// Places of the cache that tells which allocation an instruction used last.
const CACHE: usize = 64;

/// What one worker sees of a device's memory during a launch: the allocations as they were at its start.
#[derive(Debug)]
pub struct View {
    /// What it met: at most one entry an access, none for most.
    pub troubles: Vec<Trouble>,
    snapshot: Snapshot,
    checks: Checks,
    /// By pc: an instruction mostly stays in one allocation.
    cache: [u32; CACHE],
}

/// What is done to the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
}

impl Snapshot {
    /// The stretch that holds these bytes, or what is wrong with them.
    #[inline]
    fn locate(
        &self,
        cache: &mut [u32; CACHE],
        pc: u32,
        address: u64,
        bytes: u32,
        intent: Intent,
    ) -> Result<(&Chunk, usize), Trouble> {
        if let Some(trouble) = misaligned(address, bytes) {
            return Err(trouble);
        }
        let slot = &mut cache[pc as usize % CACHE];
        let fits = |allocation: &Allocation| {
            let offset = address.wrapping_sub(allocation.about.address);
            offset < allocation.about.bytes && u64::from(bytes) <= allocation.about.bytes - offset
        };
        let allocation = match self.live.get(*slot as usize) {
            Some(allocation) if fits(allocation) => allocation,
            _ => {
                let at = self.live.partition_point(|it| it.about.address <= address).wrapping_sub(1);
                let found = self.live.get(at).filter(|it| fits(it));
                let allocation = found.ok_or_else(|| self.out_of_bounds(address, bytes))?;
                *slot = at as u32;
                allocation
            }
        };
        if intent == Intent::Write && allocation.about.read_only {
            let note = format!("kernels may only read {}", allocation.about.describe());
            return Err(Trouble { finding: Finding::ReadOnly, other: None, note });
        }
        let offset = address - allocation.about.address;
        allocation.chunk(offset).ok_or_else(|| self.out_of_bounds(address, bytes))
    }
}

impl View {
    /// The memory as it is, for one worker of a launch. `launch` numbers launches (see [`Memory::begin_launch`]), so that
    /// accesses of earlier ones are ordered before all of this one.
    pub fn new(memory: &Memory, launch: u32, checks: Checks) -> Self {
        View { troubles: Vec::new(), snapshot: memory.snapshot(launch), checks, cache: [0; CACHE] }
    }

    /// The access, if it can be made; else what is wrong goes to `troubles`.
    #[inline]
    fn access(
        &mut self,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
        intent: Intent,
    ) -> Option<(Access<'_>, &mut Vec<Trouble>)> {
        match self.snapshot.locate(&mut self.cache, actor.pc, address, bytes, intent) {
            Ok((chunk, offset)) => {
                let (checks, tag) = (self.checks, self.snapshot.tag);
                let access = Access { chunk, offset, bytes, actor, strength, checks, tag, address, shared: false };
                Some((access, &mut self.troubles))
            }
            Err(trouble) => {
                self.troubles.push(trouble);
                None
            }
        }
    }

    /// Reads `bytes` (1, 2, 4 or 8) at an aligned address. `None` if that cannot be done; what is wrong is in `troubles`, and it may
    /// be there for reads that can be done too (a race, bytes that nobody wrote).
    #[inline]
    pub fn load(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
    ) -> Option<u64> {
        let wide = self.wide_lock(bytes, strength);
        let _held = lock(wide.as_deref(), address);
        let (access, troubles) = self.access(actor, address, bytes, strength, Intent::Read)?;
        access.load(order, troubles)
    }

    /// Reads as [`load`](Self::load) does, through the cache that sees no writes of the running launch (`ld.global.nc`): bytes
    /// that were written in this launch are a race, whatever orders the two.
    pub fn load_non_coherent(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: u32) -> Option<u64> {
        let (access, troubles) = self.access(actor, address, bytes, Strength::WEAK, Intent::Read)?;
        let before = troubles.len();
        let written = access.written_in_this_launch(order);
        let value = access.load(order, troubles);
        if troubles.len() == before {
            troubles.extend(written);
        }
        value
    }

    /// Writes the low `bytes` of a value.
    #[inline]
    pub fn store(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        value: u64,
        strength: Strength,
    ) -> Option<()> {
        let wide = self.wide_lock(bytes, strength);
        let _held = lock(wide.as_deref(), address);
        let (access, troubles) = self.access(actor, address, bytes, strength, Intent::Write)?;
        access.store(order, troubles, value)
    }

    /// Replaces a value by a function of it, at once for all workers; returns the old one. A function that answers `None`
    /// leaves it.
    pub fn update(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
        change: &dyn Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        let wide = self.wide_lock(bytes, strength);
        let _held = lock(wide.as_deref(), address);
        let (access, troubles) = self.access(actor, address, bytes, strength, Intent::Write)?;
        access.update(order, troubles, change)
    }

    /// The locks of 64-bit atomics, if this access needs one: its two words must change at once.
    #[inline]
    fn wide_lock(&self, bytes: u32, strength: Strength) -> Option<Arc<[Mutex<()>; WIDE_LOCKS]>> {
        (bytes == 8 && strength.order != Order::Weak).then(|| self.snapshot.wide_atomics.clone())
    }
}

fn lock(locks: Option<&[Mutex<()>; WIDE_LOCKS]>, address: u64) -> Option<MutexGuard<'_, ()>> {
    Some(locks?.get((address / 8) as usize % WIDE_LOCKS)?.lock().unwrap_or_else(PoisonError::into_inner))
}
