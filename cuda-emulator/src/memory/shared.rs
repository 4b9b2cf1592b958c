//! Shared memory of a block.

use super::access::{Access, misaligned, well_formed, wrong_form};
use super::chunk::{Chunk, NEVER_WRITTEN};
use super::shadow::TAGS;
use super::{Actor, BlockOrder, Checks, SHARED_BASE, Strength, Trouble};
use crate::Finding;

/// Shared memory of one block, addresses from [`SHARED_BASE`](super::SHARED_BASE) on.
#[derive(Debug)]
pub struct Shared {
    /// As in [`View`](super::View).
    pub troubles: Vec<Trouble>,
    chunk: Chunk,
    bytes: u32,
    checks: Checks,
    tag: u32,
    /// Who has a copy under way to each word; empty until there was one.
    copies: Vec<Option<Actor>>,
    /// Words that a copy is under way to.
    under_way: usize,
}

impl Shared {
    /// So many bytes that nobody has written. A block has less than 16 MiB.
    pub fn new(bytes: u32, checks: Checks) -> Self {
        let bytes = bytes.min(1 << 24);
        let chunk = Chunk::new(bytes as usize, NEVER_WRITTEN, false).unwrap_or_default();
        Shared { troubles: Vec::new(), chunk, bytes, checks, tag: 1, copies: Vec::new(), under_way: 0 }
    }

    /// The same memory for the next block: nobody has written it. Cheaper than a new one.
    pub fn restart(&mut self) {
        self.chunk.restart(NEVER_WRITTEN);
        self.tag += 1;
        if self.tag > TAGS {
            self.tag = 1;
            self.chunk.shadow().0.clear();
        }
        self.copies.clear();
        self.under_way = 0;
        self.troubles.clear();
    }

    /// Where in the chunk the bytes are, if they are there.
    #[inline(always)]
    fn locate(&self, address: u64, bytes: u32) -> Option<usize> {
        let offset = address.wrapping_sub(u64::from(SHARED_BASE));
        let total = u64::from(self.bytes);
        (well_formed(address, bytes) && offset < total && u64::from(bytes) <= total - offset).then_some(offset as usize)
    }

    /// Why they are not there.
    #[cold]
    fn refuse(&mut self, address: u64, bytes: u32) {
        let trouble =
            if well_formed(address, bytes) { self.out_of_bounds(address, bytes) } else { wrong_form(address, bytes) };
        self.troubles.push(trouble);
    }

    #[cold]
    fn out_of_bounds(&self, address: u64, bytes: u32) -> Trouble {
        let (begin, end) = (u64::from(SHARED_BASE), u64::from(SHARED_BASE) + u64::from(self.bytes));
        let note = if self.bytes == 0 {
            "the block has no shared memory".into()
        } else if address < begin {
            format!("{} bytes in front of the block's {} bytes of shared memory", begin - address, self.bytes)
        } else if address < end {
            let past = address.saturating_add(u64::from(bytes)).saturating_sub(end);
            format!("{past} bytes past the end of the block's {} bytes of shared memory", self.bytes)
        } else {
            format!("{} bytes behind the end of the block's {} bytes of shared memory", address - end, self.bytes)
        };
        Trouble { finding: Finding::OutOfBounds, other: None, note }
    }

    /// The access, if it can be made; else what is wrong goes to `troubles`. Whoever touches bytes that a copy is under way to
    /// races with it.
    #[inline(always)]
    fn access(
        &mut self,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
    ) -> Option<(Access<'_>, &mut Vec<Trouble>)> {
        let Some(offset) = self.locate(address, bytes) else {
            self.refuse(address, bytes);
            return None;
        };
        let mut checks = self.checks;
        if self.under_way > 0
            && let Some(trouble) = self.meets_copy(offset, bytes)
        {
            self.troubles.push(trouble);
            // One report is enough.
            checks = Checks { races: false, uninitialised: false };
        }
        let (chunk, tag) = (&self.chunk, self.tag);
        let access = Access { chunk, offset, bytes, actor, strength, checks, tag, address, shared: true };
        Some((access, &mut self.troubles))
    }

