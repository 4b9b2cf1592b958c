//! Loads and stores.

use super::value::locate;
use super::{Exec, Flow};
use crate::alu::{Lanes, WARP};
use crate::lower::{Address, Order, Scope, Source, Space, Target};
use crate::machine::warp::Set;
use crate::memory::{Actor, Strength, Trouble};
use crate::{Access, Finding};

/// What an access is, apart from its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) address: &'a Address,
    /// Bytes of an element.
    pub(super) bytes: u32,
    /// Elements side by side.
    pub(super) count: u32,
    pub(super) strength: Strength,
    /// Through the cache that sees no writes of the running launch.
    pub(super) cached: bool,
}

/// No lanes of a space.
const NOBODY: (Space, u32) = (Space::Generic, 0);

impl<'a> Shape<'a> {
    pub(super) fn of(address: &'a Address, bytes: u8, count: usize, order: Order, scope: Scope) -> Self {
        Shape {
            address,
            bytes: u32::from(bytes),
            count: count as u32,
            strength: Strength { order, scope },
            cached: false,
        }
    }

    /// One element at an address of a space.
    fn element(&self, space: Space, address: u64) -> Element {
        Element { space, address, bytes: self.bytes, strength: self.strength }
    }
}

/// One element of one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) space: Space,
    pub(super) address: u64,
    pub(super) bytes: u32,
    pub(super) strength: Strength,
}

impl Exec<'_, '_> {
    /// The addresses that lanes use, in the address space of the instruction.
    pub(super) fn addresses(&self, address: &Address) -> Lanes {
        match &address.base {
            Source::Register(register) => offset(address, self.register(*register)),
            base => offset(address, &self.read(base)),
        }
    }

    /// As [`addresses`](Self::addresses), of lanes that may be in different frames.
    pub(super) fn gather_addresses(&self, address: &Address, lanes: u32) -> Lanes {
        offset(address, &self.gather(&address.base, lanes))
    }

    /// The lanes by the spaces that they go to. Generic addresses become addresses in their spaces.
    fn parts(space: Space, addresses: &mut Lanes, active: u32) -> [(Space, u32); 4] {
        let mut parts = [(Space::Global, 0), (Space::Shared, 0), (Space::Local, 0), (Space::Param, 0)];
        for lane in Set(active) {
            let (space, address) = locate_in(space, addresses[lane]);
            addresses[lane] = address;
            if let Some(part) = parts.iter_mut().find(|it| it.0 == space) {
                part.1 |= 1 << lane;
            }
        }
        parts
    }

    /// The lanes of an access by their spaces, without those that are not aligned; and it is counted.
    fn prepare(&mut self, shape: &Shape<'_>, active: u32, write: bool) -> (Lanes, [(Space, u32); 4]) {
        let mut addresses = self.addresses(shape.address);
        let mut parts = match shape.address.space {
            Space::Generic => Self::parts(Space::Generic, &mut addresses, active),
            Space::Const => [(Space::Global, active), NOBODY, NOBODY, NOBODY],
            space => [(space, active), NOBODY, NOBODY, NOBODY],
        };
        for (space, lanes) in parts.iter_mut().filter(|it| it.1 != 0) {
            *lanes = self.aligned(shape, (*space, &addresses), *lanes, write);
            let bytes = shape.bytes * shape.count;
            match space {
                // Constants come from a cache of their own.
                Space::Global if shape.address.space != Space::Const => {
                    self.worker.counters.global(&addresses, *lanes, bytes);
                }
                Space::Shared => self.worker.counters.shared(&addresses, *lanes, bytes),
                _ => {}
            }
        }
        (addresses, parts)
    }

