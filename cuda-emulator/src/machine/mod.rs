//! The machine that runs a launch: blocks on worker threads, warps in a seeded random order, lanes in lockstep.
//!
//! **Blocks.** Each worker keeps a few blocks running and begins them in the order of their index. Where none ends for long it
//! begins more, so that a block may wait for a later one. The blocks of a cooperative launch all run at once. Which of them
//! goes on is random, and so is how long each of its warps does.
//!
//! **Warps.** Lanes at one place run together. Where a warp is split, the lanes deepest in calls go first, and of these the ones at
//! the lowest place, so that they meet again where their ways do. Now and then, and whenever the others have waited for long,
//! another part goes first: it may hold the lock that these wait for. `activemask` gives the lanes that run together.
//!
//! **Instructions of a warp** (`shfl`, `vote`, `match`, `redux`, `elect`, `bar.warp`, matrices) wait until all living lanes of their mask have come
//! to the same one with the same mask; barriers of a warp may be different ones. Lanes that have ended, or never were, need not
//! come. A mask that lacks the lane itself, or names lanes that never come, is reported, and so is a shuffle that reads a lane which
//! does not take part.
//!
//! **Barriers.** An aligned one wants the living lanes of a warp together: that some of them wait elsewhere is reported. So is a
//! thread that ended before a barrier of all threads, though devices let the others pass. Nobody left to go on is a deadlock.
//!
//! **Copies.** What `cp.async` copies is read, and lands, when its thread waits for its group, or ends; nothing else makes it land.
//!
//! **Ends.** What a device would stop at (see [`Finding::stops_hardware`](crate::Finding::stops_hardware)), a deadlock, an instruction
//! without meaning and the limit of instructions end the launch; other findings are noted, and it goes on.
//!
//! **Time** is counted in instructions: clocks show those of the block. Local memory that nobody wrote is zero.

mod block;
mod check;
mod counters;
mod launch;
mod plan;
mod print;
mod random;
mod record;
mod schedule;
mod step;
mod warp;

pub use launch::launch;

use crate::Report;
use crate::lower::FunctionId;
use crate::memory::Checks;

/// What is launched.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The kernel.
    pub kernel: FunctionId,
    /// Blocks of the grid.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of the open shared array.
    pub dynamic_shared: u32,
    /// The bytes of all parameters, each at its offset.
    pub parameters: Vec<u8>,
    /// All blocks are resident at once, as for a grid-wide barrier.
    pub cooperative: bool,
}

/// How a launch is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Orders warps, blocks, and the lanes that go first where a warp is split.
    pub seed: u64,
    /// Worker threads; blocks are spread over them. With one, a run with the same seed is the same run.
    pub workers: usize,
    /// What is checked.
    pub checks: Checks,
    /// Warp instructions that one launch may take before it counts as endless.
    pub instruction_limit: u64,
    /// Reports that are kept; equal findings at one instruction are one report.
    pub report_limit: usize,
    /// What the device has.
    pub device: DeviceLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 0,
            workers: 1,
            checks: Checks::default(),
            instruction_limit: 2_000_000_000,
            report_limit: 16,
            device: DeviceLimits::default(),
        }
    }
}

/// What a launch may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Compute capability, 80 for 8.0.
    pub architecture: u32,
    /// Bytes of shared memory that a block may have without asking for more.
    pub shared_per_block: u32,
    /// Bytes that it may have when it has asked.
    pub shared_per_block_optin: u32,
    /// Multiprocessors.
    pub multiprocessors: u32,
}

impl DeviceLimits {
    /// The limits of a real device of this compute capability: 75, 80 or 90; others take those of the next lower one.
    pub fn of(architecture: u32) -> Self {
        let (shared_per_block_optin, multiprocessors) = match architecture {
            90.. => (227 << 10, 132),
            80.. => (163 << 10, 108),
            _ => (64 << 10, 40),
        };
        DeviceLimits { architecture, shared_per_block: 48 << 10, shared_per_block_optin, multiprocessors }
    }
}

impl Default for DeviceLimits {
    fn default() -> Self {
        DeviceLimits::of(80)
    }
}

/// What a launch did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What it did wrong, in the order of discovery; but a read of bytes that a race may write too late stands behind the race.
    pub reports: Vec<Report>,
    /// What `printf` wrote.
    pub output: String,
    /// What it cost.
    pub counters: Counters,
}

/// What a launch cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Instructions, one for each warp that issued one.
    pub warp_instructions: u64,
    /// Instructions, one for each active lane, by class in the order of [`Class`](crate::alu::Class).
    pub lane_instructions: [u64; 10],
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes that lanes asked global memory for, loads and stores.
    pub global_bytes: u64,
    /// Sectors of 32 bytes that this took.
    pub global_sectors: u64,
    /// Passes over shared memory's 32 banks.
    pub shared_passes: u64,
    /// Passes that would do if no two lanes met at a bank.
    pub shared_passes_ideal: u64,
    /// Branches at which a warp split.
    pub divergent_branches: u64,
}
