//! Branches, calls, ends.

use super::{Exec, Flow};
use crate::Finding;
use crate::lower::{Function, Op, Parameter, Source};
use crate::machine::plan::Kind;
use crate::machine::warp::{DEPTH_LIMIT, Frame, LOCAL_LIMIT, REGISTER_LIMIT, Set};

impl Exec<'_, '_> {
    pub(super) fn branch(&mut self, target: u32, active: u32) -> Flow {
        if active == self.mask {
            return Flow::Jump(target);
        }
        self.worker.counters.all.divergent_branches += 1;
        self.warp.put(active, target);
        self.stay(active)
    }

    /// The lanes that do not take part go on with the next instruction; the others have been put where they belong.
    pub(super) fn stay(&mut self, active: u32) -> Flow {
        self.warp.put(self.mask & !active, self.pc + 1);
        Flow::Apart
    }

    pub(super) fn branch_table(&mut self, index: &Source, targets: &[u32], active: u32) -> Flow {
        let index = self.read(index);
        let mut first = None;
        let mut split = active != self.mask;
        for lane in Set(active) {
            let place = index[lane] as u32;
            let Some(target) = targets.get(place as usize) else {
                let note = format!("place {place} of a branch table of {}", targets.len());
                self.fault(Finding::Invalid, lane, None, None, note);
                return Flow::Apart;
            };
            split |= *first.get_or_insert(*target) != *target;
            self.warp.put(1 << lane, *target);
        }
        match first {
            Some(target) if !split => Flow::Jump(target),
            _ => {
                self.worker.counters.all.divergent_branches += 1;
                self.stay(active)
            }
        }
    }

    /// The function that a lane is in.
    fn function(&self, lane: usize) -> Option<&'_ Function> {
        let plan = self.worker.plan;
        match self.warp.stack.get(lane).and_then(|it| it.last()) {
            Some(frame) => plan.program.functions.get(frame.function as usize),
            None => Some(plan.kernel),
        }
    }

    pub(super) fn call(&mut self, function: &Source, arguments: &[Parameter], active: u32) -> Flow {
        let plan = self.worker.plan;
        let callees = self.read(function);
        if self.warp.stack.is_empty() {
            self.warp.stack.resize_with(32, Vec::new);
        }
        let caller = self.function(active.trailing_zeros() as usize).map_or(0, |it| it.registers);
        let window = self.window as u32 + caller;
        for lane in Set(active) {
            let place = callees[lane].wrapping_sub(1);
            let callee = usize::try_from(place).ok().and_then(|place| plan.program.functions.get(place));
            let Some(callee) = callee.filter(|it| it.kernel.is_none()) else {
                let note = format!("{:#x} is no function", callees[lane]);
                self.fault(Finding::Invalid, lane, None, None, note);
                return Flow::Apart;
            };
            let fits = arguments.len() == callee.parameters.len()
                && arguments.iter().zip(&callee.parameters).all(|(given, taken)| given.bytes == taken.bytes);
            if !fits {
                let note = format!("{} takes other arguments than the call gives", callee.name);
                self.fault(Finding::Invalid, lane, None, None, note);
                return Flow::Apart;
            }
            let (base, registers) = (self.warp.top[lane], window as usize + callee.registers as usize);
            let top = u64::from(base) + u64::from(callee.frame_bytes);
            if top > LOCAL_LIMIT || registers > REGISTER_LIMIT || self.warp.depth(lane) >= DEPTH_LIMIT {
                let depth = self.warp.depth(lane);
                let note = format!("stack overflow: {depth} calls deep, {top} bytes of local memory");
                self.fault(Finding::Invalid, lane, None, None, note);
                return Flow::Apart;
            }
            if self.warp.registers.len() < registers {
                self.warp.registers.resize(registers, [0; 32]);
            }
            self.copy_local(lane, arguments, self.warp.base[lane], &callee.parameters, base);
            let frame = Frame {
                call: self.pc,
                window: self.warp.window[lane],
                base: self.warp.base[lane],
                function: place as u32,
            };
            (self.warp.window[lane], self.warp.base[lane], self.warp.top[lane]) = (window, base, top as u32);
            self.warp.pc[lane] = callee.entry;
            if let Some(stack) = self.warp.stack.get_mut(lane) {
                stack.push(frame);
            }
        }
        self.stay(active)
    }

    /// Copies arguments to the callee's frame, or results to the caller's.
    fn copy_local(&mut self, lane: usize, from: &[Parameter], from_base: u32, to: &[Parameter], to_base: u32) {
        for (from, to) in from.iter().zip(to) {
            let range = |base: u32, at: &Parameter| {
                let begin = base as usize + at.offset as usize;
                begin..begin + at.bytes as usize
            };
            let (from, to) = (range(from_base, from), range(to_base, to));
            let Some(bytes) = self.local_bytes(lane, from).map(|it| it.to_vec()) else { continue };
            if let Some(to) = self.local_bytes(lane, to) {
                to.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            }
        }
    }

    /// `ret`: back to the caller, or the end of the thread.
    pub(super) fn give_back(&mut self, active: u32) -> Flow {
        let plan = self.worker.plan;
        let mut ended = 0;
        for lane in Set(active) {
            let Some(frame) = self.warp.stack.get_mut(lane).and_then(Vec::pop) else {
                ended |= 1 << lane;
                continue;
            };
            let callee = plan.program.functions.get(frame.function as usize);
            let call = plan.steps.get(frame.call as usize);
            if let (Some(callee), Some(Kind::Other(Op::Call { results, .. }))) = (callee, call.map(|it| it.kind)) {
                let fits = results.iter().zip(&callee.results).all(|(to, from)| to.bytes == from.bytes);
                if !fits || results.len() != callee.results.len() {
                    let note = format!("{} gives other results than the call takes", callee.name);
                    self.fault(Finding::Invalid, lane, None, None, note);
                    return Flow::Apart;
                }
                self.copy_local(lane, &callee.results, self.warp.base[lane], results, frame.base);
            }
            self.warp.top[lane] = self.warp.base[lane];
            (self.warp.window[lane], self.warp.base[lane]) = (frame.window, frame.base);
            self.warp.pc[lane] = frame.call + 1;
        }
        if ended != 0 {
            self.finish(ended);
        }
        self.stay(active)
    }

    /// `exit`.
    pub(super) fn end(&mut self, active: u32) -> Flow {
        self.finish(active);
        self.stay(active)
    }

    /// Threads end: what they copy lands, and others need not wait for them.
    fn finish(&mut self, lanes: u32) {
        self.async_wait(None, lanes);
        self.warp.put(lanes, self.pc);
        self.warp.live &= !lanes;
        self.site.changed = true;
        self.settle();
    }
}
