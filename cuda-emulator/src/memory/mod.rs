//! Memory of a device, and its shadow: who wrote which bytes when, and whether anybody did.
//!
//! Addresses are one flat space of 64 bits, laid out by [`Windows`]. Device allocations never share or reuse an address, so that
//! an access after a free or a little past the end always meets nobody.
//!
//! # What is checked
//!
//! Every access of a kernel, loads too, to global and shared memory:
//! - that its size is 1, 2, 4 or 8 bytes, its address a multiple of it, and all its bytes in one live allocation; if not, that
//!   it was freed is told from that it is past the end, and the nearest allocation is named;
//! - that nobody writes read-only memory;
//! - that bytes that are read have been written, each byte by itself (page-locked memory of the host counts as written). They
//!   hold ones until then: not a number in every float format;
//! - that it does not race.
//!
//! # What counts as a race
//!
//! Two accesses of one launch by different threads race if they have a byte in common, at least one writes it, neither comes before the
//! other, and they are not both *strong* for each other. Strong are atomics, and loads and stores with `.volatile`, `.relaxed`,
//! `.acquire` or `.release`; for threads of other blocks they are strong only with a scope of the device or more. The head of `memory/order.rs`
//! says what comes before what. There are no exceptions: it is a race too
//! - if both write the same value (the note says so);
//! - if the two are lanes of one warp, even in one instruction: only `bar.warp.sync` and barriers order lanes;
//! - if the data was handed over with atomics but without a fence on one of the sides;
//! - if a copy by `cp.async` is under way: from its begin until it lands its bytes belong to nobody, not even to its own thread.
//!
//! A non-coherent load (`ld.global.nc`) of bytes that were written earlier in the launch is a finding whatever orders the two. Bytes of
//! one word are apart: neighbouring threads may each write their own.
//!
//! # What the checker cannot see
//!
//! A report is never made up: whatever is reported did happen in this order of warps and blocks, and nothing ordered it. But it can
//! miss some:
//! - only what ran is seen; other seeds give other orders;
//! - accesses that are strong for each other never race, however wrong their order is;
//! - of the threads of *other* blocks that read a word (or wrote it strongly) before, the last one is known exactly, the others by
//!   their block's index modulo 47, and such a block is reported only if the thread knows nothing of any block of that index. On
//!   random programs about one race in a hundred between blocks is missed so; within a block none;
//! - a strong write that some thread has read is forgotten when a strong store overwrites it that does not come after it (6 races of
//!   121,397 on random programs);
//! - a block counts up to 524,287 steps of its clock (a step is a barrier, or a fence or release of one thread), then its races are no
//!   longer looked for; nor are those of blocks from index 1,048,576 on. A word remembers readers at up to 64 different times, a
//!   block 65,536 sets of readers between two barriers of all its threads. A launch may release at about 4 million places (65,536
//!   in each of 64 tables); beyond that no race of it is reported;
//! - on several workers a race may be missed if both accesses happen at the very same moment.

mod access;
mod check;
mod chunk;
mod clock;
mod device;
mod order;
mod readers;
mod shadow;
mod shared;
mod threads;
mod view;

pub use device::{Allocated, FreeError, Memory, OutOfMemory};
pub use order::{BlockOrder, LaunchOrder};
pub use shared::Shared;
pub use view::View;

use crate::Finding;
use crate::lower::{Order, Scope};

/// Where generic addresses of each space begin. Shared and local windows are 16 MiB each.
pub struct Windows;

impl Windows {
    /// Generic address of shared address 0.
    pub const SHARED: u64 = 0x10_0000_0000;
    /// Generic address of local address 0.
    pub const LOCAL: u64 = 0x20_0000_0000;
    /// Generic address of parameter address 0.
    pub const PARAM: u64 = 0x30_0000_0000;
    /// Bytes of each of these windows.
    pub const BYTES: u64 = 1 << 24;
    /// Device allocations begin here.
    pub const DEVICE: u64 = 0x0100_0000_0000;
}

/// The first bytes of shared memory belong to nobody, so that a null pointer meets nobody.
pub const SHARED_BASE: u32 = 1024;

/// A thread at an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The block's linear index in the grid.
    pub block: u32,
    /// The instruction.
    pub pc: u32,
    /// The thread's linear index in its block. Last, because the others stay while it changes: a copy reads the first two at
    /// once, and would wait for a part that has just been written.
    pub thread: u32,
}

/// How an access takes part in the order of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// Weak accesses race with everything that is not ordered; strong ones do not race with strong ones whose scope holds
    /// both threads.
    pub order: Order,
    /// Its scope; says nothing of a weak access.
    pub scope: Scope,
}

impl Strength {
    /// An ordinary load or store.
    pub const WEAK: Strength = Strength { order: Order::Weak, scope: Scope::Block };
}

/// What an access meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub finding: Finding,
    /// The other side of a race.
    pub other: Option<Actor>,
    /// What the report says more: `4 bytes past the end of the allocation of 4096 bytes at 0x..`.
    pub note: String,
}

/// What checkers are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Two accesses that nothing orders.
    pub races: bool,
    /// Reads of bytes that nobody wrote.
    pub uninitialised: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Checks { races: true, uninitialised: true }
    }
}

#[cfg(test)]
mod tests;
