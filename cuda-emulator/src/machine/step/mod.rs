//! What instructions do, for the lanes of a warp that run together.

pub(super) mod access;
pub(super) mod atomic;
pub(super) mod barrier;
pub(super) mod control;
pub(super) mod copy;
pub(super) mod matrix;
pub(super) mod meet;
pub(super) mod system;
pub(super) mod value;

use super::block::Site;
use super::plan::{Kind, Operand, Step, keep};
use super::record::Fault;
use super::schedule::Worker;
use super::warp::{Group, Set, Warp};
use crate::alu::{Lanes, WARP};
use crate::lower::{Guard, Op, Order, Register, Source, Target};
use crate::memory::Actor;
use crate::{Access, Finding};

/// A warp at work: the lanes that run together, and all that they can reach.
pub(super) struct Exec<'a, 'p> {
    pub(super) worker: &'a mut Worker<'p>,
    pub(super) site: &'a mut Site,
    pub(super) warp: &'a mut Warp,
    /// The lanes that run together.
    pub(super) mask: u32,
    pub(super) pc: u32,
    /// Their first register.
    pub(super) window: usize,
}

/// Where the lanes go next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// To the next instruction.
    Next,
    /// All of them to another one.
    Jump(u32),
    /// Each to the place that it has been given; or it waits, or has ended.
    Apart,
    /// To the next instruction, after others have had their turn.
    Yield,
}

impl<'a, 'p> Exec<'a, 'p> {
    pub(super) fn new(worker: &'a mut Worker<'p>, site: &'a mut Site, warp: &'a mut Warp) -> Self {
        Exec { worker, site, warp, mask: 0, pc: 0, window: 0 }
    }
}

impl Exec<'_, '_> {
    /// Runs the warp for a turn.
    pub(super) fn run(&mut self, mut turn: u32) {
        let plan = self.worker.plan;
        while let Some(Group { mask, pc, window, alone, stop }) = self.warp.pick() {
            (self.mask, self.pc, self.window) = (mask, pc, window as usize);
            loop {
                let Some(step) = plan.steps.get(self.pc as usize) else { return self.lost() };
                let active = match step.guard {
                    None => self.mask,
                    Some(guard) => self.mask & self.guarded(guard),
                };
                self.worker.counters.count(step, active);
                self.site.clock += 1;
                let flow = if active == 0 { Flow::Next } else { self.step(step, active) };
                turn = turn.saturating_sub(u32::from(step.effort));
                if !alone {
                    self.warp.tire(u32::from(step.effort));
                }
                match flow {
                    Flow::Next => self.pc += 1,
                    Flow::Jump(target) => {
                        self.pc = target;
                        if !alone {
                            self.warp.put(self.mask, self.pc);
                            if turn == 0 {
                                return;
                            }
                            break;
                        }
                    }
                    Flow::Apart => {
                        if turn == 0 || self.worker.record.stopped() {
                            return;
                        }
                        break;
                    }
                    Flow::Yield => {
                        self.pc += 1;
                        turn = 0;
                    }
                }
                if turn == 0 || self.pc == stop {
                    self.warp.put(self.mask, self.pc);
                    if turn == 0 {
                        return;
                    }
                    break;
                }
            }
        }
    }

    /// There is no instruction here. Preparation has made sure that this does not happen.
    #[cold]
    fn lost(&mut self) {
        let note = "there is no instruction here".into();
        self.fault(Finding::Invalid, self.mask.trailing_zeros() as usize, None, None, note);
        self.warp.live &= !self.mask;
    }

    #[inline]
    fn step(&mut self, step: &Step<'_>, active: u32) -> Flow {
        match step.kind {
            Kind::Alu { compute, sources: [a, b, c, d], target, keep } => {
                let mut result = [0; WARP];
                compute([self.at(a), self.at(b), self.at(c), self.at(d)], &mut result);
                self.write_kept(target, &result, keep, active);
                Flow::Next
            }
            Kind::Move { source, target, keep } => {
                let value = *self.at(source);
                self.write_kept(target, &value, keep, active);
                Flow::Next
            }
            Kind::Branch { target } => self.branch(target, active),
            Kind::Other(op) => self.other(op, active),
            Kind::Absent => {
                self.lost();
                Flow::Apart
            }
        }
    }

