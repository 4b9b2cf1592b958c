//! Global memory as a worker sees it.

use super::{Actor, BlockOrder, Checks, Memory, Strength, Trouble};

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
