//! The shadow of a word: who wrote it last, and who has read it since.
//!
//! Workers read and write it with relaxed atomics and without locks. A record is one 64-bit word and true by itself: it
//! names a real access of this launch to these bytes. One that is lost or outdated can hide a race, but never make one up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Strength;
use super::clock::RESIDUES;
use super::readers::SetId;
use crate::lower::{Order, Scope};

/// Launch tags go from 1 to this; then all shadows are cleared.
pub(super) const TAGS: u32 = (1 << 12) - 1;
/// Blocks from this one on are not looked at.
pub(super) const BLOCKS: u32 = 1 << 20;
/// A block is not looked at any more when its clock comes here.
pub(super) const TIMES: u32 = (1 << 19) - 1;

/// What kind of access it is, as far as races go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// No access.
    #[default]
    None,
    WeakRead,
    WeakWrite,
    /// A strong read whose scope is the device or more.
    Read,
    /// A strong write or atomic update.
    Write,
    /// A strong read of block scope: weak in the eyes of other blocks.
    BlockRead,
    BlockWrite,
    /// A strong read that has read from the last write, which was strong. That write comes before all that comes after this
    /// read, even where nothing was released and acquired.
    Observer,
}

const CLASSES: [Class; 8] = [
    Class::None,
    Class::WeakRead,
    Class::WeakWrite,
    Class::Read,
    Class::Write,
    Class::BlockRead,
    Class::BlockWrite,
    Class::Observer,
];

impl Class {
    pub(super) fn of(strength: Strength, write: bool) -> Class {
        match (strength.order, strength.scope, write) {
            (Order::Weak, _, false) => Class::WeakRead,
            (Order::Weak, _, true) => Class::WeakWrite,
            (_, Scope::Block | Scope::Cluster, false) => Class::BlockRead,
            (_, Scope::Block | Scope::Cluster, true) => Class::BlockWrite,
            (_, _, false) => Class::Read,
            (_, _, true) => Class::Write,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Class::WeakWrite | Class::Write | Class::BlockWrite)
    }

    const fn strong(self, same_block: bool) -> bool {
        match self {
            Class::Read | Class::Write | Class::Observer => true,
            Class::BlockRead | Class::BlockWrite => same_block,
            _ => false,
        }
    }

    /// Whether two such accesses race where nothing orders them.
    #[inline]
    pub(super) const fn conflicts(self, other: Class, same_block: bool) -> bool {
        CONFLICTS[same_block as usize][self as usize] & other.bit() != 0
    }

    /// Whether all that races with `other` races with this one too. Where both are of one block, only threads of the block
    /// count: what is kept for them is not seen by others. Nobody stands for an observer.
    #[inline]
    pub(super) const fn covers(self, other: Class, same_block: bool) -> bool {
        COVERS[same_block as usize][self as usize] & other.bit() != 0
    }

    /// Whether it is strong in some eyes.
    pub(super) const fn is_strong(self) -> bool {
        self.strong(true)
    }

    /// Whether both are strong for each other.
    pub(super) const fn is_strong_with(self, other: Class, same_block: bool) -> bool {
        self.strong(same_block) && other.strong(same_block)
    }

    /// Whether it is a read that observes nothing.
    pub(super) const fn is_plain(self) -> bool {
        !self.writes() && !matches!(self, Class::Observer)
    }

    /// Whether it covers all of a set of classes of its block.
    #[inline]
    pub(super) fn covers_all(self, classes: u8) -> bool {
        COVERS[1][self as usize] & classes == classes
    }
}

/// The classes that a class covers, a bit each; in other blocks, and in the same.
const COVERS: [[u8; 8]; 2] = [covers(false), covers(true)];

const fn covers(same_block: bool) -> [u8; 8] {
    let mut table = [0; 8];
    let mut a = 1;
    while a < 8 {
        let mut b = 1;
        while b < 8 {
            let here = CONFLICTS[1][b] & !CONFLICTS[1][a];
            let elsewhere = if same_block { 0 } else { CONFLICTS[0][b] & !CONFLICTS[0][a] };
            if here | elsewhere == 0 && !matches!(CLASSES[b], Class::Observer) {
                table[a] |= CLASSES[b].bit();
            }
            b += 1;
        }
        a += 1;
    }
    table
}