    pub(super) fn load(&mut self, shape: Shape<'_>, targets: &[Option<Target>], signed: bool, active: u32) -> Flow {
        let (mut at, parts) = self.prepare(&shape, active, false);
        for (index, target) in targets.iter().enumerate() {
            let mut values = [0; WARP];
            for (space, lanes) in parts.into_iter().filter(|it| it.1 != 0) {
                match (space, shape.bytes, shape.strength) {
                    // Once more for the commonest, so that what depends on these constants is decided here.
                    (Space::Shared, 4, Strength::WEAK) => {
                        self.load_shared(&at, (4, Strength::WEAK), lanes, &mut values);
                    }
                    (Space::Shared, ..) => self.load_shared(&at, (shape.bytes, shape.strength), lanes, &mut values),
                    (Space::Global, ..) if shape.cached => self.load_cached(&at, shape.bytes, lanes, &mut values),
                    (Space::Global, 4, Strength::WEAK) => {
                        self.load_global(&at, (4, Strength::WEAK), lanes, &mut values);
                    }
                    (Space::Global, ..) => self.load_global(&at, (shape.bytes, shape.strength), lanes, &mut values),
                    _ => {
                        for lane in Set(lanes) {
                            let element = shape.element(space, at[lane]);
                            values[lane] = self.load_one(lane, self.actor(lane), element);
                        }
                    }
                }
            }
            if signed {
                let shift = 64 - 8 * shape.bytes.min(8);
                values.iter_mut().for_each(|it| *it = ((*it << shift) as i64 >> shift) as u64);
            }
            let wanted = parts.iter().fold(0, |all, it| all | it.1);
            self.write(*target, &values, wanted);
            if index + 1 < targets.len() {
                at.iter_mut().for_each(|it| *it = it.wrapping_add(u64::from(shape.bytes)));
            }
        }
        self.proceed()
    }

    #[inline(always)]
    fn load_shared(&mut self, at: &Lanes, (bytes, strength): (u32, Strength), active: u32, values: &mut Lanes) {
        let (mut actor, first) = (self.actor(0), self.thread(0));
        for lane in Set(active) {
            actor.thread = first + lane as u32;
            let value = self.site.shared.load(&mut self.site.order, actor, at[lane], bytes, strength);
            values[lane] = value.unwrap_or(0);
            if !self.site.shared.troubles.is_empty() {
                self.troubles(lane, actor, Element { space: Space::Shared, address: at[lane], bytes, strength }, false);
            }
        }
    }

    #[inline(always)]
    fn load_global(&mut self, at: &Lanes, (bytes, strength): (u32, Strength), active: u32, values: &mut Lanes) {
        let (mut actor, first) = (self.actor(0), self.thread(0));
        for lane in Set(active) {
            actor.thread = first + lane as u32;
            let value = self.worker.view.load(&mut self.site.order, actor, at[lane], bytes, strength);
            values[lane] = value.unwrap_or(0);
            if !self.worker.view.troubles.is_empty() {
                self.troubles(lane, actor, Element { space: Space::Global, address: at[lane], bytes, strength }, false);
            }
        }
    }

    pub(super) fn store(&mut self, shape: Shape<'_>, sources: &[Source], active: u32) -> Flow {
        let (mut at, parts) = self.prepare(&shape, active, true);
        for source in sources {
            let values = self.read(source);
            for (space, lanes) in parts.into_iter().filter(|it| it.1 != 0) {
                match space {
                    Space::Shared => self.store_shared(&at, &shape, lanes, &values),
                    Space::Local | Space::Param => {
                        for lane in Set(lanes) {
                            self.store_own(lane, shape.element(space, at[lane]), values[lane]);
                        }
                    }
                    _ => self.store_global(&at, &shape, lanes, &values),
                }
            }
            at.iter_mut().for_each(|it| *it = it.wrapping_add(u64::from(shape.bytes)));
        }
        self.proceed()
    }

