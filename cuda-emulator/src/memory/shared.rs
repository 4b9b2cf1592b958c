//! Shared memory of a block.

use super::{Actor, BlockOrder, Checks, Strength, Trouble};

/// Shared memory of one block, addresses from [`SHARED_BASE`](super::SHARED_BASE) on.
#[derive(Debug)]
pub struct Shared {
    /// As in [`View`](super::View).
    pub troubles: Vec<Trouble>,
}

impl Shared {
    /// So many bytes that nobody has written.
    pub fn new(bytes: u32, checks: Checks) -> Self {
        let _ = (bytes, checks);
        Shared { troubles: Vec::new() }
    }

    /// As [`View::load`](super::View::load).
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

    /// As [`View::store`](super::View::store).
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

    /// As [`View::update`](super::View::update).
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

    /// An asynchronous copy to these bytes is under way: until it lands, whoever touches them races with it.
    pub fn begin_copy(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: u32) -> Option<()> {
        let _ = (order, actor, address, bytes);
        None
    }

    /// The copy lands: the bytes are there, written by `actor` as of now.
    pub fn land_copy(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: &[u8]) {
        let _ = (order, actor, address, bytes);
    }
}