/// The classes that race with a class, a bit each; in other blocks, and in the same.
const CONFLICTS: [[u8; 8]; 2] = [conflicts(false), conflicts(true)];

const fn conflicts(same_block: bool) -> [u8; 8] {
    let mut table = [0; 8];
    let mut a = 1;
    while a < 8 {
        let mut b = 1;
        while b < 8 {
            let (one, other) = (CLASSES[a], CLASSES[b]);
            let both_strong = one.strong(same_block) && other.strong(same_block);
            if (one.writes() || other.writes()) && !both_strong {
                table[a] |= other.bit();
            }
            b += 1;
        }
        a += 1;
    }
    table
}

/// An access: which launch, which block, which thread, when in the block's time, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(pub(super) u64);

impl Record {
    #[inline]
    pub(super) fn new(tag: u32, block: u32, thread: u32, time: u32, class: Class) -> Record {
        let low = (thread & 0x3FF) << 22 | (time & TIMES) << 3 | class as u32;
        Record(u64::from(tag << 20 | block & (BLOCKS - 1)) << 32 | u64::from(low))
    }

    /// 0 if there is no access.
    #[inline]
    pub(super) fn tag(self) -> u32 {
        (self.0 >> 52) as u32
    }

    #[inline]
    pub(super) fn block(self) -> u32 {
        (self.0 >> 32) as u32 & (BLOCKS - 1)
    }

    #[inline]
    pub(super) fn thread(self) -> u32 {
        self.0 as u32 >> 22
    }

    #[inline]
    pub(super) fn time(self) -> u32 {
        self.0 as u32 >> 3 & TIMES
    }

    #[inline]
    pub(super) fn class(self) -> Class {
        CLASSES[(self.0 & 7) as usize]
    }

    /// Whether it is none, of another launch, of the thread of `me`, or of its block, of which `me` knows all up to `all`.
    #[inline]
    pub(super) fn is_known(self, me: Record, all: u32) -> bool {
        let differs = self.0 ^ me.0;
        if differs >> 32 == 0 { self.time() <= all || differs >> 22 == 0 } else { differs >> 52 != 0 }
    }

    /// Whether another thread of the same block did the same at the same time.
    #[inline]
    pub(super) fn is_twin(self, me: Record) -> bool {
        const THREAD: u64 = 0x3FF << 22;
        (self.0 ^ me.0) & !THREAD == 0
    }

    /// The same, as a read that has read from the last write.
    pub(super) fn observer(self) -> Record {
        Record(self.0 | Class::Observer as u64)
    }

    /// The same, as one that has not.
    pub(super) fn demoted(self) -> Record {
        if self.class() == Class::Observer { Record(self.0 & !7 | Class::Read as u64) } else { self }
    }

    /// Thread, time and class.
    #[inline]
    pub(super) fn who(self) -> u32 {
        self.0 as u32
    }
}

/// Accesses other than the last write and the last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    None,
    /// Of threads of one block.
    Set {
        block: u32,
        set: SetId,
        /// Whether all of them read and observed nothing.
        plain: bool,
    },
    /// Of threads of several blocks: their residues. All in one way; of others nothing is kept.
    Blocks {
        residues: u64,
        class: Class,
    },
    /// The bytes of the word have cells of their own.
    Split,
}

impl Earlier {
    /// Whether nobody among them wrote or observed.
    pub(super) fn is_plain(self) -> bool {
        match self {
            Earlier::None | Earlier::Split => true,
            Earlier::Set { plain, .. } => plain,
            Earlier::Blocks { class, .. } => class.is_plain(),
        }
    }

    #[inline]
    fn decode(bits: u64, tag: u32) -> Earlier {
        if (bits >> 52) as u32 != tag {
            return Earlier::None;
        }
        match bits >> 50 & 3 {
            kind @ (0 | 1) => Earlier::Set {
                block: (bits >> 30) as u32 & (BLOCKS - 1),
                set: SetId(bits as u32 & (SetId::END - 1)),
                plain: kind == 0,
            },
            2 => Earlier::Blocks {
                residues: bits & ((1 << RESIDUES) - 1),
                class: CLASSES[(bits >> RESIDUES & 7) as usize],
            },
            _ => Earlier::Split,
        }
    }

