//! Whether an access races with what the shadow knows.

use super::clock::residue;
use super::readers::SetId;
use super::shadow::{Cell, Class, Earlier, Record, Shadow};
use super::threads::{Now, Threads};

/// An earlier access that nothing orders before this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conflict {
    /// The other one. Its instruction is that of the last access if several threads did the like.
    pub(super) other: Record,
    pub(super) pc: u32,
    /// Whether its thread is known, or only that it is in one of several blocks.
    pub(super) exact: bool,
}

/// An access that is noted.
#[derive(Clone, Copy)]
pub(super) struct Noted {
    record: Record,
    /// Its thread knows all threads of the block up to here.
    all: u32,
    pc: u32,
    /// It reads what it overwrites.
    update: bool,
}

impl Threads {
    /// Notes an access of up to 8 aligned bytes and answers what it races with. `words` is how many words the shadow has;
    /// `update` says that it reads what it overwrites.
    #[inline]
    pub(super) fn access(
        &mut self,
        (shadow, words): (&Shadow, usize),
        (offset, bytes): (usize, u32),
        (thread, pc): (u32, u32),
        (tag, class, update): (u32, Class, bool),
    ) -> Option<Conflict> {
        if !self.tracked {
            return None;
        }
        let &Now { time, all } = self.now.get(thread as usize)?;
        let record = Record::new(tag, self.block, thread, time, class);
        let me = Noted { record, all, pc, update };
        let word = offset / 4;
        if bytes < 4 {
            return self.part((shadow, words), offset, bytes, me);
        }
        let found = self.word((shadow, words), word, me);
        if bytes < 8 {
            return found;
        }
        let second = self.word((shadow, words), word + 1, me);
        found.or(second)
    }

    /// A thread has written a word, and whoever touched it meanwhile has been told.
    pub(super) fn overwrite(&self, (shadow, words): (&Shadow, usize), word: usize, (thread, pc): (u32, u32), tag: u32) {
        if let (true, Some(now), Some(cell)) =
            (self.tracked, self.now.get(thread as usize), shadow.words(words).get(word))
        {
            cell.overwrite(Record::new(tag, self.block, thread, now.time, Class::WeakWrite), pc);
        }
    }

    #[inline]
    fn word(&mut self, shadow: (&Shadow, usize), word: usize, me: Noted) -> Option<Conflict> {
        let cell = shadow.0.words(shadow.1).get(word)?;
        let Err(earlier) = self.quick(cell, me) else { return None };
        if earlier == Earlier::Split {
            let found = self.part(shadow, word * 4, 4, me);
            if me.record.class() == Class::WeakWrite {
                cell.overwrite(me.record, me.pc);
            }
            return found;
        }
        self.cell(cell, earlier, me)
    }

    /// The common cases, which race with nothing; for others the answer is what was noted earlier.
    #[inline(always)]
    fn quick(&mut self, cell: &Cell, me: Noted) -> Result<(), Earlier> {
        let (write, last, record) = (cell.write(), cell.last(), me.record);
        // The commonest: the thread has just done the same,
        if last == record {
            return Ok(());
        }
        let old = |other: Record| other.is_known(record, me.all);
        let earlier = match cell.earlier(record.tag()) {
            // Readers before the last barrier of all are known to all.
            Earlier::Set { block, set, plain: true } if block == self.block && !self.sets.keeps(set) => Earlier::None,
            earlier => earlier,
        };
        // or all that was done before is long known,
        if earlier == Earlier::None && old(write) && old(last) {
            match record.class() {
                Class::WeakWrite => {
                    cell.overwrite(record, me.pc);
                    return Ok(());
                }
                Class::WeakRead if last.class() != Class::Observer => {
                    cell.set_earlier(Earlier::None, record.tag());
                    cell.set_last(record, me.pc);
                    return Ok(());
                }
                _ => {}
            }
        }
        // or it is one more read of what all threads have read since a barrier.
        if record.class() == Class::WeakRead && last.is_twin(record) && old(write) {
            let set = match earlier {
                Earlier::None => Some(SetId(0)),
                Earlier::Set { block, set, plain: true } if block == self.block => Some(set),
                _ => None,
            };
            if let Some(set) = set {
                let set = self.sets.with(set, last);
                cell.set_earlier(Earlier::Set { block: self.block, set, plain: true }, record.tag());
                cell.set_last(record, me.pc);
                return Ok(());
            }
        }
        Err(earlier)
    }

    /// An access to bytes that have cells of their own, or get them now.
    #[cold]
    fn part(&mut self, (shadow, words): (&Shadow, usize), offset: usize, bytes: u32, me: Noted) -> Option<Conflict> {
        let (word, tag) = (offset / 4, me.record.tag());
        if shadow.words(words).get(word)?.earlier(tag) != Earlier::Split {
            shadow.split(words, word, tag);
        }
        let mut found = None;
        for cell in shadow.bytes(words, word).iter().skip(offset % 4).take(bytes as usize) {
            if let Err(earlier) = self.quick(cell, me) {
                let conflict = self.cell(cell, earlier, me);
                found = found.or(conflict);
            }
        }
        found
    }

