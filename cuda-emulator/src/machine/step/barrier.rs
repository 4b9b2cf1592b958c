//! Lanes come to a barrier of the block.

use super::{Exec, Flow};
use crate::Finding;
use crate::alu::WARP;
use crate::lower::{BarrierKind, Op};
use crate::machine::block::{BARRIERS, Barrier};
use crate::machine::warp::Set;

impl Exec<'_, '_> {
    /// Lanes come to a barrier; where it is aligned they wait for the rest of their warp first.
    pub(super) fn barrier(&mut self, aligned: bool, active: u32) -> Flow {
        self.warp.put(active, self.pc);
        let flow = self.stay(active);
        if aligned && active != self.warp.live {
            self.warp.gathering |= active;
            self.settle();
        } else {
            self.arrive(active);
        }
        flow
    }

    /// Lanes that waited for the rest of their warp have it, or it will not come.
    pub(super) fn gathered(&mut self) {
        let lanes = std::mem::take(&mut self.warp.gathering);
        let first = lanes.trailing_zeros() as usize & (WARP - 1);
        let mut apart =
            Set(self.warp.live).filter(|it| lanes >> it & 1 == 0 || self.warp.pc[*it] != self.warp.pc[first]);
        if let Some(other) = apart.next() {
            let (actor, other) = (self.standing(first), self.standing(other));
            let note = "the threads of a warp must come to it together".to_string();
            let finding = Finding::DivergentBarrier;
            self.worker.report(super::Fault { finding, actor, access: None, other: Some(other), note });
        }
        self.arrive(lanes);
    }

    /// Lanes are at their barriers.
    fn arrive(&mut self, lanes: u32) {
        self.site.changed = true;
        let mut rest = lanes;
        while rest != 0 {
            let first = rest.trailing_zeros() as usize & (WARP - 1);
            let here = Set(rest).filter(|it| self.warp.pc[*it] == self.warp.pc[first]);
            let here = here.fold(0, |mask, it| mask | 1 << it);
            rest &= !here;
            let pc = std::mem::replace(&mut self.pc, self.warp.pc[first]);
            self.arrive_here(here);
            self.pc = pc;
        }
    }

    /// Lanes that stand at the same instruction are at its barrier.
    fn arrive_here(&mut self, lanes: u32) {
        let first = lanes.trailing_zeros() as usize & (WARP - 1);
        let op = self.waits_at(first).cloned();
        let Some(Op::Barrier { id, threads, kind, aligned }) = op else { return };
        let ids = self.gather(&id, lanes);
        let counts = threads.map(|it| self.gather(&it, lanes));
        let holds = match &kind {
            BarrierKind::Sync | BarrierKind::Arrive => [0; WARP],
            BarrierKind::Popc { predicate, .. }
            | BarrierKind::And { predicate, .. }
            | BarrierKind::Or { predicate, .. } => self.gather(predicate, lanes),
        };
        if aligned && Set(lanes).any(|it| ids[it] != ids[first]) {
            let note = "the threads of a warp name different barriers".into();
            self.fault(Finding::DivergentBarrier, first, None, None, note);
        }
        for lane in Set(lanes) {
            let id = ids[lane] as u32;
            let count = counts.map(|it| it[lane] as u32);
            let bad_count = count.filter(|it| *it == 0 || it % WARP as u32 != 0);
            if id as usize >= BARRIERS || bad_count.is_some() {
                let note = match bad_count {
                    Some(count) => format!("{count} threads at a barrier; whole warps come to it"),
                    None => format!("barrier {id}; there are {BARRIERS}"),
                };
                self.fault(Finding::Invalid, lane, None, None, note);
                return;
            }
            self.arrive_one(lane, id, count, kind == BarrierKind::Arrive, holds[lane] & 1 != 0);
        }
    }

    fn arrive_one(&mut self, lane: usize, id: u32, count: Option<u32>, passes: bool, holds: bool) {
        let (warp, warps, actor) = (self.warp.index as usize, self.worker.plan.warps as usize, self.actor(lane));
        let Some(barrier) = self.site.barriers.get_mut(id as usize) else { return };
        if barrier.arrived.is_empty() {
            *barrier = Barrier::begin(warps, count, actor);
        }
        let trouble = if barrier.count != count {
            let say = |count: Option<u32>| count.map_or("all".into(), |it| it.to_string());
            Some(format!("it waits for {} threads, another for {}", say(count), say(barrier.count)))
        } else if barrier.arrive(warp, lane, holds) {
            None
        } else {
            Some("the thread comes again before all others have come once".into())
        };
        let first = barrier.first;
        if let (false, Some(waiting)) = (passes, barrier.waiting.get_mut(warp)) {
            *waiting |= 1 << lane;
        }
        if passes {
            self.site.order.arrive(id, &[self.thread(lane)]);
            self.warp.pc[lane] += 1;
        } else {
            self.warp.blocked |= 1 << lane;
            if let Some(barrier) = self.warp.barrier.get_mut(lane) {
                *barrier = id as u8;
            }
        }
        if let Some(note) = trouble {
            self.fault(Finding::DivergentBarrier, lane, None, Some(first), note);
        }
    }
}