    fn other(&mut self, op: &Op, active: u32) -> Flow {
        match op {
            Op::Alu { alu, sources: [a, b, c, d], target, second } => {
                let [a, b, c, d] = [a, b, c, d].map(|it| self.read(it));
                let mut result = [0; WARP];
                let mut other = [0; WARP];
                (alu.compute)([&a, &b, &c, &d], &mut result);
                if let Some(compute) = alu.second {
                    compute([&a, &b, &c, &d], &mut other);
                }
                self.write(*target, &result, active);
                self.write(*second, &other, active);
                Flow::Next
            }
            Op::Carry { .. }
            | Op::Move { .. }
            | Op::Pack { .. }
            | Op::Unpack { .. }
            | Op::ConvertAddress { .. }
            | Op::IsSpace { .. }
            | Op::ActiveMask { .. } => {
                self.value(op, active);
                Flow::Next
            }
            Op::Load { address, targets, bytes, signed, order, scope, non_coherent } => {
                let access = access::Shape::of(address, *bytes, targets.len(), *order, *scope);
                let access = access::Shape { cached: *non_coherent, ..access };
                self.worker.waits += u64::from(*order != Order::Weak);
                self.load(access, targets, *signed, active)
            }
            Op::Store { address, sources, bytes, order, scope } => {
                let access = access::Shape::of(address, *bytes, sources.len(), *order, *scope);
                self.store(access, sources, active)
            }
            Op::Atomic { op, ty, address, sources, swap, targets, order, scope } => {
                let access = access::Shape::of(address, atomic::bytes(*ty), sources.len(), *order, *scope);
                self.worker.waits += 1;
                self.atomic(access, (*op, *ty), sources, swap.as_ref(), targets, active)
            }
            Op::AsyncCopy { shared, global, bytes, read, ignore } => {
                self.async_copy([shared, global], *bytes, [read.as_ref(), ignore.as_ref()], active)
            }
            Op::AsyncCommit => {
                self.async_commit(active);
                Flow::Next
            }
            Op::AsyncWait { pending } => {
                self.async_wait(*pending, active);
                self.proceed()
            }
            Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Match { .. }
            | Op::Redux { .. }
            | Op::Elect { .. }
            | Op::WarpBarrier { .. }
            | Op::LoadMatrix { .. }
            | Op::Mma { .. } => self.meet(op, active),
            Op::Barrier { aligned, .. } => self.barrier(*aligned, active),
            Op::Fence { order, scope } => {
                for lane in Set(active) {
                    let actor = self.actor(lane);
                    self.site.order.fence(actor, *order, *scope);
                }
                Flow::Next
            }
            Op::Branch { target } => self.branch(*target, active),
            Op::BranchTable { index, targets } => self.branch_table(index, targets, active),
            Op::Call { function, arguments, .. } => self.call(function, arguments, active),
            Op::SystemCall { name, arguments, results } => self.system_call(*name, arguments, results, active),
            Op::Return => self.give_back(active),
            Op::Exit => self.end(active),
            Op::Trap => {
                self.fault(Finding::Trap, active.trailing_zeros() as usize, None, None, String::new());
                Flow::Apart
            }
            Op::Hint => {
                self.worker.waits += 1;
                Flow::Yield
            }
        }
    }

    /// On to the next instruction, unless the launch is over.
    #[inline]
    pub(super) fn proceed(&self) -> Flow {
        if self.worker.record.stopped() { Flow::Apart } else { Flow::Next }
    }

    /// An operand that was found when the launch was prepared.
    #[inline]
    fn at(&self, operand: Operand) -> &Lanes {
        match operand {
            Operand::Register(register) => &self.warp.registers[self.window + register as usize],
            Operand::Pool(place) => &self.worker.plan.pool[place as usize],
        }
    }

