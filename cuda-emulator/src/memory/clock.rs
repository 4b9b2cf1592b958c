//! What a thread knows has happened: vector clocks, kept small by the structure of a grid.

use std::sync::Arc;

use crate::alu::WARP;

/// Blocks whose entries lie side by side in [`Others`].
const GROUP: usize = 16;
/// Blocks are summed up by their index modulo this, see [`Others::residues`].
pub(super) const RESIDUES: u32 = 47;

/// Times of the threads of one warp.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WarpTimes {
    warp: u32,
    times: [u32; WARP],
}

/// What is known of single threads of a block, beyond what is known of all.
#[derive(Clone, Debug, Default)]
pub(super) enum More {
    #[default]
    None,
    /// Of one thread.
    One { thread: u32, time: u32 },
    /// Of several; by warp.
    Warps(Arc<[WarpTimes]>),
}

impl More {
    /// The time up to which this thread is known.
    pub(super) fn time_of(&self, thread: u32) -> u32 {
        match self {
            More::None => 0,
            More::One { thread: one, time } if *one == thread => *time,
            More::One { .. } => 0,
            More::Warps(warps) => {
                let of = |it: &WarpTimes| it.times.get(thread as usize % WARP).copied().unwrap_or(0);
                let warp = thread / WARP as u32;
                warps.binary_search_by_key(&warp, |it| it.warp).ok().and_then(|at| warps.get(at)).map_or(0, of)
            }
        }
    }

    fn each(&self, mut run: impl FnMut(u32, u32)) {
        match self {
            More::None => {}
            More::One { thread, time } => run(*thread, *time),
            More::Warps(warps) => {
                for it in warps.iter() {
                    for (lane, &time) in it.times.iter().enumerate().filter(|(_, time)| **time > 0) {
                        run(it.warp * WARP as u32 + lane as u32, time);
                    }
                }
            }
        }
    }

