//! Instructions of a whole warp: lanes wait until all living members of their mask have come.

use super::matrix::Product;
use super::{Exec, Flow, bits};
use crate::Finding;
use crate::alu::{Lanes, WARP};
use crate::lower::{MatchKind, Op, ReduxOp, ShuffleKind, Source, VoteKind};
use crate::machine::plan::Kind;
use crate::machine::warp::Set;

/// The mask operand of an instruction of a whole warp.
fn members(op: &Op) -> Option<&Source> {
    match op {
        Op::Shuffle { sources: [_, _, _, members], .. } => Some(members),
        Op::Vote { members, .. }
        | Op::Match { members, .. }
        | Op::Redux { members, .. }
        | Op::Elect { members, .. }
        | Op::WarpBarrier { members } => Some(members),
        Op::LoadMatrix { .. } | Op::Mma { .. } => Some(&Source::Constant(u32::MAX as u64)),
        _ => None,
    }
}

impl Exec<'_, '_> {
    /// Lanes come to an instruction of a whole warp.
    pub(super) fn meet(&mut self, op: &Op, active: u32) -> Flow {
        let Some(members) = members(op) else { return Flow::Next };
        let named = self.read(members);
        let (live, first) = (self.warp.live, active.trailing_zeros() as usize & (WARP - 1));
        let mask = named[first] as u32;
        if mask & live == active && Set(active).all(|lane| named[lane] as u32 == mask) {
            self.together(op, active);
            return self.proceed();
        }
        for lane in Set(active) {
            let mut mask = named[lane] as u32;
            if mask >> lane & 1 == 0 {
                let note = format!("its mask {mask:#010x} does not name lane {lane}, which runs it");
                self.fault(Finding::BadMask, lane, None, None, note);
                mask |= 1 << lane;
            }
            self.warp.members[lane] = mask;
        }
        self.warp.meeting |= active;
        self.warp.put(active, self.pc);
        self.stay(active);
        self.settle();
        Flow::Apart
    }

    /// The instruction that a lane waits at.
    pub(super) fn waits_at(&self, lane: usize) -> Option<&Op> {
        match self.worker.plan.steps.get(*self.warp.pc.get(lane)? as usize)?.kind {
            Kind::Other(op) => Some(op),
            _ => None,
        }
    }

    /// Whether two meeting lanes wait for each other at the same instruction. Barriers of a warp may be different ones.
    fn same_meeting(&self, a: usize, b: usize) -> bool {
        let barrier = |lane| matches!(self.waits_at(lane), Some(Op::WarpBarrier { .. }));
        self.warp.members[a] == self.warp.members[b] && (self.warp.pc[a] == self.warp.pc[b] || barrier(a) && barrier(b))
    }

    /// Lets those go on who have waited for others of their warp and now need not.
    pub(super) fn settle(&mut self) {
        loop {
            let meeting = self.warp.meeting;
            let complete = Set(meeting).find_map(|lane| {
                let need = self.warp.members[lane] & self.warp.live;
                (need & !meeting == 0 && Set(need).all(|it| self.same_meeting(lane, it))).then_some(need)
            });
            let Some(lanes) = complete else { break };
            self.release(lanes);
        }
        if self.warp.gathering != 0 && self.warp.gathering == self.warp.live {
            self.gathered();
        }
    }

    /// Runs the instruction that these lanes wait at, and lets them go on.
    fn release(&mut self, lanes: u32) {
        let first = lanes.trailing_zeros() as usize & (WARP - 1);
        let pc = std::mem::replace(&mut self.pc, self.warp.pc[first]);
        if let Some(Kind::Other(op)) = self.worker.plan.steps.get(self.pc as usize).map(|it| it.kind) {
            self.together(op, lanes);
        }
        self.pc = pc;
        self.warp.meeting &= !lanes;
        Set(lanes).for_each(|lane| self.warp.pc[lane] += 1);
    }

