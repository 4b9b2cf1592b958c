//! Global memory.

use super::{Actor, BlockOrder, Checks, Strength, Trouble};

/// Memory of one device: allocations, freed ones, and the limit.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub asked: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// What one address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Where it begins.
    pub address: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it is the host's, page-locked.
    pub host: bool,
}

impl Memory {
    /// An empty memory of so many bytes.
    pub fn new(limit: u64) -> Self {
        Memory { limit }
    }

    /// Bytes in all.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

/// What one worker sees of a device's memory during a launch: the allocations as they were at its start.
#[derive(Debug)]
pub struct View {
    /// What it met: at most one entry an access, none for most.
    pub troubles: Vec<Trouble>,
}

impl View {
    /// The memory as it is, for one worker of a launch. `launch` numbers launches, so that accesses of earlier ones are ordered
    /// before all of this one.
    pub fn new(memory: &Memory, launch: u32, checks: Checks) -> Self {
        let _ = (memory, launch, checks);
        View { troubles: Vec::new() }
    }

    /// Reads `bytes` (1, 2, 4 or 8) at an aligned address. `None` if that cannot be done; what is wrong is in `troubles`, and it may
    /// be there for reads that can be done too (a race, bytes that nobody wrote).
    pub fn load(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
    ) -> Option<u64> {
        let _ = (order, actor, address, bytes, strength);
        None
    }

    /// Writes the low `bytes` of a value.
    pub fn store(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        value: u64,
        strength: Strength,
    ) -> Option<()> {
        let _ = (order, actor, address, bytes, value, strength);
        None
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
        let _ = (order, actor, address, bytes, strength, change);
        None
    }
}
