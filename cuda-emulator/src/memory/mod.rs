//! Memory of a device, and its shadow: who wrote which bytes when, and whether anybody did.
//!
//! Addresses are one flat space of 64 bits, laid out by [`Windows`]. Device allocations never share or reuse an address, so that
//! an access after a free or a little past the end always meets nobody.

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
    /// The thread's linear index in its block.
    pub thread: u32,
    /// The instruction.
    pub pc: u32,
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