    /// No lane of the warp can go on, and nobody outside of it can help (or nobody will). Says why and lets some go on, as
    /// hardware would. Answers whether there was any.
    pub(in crate::machine) fn unstick(&mut self) -> bool {
        if self.warp.gathering != 0 {
            self.gathered();
            return true;
        }
        let Some(lane) = Set(self.warp.meeting).next() else { return false };
        let mask = self.warp.members[lane];
        let here = Set(self.warp.meeting & mask).filter(|it| self.same_meeting(lane, *it));
        let here = here.fold(0, |mask, it| mask | 1 << it) | 1 << lane;
        let missing = Set(mask & self.warp.live & !here).next();
        let note = match missing {
            Some(other) if self.warp.meeting >> other & 1 != 0 && self.warp.pc[other] == self.warp.pc[lane] => {
                let others = self.warp.members[other];
                format!("lane {lane} names {mask:#010x}, lane {other} names {others:#010x}")
            }
            Some(other) => format!("its mask {mask:#010x} names lane {other}, which waits elsewhere"),
            None => format!("its mask is {mask:#010x}"),
        };
        let other = missing.map(|it| self.standing(it));
        let pc = std::mem::replace(&mut self.pc, self.warp.pc[lane]);
        self.fault(Finding::BadMask, lane, None, other, note);
        self.pc = pc;
        self.release(here);
        self.settle();
        true
    }

    /// The instruction itself, for all lanes that have come.
    fn together(&mut self, op: &Op, lanes: u32) {
        match op {
            Op::Shuffle { kind, sources: [value, lane, clamp, _], target, valid } => {
                let value = self.gather(value, lanes);
                let controls = [self.gather(lane, lanes), self.gather(clamp, lanes)];
                let (result, reached) = self.shuffle(*kind, &value, controls, lanes);
                self.scatter(*target, &result, lanes);
                self.write_bits(*valid, reached, lanes);
            }
            Op::Vote { kind, predicate, target, .. } => {
                let holds = bits(&self.gather(predicate, lanes)) & lanes;
                let value = match kind {
                    VoteKind::All => u64::from(holds == lanes),
                    VoteKind::Any => u64::from(holds != 0),
                    VoteKind::Uniform => u64::from(holds == lanes || holds == 0),
                    VoteKind::Ballot => u64::from(holds),
                };
                self.scatter(*target, &[value; WARP], lanes);
            }
            Op::Match { kind, value, target, valid, .. } => {
                let value = self.gather(value, lanes);
                let equal =
                    |lane: usize| Set(lanes).filter(|it| value[*it] == value[lane]).fold(0, |all, it| all | 1u32 << it);
                let mut result = [0; WARP];
                let mut all = 0;
                for lane in Set(lanes) {
                    let mask = equal(lane);
                    all |= u32::from(mask == lanes) << lane;
                    result[lane] = match kind {
                        MatchKind::All if mask != lanes => 0,
                        _ => u64::from(mask),
                    };
                }
                self.scatter(*target, &result, lanes);
                self.write_bits(*valid, all, lanes);
            }
            Op::Redux { op, value, target, .. } => {
                let value = self.gather(value, lanes);
                let reduced = Set(lanes).map(|it| value[it] as u32).reduce(|a, b| reduced(*op, a, b)).unwrap_or(0);
                self.scatter(*target, &[u64::from(reduced); WARP], lanes);
            }
            Op::Elect { target, leader, .. } => {
                let first = lanes.trailing_zeros();
                self.scatter(*target, &[u64::from(first); WARP], lanes);
                self.write_bits(*leader, lanes & lanes.wrapping_neg(), lanes);
            }
            Op::LoadMatrix { address, targets, transpose } => self.load_matrix(address, targets, *transpose, lanes),
            Op::Mma { ty, k, a, b, c, d } => self.multiply(&Product { ty: *ty, k: *k, a, b, c, d }, lanes),
            Op::WarpBarrier { .. } => self.site.order.warp_barrier(self.warp.index, lanes),
            _ => {}
        }
    }