    /// The trouble with bytes that a copy is under way to.
    fn meets_copy(&self, offset: usize, bytes: u32) -> Option<Trouble> {
        let words = self.copies.get(offset / 4..(offset + bytes as usize).div_ceil(4))?;
        let other = words.iter().find_map(|it| *it).filter(|_| self.checks.races)?;
        let note = "an asynchronous copy to these bytes is under way; wait for its group first".into();
        Some(Trouble { finding: Finding::Race, other: Some(other), note })
    }

    /// As [`View::load`](super::View::load).
    #[inline(always)]
    pub fn load(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
    ) -> Option<u64> {
        let (access, troubles) = self.access(actor, address, bytes, strength)?;
        access.load(order, troubles)
    }

    /// As [`View::store`](super::View::store).
    #[inline]
    pub fn store(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        value: u64,
        strength: Strength,
    ) -> Option<()> {
        let (access, troubles) = self.access(actor, address, bytes, strength)?;
        access.store(order, troubles, value)
    }

    /// As [`View::update`](super::View::update).
    pub fn update(
        &mut self,
        order: &mut BlockOrder,
        actor: Actor,
        address: u64,
        bytes: u32,
        strength: Strength,
        change: &dyn Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        let (access, troubles) = self.access(actor, address, bytes, strength)?;
        access.update(order, troubles, change)
    }

    /// Where a copy goes, which is whole words.
    fn locate_copy(&self, address: u64, bytes: u32) -> Result<usize, Trouble> {
        if !matches!(bytes, 4 | 8 | 16) {
            let note = format!("an asynchronous copy has 4, 8 or 16 bytes, not {bytes}");
            return Err(Trouble { finding: Finding::Invalid, other: None, note });
        }
        if !address.is_multiple_of(u64::from(bytes)) {
            return Err(misaligned(address, bytes));
        }
        let last = address.saturating_add(u64::from(bytes - 4));
        match (self.locate(address, 4), self.locate(last, 4)) {
            (Some(offset), Some(_)) => Ok(offset),
            _ => Err(self.out_of_bounds(address, bytes)),
        }
    }

    /// An asynchronous copy to these bytes (4, 8 or 16, aligned) is under way: until it lands, whoever touches them races with
    /// it, its own thread too. It races itself, as a write of `actor` would, with whatever is not ordered before it.
    pub fn begin_copy(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: u32) -> Option<()> {
        let offset = match self.locate_copy(address, bytes) {
            Ok(offset) => offset,
            Err(trouble) => {
                self.troubles.push(trouble);
                return None;
            }
        };
        let (chunk, checks, tag) = (&self.chunk, self.checks, self.tag);
        let piece = |offset| Access {
            chunk,
            offset,
            bytes: 4,
            actor,
            strength: Strength::WEAK,
            checks,
            tag,
            address,
            shared: true,
        };
        let mut trouble = self.meets_copy(offset, bytes);
        for offset in (offset..offset + bytes as usize).step_by(4) {
            let found = piece(offset).begin_copy(order);
            trouble = trouble.or(found);
        }
        self.troubles.extend(trouble);
        self.copies.resize(self.bytes.div_ceil(4) as usize, None);
        for copy in self.copies.iter_mut().skip(offset / 4).take(bytes as usize / 4) {
            self.under_way += usize::from(copy.is_none());
            *copy = Some(actor);
        }
        Some(())
    }

    /// The copy lands: the bytes are there, written by `actor` as of now.
    pub fn land_copy(&mut self, order: &mut BlockOrder, actor: Actor, address: u64, bytes: &[u8]) {
        let Ok(offset) = self.locate_copy(address, bytes.len() as u32) else { return };
        let (words, _) = bytes.as_chunks::<4>();
        for (offset, word) in (offset..).step_by(4).zip(words) {
            if let Some(copy) = self.copies.get_mut(offset / 4) {
                self.under_way -= usize::from(copy.is_some());
                *copy = None;
            }
            _ = self.chunk.store(offset, 4, u64::from(u32::from_le_bytes(*word)));
            if self.checks.races {
                order.threads.overwrite(self.chunk.shadow(), offset / 4, (actor.thread, actor.pc), self.tag);
            }
        }
    }
}
