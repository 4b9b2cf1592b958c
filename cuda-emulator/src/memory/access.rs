//! One access to bytes that are known to be there: its value, and what is wrong with it. The same for all memories.

use super::check::{Conflict, written};
use super::chunk::Chunk;
use super::order::{BlockOrder, Strong, Touch, Work};
use super::shadow::Class;
use super::threads::Threads;
use super::{Actor, Checks, Strength, Trouble};
use crate::Finding;
use crate::lower::Order;

/// Where an access goes and who makes it.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) chunk: &'a Chunk,
    /// Where in the chunk.
    pub(super) offset: usize,
    pub(super) bytes: u32,
    pub(super) actor: Actor,
    pub(super) strength: Strength,
    pub(super) checks: Checks,
    /// The tag of the launch in the shadow.
    pub(super) tag: u32,
    /// The address by which strong accesses know it.
    pub(super) address: u64,
    /// Whether it is the block's own memory.
    pub(super) shared: bool,
}

impl Access<'_> {
    #[inline(always)]
    pub(super) fn load(&self, order: &mut BlockOrder, troubles: &mut Vec<Trouble>) -> Option<u64> {
        if self.strength.order != Order::Weak {
            return self.strong_load(order, troubles);
        }
        let known = self.check_written(troubles);
        if let Some(conflict) = self.note(&mut order.threads, false, false)
            && known
        {
            self.report(order, troubles, conflict, None);
        }
        self.chunk.load(self.offset, self.bytes)
    }

    #[inline(always)]
    pub(super) fn store(&self, order: &mut BlockOrder, troubles: &mut Vec<Trouble>, value: u64) -> Option<()> {
        if self.strength.order != Order::Weak {
            return self.strong_store(order, troubles, value);
        }
        if let Some(conflict) = self.note(&mut order.threads, true, false) {
            self.report(order, troubles, conflict, Some(value));
        }
        self.chunk.store(self.offset, self.bytes, value)
    }

    #[cold]
    fn report(&self, order: &BlockOrder, troubles: &mut Vec<Trouble>, conflict: Conflict, value: Option<u64>) {
        let values = value.and_then(|new| Some((self.chunk.load(self.offset, self.bytes)?, new)));
        troubles.extend(self.race(order.blind(), conflict, value.is_some(), values));
    }

    #[inline(never)]
    fn strong_load(&self, order: &mut BlockOrder, troubles: &mut Vec<Trouble>) -> Option<u64> {
        self.strong(order, troubles, Deed::Load)
    }

    #[inline(never)]
    fn strong_store(&self, order: &mut BlockOrder, troubles: &mut Vec<Trouble>, value: u64) -> Option<()> {
        self.strong(order, troubles, Deed::Store(value)).map(|_| ())
    }

    pub(super) fn update(
        &self,
        order: &mut BlockOrder,
        troubles: &mut Vec<Trouble>,
        change: &dyn Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        self.strong(order, troubles, Deed::Update(change))
    }

    /// An asynchronous copy to these bytes begins.
    pub(super) fn begin_copy(&self, order: &mut BlockOrder) -> Option<Trouble> {
        let conflict = self.note(&mut order.threads, true, false)?;
        self.race(order.blind(), conflict, true, None)
    }

    /// What is wrong if the bytes were written in this launch.
    pub(super) fn written_in_this_launch(&self, order: &BlockOrder) -> Option<Trouble> {
        if !self.checks.races || order.blind() {
            return None;
        }
        let (record, pc) = written(self.chunk.shadow(), self.offset, self.bytes, self.tag)?;
        let note = "non-coherent loads do not see what is written in the same launch, whatever orders the two".into();
        let other = Actor { block: record.block(), thread: record.thread(), pc };
        Some(Trouble { finding: Finding::Race, other: Some(other), note })
    }

    fn strong(&self, order: &mut BlockOrder, troubles: &mut Vec<Trouble>, deed: Deed<'_>) -> Option<u64> {
        let touch = match deed {
            Deed::Load => Touch::Read,
            Deed::Store(_) => Touch::Write,
            Deed::Update(_) => Touch::Update,
        };
        let known = touch == Touch::Write || self.check_written(troubles);
        let thread = self.actor.thread as usize;
        let strong = Strong { thread, address: self.address, strength: self.strength, touch };
        let mut found = None;
        let value = order.strong(strong, self.shared, StrongWork { access: self, deed, found: &mut found })?;
        if let Some((conflict, wrote)) = found
            && known
        {
            troubles.extend(self.race(order.blind(), conflict, wrote, None));
        }
        Some(value)
    }

    /// Whether all bytes to be read have been written; says so if not.
    #[inline(always)]
    fn check_written(&self, troubles: &mut Vec<Trouble>) -> bool {
        if !self.checks.uninitialised {
            return true;
        }
        let holes = self.chunk.unwritten(self.offset, self.bytes);
        if holes != 0 {
            troubles.push(uninitialised(holes, self.bytes));
        }
        holes == 0
    }

    #[inline(always)]
    fn note(&self, threads: &mut Threads, wrote: bool, update: bool) -> Option<Conflict> {
        if !self.checks.races {
            return None;
        }
        let class = Class::of(self.strength, wrote);
        let who = (self.actor.thread, self.actor.pc);
        threads.access(self.chunk.shadow(), (self.offset, self.bytes), who, (self.tag, class, update))
    }

    #[cold]
    fn race(&self, blind: bool, conflict: Conflict, wrote: bool, values: Option<(u64, u64)>) -> Option<Trouble> {
        if blind {
            return None;
        }
        let other = conflict.other;
        let same_block = self.shared || other.block() == self.actor.block;
        let theirs = other.class();
        let mut note = format!(
            "nothing orders {} after {}",
            words(Class::of(self.strength, wrote)),
            match (conflict.exact, same_block) {
                (false, _) => format!("{} of other blocks", words(theirs)),
                (true, true) => format!("{} of thread {} of the block", words(theirs), other.thread()),
                (true, false) => format!("{} of thread {} of block {}", words(theirs), other.thread(), other.block()),
            }
        );
        if let Some((old, new)) = values
            && theirs.writes()
        {
            let one = same_block && other.thread() / 32 == self.actor.thread / 32 && conflict.pc == self.actor.pc;
            let who = if one { "two lanes of one instruction write" } else { "they write" };
            let mask = if self.bytes < 8 { (1 << (self.bytes * 8)) - 1 } else { u64::MAX };
            let new = new & mask;
            note += &if old == new {
                format!("; {who} the same value {new:#x}")
            } else {
                format!("; {who} different values, {old:#x} and {new:#x}")
            };
        }
        let block = if same_block { self.actor.block } else { other.block() };
        let other = Actor { block, thread: other.thread(), pc: conflict.pc };
        Some(Trouble { finding: Finding::Race, other: conflict.exact.then_some(other), note })
    }
}

