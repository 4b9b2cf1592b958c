//! Global memory as a worker sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::{Access, well_formed, wrong_form};
use super::chunk::Chunk;
use super::device::{Snapshot, WIDE_LOCKS};
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

impl Snapshot {
    /// The stretch that holds these bytes, if the cache knows the allocation.
    #[inline(always)]
    fn hit(&self, at: u32, address: u64, bytes: u32, write: bool) -> Option<(&Chunk, usize)> {
        let allocation = self.live.get(at as usize)?;
        let offset = address.wrapping_sub(allocation.about.address);
        let fits = offset < allocation.about.bytes && u64::from(bytes) <= allocation.about.bytes - offset;
        if fits && well_formed(address, bytes) && !(write && allocation.about.read_only) {
            return allocation.chunk(offset);
        }
        None
    }

    /// The place in the list of the allocation that holds these bytes, or why there is none that may be used.
    #[cold]
    fn find(&self, address: u64, bytes: u32, write: bool) -> Result<u32, Trouble> {
        if !well_formed(address, bytes) {
            return Err(wrong_form(address, bytes));
        }
        let at = self.live.partition_point(|it| it.about.address <= address).wrapping_sub(1);
        let found = self.live.get(at).map(|it| it.about);
        let end = address.saturating_add(u64::from(bytes) - 1);
        let about = found.filter(|it| it.holds(end)).ok_or_else(|| self.out_of_bounds(address, bytes))?;
        if write && about.read_only {
            let note = format!("kernels may only read {}", about.describe());
            return Err(Trouble { finding: Finding::ReadOnly, other: None, note });
        }
        Ok(at as u32)
    }
}

impl View {
    /// The memory as it is, for one worker of a launch. `launch` numbers launches (see [`Memory::begin_launch`]), so that
    /// accesses of earlier ones are ordered before all of this one.
    pub fn new(memory: &Memory, launch: u32, checks: Checks) -> Self {
        View { troubles: Vec::new(), snapshot: memory.snapshot(launch), checks, cache: [0; CACHE] }
    }

    /// The access, if it can be made; else what is wrong goes to `troubles`.
    #[inline(always)]
    fn access(
        &mut self,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
        write: bool,
    ) -> Option<(Access<'_>, &mut Vec<Trouble>)> {
        let slot = &mut self.cache[actor.pc as usize % CACHE];
        let (chunk, offset) = match self.snapshot.hit(*slot, address, bytes, write) {
            Some(it) => it,
            None => {
                match self.snapshot.find(address, bytes, write) {
                    Ok(at) => *slot = at,
                    Err(trouble) => {
                        self.troubles.push(trouble);
                        return None;
                    }
                }
                self.snapshot.hit(*slot, address, bytes, write)?
            }
        };
        let (checks, tag) = (self.checks, self.snapshot.tag);
        let access = Access { chunk, offset, bytes, actor, strength, checks, tag, address, shared: false };
        Some((access, &mut self.troubles))
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
        let (access, troubles) = self.access(actor, address, bytes, strength, false)?;
        access.load(order, troubles)
    }

    /// Reads as [`load`](Self::load) does, through the cache that sees no writes of the running launch (`ld.global.nc`): bytes
    /// that were written in this launch are a race, whatever orders the two.
    pub fn load_non_coherent(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: u32) -> Option<u64> {
        let (access, troubles) = self.access(actor, address, bytes, Strength::WEAK, false)?;
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
        let (access, troubles) = self.access(actor, address, bytes, strength, true)?;
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
        let (access, troubles) = self.access(actor, address, bytes, strength, true)?;
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