    /// Whether both are the same thing in memory, which is how equal ones mostly are.
    pub(super) fn is(&self, other: &More) -> bool {
        match (self, other) {
            (More::None, More::None) => true,
            (More::One { thread: a, time: s }, More::One { thread: b, time: t }) => a == b && s == t,
            (More::Warps(a), More::Warps(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What is known of the threads of one block.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// All of them up to this time.
    pub(super) all: u32,
    /// Some of them further.
    pub(super) more: More,
}

impl Entry {
    pub(super) fn covers(&self, thread: u32, time: u32) -> bool {
        time <= self.all || time <= self.more.time_of(thread)
    }

    /// Learns what the other knows.
    pub(super) fn join(&mut self, other: &Entry) {
        self.all = self.all.max(other.all);
        self.join_more(&other.more);
    }

    pub(super) fn join_more(&mut self, other: &More) {
        if matches!(other, More::None) || self.more.is(other) {
            return;
        }
        let mut news = false;
        other.each(|thread, time| news |= !self.covers(thread, time));
        if !news {
            return;
        }
        if let More::None = self.more {
            self.more = other.clone();
            return;
        }
        let mut table = Table::default();
        table.add_all(&self.more);
        table.add_all(other);
        self.more = table.finish(self.all);
    }

    /// Learns of one thread.
    pub(super) fn add(&mut self, thread: u32, time: u32) {
        self.join_more(&More::One { thread, time });
    }
}

/// A growing table of what is known of single threads.
#[derive(Default)]
pub(super) struct Table {
    warps: Vec<WarpTimes>,
}

impl Table {
    pub(super) fn add(&mut self, thread: u32, time: u32) {
        let warp = thread / WARP as u32;
        // Threads mostly come in order, so the last one is it.
        let last = self.warps.len().wrapping_sub(1);
        let at = match self.warps.last() {
            Some(it) if it.warp == warp => last,
            _ => match self.warps.binary_search_by_key(&warp, |it| it.warp) {
                Ok(at) => at,
                Err(at) => {
                    self.warps.insert(at, WarpTimes { warp, times: [0; WARP] });
                    at
                }
            },
        };
        let slot = self.warps.get_mut(at).and_then(|it| it.times.get_mut(thread as usize % WARP));
        if let Some(slot) = slot {
            *slot = time.max(*slot);
        }
    }

    pub(super) fn add_all(&mut self, more: &More) {
        more.each(|thread, time| self.add(thread, time));
    }

    /// What of it says more than that all are known up to `all`.
    pub(super) fn finish(mut self, all: u32) -> More {
        self.warps.retain(|it| it.times.iter().any(|&time| time > all));
        if self.warps.is_empty() { More::None } else { More::Warps(self.warps.into()) }
    }
}

/// What is known of blocks other than one's own. Most of it is shared with those it was learnt from.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    /// By block index divided by [`GROUP`], in order.
    groups: Vec<(u32, Arc<[Entry; GROUP]>)>,
    /// The residues of all blocks of which anything is known.
    pub(super) residues: u64,
}

/// Perhaps something.
pub(super) type MaybeOthers = Option<Arc<Others>>;

impl Others {
    pub(super) fn get(&self, block: u32) -> Option<&Entry> {
        let group = block / GROUP as u32;
        let at = self.groups.binary_search_by_key(&group, |it| it.0).ok()?;
        self.groups.get(at)?.1.get(block as usize % GROUP)
    }

    /// Learns of one block.
    pub(super) fn add(&mut self, block: u32, entry: &Entry) {
        self.residues |= residue(block);
        let group = block / GROUP as u32;
        let at = match self.groups.binary_search_by_key(&group, |it| it.0) {
            Ok(at) => at,
            Err(at) => {
                self.groups.insert(at, (group, Arc::default()));
                at
            }
        };
        let Some((_, entries)) = self.groups.get_mut(at) else { return };
        if let Some(slot) = Arc::make_mut(entries).get_mut(block as usize % GROUP) {
            slot.join(entry);
        }
    }

    fn join(&mut self, other: &Others) {
        self.residues |= other.residues;
        let mine = std::mem::take(&mut self.groups);
        let mut mine = mine.into_iter().peekable();
        for (group, theirs) in &other.groups {
            while let Some(it) = mine.next_if(|it| it.0 < *group) {
                self.groups.push(it);
            }
            match mine.next_if(|it| it.0 == *group) {
                None => self.groups.push((*group, theirs.clone())),
                Some((_, mut ours)) => {
                    if !Arc::ptr_eq(&ours, theirs) {
                        for (ours, theirs) in Arc::make_mut(&mut ours).iter_mut().zip(theirs.iter()) {
                            ours.join(theirs);
                        }
                    }
                    self.groups.push((*group, ours));
                }
            }
        }
        self.groups.extend(mine);
    }

    /// Whether the other knows nothing that this one does not.
    fn has_all_of(&self, other: &Others) -> bool {
        other.groups.iter().all(|(group, theirs)| {
            let Ok(at) = self.groups.binary_search_by_key(group, |it| it.0) else { return false };
            let Some((_, ours)) = self.groups.get(at) else { return false };
            Arc::ptr_eq(ours, theirs)
                || ours.iter().zip(theirs.iter()).all(|(ours, theirs)| {
                    let mut all = theirs.all <= ours.all;
                    theirs.more.each(|thread, time| all &= ours.covers(thread, time));
                    all
                })
        })
    }
}

/// The bit that stands for a block in sets of blocks.
pub(super) fn residue(block: u32) -> u64 {
    1 << (block % RESIDUES)
}

/// Learns what `other` knows, and shares it where one of them knows all.
pub(super) fn join_others(known: &mut MaybeOthers, other: &MaybeOthers) {
    let Some(other) = other else { return };
    match known {
        None => *known = Some(other.clone()),
        Some(known) if Arc::ptr_eq(known, other) || known.has_all_of(other) => {}
        Some(known) if other.has_all_of(known) => *known = other.clone(),
        Some(known) => Arc::make_mut(known).join(other),
    }
}

/// What a thread knows, or has published.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    /// Of its own block.
    pub(super) own: Entry,
    /// Of other blocks.
    pub(super) others: MaybeOthers,
}

impl Knowledge {
    pub(super) fn join(&mut self, other: &Knowledge) {
        self.own.join(&other.own);
        join_others(&mut self.others, &other.others);
    }
}
