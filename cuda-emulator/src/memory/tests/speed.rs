//! What an access costs. Run with `cargo test --release -p cuda-emulator --lib speed -- --ignored --nocapture`.

use std::time::Instant;

use super::grid::{BLOCK, Grid, RELAXED, Thread, WEAK};
use crate::lower::Scope;
use crate::memory::Checks;

const THREADS: u32 = 256;

/// Runs the threads of a block, warp by warp as a machine would; answers nanoseconds an access.
fn measure(name: &str, accesses: u64, run: impl FnMut(&mut Grid, Thread, u64)) {
    measure_with(Checks::default(), name, accesses, run);
}

fn measure_with(checks: Checks, name: &str, accesses: u64, mut run: impl FnMut(&mut Grid, Thread, u64)) {
    let mut grid = Grid::with(1, THREADS, checks);
    (0..1024).for_each(|word| grid.shared_store((0, 0), word, 0, WEAK));
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        grid.sync(0);
        let begin = Instant::now();
        for round in 0..16 {
            for instruction in 0..accesses {
                for thread in 0..THREADS {
                    grid.pc = instruction as u32;
                    run(&mut grid, (0, thread), instruction);
                }
            }
            if round % 4 == 3 {
                grid.sync(0);
            }
        }
        let all = (16 * accesses * u64::from(THREADS)) as f64;
        best = best.min(begin.elapsed().as_nanos() as f64 / all);
    }
    assert_eq!(grid.found(), [], "{name}");
    println!("{name:50} {best:6.1} ns");
}

#[test]
#[ignore = "measures"]
fn speed_of_accesses() {
    measure("nothing", 16, |grid, by, i| grid.base = std::hint::black_box(u64::from(by.1) + i + grid.base));
    let unchecked = Checks { races: false, uninitialised: false };
    measure_with(unchecked, "global load, a word a thread, bounds alone", 16, |grid, by, i| {
        grid.load(by, (i * 256 + u64::from(by.1)) % 4096, WEAK);
    });
    let no_races = Checks { races: false, uninitialised: true };
    measure_with(no_races, "global load, a word a thread, no races", 16, |grid, by, i| {
        grid.load(by, (i * 256 + u64::from(by.1)) % 4096, WEAK);
    });
    measure("global load, a word a thread", 16, |grid, by, i| {
        grid.load(by, (i * 256 + u64::from(by.1)) % 4096, WEAK);
    });
    measure("global store, a word a thread", 16, |grid, by, i| {
        grid.store(by, (i * 256 + u64::from(by.1)) % 4096, 1, WEAK);
    });
    measure("global load, one word for all", 16, |grid, by, i| {
        grid.load(by, i, WEAK);
    });
    measure("shared load, a word a thread", 4, |grid, by, i| {
        grid.shared_load(by, (i * 256 + u64::from(by.1)) % 1024, WEAK);
    });
    measure("shared store, a word a thread", 4, |grid, by, i| {
        grid.shared_store(by, (i * 256 + u64::from(by.1)) % 1024, 1, WEAK);
    });
    measure("shared load of a GEMM, a row for 16 threads", 16, |grid, by, i| {
        grid.shared_load(by, u64::from(by.1) / 16 * 16 + i, WEAK);
    });
    measure("shared load of a GEMM, a column for 16 threads", 16, |grid, by, i| {
        grid.shared_load(by, i * 16 + u64::from(by.1) % 16, WEAK);
    });
    measure("shared load, one word for all", 16, |grid, by, i| {
        grid.shared_load(by, i, WEAK);
    });
    measure("shared atomic, 64 bins", 4, |grid, by, i| {
        grid.shared_add(by, (i * 7 + u64::from(by.1) * 5) % 64, 1, BLOCK);
    });
    measure("global atomic, 64 bins", 4, |grid, by, i| {
        grid.add(by, (i * 7 + u64::from(by.1) * 5) % 64, 1, RELAXED);
    });
    measure("shared bytes, load", 4, |grid, by, i| {
        grid.bytes = 1;
        grid.shared_load(by, (i * 256 + u64::from(by.1)) % 4096, WEAK);
    });
    measure("shared halves, store", 4, |grid, by, i| {
        grid.bytes = 2;
        grid.shared_store(by, (i * 256 + u64::from(by.1)) % 2048, 1, WEAK);
    });
    measure("fence of device scope", 4, |grid, by, _| grid.fence(by, Scope::Device));
    measure("barrier of all, for each thread", 1, |grid, by, _| {
        if by.1 == 0 {
            grid.sync(0);
        }
    });
    measure("barrier of a warp, for each thread", 1, |grid, by, _| {
        if by.1.is_multiple_of(32) {
            grid.sync_warp(0, by.1 / 32, u32::MAX);
        }
    });
}