    /// Values from other lanes, and the lanes whose source was in range.
    fn shuffle(&mut self, kind: ShuffleKind, value: &Lanes, [by, clamp]: [Lanes; 2], lanes: u32) -> (Lanes, u32) {
        let mut result = [0; WARP];
        let mut reached = 0;
        for lane in Set(lanes) {
            let (by, control) = (by[lane] as u32 & 31, clamp[lane] as u32);
            let (source, in_range) = source_lane(kind, lane as u32, by, control);
            reached |= u32::from(in_range) << lane;
            if lanes >> source & 1 == 0 {
                let note = format!("lane {lane} reads lane {source}, which does not take part: the value is undefined");
                self.fault(Finding::BadMask, lane, None, None, note);
            } else {
                result[lane] = value[source as usize & (WARP - 1)];
            }
        }
        (result, reached)
    }
}

/// The lane that a shuffle reads, and whether it was in range (else it is the lane itself).
fn source_lane(kind: ShuffleKind, lane: u32, by: u32, control: u32) -> (u32, bool) {
    let (clamp, segment) = (control & 31, control >> 8 & 31);
    let most = lane & segment | clamp & !segment;
    let (source, in_range) = match kind {
        ShuffleKind::Up => (lane.wrapping_sub(by), lane as i32 - by as i32 >= most as i32),
        ShuffleKind::Down => (lane + by, lane + by <= most),
        ShuffleKind::Butterfly => (lane ^ by, lane ^ by <= most),
        ShuffleKind::Index => {
            let source = lane & segment | by & !segment;
            (source, source <= most)
        }
    };
    if in_range { (source & 31, true) } else { (lane, false) }
}

fn reduced(op: ReduxOp, a: u32, b: u32) -> u32 {
    match op {
        ReduxOp::AddU32 => a.wrapping_add(b),
        ReduxOp::MinU32 => a.min(b),
        ReduxOp::MaxU32 => a.max(b),
        ReduxOp::MinS32 => (a as i32).min(b as i32) as u32,
        ReduxOp::MaxS32 => (a as i32).max(b as i32) as u32,
        ReduxOp::And => a & b,
        ReduxOp::Or => a | b,
        ReduxOp::Xor => a ^ b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_stay_in_their_segment() {
        // Widths as CUDA makes them: the segment mask is (32 - width) << 8, the clamp 31, or 0 for up.
        let control = |width: u32, clamp: u32| (32 - width) << 8 | clamp;
        let down = |lane, by, width| source_lane(ShuffleKind::Down, lane, by, control(width, 31));
        assert_eq!(down(3, 4, 32), (7, true));
        assert_eq!(down(30, 4, 32), (30, false));
        assert_eq!(down(6, 2, 8), (6, false));
        assert_eq!(down(9, 2, 8), (11, true));
        let up = |lane, by, width| source_lane(ShuffleKind::Up, lane, by, control(width, 0));
        assert_eq!(up(3, 4, 32), (3, false));
        assert_eq!(up(9, 1, 8), (8, true));
        assert_eq!(up(8, 1, 8), (8, false));
        let xor = |lane, by, width| source_lane(ShuffleKind::Butterfly, lane, by, control(width, 31));
        assert_eq!(xor(5, 16, 32), (21, true));
        assert_eq!(xor(5, 8, 8), (5, false));
        let index = |lane, by, width| source_lane(ShuffleKind::Index, lane, by, control(width, 31));
        assert_eq!(index(13, 1, 8), (9, true));
        assert_eq!(index(13, 9, 8), (9, true));
        // A clamp below the segment's end: lanes past it read themselves.
        assert_eq!(source_lane(ShuffleKind::Index, 2, 9, 5), (2, false));
    }
}