    fn store_shared(&mut self, at: &Lanes, shape: &Shape<'_>, active: u32, values: &Lanes) {
        let (mut actor, first) = (self.actor(0), self.thread(0));
        let (bytes, strength) = (shape.bytes, shape.strength);
        for lane in Set(active) {
            actor.thread = first + lane as u32;
            self.site.shared.store(&mut self.site.order, actor, at[lane], bytes, values[lane], strength);
            if !self.site.shared.troubles.is_empty() {
                self.troubles(lane, actor, shape.element(Space::Shared, at[lane]), true);
            }
        }
    }

    fn store_global(&mut self, at: &Lanes, shape: &Shape<'_>, active: u32, values: &Lanes) {
        let (mut actor, first) = (self.actor(0), self.thread(0));
        let (bytes, strength) = (shape.bytes, shape.strength);
        for lane in Set(active) {
            actor.thread = first + lane as u32;
            self.worker.view.store(&mut self.site.order, actor, at[lane], bytes, values[lane], strength);
            if !self.worker.view.troubles.is_empty() {
                self.troubles(lane, actor, shape.element(Space::Global, at[lane]), true);
            }
        }
    }

    /// The lanes whose vectors are aligned as a whole; of the others it is reported that they are not. Single elements are left
    /// to the memory.
    pub(super) fn aligned(
        &mut self,
        shape: &Shape<'_>,
        (space, addresses): (Space, &Lanes),
        active: u32,
        write: bool,
    ) -> u32 {
        if shape.count < 2 {
            return active;
        }
        let bytes = shape.bytes * shape.count;
        let low = u64::from(bytes.next_power_of_two() - 1);
        let crooked = Set(active).find(|lane| addresses[*lane] & low != 0);
        let Some(lane) = crooked else { return active };
        let (space, address) = locate_in(space, addresses[lane]);
        let access = Access { space: name(space), address, bytes, write };
        self.fault(Finding::Misaligned, lane, Some(access), None, format!("a vector of {bytes} bytes"));
        Set(active).filter(|lane| addresses[*lane] & low == 0).fold(0, |mask, lane| mask | 1 << lane)
    }

    /// Reads one element of a lane; 0 if that cannot be done.
    #[inline]
    pub(super) fn load_one(&mut self, lane: usize, actor: Actor, element: Element) -> u64 {
        let Element { space, address, bytes, strength } = element;
        let value = match space {
            Space::Shared => {
                let value = self.site.shared.load(&mut self.site.order, actor, address, bytes, strength);
                if !self.site.shared.troubles.is_empty() {
                    self.troubles(lane, actor, element, false);
                }
                value
            }
            Space::Local => self.local(lane, element, false).map(|bytes| number(bytes)),
            Space::Param => self.parameter(lane, element),
            _ => {
                let value = self.worker.view.load(&mut self.site.order, actor, address, bytes, strength);
                if !self.worker.view.troubles.is_empty() {
                    self.troubles(lane, actor, element, false);
                }
                value
            }
        };
        value.unwrap_or(0)
    }

    /// Through the cache that sees no writes of the running launch.
    fn load_cached(&mut self, at: &Lanes, bytes: u32, active: u32, values: &mut Lanes) {
        for lane in Set(active) {
            let actor = self.actor(lane);
            let value = self.worker.view.load_non_coherent(&mut self.site.order, actor, at[lane], bytes);
            values[lane] = value.unwrap_or(0);
            if !self.worker.view.troubles.is_empty() {
                let element = Element { space: Space::Global, address: at[lane], bytes, strength: Strength::WEAK };
                self.troubles(lane, actor, element, false);
            }
        }
    }

    /// Writes one element of a lane to its local memory. There are no other writes to parameters of kernels than wrong ones.
    fn store_own(&mut self, lane: usize, element: Element, value: u64) {
        if element.space == Space::Param {
            let access = Some(element.access(true));
            self.fault(Finding::ReadOnly, lane, access, None, "parameters of a kernel".into());
        } else if let Some(to) = self.local(lane, element, true) {
            to.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
        }
    }