    /// The general case.
    fn cell(&mut self, cell: &Cell, mut earlier: Earlier, me: Noted) -> Option<Conflict> {
        let (tag, class) = (me.record.tag(), me.record.class());
        let (mut write, last) = (cell.write(), cell.last());
        // A set that is forgotten may have had an observer of the write.
        if let Earlier::Set { block, set, plain } = earlier
            && block == self.block
            && !self.sets.keeps(set)
        {
            earlier = Earlier::None;
            if !plain && write.class().is_strong() {
                write = Record::default();
                cell.set_write(write, 0);
            }
        }
        let conflict = self.conflict(cell, (write, last, earlier), me);
        if class == Class::WeakWrite {
            cell.overwrite(me.record, me.pc);
            return conflict;
        }
        let mut kept = earlier;
        if let Earlier::Set { block, set, .. } = earlier
            && block == self.block
            // A set holds somebody from after the last barrier of all.
            && me.all > self.floor
            && self.sets.part(set).is_none_or(|it| it.latest <= me.all && class.covers_all(it.classes))
        {
            kept = Earlier::None;
        }
        if class.writes() {
            // Who comes after an observer and this write comes after the last write too. Observers of older writes are not
            // kept, so that write is not either.
            let seen = last.class() == Class::Observer || self.has_observers(kept);
            let observed = seen || me.update && write.class().is_strong_with(class, self.same(write));
            kept = self.demote(kept, me);
            if write.tag() == tag && !observed && !self.is_done(write, me) {
                kept = self.absorb(kept, write);
            }
            let last = last.demoted();
            if last.tag() == tag && !self.is_done(last, me) {
                kept = self.absorb(kept, last);
            }
            cell.overwrite(me.record, me.pc);
            cell.set_earlier(kept, tag);
            return conflict;
        }
        let (mut record, mut forget) = (me.record, false);
        if write.tag() == tag && write.class().is_strong_with(class, self.same(write)) && !self.knows(write, me) {
            record = record.observer();
        }
        if last == record {
            return conflict;
        }
        let settled = self.same(last) && last.time() <= self.floor;
        if last.tag() == tag && !(class.covers(last.class(), self.same(last)) && self.knows(last, me)) {
            if settled {
                // All of the block come after the observer, and so after what it observed.
                forget |= last.class() == Class::Observer;
            } else {
                let before = kept;
                kept = self.absorb(kept, last);
                let stays = matches!((before, kept), (Earlier::None | Earlier::Blocks { .. }, _))
                    || matches!((before, kept), (Earlier::Set { block: a, .. }, Earlier::Set { block: b, .. }) if a == b);
                let observers = last.class() == Class::Observer && !matches!(kept, Earlier::Set { .. });
                forget |= observers || !stays && !before.is_plain();
            }
        }
        if forget && write.class().is_strong() {
            cell.set_write(Record::default(), 0);
        }
        if kept != earlier {
            cell.set_earlier(kept, tag);
        }
        cell.set_last(record, me.pc);
        conflict
    }

    fn same(&self, record: Record) -> bool {
        record.block() == self.block
    }

    /// Whether the thread of `me` knows of an access of this launch.
    fn knows(&self, record: Record, me: Noted) -> bool {
        self.thread_knows(me.record.thread() as usize, me.all, record)
    }

    /// Whether an access need not be kept once `me` is noted: `me` comes after it and races with all that it races with, or
    /// the whole block comes after it.
    fn is_done(&self, record: Record, me: Noted) -> bool {
        let settled = self.same(record) && record.time() <= self.floor;
        settled || me.record.class().covers(record.class(), self.same(record)) && self.knows(record, me)
    }

    /// What was noted before and nothing orders before `me`.
    fn conflict(&self, cell: &Cell, (write, last, earlier): (Record, Record, Earlier), me: Noted) -> Option<Conflict> {
        let class = me.record.class();
        let races = |other: Record| {
            other.tag() == me.record.tag() && class.conflicts(other.class(), self.same(other)) && !self.knows(other, me)
        };
        if races(write) && !(write.class().is_strong() && self.observed((last, earlier), me)) {
            return Some(Conflict { other: write, pc: cell.write_pc(), exact: true });
        }
        if races(last) {
            return Some(Conflict { other: last, pc: cell.last_pc(), exact: true });
        }
        let found = match earlier {
            Earlier::Set { block, set, plain } if block == self.block && (class.writes() || !plain) => {
                self.find(set, me.all, me, races).map(|other| (other, true))
            }
            Earlier::Blocks { residues, class: theirs } if class.conflicts(theirs, false) => {
                // A residue stands for several blocks. Only one of which nothing at all is known is surely not ordered.
                let others = self.others.get(me.record.thread() as usize).and_then(Option::as_ref);
                let unknown = residues & !others.map_or(0, |it| it.residues) & !residue(self.block);
                let other = Record::new(me.record.tag(), unknown.trailing_zeros(), 0, 0, theirs);
                (unknown != 0).then_some((other, false))
            }
            _ => None,
        };
        found.map(|(other, exact)| {
            let pc = if other.class().writes() { cell.write_pc() } else { cell.last_pc() };
            Conflict { other, pc, exact }
        })
    }

