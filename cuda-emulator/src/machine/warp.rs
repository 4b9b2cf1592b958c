//! The state of a warp: registers, where each lane is, who waits.

use super::random::Random;
use super::step::copy::Copies;
use crate::alu::{Lanes, WARP};

/// Registers of all frames of a warp; each takes 256 bytes.
pub(super) const REGISTER_LIMIT: usize = 1 << 17;
/// Bytes of local memory that a thread may have, as on a device.
pub(super) const LOCAL_LIMIT: u64 = 512 << 10;
/// Calls within calls.
pub(super) const DEPTH_LIMIT: usize = 1024;
/// The effort that a warp may spend split, other lanes waiting for their turn, before another part of it gets a turn.
const PATIENCE: u32 = 1024;

/// Where a call goes back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The call.
    pub(super) call: u32,
    /// The first register of the caller.
    pub(super) window: u32,
    /// The caller's frame in local memory.
    pub(super) base: u32,
    /// The callee.
    pub(super) function: u32,
}

/// A warp. Lanes that are neither ended nor wait are ready.
#[derive(Debug)]
pub(super) struct Warp {
    /// Its place in the block.
    pub(super) index: u32,
    /// Its registers; those of a frame begin at the frame's window.
    pub(super) registers: Vec<Lanes>,
    /// Lanes that there are: the last warp of a block may be short.
    pub(super) exist: u32,
    /// Lanes that have not ended.
    pub(super) live: u32,
    /// Lanes that wait at an instruction for the members of its mask.
    pub(super) meeting: u32,
    /// Lanes that wait at a barrier of the block for the rest of the warp.
    pub(super) gathering: u32,
    /// Lanes that wait at a barrier of the block for others.
    pub(super) blocked: u32,
    /// The masks that meeting lanes have named.
    pub(super) members: [u32; WARP],
    /// The barriers that blocked lanes wait at.
    pub(super) barrier: [u8; WARP],
    /// Where each lane is. An ended one stays where it ended.
    pub(super) pc: [u32; WARP],
    /// The first register of each lane's frame.
    pub(super) window: [u32; WARP],
    /// The frame of each lane in local memory.
    pub(super) base: [u32; WARP],
    /// Where the frame ends.
    pub(super) top: [u32; WARP],
    /// Calls that each lane is in.
    pub(super) stack: Vec<Vec<Frame>>,
    /// Local memory of each lane, as far as it was touched.
    pub(super) local: Vec<Vec<u8>>,
    /// Carry flags.
    pub(super) carry: u32,
    /// Asynchronous copies under way, empty if there never was one.
    pub(super) copies: Vec<Copies>,
    /// Who goes first where the warp is split. Each warp has its own, so that a run does not depend on workers.
    pub(super) random: Random,
    patience: u32,
}

/// Lanes that run together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) mask: u32,
    pub(super) pc: u32,
    pub(super) window: u32,
    /// Whether no other lane of the warp is ready.
    pub(super) alone: bool,
    /// The next place where other lanes wait for their turn.
    pub(super) stop: u32,
}

/// The lanes of a mask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set(pub(super) u32);

impl Iterator for Set {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros() as usize & (WARP - 1);
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

impl Warp {
    /// A warp at the begin of a kernel.
    pub(super) fn new(index: u32, lanes: u32, registers: Vec<Lanes>, entry: u32, frame: u32, random: Random) -> Self {
        let exist = if lanes >= WARP as u32 { u32::MAX } else { (1 << lanes) - 1 };
        Warp {
            index,
            registers,
            exist,
            live: exist,
            meeting: 0,
            gathering: 0,
            blocked: 0,
            members: [0; WARP],
            barrier: [0; WARP],
            pc: [entry; WARP],
            window: [0; WARP],
            base: [0; WARP],
            top: [frame; WARP],
            stack: Vec::new(),
            local: Vec::new(),
            carry: 0,
            copies: Vec::new(),
            random,
            patience: PATIENCE,
        }
    }

    /// Lanes that can go on.
    #[inline]
    pub(super) fn ready(&self) -> u32 {
        self.live & !(self.meeting | self.gathering | self.blocked)
    }

    /// How deep in calls a lane is.
    #[inline]
    pub(super) fn depth(&self, lane: usize) -> usize {
        self.stack.get(lane).map_or(0, Vec::len)
    }

    /// Ready lanes that stand where this one does.
    fn beside(&self, ready: u32, lane: usize) -> u32 {
        let depth = self.depth(lane);
        let same = |it: &usize| {
            self.pc[*it] == self.pc[lane] && self.window[*it] == self.window[lane] && self.depth(*it) == depth
        };
        Set(ready).filter(same).fold(0, |mask, it| mask | 1 << it)
    }

    /// The lanes that run next: those deepest in calls, and of these the ones at the lowest place, so that lanes that went
    /// different ways meet again where the ways do. Now and then, and when the others have waited for long, another part of
    /// the warp: it may hold the lock that these wait for.
    pub(super) fn pick(&mut self) -> Option<Group> {
        let ready = self.ready();
        if ready == 0 {
            return None;
        }
        let first = ready.trailing_zeros() as usize & (WARP - 1);
        let group = |mask: u32, lane: usize, alone, stop| Group {
            mask,
            pc: self.pc[lane],
            window: self.window[lane],
            alone,
            stop,
        };
        let together = Set(ready).all(|it| self.pc[it] == self.pc[first] && self.window[it] == self.window[first]);
        if together && (self.stack.is_empty() || Set(ready).all(|it| self.depth(it) == self.depth(first))) {
            let group = group(ready, first, true, u32::MAX);
            self.patience = PATIENCE;
            return Some(group);
        }
        let place = |it: &usize| (std::cmp::Reverse(self.depth(*it)), self.pc[*it]);
        let mut lane = Set(ready).min_by_key(place).unwrap_or(first);
        let mut mask = self.beside(ready, lane);
        let others = ready & !mask;
        if others != 0 && (self.patience == 0 || self.random.below(64) == 0) {
            self.patience = PATIENCE;
            lane = Set(others).nth(self.random.below(others.count_ones()) as usize).unwrap_or(lane);
            mask = self.beside(ready, lane);
        }
        let (depth, pc) = (self.depth(lane), self.pc[lane]);
        let others = Set(ready & !mask).filter(|it| self.depth(*it) == depth && self.pc[*it] > pc);
        let stop = others.map(|it| self.pc[it]).min().unwrap_or(u32::MAX);
        let group = Group { mask, pc, window: self.window[lane], alone: mask == ready, stop };
        Some(group)
    }

    /// Part of the warp has run for so long while others waited for their turn.
    pub(super) fn tire(&mut self, effort: u32) {
        self.patience = self.patience.saturating_sub(effort);
    }

    /// Puts lanes at a place.
    #[inline]
    pub(super) fn put(&mut self, lanes: u32, pc: u32) {
        if lanes == u32::MAX {
            self.pc = [pc; WARP];
        } else {
            Set(lanes).for_each(|it| self.pc[it] = pc);
        }
    }

    /// Whether the warp is done.
    pub(super) fn ended(&self) -> bool {
        self.live == 0
    }
}
