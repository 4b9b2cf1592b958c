//! A grid to play kernels on by hand: each call is one thread's access, and the test says in which order they come.

use std::sync::Arc;

use crate::Finding;
use crate::lower::{Order, Scope};
use crate::memory::{Actor, BlockOrder, Checks, LaunchOrder, Memory, SHARED_BASE, Shared, Strength, Trouble, View};

/// Strong and of device scope, as an atomic without further words.
pub(super) const RELAXED: Strength = Strength { order: Order::Relaxed, scope: Scope::Device };
/// Strong and of block scope.
pub(super) const BLOCK: Strength = Strength { order: Order::Relaxed, scope: Scope::Block };
pub(super) const ACQUIRE: Strength = Strength { order: Order::Acquire, scope: Scope::Device };
pub(super) const RELEASE: Strength = Strength { order: Order::Release, scope: Scope::Device };
pub(super) const WEAK: Strength = Strength::WEAK;

/// Words of global memory, all written by the host.
pub(super) const GLOBAL_WORDS: u64 = 4096;

pub(super) struct Grid {
    pub(super) blocks: Vec<(BlockOrder, Shared)>,
    pub(super) threads: u32,
    pub(super) view: View,
    pub(super) base: u64,
    /// The instruction of the next access; tests that do not care leave it.
    pub(super) pc: u32,
    /// Bytes of the next accesses.
    pub(super) bytes: u32,
}

/// A thread: its block and its index in it.
pub(super) type Thread = (u32, u32);

impl Grid {
    pub(super) fn new(blocks: u32, threads: u32) -> Grid {
        Grid::with(blocks, threads, Checks::default())
    }

    pub(super) fn with(blocks: u32, threads: u32, checks: Checks) -> Grid {
        let memory = Memory::new(1 << 30);
        let base = memory.allocate(GLOBAL_WORDS * 4).unwrap();
        memory.fill(base, 0, 4, GLOBAL_WORDS).unwrap();
        let launch = Arc::new(LaunchOrder::default());
        let block = |index| (BlockOrder::new(&launch, index, threads), Shared::new(4096, checks));
        let view = View::new(&memory, memory.begin_launch(), checks);
        Grid { blocks: (0..blocks).map(block).collect(), threads, view, base, pc: 0, bytes: 4 }
    }

    fn actor(&self, (block, thread): Thread) -> Actor {
        Actor { block, thread, pc: self.pc }
    }

    /// Reads a global word (or what `bytes` says, at an index of that size).
    pub(super) fn load(&mut self, by: Thread, index: u64, strength: Strength) -> u64 {
        let (actor, address) = (self.actor(by), self.base + index * u64::from(self.bytes));
        let order = &mut self.blocks[by.0 as usize].0;
        self.view.load(order, actor, address, self.bytes, strength).unwrap()
    }

    pub(super) fn store(&mut self, by: Thread, index: u64, value: u64, strength: Strength) {
        let (actor, address) = (self.actor(by), self.base + index * u64::from(self.bytes));
        let order = &mut self.blocks[by.0 as usize].0;
        self.view.store(order, actor, address, self.bytes, value, strength).unwrap();
    }

    pub(super) fn add(&mut self, by: Thread, index: u64, value: u64, strength: Strength) -> u64 {
        let (actor, address) = (self.actor(by), self.base + index * u64::from(self.bytes));
        let order = &mut self.blocks[by.0 as usize].0;
        let change = |old: u64| Some(old.wrapping_add(value));
        self.view.update(order, actor, address, self.bytes, strength, &change).unwrap()
    }

    /// The same in shared memory.
    pub(super) fn shared_load(&mut self, by: Thread, index: u64, strength: Strength) -> u64 {
        let (actor, address) = (self.actor(by), u64::from(SHARED_BASE) + index * u64::from(self.bytes));
        let (order, shared) = &mut self.blocks[by.0 as usize];
        shared.load(order, actor, address, self.bytes, strength).unwrap()
    }

    pub(super) fn shared_store(&mut self, by: Thread, index: u64, value: u64, strength: Strength) {
        let (actor, address) = (self.actor(by), u64::from(SHARED_BASE) + index * u64::from(self.bytes));
        let (order, shared) = &mut self.blocks[by.0 as usize];
        shared.store(order, actor, address, self.bytes, value, strength).unwrap();
    }

    pub(super) fn shared_add(&mut self, by: Thread, index: u64, value: u64, strength: Strength) -> u64 {
        let (actor, address) = (self.actor(by), u64::from(SHARED_BASE) + index * u64::from(self.bytes));
        let (order, shared) = &mut self.blocks[by.0 as usize];
        let change = |old: u64| Some(old.wrapping_add(value));
        shared.update(order, actor, address, self.bytes, strength, &change).unwrap()
    }

    /// `__syncthreads()`.
    pub(super) fn sync(&mut self, block: u32) {
        let threads: Vec<u32> = (0..self.threads).collect();
        self.blocks[block as usize].0.barrier(&threads, true);
    }

    /// A barrier of some threads, as `bar.sync 1, n`.
    pub(super) fn sync_some(&mut self, block: u32, threads: impl IntoIterator<Item = u32>) {
        self.blocks[block as usize].0.barrier(&threads.into_iter().collect::<Vec<_>>(), false);
    }

    /// `__syncwarp(mask)`.
    pub(super) fn sync_warp(&mut self, block: u32, warp: u32, lanes: u32) {
        self.blocks[block as usize].0.warp_barrier(warp, lanes);
    }

    /// `__threadfence()`, or with block scope `__threadfence_block()`.
    pub(super) fn fence(&mut self, by: Thread, scope: Scope) {
        let actor = self.actor(by);
        self.blocks[by.0 as usize].0.fence(actor, Order::Sequential, scope);
    }

    /// What was found since the last call.
    pub(super) fn found(&mut self) -> Vec<Trouble> {
        let mut found = std::mem::take(&mut self.view.troubles);
        self.blocks.iter_mut().for_each(|it| found.append(&mut it.1.troubles));
        found
    }

    /// Whether a race was found since the last call, and nothing else.
    pub(super) fn races(&mut self) -> bool {
        let found = self.found();
        assert!(found.iter().all(|it| it.finding == Finding::Race), "{found:?}");
        !found.is_empty()
    }
}
