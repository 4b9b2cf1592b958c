//! Sets of threads that have read a word (or updated it atomically) since it was last written.
//!
//! A word of a tile is read by many threads, and all words of a tile by the same ones in the same order. So sets are numbered
//! and never changed: adding a reader to a set gives the number of another one, which is remembered. A set says exactly
//! who is in it.

use super::shadow::{Class, Record};

/// Sets that a block keeps. With more, all are forgotten, and with them perhaps a race.
const SET_LIMIT: usize = 1 << 16;
/// Parts of a set, one for each time and class. A set with more forgets the others.
const PART_LIMIT: u8 = 64;
const MEMO: usize = 1 << 10;

/// The number of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetId(pub(super) u32);

impl SetId {
    /// Numbers stay below this. A block that has used them all up notes no more sets.
    pub(super) const END: u32 = 1 << 30;
}

/// The members of a set that accessed at one time and in one way, and the set of the others.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) time: u32,
    pub(super) class: Class,
    /// A bit a thread; a word a warp.
    pub(super) members: [u32; 32],
    /// The latest time of this part and the rest.
    pub(super) latest: u32,
    /// The classes of this part and the rest, a bit each.
    pub(super) classes: u8,
    parts: u8,
    /// Whether there were more.
    pub(super) forgot: bool,
    pub(super) rest: SetId,
}

/// The sets of one block since its last barrier of all threads: that barrier orders all members of earlier sets before all
/// that follows in the block.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// The number of the first set that is kept.
    base: u32,
    parts: Vec<Part>,
    /// By set and new member: the set that has both.
    memo: Box<[(u64, SetId)]>,
}

impl Sets {
    pub(super) fn new() -> Self {
        Sets { base: 1, parts: Vec::new(), memo: vec![(0, SetId(0)); MEMO].into() }
    }

    /// The first part of a set; `None` for the empty set and for those that are forgotten.
    pub(super) fn part(&self, set: SetId) -> Option<&Part> {
        self.parts.get(set.0.checked_sub(self.base)? as usize)
    }

    /// Whether a set is not empty and not forgotten.
    #[inline]
    pub(super) fn keeps(&self, set: SetId) -> bool {
        set.0 >= self.base
    }

    /// Forgets all sets.
    pub(super) fn clear(&mut self) {
        if !self.parts.is_empty() {
            self.base += self.parts.len() as u32;
            self.parts.clear();
        }
    }

    /// The set with one member more. Only thread, time and class of the record count.
    pub(super) fn with(&mut self, set: SetId, record: Record) -> SetId {
        let key = u64::from(set.0) << 32 | u64::from(record.who());
        let slot = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % MEMO;
        if let Some(&(known, to)) = self.memo.get(slot)
            && known == key
            && self.keeps(to)
        {
            return to;
        }
        let to = self.make(set, record);
        if let Some(entry) = self.memo.get_mut(slot) {
            *entry = (key, to);
        }
        to
    }

    /// Whether a set has forgotten members.
    pub(super) fn forgot(&self, set: SetId) -> bool {
        self.part(set).is_some_and(|it| it.forgot)
    }

    /// The members of a set that are wanted, observers as plain strong reads.
    pub(super) fn demoted(&mut self, set: SetId, wanted: impl Fn(Record) -> bool) -> SetId {
        let (mut members, mut at) = (Vec::new(), set);
        while let Some(part) = self.part(at) {
            let record = |thread| Record::new(0, 0, thread, part.time, part.class).demoted();
            members.extend(part.threads().map(record).filter(|it| wanted(*it)));
            at = part.rest;
        }
        members.into_iter().rev().fold(SetId(0), |set, record| self.with(set, record))
    }

    #[cold]
    fn make(&mut self, set: SetId, record: Record) -> SetId {
        let (time, class) = (record.time(), record.class());
        let (warp, bit) = (record.thread() as usize / 32, 1 << (record.thread() % 32));
        let mut at = set;
        while let Some(part) = self.part(at) {
            let is_member = part.members.get(warp).is_some_and(|lanes| lanes & bit != 0);
            if part.time == time && part.class == class && is_member {
                return set;
            }
            at = part.rest;
        }
        if self.parts.len() >= SET_LIMIT {
            self.clear();
        }
        if self.base >= SetId::END - SET_LIMIT as u32 {
            return SetId(0);
        }
        let mut new = match self.part(set) {
            Some(part) if part.time == time && part.class == class => part.clone(),
            Some(part) if part.parts < PART_LIMIT => Part {
                time,
                class,
                members: [0; 32],
                latest: part.latest.max(time),
                classes: part.classes | class.bit(),
                parts: part.parts + 1,
                forgot: part.forgot,
                rest: set,
            },
            part => {
                let forgot = part.is_some();
                Part {
                    time,
                    class,
                    members: [0; 32],
                    latest: time,
                    classes: class.bit(),
                    parts: 1,
                    forgot,
                    rest: SetId(0),
                }
            }
        };
        if let Some(lanes) = new.members.get_mut(warp) {
            *lanes |= bit;
        }
        let id = SetId(self.base + self.parts.len() as u32);
        self.parts.push(new);
        id
    }
}

impl Part {
    /// The members of this part.
    pub(super) fn threads(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.members).flat_map(|(warp, &lanes)| {
            let rest = |lanes: &u32| Some(lanes & (lanes - 1)).filter(|it| *it != 0);
            std::iter::successors(Some(lanes).filter(|it| *it != 0), rest)
                .map(move |lanes| warp * 32 + lanes.trailing_zeros())
        })
    }
}
