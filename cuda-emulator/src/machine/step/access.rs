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
        offset(address, self.read(&address.base))
    }

    /// As [`addresses`](Self::addresses), of lanes that may be in different frames.
    pub(super) fn gather_addresses(&self, address: &Address, lanes: u32) -> Lanes {
        offset(address, self.gather(&address.base, lanes))
    }

    /// Space and address of what a lane accesses.
    #[inline]
    pub(super) fn place(space: Space, address: u64) -> (Space, u64) {
        match space {
            Space::Generic => locate(address),
            Space::Const => (Space::Global, address),
            space => (space, address),
        }
    }

    pub(super) fn load(&mut self, shape: Shape<'_>, targets: &[Option<Target>], signed: bool, active: u32) -> Flow {
        let addresses = self.addresses(shape.address);
        let active = self.aligned(&shape, &addresses, active, false);
        self.count(&shape, &addresses, active);
        let shift = 64 - 8 * shape.bytes.min(8);
        for (index, target) in targets.iter().enumerate() {
            let mut values = [0; WARP];
            let offset = index as u64 * u64::from(shape.bytes);
            for lane in Set(active) {
                let element = self.element(&shape, addresses[lane].wrapping_add(offset));
                let value = match shape.cached {
                    true => self.load_cached(lane, element),
                    false => self.load_one(lane, self.actor(lane), element),
                };
                values[lane] = if signed { ((value << shift) as i64 >> shift) as u64 } else { value };
            }
            self.write(*target, &values, active);
        }
        self.proceed()
    }

    pub(super) fn store(&mut self, shape: Shape<'_>, sources: &[Source], active: u32) -> Flow {
        let addresses = self.addresses(shape.address);
        let active = self.aligned(&shape, &addresses, active, true);
        self.count(&shape, &addresses, active);
        for (index, source) in sources.iter().enumerate() {
            let values = self.read(source);
            let offset = index as u64 * u64::from(shape.bytes);
            for lane in Set(active) {
                let element = self.element(&shape, addresses[lane].wrapping_add(offset));
                self.store_one(lane, element, values[lane]);
            }
        }
        self.proceed()
    }

    #[inline]
    fn element(&self, shape: &Shape<'_>, address: u64) -> Element {
        let (space, address) = Self::place(shape.address.space, address);
        Element { space, address, bytes: shape.bytes, strength: shape.strength }
    }

    /// The lanes whose vectors are aligned as a whole; of the others it is reported that they are not. Single elements are left
    /// to the memory.
    pub(super) fn aligned(&mut self, shape: &Shape<'_>, addresses: &Lanes, active: u32, write: bool) -> u32 {
        if shape.count < 2 {
            return active;
        }
        let bytes = shape.bytes * shape.count;
        let low = u64::from(bytes.next_power_of_two() - 1);
        let crooked = Set(active).find(|lane| addresses[*lane] & low != 0);
        let Some(lane) = crooked else { return active };
        let (space, address) = Self::place(shape.address.space, addresses[lane]);
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

    /// As [`load_one`](Self::load_one), through the cache that sees no writes of the running launch.
    fn load_cached(&mut self, lane: usize, element: Element) -> u64 {
        let actor = self.actor(lane);
        let Element { space, address, bytes, .. } = element;
        if space != Space::Global {
            return self.load_one(lane, actor, element);
        }
        let value = self.worker.view.load_non_coherent(&mut self.site.order, actor, address, bytes);
        if !self.worker.view.troubles.is_empty() {
            self.troubles(lane, actor, element, false);
        }
        value.unwrap_or(0)
    }

    #[inline]
    fn store_one(&mut self, lane: usize, element: Element, value: u64) {
        let Element { space, address, bytes, strength } = element;
        let actor = self.actor(lane);
        match space {
            Space::Shared => {
                self.site.shared.store(&mut self.site.order, actor, address, bytes, value, strength);
                if !self.site.shared.troubles.is_empty() {
                    self.troubles(lane, actor, element, true);
                }
            }
            Space::Local => {
                if let Some(to) = self.local(lane, element, true) {
                    to.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
                }
            }
            Space::Param => {
                let access = Some(element.access(true));
                self.fault(Finding::ReadOnly, lane, access, None, "parameters of a kernel".into());
            }
            _ => {
                self.worker.view.store(&mut self.site.order, actor, address, bytes, value, strength);
                if !self.worker.view.troubles.is_empty() {
                    self.troubles(lane, actor, element, true);
                }
            }
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

    /// Counts what an access costs.
    fn count(&mut self, shape: &Shape<'_>, addresses: &Lanes, active: u32) {
        let bytes = shape.bytes * shape.count;
        let (mut global, mut shared) = (0, 0);
        match shape.address.space {
            Space::Global => global = active,
            Space::Shared => shared = active,
            Space::Generic => {
                for lane in Set(active) {
                    match locate(addresses[lane]).0 {
                        Space::Global => global |= 1 << lane,
                        Space::Shared => shared |= 1 << lane,
                        _ => {}
                    }
                }
            }
            Space::Local | Space::Const | Space::Param => return,
        }
        if global != 0 {
            self.worker.counters.global(addresses, global, bytes);
        }
        if shared != 0 {
            self.worker.counters.shared(addresses, shared, bytes);
        }
    }
}

impl Element {
    /// As reports say it.
    pub(super) fn access(&self, write: bool) -> Access {
        Access { space: name(self.space), address: self.address, bytes: self.bytes, write }
    }
}

/// The addresses for their bases.
#[inline]
fn offset(address: &Address, base: Lanes) -> Lanes {
    match address.space {
        // These are 32 bits wide, and so is the arithmetic of who keeps them in registers of 32 bits.
        Space::Shared | Space::Local | Space::Param => base.map(|it| {
            let sum = it.wrapping_add_signed(address.offset);
            if it <= u64::from(u32::MAX) { sum & u64::from(u32::MAX) } else { sum }
        }),
        _ => base.map(|it| it.wrapping_add_signed(address.offset)),
    }
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