/// What a strong access does.
#[derive(Clone, Copy)]
enum Deed<'a> {
    Load,
    Store(u64),
    /// Whoever updates 8 bytes of global memory holds their lock.
    Update(&'a dyn Fn(u64) -> Option<u64>),
}

/// A strong access on its way through [`BlockOrder::strong`].
struct StrongWork<'a> {
    access: &'a Access<'a>,
    deed: Deed<'a>,
    found: &'a mut Option<(Conflict, bool)>,
}

impl Work for StrongWork<'_> {
    fn will_write(&mut self) -> Option<bool> {
        let Access { chunk, offset, bytes, .. } = *self.access;
        match self.deed {
            Deed::Load => Some(false),
            Deed::Store(_) => Some(true),
            Deed::Update(change) => Some(change(chunk.load(offset, bytes)?).is_some()),
        }
    }

    fn note(&mut self, threads: &mut Threads, writes: bool) {
        let update = matches!(self.deed, Deed::Update(_));
        *self.found = self.access.note(threads, writes, update).map(|it| (it, writes));
    }

    fn run(&mut self) -> Option<u64> {
        let Access { chunk, offset, bytes, .. } = *self.access;
        match self.deed {
            Deed::Load => chunk.load(offset, bytes),
            Deed::Store(value) => chunk.store(offset, bytes, value).map(|()| 0),
            Deed::Update(change) if bytes < 8 => chunk.update(offset, bytes, change),
            Deed::Update(change) => {
                let old = chunk.load(offset, 8)?;
                if let Some(new) = change(old) {
                    chunk.store(offset, 8, new)?;
                }
                Some(old)
            }
        }
    }
}

fn words(class: Class) -> &'static str {
    match class {
        Class::None => "an access",
        Class::WeakRead => "a weak read",
        Class::WeakWrite => "a weak write",
        Class::Read | Class::Observer => "a strong read",
        Class::Write => "a strong write",
        Class::BlockRead => "a strong read of block scope",
        Class::BlockWrite => "a strong write of block scope",
    }
}

#[cold]
fn uninitialised(holes: u32, bytes: u32) -> Trouble {
    let first = holes.trailing_zeros();
    let note = match holes.count_ones() {
        count if count == bytes => "nobody has written any of these bytes".into(),
        1 => format!("nobody has written byte {first} of them"),
        count => format!("nobody has written {count} of these bytes, the first of them byte {first}"),
    };
    Trouble { finding: Finding::Uninitialised, other: None, note }
}

/// Whether an access has a size that there is, at an address that is a multiple of it.
#[inline(always)]
pub(super) fn well_formed(address: u64, bytes: u32) -> bool {
    bytes.is_power_of_two() && bytes <= 8 && address & u64::from(bytes - 1) == 0
}

/// What is wrong with an access that is not well formed.
#[cold]
pub(super) fn wrong_form(address: u64, bytes: u32) -> Trouble {
    if matches!(bytes, 1 | 2 | 4 | 8) {
        return misaligned(address, bytes);
    }
    let note = format!("an access has 1, 2, 4 or 8 bytes, not {bytes}");
    Trouble { finding: Finding::Invalid, other: None, note }
}

/// The trouble with an address that is no multiple of the access's size, which is not 0.
pub(super) fn misaligned(address: u64, bytes: u32) -> Trouble {
    let note = format!("the address is {} bytes past a multiple of {bytes}", address % u64::from(bytes));
    Trouble { finding: Finding::Misaligned, other: None, note }
}
