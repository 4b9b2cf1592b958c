//! A block that runs: its warps, its shared memory, its barriers.

use super::plan::Plan;
use super::random::Random;
use super::record::Fault;
use super::schedule::Worker;
use super::step::Exec;
use super::warp::{Set, Warp};
use crate::Finding;
use crate::alu::{Lanes, WARP};
use crate::lower::{BarrierKind, Op};
use crate::memory::{Actor, BlockOrder, Shared};

/// Barriers that a block has.
pub(super) const BARRIERS: usize = 16;

/// What the warps of a block have in common.
#[derive(Debug)]
pub(super) struct Site {
    /// Its linear index in the grid.
    pub(super) block: u64,
    pub(super) shared: Shared,
    pub(super) order: BlockOrder,
    pub(super) barriers: [Barrier; BARRIERS],
    /// Warp instructions that it has run.
    pub(super) clock: u64,
    /// Threads have ended or come to a barrier since others were last let through.
    pub(super) changed: bool,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) site: Site,
    pub(super) warps: Vec<Warp>,
}

/// A barrier of a block: who has come, by warps.
#[derive(Clone, Debug, Default)]
pub(super) struct Barrier {
    /// Lanes that have come. Empty while nobody has.
    pub(super) arrived: Vec<u32>,
    /// Lanes that wait.
    pub(super) waiting: Vec<u32>,
    /// How many threads it is for; `None`: all.
    pub(super) count: Option<u32>,
    /// Who came first.
    pub(super) first: Actor,
    /// Arrivals beyond the first of a thread.
    again: u32,
    /// Threads whose predicate holds, and does not.
    holds: u32,
    fails: u32,
}

impl Barrier {
    /// A barrier that its first thread comes to.
    pub(super) fn begin(warps: usize, count: Option<u32>, first: Actor) -> Self {
        Barrier { arrived: vec![0; warps], waiting: vec![0; warps], count, first, ..Barrier::default() }
    }

    /// A lane comes; answers whether for the first time.
    pub(super) fn arrive(&mut self, warp: usize, lane: usize, holds: bool) -> bool {
        *(if holds { &mut self.holds } else { &mut self.fails }) += 1;
        let Some(arrived) = self.arrived.get_mut(warp) else { return false };
        let new = *arrived >> lane & 1 == 0;
        *arrived |= 1 << lane;
        self.again += u32::from(!new);
        new
    }

    /// Whether everybody has come. Those who have ended do not come any more; a warp that has come as a whole counts as 32.
    fn complete(&self, warps: &[Warp]) -> bool {
        let mut pairs = self.arrived.iter().zip(warps);
        match self.count {
            None => self.waiting.iter().any(|it| *it != 0) && pairs.all(|(arrived, warp)| warp.live & !arrived == 0),
            Some(count) => {
                let each = |(arrived, warp): (&u32, &Warp)| match arrived {
                    0 => 0,
                    arrived if warp.live & !arrived == 0 => WARP as u32,
                    arrived => arrived.count_ones(),
                };
                !self.arrived.is_empty() && pairs.map(each).sum::<u32>() + self.again >= count
            }
        }
    }
}

impl Block {
    /// A block at its begin, with the memory of one that has ended if there is any.
    pub(super) fn new(plan: &Plan<'_>, worker: &Worker<'_>, linear: u64, spare: Option<Block>) -> Self {
        let settings = plan.settings;
        let order = BlockOrder::new(&worker.order, linear as u32, plan.threads);
        let (shared, mut registers) = match spare {
            Some(Block { mut site, warps }) => {
                site.shared.restart();
                (site.shared, warps.into_iter().map(|it| it.registers).collect())
            }
            None => (Shared::new(plan.shared_bytes, settings.checks), Vec::new()),
        };
        let site = Site {
            block: linear,
            shared,
            order,
            barriers: std::array::from_fn(|_| Barrier::default()),
            clock: 0,
            changed: false,
        };
        let warp = |index: u32| {
            let mut registers: Vec<Lanes> = registers.pop().unwrap_or_default();
            registers.clear();
            registers.resize(plan.kernel.registers as usize, [0; WARP]);
            let random = Random::new(settings.seed, [linear, u64::from(index) + 1]);
            let lanes = plan.threads - index * WARP as u32;
            Warp::new(index, lanes, registers, plan.kernel.entry, plan.kernel.frame_bytes, random)
        };
        Block { site, warps: (0..plan.warps).map(warp).collect() }
    }

    /// Whether all threads have ended.
    pub(super) fn ended(&self) -> bool {
        self.warps.iter().all(Warp::ended)
    }

    /// A warp that can go on, the first from `start` on.
    pub(super) fn runnable(&self, start: usize) -> Option<usize> {
        let ready = |at: &usize| self.warps.get(*at).is_some_and(|it| it.ready() != 0);
        (start..self.warps.len()).chain(0..start).find(ready)
    }

