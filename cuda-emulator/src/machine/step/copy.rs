//! Asynchronous copies. Their bytes land as late as the rules allow: when their thread waits for them, or at its end. What is
//! read, is read then; and nothing lands without a wait because another thread came to a barrier.

use std::collections::VecDeque;

use super::access::{Element, name};
use super::{Exec, Flow};
use crate::alu::WARP;
use crate::lower::{Address, Source, Space};
use crate::machine::warp::Set;
use crate::memory::{Actor, Strength};
use crate::{Access, Finding};

/// Copies, or groups of copies, that a thread may have under way.
const LIMIT: usize = 1 << 12;

/// A copy under way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    pc: u32,
    shared: u64,
    global: u64,
    bytes: u8,
    read: u8,
}

/// The copies of a thread.
#[derive(Clone, Debug, Default)]
pub(in crate::machine) struct Copies {
    /// Those that belong to no group yet.
    open: Vec<Pending>,
    /// Groups, the oldest first; groups without copies count too.
    groups: VecDeque<Vec<Pending>>,
}

impl Exec<'_, '_> {
    pub(super) fn async_copy(
        &mut self,
        [shared, global]: [&Address; 2],
        bytes: u8,
        [read, ignore]: [Option<&Source>; 2],
        active: u32,
    ) -> Flow {
        let (to, from) = (self.addresses(shared), self.addresses(global));
        let read = read.map_or([u64::from(bytes); WARP], |it| self.read(it));
        let ignore = ignore.map_or([0; WARP], |it| self.read(it));
        if self.warp.copies.is_empty() {
            self.warp.copies = vec![Copies::default(); WARP];
        }
        let reads = Set(active).filter(|lane| ignore[*lane] & 1 == 0).fold(0, |mask, lane| mask | 1 << lane);
        self.worker.counters.global(&from, reads, u32::from(bytes));
        self.worker.counters.shared(&to, active, u32::from(bytes));
        for lane in Set(active) {
            let actor = self.actor(lane);
            let read = if ignore[lane] & 1 != 0 { 0 } else { read[lane].min(u64::from(bytes)) as u8 };
            let pending = Pending { pc: self.pc, shared: to[lane], global: from[lane], bytes, read };
            let crooked = [(Space::Shared, to[lane]), (Space::Global, from[lane])];
            if let Some((space, address)) = crooked.into_iter().find(|it| it.1 % u64::from(bytes) != 0) {
                let access = Access { space: name(space), address, bytes: bytes.into(), write: space == Space::Shared };
                self.fault(Finding::Misaligned, lane, Some(access), None, format!("a copy of {bytes} bytes"));
                continue;
            }
            let begun = self.site.shared.begin_copy(&mut self.site.order, actor, to[lane], bytes.into());
            if !self.site.shared.troubles.is_empty() {
                self.troubles(lane, actor, pending.target(), true);
            }
            let Some(copies) = self.warp.copies.get_mut(lane).filter(|_| begun.is_some()) else { continue };
            let under_way = copies.open.len();
            copies.open.push(pending);
            if under_way >= LIMIT {
                self.fault(Finding::Invalid, lane, None, None, format!("more than {LIMIT} copies under way"));
            }
        }
        self.proceed()
    }

    pub(super) fn async_commit(&mut self, active: u32) {
        if self.warp.copies.is_empty() {
            self.warp.copies = vec![Copies::default(); WARP];
        }
        for lane in Set(active) {
            let Some(copies) = self.warp.copies.get_mut(lane) else { continue };
            let group = std::mem::take(&mut copies.open);
            copies.groups.push_back(group);
            let empty = copies.groups.len() > LIMIT && copies.groups.front().is_some_and(Vec::is_empty);
            if empty {
                // Nothing is left to be waited for in it.
                copies.groups.pop_front();
            } else if copies.groups.len() > LIMIT {
                self.fault(Finding::Invalid, lane, None, None, format!("more than {LIMIT} groups of copies under way"));
            }
        }
    }

    /// Lands all groups but the last `pending`; without that, everything.
    pub(super) fn async_wait(&mut self, pending: Option<u32>, active: u32) {
        for lane in Set(active) {
            let Some(copies) = self.warp.copies.get_mut(lane) else { return };
            let keep = pending.unwrap_or(0) as usize;
            let count = copies.groups.len().saturating_sub(keep);
            let mut landing: Vec<Pending> = copies.groups.drain(..count).flatten().collect();
            if pending.is_none() {
                landing.append(&mut copies.open);
            }
            for copy in landing {
                self.land(lane, copy);
            }
        }
    }

    fn land(&mut self, lane: usize, copy: Pending) {
        let actor = Actor { pc: copy.pc, ..self.actor(lane) };
        let mut buffer = [0; 16];
        let mut done = 0u8;
        while done < copy.read {
            // The largest aligned piece.
            let bytes = 1 << (copy.read - done).ilog2().min(3);
            let element = Element {
                space: Space::Global,
                address: copy.global.wrapping_add(u64::from(done)),
                bytes: u32::from(bytes),
                strength: Strength::WEAK,
            };
            let value = self.load_one(lane, actor, element).to_le_bytes();
            let to = buffer.iter_mut().skip(usize::from(done)).take(usize::from(bytes));
            to.zip(value).for_each(|(to, from)| *to = from);
            done += bytes;
        }
        let bytes = buffer.get(..usize::from(copy.bytes)).unwrap_or_default();
        self.site.shared.land_copy(&mut self.site.order, actor, copy.shared, bytes);
        if !self.site.shared.troubles.is_empty() {
            self.troubles(lane, actor, copy.target(), true);
        }
    }
}

impl Pending {
    /// What it writes.
    fn target(&self) -> Element {
        let bytes = u32::from(self.bytes);
        Element { space: Space::Shared, address: self.shared, bytes, strength: Strength::WEAK }
    }
}