    /// The lanes whose guard lets them pass.
    #[inline]
    fn guarded(&self, guard: Guard) -> u32 {
        let mask = bits(&self.warp.registers[self.window + guard.register.0 as usize]);
        if guard.negated { !mask } else { mask }
    }

    /// A register of the running lanes.
    #[inline]
    pub(super) fn register(&self, register: Register) -> &Lanes {
        &self.warp.registers[self.window + register.0 as usize]
    }

    /// A source for all lanes of the frame.
    pub(super) fn read(&self, source: &Source) -> Lanes {
        match source {
            Source::Register(register) => *self.register(*register),
            Source::NotPredicate(register) => self.register(*register).map(|it| !it & 1),
            Source::Frame(offset) => self.warp.base.map(|base| u64::from(base) + u64::from(*offset)),
            Source::Special(special) => match self.worker.plan.uniform(source) {
                Some(value) => [value; WARP],
                None => self.special(*special),
            },
            source => [self.worker.plan.uniform(source).unwrap_or(0); WARP],
        }
    }

    /// A source for some lanes that may be in different frames.
    pub(super) fn gather(&self, source: &Source, lanes: u32) -> Lanes {
        let at = |register: &Register, lane: usize| {
            let place = self.warp.window[lane] as usize + register.0 as usize;
            self.warp.registers.get(place).map_or(0, |it| it[lane])
        };
        let mut values = [0; WARP];
        match source {
            Source::Register(register) => Set(lanes).for_each(|it| values[it] = at(register, it)),
            Source::NotPredicate(register) => Set(lanes).for_each(|it| values[it] = !at(register, it) & 1),
            source => return self.read(source),
        }
        values
    }

    /// Writes a result of the running lanes.
    #[inline]
    pub(super) fn write(&mut self, target: Option<Target>, value: &Lanes, active: u32) {
        if let Some(target) = target {
            self.write_kept(target.register.0, value, keep(target.width), active);
        }
    }

    #[inline]
    fn write_kept(&mut self, register: u32, value: &Lanes, keep: u64, active: u32) {
        let to = &mut self.warp.registers[self.window + register as usize];
        if active == u32::MAX {
            for (to, from) in to.iter_mut().zip(value) {
                *to = from & keep;
            }
        } else {
            for (lane, (to, from)) in to.iter_mut().zip(value).enumerate() {
                if active >> lane & 1 != 0 {
                    *to = from & keep;
                }
            }
        }
    }

    /// Writes a result of lanes that may be in different frames.
    pub(super) fn scatter(&mut self, target: Option<Target>, value: &Lanes, lanes: u32) {
        let Some(target) = target else { return };
        for lane in Set(lanes) {
            let place = self.warp.window[lane] as usize + target.register.0 as usize;
            if let Some(register) = self.warp.registers.get_mut(place) {
                register[lane] = value[lane] & keep(target.width);
            }
        }
    }

    /// The linear index of a lane's thread in the block.
    #[inline]
    pub(super) fn thread(&self, lane: usize) -> u32 {
        self.warp.index * WARP as u32 + lane as u32
    }

    /// A lane at the running instruction.
    #[inline]
    pub(super) fn actor(&self, lane: usize) -> Actor {
        Actor { block: self.site.block as u32, thread: self.thread(lane), pc: self.pc }
    }

    /// A lane where it stands.
    pub(super) fn standing(&self, lane: usize) -> Actor {
        Actor { pc: self.warp.pc[lane & (WARP - 1)], ..self.actor(lane) }
    }

    /// Reports what a lane does wrong at the running instruction.
    #[cold]
    pub(super) fn fault(
        &mut self,
        finding: Finding,
        lane: usize,
        access: Option<Access>,
        other: Option<Actor>,
        note: String,
    ) {
        let actor = self.actor(lane & (WARP - 1));
        self.worker.report(Fault { finding, actor, access, other, note });
    }
}

/// The lanes whose predicate holds.
#[inline]
pub(super) fn bits(predicate: &Lanes) -> u32 {
    predicate.iter().enumerate().fold(0, |mask, (lane, value)| mask | ((*value as u32 & 1) << lane))
}
