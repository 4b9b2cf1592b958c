//! What was done, counted, for tests that assert it: launches, bytes, instructions, leaks.

use crate::driver::{Driver, say};
use cuda_emulator::machine::Counters;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts over the life of the process.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) allocations: u64,
    pub(crate) modules: u64,
    /// Kernels run, those of graphs too.
    pub(crate) launches: u64,
    pub(crate) graph_launches: u64,
    pub(crate) host_to_device: u64,
    pub(crate) device_to_host: u64,
    pub(crate) device_to_device: u64,
    /// Copies to the host with bytes that nobody wrote.
    pub(crate) unwritten_copied: u64,
    pub(crate) findings: u64,
    /// Allocations that the program left to the end of their context.
    pub(crate) leaked: u64,
    pub(crate) leaked_bytes: u64,
    kernels: BTreeMap<String, KernelTally>,
}

#[derive(Debug, Default)]
struct KernelTally {
    launches: u64,
    counters: Counters,
}

impl Tally {
    /// Counts a launch.
    pub(crate) fn kernel(&mut self, name: String, counters: &Counters) {
        let row = self.kernels.entry(name).or_default();
        row.launches += 1;
        let to = &mut row.counters;
        for (to, from) in to.lane_instructions.iter_mut().zip(counters.lane_instructions) {
            *to = to.saturating_add(from);
        }
        for (to, from) in [
            (&mut to.warp_instructions, counters.warp_instructions),
            (&mut to.flops, counters.flops),
            (&mut to.global_bytes, counters.global_bytes),
            (&mut to.global_sectors, counters.global_sectors),
            (&mut to.shared_passes, counters.shared_passes),
            (&mut to.shared_passes_ideal, counters.shared_passes_ideal),
            (&mut to.divergent_branches, counters.divergent_branches),
        ] {
            *to = to.saturating_add(from);
        }
    }
}

/// The classes of lane instructions, in the order of [`cuda_emulator::alu::Class`].
const CLASSES: [&str; 10] =
    ["integer", "half", "single", "double", "special", "convert", "memory", "control", "sync", "matrix"];

/// All counts, one a line: what it is of, whose, its name, its value.
fn table(driver: &Driver) -> String {
    let tally = &driver.tally;
    let host = driver.blocks.iter().filter(|block| block.host).count() as u64;
    let mut text = String::from("kind,name,counter,value\n");
    let mut line = |kind: &str, name: &str, counter: &str, value: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{kind},{name},{counter},{value}");
    };
    for (counter, value) in [
        ("operations", tally.operations),
        ("allocations", tally.allocations),
        ("live_device_allocations", driver.blocks.len() as u64 - host),
        ("live_host_allocations", host),
        ("live_bytes", driver.memory.used()),
        ("peak_bytes", driver.memory.peak()),
        ("leaked_allocations", tally.leaked),
        ("leaked_bytes", tally.leaked_bytes),
        ("modules", tally.modules),
        ("live_modules", driver.modules.len() as u64),
        ("live_events", driver.events.len() as u64),
        ("live_graphs", driver.graphs.len() as u64),
        ("live_graph_execs", driver.execs.len() as u64),
        ("launches", tally.launches),
        ("graph_launches", tally.graph_launches),
        ("host_to_device_bytes", tally.host_to_device),
        ("device_to_host_bytes", tally.device_to_host),
        ("device_to_device_bytes", tally.device_to_device),
        ("copies_with_unwritten_bytes", tally.unwritten_copied),
        ("findings", tally.findings),
    ] {
        line("driver", "", counter, value);
    }
    for (name, row) in &tally.kernels {
        let counters = &row.counters;
        for (counter, value) in [
            ("launches", row.launches),
            ("warp_instructions", counters.warp_instructions),
            ("flops", counters.flops),
            ("global_bytes", counters.global_bytes),
            ("global_sectors", counters.global_sectors),
            ("shared_passes", counters.shared_passes),
            ("shared_passes_ideal", counters.shared_passes_ideal),
            ("divergent_branches", counters.divergent_branches),
        ] {
            line("kernel", name, counter, value);
        }
        for (class, value) in CLASSES.iter().zip(counters.lane_instructions) {
            line("kernel", name, &format!("lane_{class}"), value);
        }
    }
    text
}

/// Writes the counts to their file, if the environment names one.
pub(crate) fn write(driver: &Driver) {
    if let Some(path) = &driver.settings.counters
        && let Err(error) = std::fs::write(path, table(driver))
    {
        say(format_args!("{}: {error}", path.display()));
    }
}

/// Writes the counts once more when the process ends.
pub(crate) fn write_at_exit() {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> i32;
    }
    extern "C" fn at_exit() {
        // A thread that still holds the lock, or a panic, must not keep the process from ending.
        let _ = std::panic::catch_unwind(|| crate::export::try_lock().map(|driver| write(&driver)));
    }
    // SAFETY: the C library calls it once, at the end of the process or when this library is unloaded, whichever is first.
    unsafe { atexit(at_exit) };
}