    /// Reports what the memory met.
    #[cold]
    pub(super) fn troubles(&mut self, lane: usize, actor: Actor, element: Element, write: bool) {
        let mut met = std::mem::take(&mut self.site.shared.troubles);
        met.append(&mut self.worker.view.troubles);
        for Trouble { finding, other, note } in met {
            let fault = super::Fault { finding, actor, access: Some(element.access(write)), other, note };
            debug_assert_eq!(self.thread(lane), actor.thread, "a lane accesses memory for itself");
            self.worker.report(fault);
        }
    }

    /// Bytes of a lane's local memory, up to the end of its frame.
    fn local(&mut self, lane: usize, element: Element, write: bool) -> Option<&mut [u8]> {
        let Element { address, bytes, .. } = element;
        let top = u64::from(self.warp.top[lane]);
        let end = address.checked_add(u64::from(bytes)).filter(|end| *end <= top);
        let Some(end) = end else {
            let note = format!("the thread's frames end at {top:#x}");
            self.fault(Finding::OutOfBounds, lane, Some(element.access(write)), None, note);
            return None;
        };
        if address % u64::from(bytes) != 0 {
            self.fault(Finding::Misaligned, lane, Some(element.access(write)), None, String::new());
            return None;
        }
        self.local_bytes(lane, address as usize..end as usize)
    }

    /// A range of a lane's local memory that lies in its frames.
    pub(super) fn local_bytes(&mut self, lane: usize, range: std::ops::Range<usize>) -> Option<&mut [u8]> {
        if self.warp.local.is_empty() {
            self.warp.local.resize_with(WARP, Vec::new);
        }
        let memory = self.warp.local.get_mut(lane)?;
        if memory.len() < range.end {
            memory.resize(range.end.next_multiple_of(64), 0);
        }
        memory.get_mut(range)
    }

    fn parameter(&mut self, lane: usize, element: Element) -> Option<u64> {
        let Element { address, bytes, .. } = element;
        let all = &self.worker.plan.launch.parameters;
        let finding = if address % u64::from(bytes) != 0 {
            Finding::Misaligned
        } else {
            let begin = usize::try_from(address).ok();
            let range = begin.and_then(|begin| all.get(begin..begin.checked_add(bytes as usize)?));
            match range {
                Some(range) => return Some(number(range)),
                None => Finding::OutOfBounds,
            }
        };
        let note = format!("the kernel has {} bytes of parameters", all.len());
        self.fault(finding, lane, Some(element.access(false)), None, note);
        None
    }
}

impl Element {
    /// As reports say it.
    pub(super) fn access(&self, write: bool) -> Access {
        Access { space: name(self.space), address: self.address, bytes: self.bytes, write }
    }
}

/// Space and address of what a lane accesses.
#[inline]
pub(super) fn locate_in(space: Space, address: u64) -> (Space, u64) {
    match space {
        Space::Generic => locate(address),
        Space::Const => (Space::Global, address),
        space => (space, address),
    }
}

/// The addresses for their bases.
#[inline]
fn offset(address: &Address, base: &Lanes) -> Lanes {
    let mut addresses = *base;
    match address.space {
        // These are 32 bits wide, and so is the arithmetic of who keeps them in registers of 32 bits.
        Space::Shared | Space::Local | Space::Param => {
            for it in &mut addresses {
                let sum = it.wrapping_add_signed(address.offset);
                *it = if *it <= u64::from(u32::MAX) { sum & u64::from(u32::MAX) } else { sum };
            }
        }
        _ => addresses.iter_mut().for_each(|it| *it = it.wrapping_add_signed(address.offset)),
    }
    addresses
}

/// What reports call a space.
pub(super) fn name(space: Space) -> &'static str {
    match space {
        Space::Generic | Space::Global => "global",
        Space::Shared => "shared",
        Space::Local => "local",
        Space::Const => "const",
        Space::Param => "param",
    }
}

/// Up to eight bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