    #[inline]
    fn encode(self, tag: u32) -> u64 {
        let (kind, payload) = match self {
            Earlier::None => return 0,
            Earlier::Set { block, set, plain } => (u64::from(!plain), u64::from(block) << 30 | u64::from(set.0)),
            Earlier::Blocks { residues, class } => (2, residues | (class as u64) << RESIDUES),
            Earlier::Split => (3, 0),
        };
        u64::from(tag) << 52 | kind << 50 | payload
    }
}

/// The shadow of a word or a byte.
#[derive(Debug, Default)]
#[repr(align(32))]
pub(super) struct Cell {
    /// The last write.
    write: AtomicU64,
    /// The last read since then.
    last: AtomicU64,
    /// Other accesses that are not ordered before these, or that race with more than they do.
    earlier: AtomicU64,
    write_pc: AtomicU32,
    last_pc: AtomicU32,
}

impl Cell {
    #[inline]
    pub(super) fn write(&self) -> Record {
        Record(self.write.load(Relaxed))
    }

    #[inline]
    pub(super) fn last(&self) -> Record {
        Record(self.last.load(Relaxed))
    }

    #[inline]
    pub(super) fn earlier(&self, tag: u32) -> Earlier {
        Earlier::decode(self.earlier.load(Relaxed), tag)
    }

    pub(super) fn write_pc(&self) -> u32 {
        self.write_pc.load(Relaxed)
    }

    pub(super) fn last_pc(&self) -> u32 {
        self.last_pc.load(Relaxed)
    }

    #[inline]
    pub(super) fn set_write(&self, record: Record, pc: u32) {
        self.write.store(record.0, Relaxed);
        self.write_pc.store(pc, Relaxed);
    }

    #[inline]
    pub(super) fn set_last(&self, record: Record, pc: u32) {
        self.last.store(record.0, Relaxed);
        self.last_pc.store(pc, Relaxed);
    }

    #[inline]
    pub(super) fn set_earlier(&self, earlier: Earlier, tag: u32) {
        self.earlier.store(earlier.encode(tag), Relaxed);
    }

    /// Written by `record`, and nothing since.
    #[inline]
    pub(super) fn overwrite(&self, record: Record, pc: u32) {
        self.set_write(record, pc);
        self.last.store(0, Relaxed);
        self.earlier.store(0, Relaxed);
    }

    fn copy_from(&self, other: &Cell) {
        self.set_write(other.write(), other.write_pc());
        self.set_last(other.last(), other.last_pc());
        self.earlier.store(other.earlier.load(Relaxed), Relaxed);
    }
}

/// The shadow of a stretch of memory. A word is one cell until somebody accesses a part of it; then its bytes are.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    words: OnceLock<Box<[Cell]>>,
    bytes: OnceLock<Box<[Cell]>>,
}

fn cells(count: usize) -> Box<[Cell]> {
    (0..count).map(|_| Cell::default()).collect()
}

impl Shadow {
    /// The cells of all words, of which there are `words`.
    #[inline]
    pub(super) fn words(&self, words: usize) -> &[Cell] {
        match self.words.get() {
            Some(cells) => cells,
            None => self.words.get_or_init(|| cells(words)),
        }
    }

    /// The cells of the bytes of a word, of which there are `words`.
    pub(super) fn bytes(&self, words: usize, word: usize) -> &[Cell] {
        let cells = self.bytes.get_or_init(|| cells(words * 4));
        cells.get(word * 4..word * 4 + 4).unwrap_or_default()
    }

    /// Gives each byte of a word what its cell says.
    pub(super) fn split(&self, words: usize, word: usize, tag: u32) {
        let Some(cell) = self.words(words).get(word) else { return };
        self.bytes(words, word).iter().for_each(|byte| byte.copy_from(cell));
        cell.overwrite(Record::default(), 0);
        cell.set_earlier(Earlier::Split, tag);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for cells in [&self.words, &self.bytes] {
            cells.get().into_iter().flatten().for_each(|cell| cell.overwrite(Record::default(), 0));
        }
    }
}