    /// Runs a warp for a turn, and lets those through whose barrier is complete then.
    pub(super) fn turn(&mut self, worker: &mut Worker<'_>, warp: usize, turn: u32) {
        let Some(warp) = self.warps.get_mut(warp) else { return };
        let mut exec = Exec::new(worker, &mut self.site, warp);
        exec.run(turn);
        // Lanes that wait at a barrier of the block may be let through by other warps; nobody else can help.
        if exec.warp.live != 0 && exec.warp.ready() == 0 && exec.warp.blocked == 0 {
            exec.unstick();
        }
        if self.site.changed {
            self.settle(worker);
        }
    }

    /// No warp can go on: says why. Answers whether some can now.
    pub(super) fn unstick(&mut self, worker: &mut Worker<'_>) -> bool {
        for warp in &mut self.warps {
            if Exec::new(worker, &mut self.site, warp).unstick() {
                self.settle(worker);
                return true;
            }
        }
        let waiting = self.warps.iter().filter_map(|warp| {
            let lane = Set(warp.live).next()?;
            Some(Actor {
                block: self.site.block as u32,
                thread: warp.index * WARP as u32 + lane as u32,
                pc: warp.pc[lane],
            })
        });
        let note = where_they_are(worker.plan, waiting.clone());
        if let Some(actor) = waiting.clone().next() {
            let other = waiting.clone().find(|it| it.pc != actor.pc);
            worker.report(Fault { finding: Finding::Deadlock, actor, access: None, other, note });
        }
        false
    }

    /// Lets through whoever waits at a complete barrier.
    fn settle(&mut self, worker: &mut Worker<'_>) {
        self.site.changed = false;
        for id in 0..BARRIERS {
            let complete = self.site.barriers.get(id).is_some_and(|it| it.complete(&self.warps));
            if let (true, Some(barrier)) = (complete, self.site.barriers.get_mut(id)) {
                let barrier = std::mem::take(barrier);
                self.pass(worker, id as u32, &barrier);
            }
        }
    }

    fn pass(&mut self, worker: &mut Worker<'_>, id: u32, barrier: &Barrier) {
        let mut threads = Vec::with_capacity(worker.plan.threads as usize);
        let mut missing = None;
        let mut waiting = None;
        for ((warp, arrived), waits) in self.warps.iter_mut().zip(&barrier.arrived).zip(&barrier.waiting) {
            let actor = |lane: usize, warp: &Warp| {
                let thread = warp.index * WARP as u32 + lane as u32;
                Actor { block: self.site.block as u32, thread, pc: warp.pc[lane] }
            };
            threads.extend(Set(*waits).map(|lane| warp.index * WARP as u32 + lane as u32));
            if missing.is_none() {
                missing = Set(warp.exist & !arrived).next().map(|lane| actor(lane, warp));
            }
            if waiting.is_none() {
                waiting = Set(*waits).next().map(|lane| actor(lane, warp));
            }
            warp.blocked &= !waits;
            for lane in Set(*waits) {
                result(worker.plan, warp, lane, barrier);
                warp.pc[lane] += 1;
            }
        }
        self.site.order.complete(id, &threads, barrier.count.is_none());
        if let (None, Some(other), Some(actor)) = (barrier.count, missing, waiting) {
            let [x, y, z] = worker.plan.thread_index(other.thread);
            let at = worker.plan.source(other.pc);
            let note = format!("thread ({x}, {y}, {z}) ended before it, at {at}; all threads of the block must come");
            worker.report(Fault { finding: Finding::DivergentBarrier, actor, access: None, other: None, note });
        }
    }
}

/// Writes what a barrier that reduces has found.
fn result(plan: &Plan<'_>, warp: &mut Warp, lane: usize, barrier: &Barrier) {
    let pc = warp.pc[lane] as usize;
    let op = plan.program.code.instructions.get(pc).map(|it| &it.op);
    let Some(Op::Barrier { kind, .. }) = op else { return };
    let (target, value) = match kind {
        BarrierKind::Sync | BarrierKind::Arrive => return,
        BarrierKind::Popc { target, .. } => (target, u64::from(barrier.holds)),
        BarrierKind::And { target, .. } => (target, u64::from(barrier.fails == 0)),
        BarrierKind::Or { target, .. } => (target, u64::from(barrier.holds != 0)),
    };
    let place = warp.window[lane] as usize + target.register.0 as usize;
    if let Some(register) = warp.registers.get_mut(place) {
        register[lane] = value;
    }
}

/// A few threads and where they stand, for a note.
pub(super) fn where_they_are(plan: &Plan<'_>, actors: impl Iterator<Item = Actor>) -> String {
    let mut places: Vec<(u32, u32, Actor)> = Vec::new();
    for actor in actors {
        match places.iter_mut().find(|it| it.0 == actor.pc) {
            Some(place) => place.1 += 1,
            None => places.push((actor.pc, 1, actor)),
        }
    }
    let each = places.iter().take(4).map(|(_, warps, actor)| {
        let place = plan.place(*actor);
        let ([bx, by, bz], [tx, ty, tz]) = (place.block, place.thread);
        let (name, source) = (place.instruction, place.source);
        let warps = if *warps == 1 { "1 warp is".into() } else { format!("{warps} warps are") };
        format!("{warps} at `{name}`, {source} (block ({bx}, {by}, {bz}), thread ({tx}, {ty}, {tz}))")
    });
    each.collect::<Vec<_>>().join("; ")
}