    /// Whether the thread comes after a read that observed the last write.
    fn observed(&self, (last, earlier): (Record, Earlier), me: Noted) -> bool {
        let known =
            |other: Record| other.tag() == me.record.tag() && other.class() == Class::Observer && self.knows(other, me);
        known(last)
            || match earlier {
                Earlier::Set { block, set, plain: false } if block == self.block => {
                    self.sets.forgot(set) || self.find(set, 0, me, known).is_some()
                }
                _ => false,
            }
    }

    /// A member of a set, from after a time, that is wanted.
    fn find(&self, set: SetId, after: u32, me: Noted, wanted: impl Fn(Record) -> bool) -> Option<Record> {
        let mut at = set;
        while let Some(part) = self.sets.part(at).filter(|it| it.latest > after) {
            let record = |thread| Record::new(me.record.tag(), self.block, thread, part.time, part.class);
            if part.time > after
                && let Some(found) = part.threads().map(record).find(|it| wanted(*it))
            {
                return Some(found);
            }
            at = part.rest;
        }
        None
    }

    /// What was noted earlier, and one more.
    fn absorb(&mut self, kept: Earlier, record: Record) -> Earlier {
        let same = self.same(record);
        match kept {
            Earlier::Blocks { residues, class } if class == record.class() => {
                Earlier::Blocks { residues: residues | residue(record.block()), class }
            }
            Earlier::Set { block, set, plain } if same && block == self.block => {
                let plain = plain && record.class().is_plain();
                Earlier::Set { block, set: self.sets.with(set, record), plain }
            }
            _ if same => {
                let set = self.sets.with(SetId(0), record);
                Earlier::Set { block: self.block, set, plain: record.class().is_plain() }
            }
            Earlier::Set { block, set, .. }
                if block == self.block && self.sets.part(set).is_some_and(|it| it.classes == record.class().bit()) =>
            {
                Earlier::Blocks { residues: residue(record.block()) | residue(block), class: record.class() }
            }
            _ => Earlier::Blocks { residues: residue(record.block()), class: record.class() },
        }
    }

    fn has_observers(&self, kept: Earlier) -> bool {
        match kept {
            Earlier::Set { block, set, plain: false } if block == self.block => {
                self.sets.part(set).is_some_and(|it| it.forgot || it.classes & Class::Observer.bit() != 0)
            }
            Earlier::Blocks { class, .. } => class == Class::Observer,
            _ => false,
        }
    }

    /// What is kept after a new strong write: who is not done with, and nobody has observed the last write.
    fn demote(&mut self, kept: Earlier, me: Noted) -> Earlier {
        match kept {
            Earlier::Set { block, set, plain } if block == self.block => {
                let mut sets = std::mem::take(&mut self.sets);
                let here = |it: Record| Record::new(me.record.tag(), block, it.thread(), it.time(), it.class());
                let set = sets.demoted(set, |it| !self.is_done(here(it), me));
                self.sets = sets;
                if set == SetId(0) { Earlier::None } else { Earlier::Set { block, set, plain } }
            }
            Earlier::Blocks { residues, class: Class::Observer } => Earlier::Blocks { residues, class: Class::Read },
            _ => kept,
        }
    }
}

/// A write to these bytes with this tag, and its instruction.
pub(super) fn written((shadow, words): (&Shadow, usize), offset: usize, bytes: u32, tag: u32) -> Option<(Record, u32)> {
    let of = |cell: &Cell| {
        let records = [(cell.write(), cell.write_pc()), (cell.last(), cell.last_pc())];
        records.into_iter().find(|(record, _)| record.tag() == tag && record.class().writes())
    };
    for word in offset / 4..(offset + bytes as usize).div_ceil(4) {
        let cell = shadow.words(words).get(word)?;
        let found = if cell.earlier(tag) == Earlier::Split {
            let first = offset.saturating_sub(word * 4);
            let bytes = shadow.bytes(words, word).iter().skip(first).take(bytes as usize);
            bytes.filter_map(of).next()
        } else {
            of(cell)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
