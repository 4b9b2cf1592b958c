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

impl Threads {
    /// Notes an access of up to 8 aligned bytes and answers what it races with. `words` is how many words the shadow has.
    #[inline]
    pub(super) fn access(
        &mut self,
        (shadow, words): (&Shadow, usize),
        offset: usize,
        bytes: u32,
        (thread, pc): (u32, u32),
        (tag, class): (u32, Class),
    ) -> Option<Conflict> {
        if !self.tracked {
            return None;
        }
        let thread = thread as usize;
        let &Now { time, all } = self.now.get(thread)?;
        let me = Record::new(tag, self.block, thread as u32, time, class);
        let word = offset / 4;
        if bytes < 4 {
            return self.part((shadow, words), offset, bytes, (me, all, pc));
        }
        let found = self.word((shadow, words), word, (me, all, pc));
        if bytes < 8 {
            return found;
        }
        let second = self.word((shadow, words), word + 1, (me, all, pc));
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
    fn word(&mut self, shadow: (&Shadow, usize), word: usize, me: (Record, u32, u32)) -> Option<Conflict> {
        let cell = shadow.0.words(shadow.1).get(word)?;
        let (write, last) = (cell.write(), cell.last());
        // The commonest: the thread has just done the same,
        if last == me.0 {
            return None;
        }
        let (record, all, pc) = me;
        let old = |other: Record| other.is_known(record, all);
        let earlier = cell.earlier(record.tag());
        // or all that was done before is long known,
        if earlier == Earlier::None && old(write) && old(last) {
            match record.class() {
                Class::WeakWrite => {
                    cell.overwrite(record, pc);
                    return None;
                }
                Class::WeakRead if !last.class().writes() => {
                    cell.set_last(record, pc);
                    return None;
                }
                _ => {}
            }
        }
        // or it is one more read of what all threads have read since a barrier.
        if record.class() == Class::WeakRead && last.is_twin(record) && old(write) {
            let set = match earlier {
                Earlier::None => Some(SetId(0)),
                Earlier::Set { block, set, writes: false } if block == self.block => Some(set),
                _ => None,
            };
            if let Some(set) = set {
                let set = self.sets.with(set, last);
                cell.set_earlier(Earlier::Set { block: self.block, set, writes: false }, record.tag());
                cell.set_last(record, pc);
                return None;
            }
        }
        if earlier == Earlier::Split {
            let found = self.part(shadow, word * 4, 4, me);
            if me.0.class() == Class::WeakWrite {
                cell.overwrite(me.0, me.2);
            }
            return found;
        }
        self.cell(cell, earlier, me)
    }

    /// An access to bytes that have cells of their own, or get them now.
    #[cold]
    fn part(
        &mut self,
        (shadow, words): (&Shadow, usize),
        offset: usize,
        bytes: u32,
        me: (Record, u32, u32),
    ) -> Option<Conflict> {
        let (word, tag) = (offset / 4, me.0.tag());
        if shadow.words(words).get(word)?.earlier(tag) != Earlier::Split {
            shadow.split(words, word, tag);
        }
        let mut found = None;
        for cell in shadow.bytes(words, word).iter().skip(offset % 4).take(bytes as usize) {
            if cell.last() != me.0 {
                let conflict = self.cell(cell, cell.earlier(tag), me);
                found = found.or(conflict);
            }
        }
        found
    }

    #[inline]
    fn cell(&mut self, cell: &Cell, earlier: Earlier, (me, all, pc): (Record, u32, u32)) -> Option<Conflict> {
        let (tag, class, thread) = (me.tag(), me.class(), me.thread() as usize);
        let (write, last) = (cell.write(), cell.last());
        let races = |threads: &Self, other: Record| {
            other.tag() == tag
                && class.conflicts(other.class(), other.block() == threads.block)
                && !threads.knows(thread, all, other)
        };
        let mut conflict = None;
        if races(self, write) {
            conflict = Some(Conflict { other: write, pc: cell.write_pc(), exact: true });
        } else if races(self, last) {
            conflict = Some(Conflict { other: last, pc: cell.last_pc(), exact: true });
        } else if match earlier {
            Earlier::None | Earlier::Split => false,
            Earlier::Set { writes, .. } => writes || class.writes(),
            Earlier::Blocks { class: theirs, .. } => class.conflicts(theirs, false),
        } {
            conflict = self.earlier_conflict(earlier, (me, all)).map(|it| Conflict { pc: cell.last_pc(), ..it });
        }
        if class == Class::WeakWrite {
            if write != me {
                cell.set_write(me, pc);
            }
            if last.0 != 0 {
                cell.set_last(Record::default(), 0);
            }
            if earlier != Earlier::None {
                cell.set_earlier(Earlier::None, tag);
            }
            return conflict;
        }
        let kept = if last.tag() == tag { self.keep(cell, earlier, last, (me, all)) } else { Earlier::None };
        if kept != earlier {
            cell.set_earlier(kept, tag);
        }
        cell.set_last(me, pc);
        conflict
    }

    /// What of the earlier accesses, and the one that was last, must be kept when `me` becomes the last: what is not
    /// ordered before it, and what races with more than it does.
    fn keep(&mut self, cell: &Cell, earlier: Earlier, last: Record, (me, all): (Record, u32)) -> Earlier {
        let class = me.class();
        let mut kept = earlier;
        if let Earlier::Set { block, set, .. } = earlier
            && block == self.block
            // A set holds somebody from after the last barrier of all.
            && (all > self.floor || !self.sets.keeps(set))
            && self.sets.part(set).is_none_or(|it| it.latest <= all && class.covers_all(it.classes))
        {
            kept = Earlier::None;
        }
        if class.covers(last.class()) && self.knows(me.thread() as usize, all, last) {
            return kept;
        }
        let same_block = last.block() == self.block;
        if same_block && last.time() <= self.floor {
            // The whole block knows it. Only other blocks may yet race with it, and only with a write.
            let write = cell.write();
            let free = write.tag() != me.tag() || write.block() == self.block && write.time() <= self.floor;
            if free && last.class().writes() {
                cell.set_write(last, cell.last_pc());
            }
            return kept;
        }
        match kept {
            Earlier::Blocks { residues, class } if class == last.class() => {
                Earlier::Blocks { residues: residues | residue(last.block()), class }
            }
            Earlier::Set { block, set, writes } if same_block && block == self.block => {
                Earlier::Set { block, set: self.sets.with(set, last), writes: writes || last.class().writes() }
            }
            _ if same_block => {
                let set = self.sets.with(SetId(0), last);
                Earlier::Set { block: self.block, set, writes: last.class().writes() }
            }
            Earlier::Set { block, set, .. }
                if block == self.block && self.sets.part(set).is_some_and(|it| it.classes == last.class().bit()) =>
            {
                Earlier::Blocks { residues: residue(last.block()) | residue(block), class: last.class() }
            }
            _ => Earlier::Blocks { residues: residue(last.block()), class: last.class() },
        }
    }

    fn earlier_conflict(&self, earlier: Earlier, (me, all): (Record, u32)) -> Option<Conflict> {
        let (class, thread) = (me.class(), me.thread() as usize);
        let found = |block, thread, time, class, exact| {
            let other = Record::new(me.tag(), block, thread, time, class);
            Some(Conflict { other, pc: 0, exact })
        };
        match earlier {
            Earlier::None | Earlier::Split => None,
            Earlier::Set { block, .. } if block != self.block => None,
            Earlier::Set { block, set, .. } => {
                let mut at = set;
                while let Some(part) = self.sets.part(at).filter(|it| it.latest > all) {
                    if part.time > all && class.conflicts(part.class, true) {
                        let unknown = |&other: &u32| {
                            other as usize != thread
                                && self.more.get(thread).is_none_or(|it| it.time_of(other) < part.time)
                        };
                        if let Some(other) = part.threads().find(unknown) {
                            return found(block, other, part.time, part.class, true);
                        }
                    }
                    at = part.rest;
                }
                None
            }
            Earlier::Blocks { residues, class: theirs } => {
                // A residue stands for several blocks. Only one of which nothing at all is known is surely not ordered.
                let known = self.others.get(thread).and_then(Option::as_ref).map_or(0, |it| it.residues);
                let unknown = residues & !known & !residue(self.block);
                if unknown == 0 { None } else { found(unknown.trailing_zeros(), 0, 0, theirs, false) }
            }
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
