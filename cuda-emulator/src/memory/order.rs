//! What happens before what.

use super::Actor;
use crate::lower::{Order, Scope};

/// What the threads of all blocks of a launch have published to each other through atomics and fences.
#[derive(Debug, Default)]
pub struct LaunchOrder {}

/// What the threads of one block know of each other and of other blocks.
#[derive(Debug)]
pub struct BlockOrder {}

impl BlockOrder {
    /// A block at its start: its threads know nothing of each other.
    pub fn new(launch: &std::sync::Arc<LaunchOrder>, block: u32, threads: u32) -> Self {
        let _ = (launch, block, threads);
        BlockOrder {}
    }

    /// A barrier has been passed by these threads. Those that have ended count as passed when `all` holds.
    pub fn barrier(&mut self, threads: &[u32], all: bool) {
        let _ = (threads, all);
    }

    /// A barrier of a warp has been passed by these lanes.
    pub fn warp_barrier(&mut self, warp: u32, lanes: u32) {
        let _ = (warp, lanes);
    }

    /// A thread passes a fence.
    pub fn fence(&mut self, actor: Actor, order: Order, scope: Scope) {
        let _ = (actor, order, scope);
    }
}
