//! Workers: each keeps some blocks running and picks whose turn it is.

use std::collections::HashSet;
use std::sync::Arc;

use super::Counters;
use super::block::{Block, where_they_are};
use super::counters::Tally;
use super::plan::Plan;
use super::random::Random;
use super::record::{Fault, Record};
use super::warp::Warp;
use crate::Finding;
use crate::alu::{Lanes, WARP};
use crate::memory::{Actor, LaunchOrder, Memory, View};

/// Blocks that a worker keeps running.
const RESIDENT: usize = 4;
/// Warp instructions without the end of a block after which a worker starts another one: those that run may wait for it.
const PATIENCE: u64 = 1 << 18;
/// For how many instructions one counts there that may be part of a loop that waits.
const WAIT: u64 = 64;
/// Bytes of registers that the blocks of a worker may take before no more than one is started.
const REGISTER_BYTES: usize = 512 << 20;
/// The longest turn of a warp, in the effort of instructions.
const MOST_TURN: u32 = 192;

/// A worker's own part of a launch.
#[derive(Debug)]
pub(super) struct Worker<'p> {
    pub(super) plan: &'p Plan<'p>,
    pub(super) record: &'p Record,
    pub(super) view: View,
    pub(super) order: Arc<LaunchOrder>,
    pub(super) counters: Tally,
    /// What tells that somebody waits for another block: atomics, strong loads, sleeps.
    pub(super) waits: u64,
    random: Random,
    /// Findings that were reported, so that others like them cost little.
    seen: HashSet<(Finding, u32)>,
}

impl<'p> Worker<'p> {
    pub(super) fn new(
        plan: &'p Plan<'p>,
        record: &'p Record,
        memory: &Memory,
        order: &Arc<LaunchOrder>,
        index: usize,
    ) -> Self {
        Worker {
            plan,
            record,
            view: View::new(memory, plan.number, plan.settings.checks),
            order: order.clone(),
            counters: Tally::default(),
            waits: 0,
            random: Random::new(plan.settings.seed, [index as u64, 0x5eed]),
            seen: HashSet::new(),
        }
    }

    /// Reports something, unless it was reported.
    #[cold]
    pub(super) fn report(&mut self, fault: Fault) {
        if self.seen.insert((fault.finding, fault.actor.pc)) {
            self.record.report(self.plan, fault);
        }
    }

    /// Runs blocks until there are no more.
    pub(super) fn run(mut self, workers: usize, index: usize) -> Counters {
        let plan = self.plan;
        let mut queue =
            Queue { cooperative: plan.launch.cooperative, next: index as u64, step: workers as u64, done: false };
        let mut blocks: Vec<Block> = Vec::new();
        let mut spare: Option<Block> = None;
        let mut wanted = if plan.launch.cooperative { usize::MAX } else { RESIDENT };
        let (mut since, mut told) = (0u64, 0u64);
        while !self.record.stopped() {
            while blocks.len() < wanted && !queue.done && (blocks.is_empty() || self.room(&blocks)) {
                let Some(linear) = queue.next(plan, self.record) else { break };
                blocks.push(Block::new(plan, &self, linear, spare.take()));
            }
            if blocks.is_empty() {
                break;
            }
            let at = self.random.below(blocks.len() as u32) as usize;
            let Some(block) = blocks.get_mut(at) else { break };
            let before = self.counters.all.warp_instructions;
            for _ in 0..=self.random.below(8) {
                let start = self.random.below(block.warps.len() as u32) as usize;
                match block.runnable(start) {
                    Some(warp) => {
                        let turn = 1 + self.random.below(MOST_TURN);
                        block.turn(&mut self, warp, turn);
                    }
                    None => break,
                }
            }
            if block.ended() {
                spare = Some(blocks.swap_remove(at));
                (since, wanted) = (0, if plan.launch.cooperative { usize::MAX } else { RESIDENT });
            } else if block.runnable(0).is_none() && !block.unstick(&mut self) {
                break;
            }
            let spent = self.counters.all.warp_instructions - before;
            let waits = std::mem::take(&mut self.waits);
            since += spent + WAIT * waits;
            if waits > 0 && workers > 1 {
                // What is waited for may be a block of a worker that has no processor now.
                std::thread::yield_now();
            }
            told += spent;
            if since > PATIENCE {
                // Whoever runs may wait for a block that has not begun.
                (since, wanted) = (0, wanted.saturating_add(1));
            }
            if told > 1 << 12 {
                if self.record.spend(told) > plan.settings.instruction_limit {
                    self.endless(&blocks);
                }
                told = 0;
            }
        }
        self.counters.all
    }

    /// Whether another block's registers fit.
    fn room(&self, blocks: &[Block]) -> bool {
        let block = self.plan.warps as usize * self.plan.kernel.registers as usize * size_of::<Lanes>();
        self.plan.launch.cooperative || (blocks.len() + 1).saturating_mul(block) <= REGISTER_BYTES
    }

    /// The launch takes too long: says where everybody is.
    fn endless(&mut self, blocks: &[Block]) {
        let warps = blocks.iter().flat_map(|block| block.warps.iter().map(move |warp| (block, warp)));
        let at = |block: &Block, warp: &Warp, lanes: u32| {
            let lane = lanes.trailing_zeros() as usize & (WARP - 1);
            let thread = warp.index * WARP as u32 + lane as u32;
            Actor { block: block.site.block as u32, thread, pc: warp.pc[lane] }
        };
        // First those that run: the others wait, perhaps for these.
        let running =
            warps.clone().filter(|(_, warp)| warp.ready() != 0).map(|(block, warp)| at(block, warp, warp.ready()));
        let waiting = warps.filter(|(_, warp)| warp.ready() == 0 && !warp.ended());
        let actors = running.chain(waiting.map(|(block, warp)| at(block, warp, warp.live)));
        let limit = self.plan.settings.instruction_limit;
        let note = format!("more than {limit} warp instructions; {}", where_they_are(self.plan, actors.clone()));
        if let Some(actor) = actors.clone().next() {
            self.report(Fault { finding: Finding::Endless, actor, access: None, other: None, note });
        }
    }
}

/// Where a worker's next block comes from: the next that nobody has begun, or, where all of them run at once, its share.
#[derive(Debug)]
struct Queue {
    cooperative: bool,
    next: u64,
    step: u64,
    done: bool,
}

impl Queue {
    fn next(&mut self, plan: &Plan<'_>, record: &Record) -> Option<u64> {
        let next = if self.cooperative {
            let next = self.next;
            self.next = next.saturating_add(self.step);
            next
        } else {
            record.next_block()
        };
        self.done = next >= plan.blocks;
        (!self.done).then_some(next)
    }
}
