//! Kernels that are right, and the same with one ingredient missing: the first must pass, the others must be found.

use super::grid::{ACQUIRE, BLOCK, Grid, RELAXED, RELEASE, Thread, WEAK};
use crate::lower::Scope;
use crate::memory::Strength;

/// Runs a kernel with nothing missing, then without each of its ingredients, from 1 on.
fn ingredients(count: u32, kernel: impl Fn(&dyn Fn(u32) -> bool) -> Grid) {
    let mut right = kernel(&|_| true);
    assert_eq!(right.found(), []);
    for missing in 1..=count {
        let mut wrong = kernel(&|ingredient| ingredient != missing);
        assert!(wrong.races(), "nobody noticed that ingredient {missing} was missing");
    }
}

/// Each of the threads of a block.
fn each(grid: &mut Grid, block: u32, mut run: impl FnMut(&mut Grid, Thread)) {
    for thread in 0..grid.threads {
        run(grid, (block, thread));
    }
}

#[test]
fn tile_is_loaded_used_and_loaded_again() {
    ingredients(2, |has| {
        let mut grid = Grid::new(1, 256);
        for step in 0..3 {
            each(&mut grid, 0, |grid, by| {
                let value = grid.load(by, step * 256 + u64::from(by.1), WEAK);
                grid.shared_store(by, by.1.into(), value, WEAK);
            });
            if has(1) || step != 1 {
                grid.sync(0);
            }
            each(&mut grid, 0, |grid, by| {
                for k in 0..16 {
                    grid.shared_load(by, u64::from(by.1) / 16 * 16 + k, WEAK);
                    grid.shared_load(by, k * 16 + u64::from(by.1) % 16, WEAK);
                }
            });
            if has(2) || step != 1 {
                grid.sync(0);
            }
        }
        grid
    });
}

#[test]
fn double_buffering_needs_one_barrier_a_step() {
    ingredients(1, |has| {
        let mut grid = Grid::new(1, 64);
        let fill = |grid: &mut Grid, buffer: u64| {
            each(grid, 0, |grid, by| grid.shared_store(by, buffer * 64 + u64::from(by.1), 1, WEAK));
        };
        fill(&mut grid, 0);
        grid.sync(0);
        for step in 0..6 {
            fill(&mut grid, (step + 1) % 2);
            each(&mut grid, 0, |grid, by| {
                for k in 0..64 {
                    grid.shared_load(by, step % 2 * 64 + k, WEAK);
                }
            });
            if has(1) || step != 3 {
                grid.sync(0);
            }
        }
        grid
    });
}

#[test]
fn warp_passes_values_through_shared_memory() {
    ingredients(2, |has| {
        let mut grid = Grid::new(1, 64);
        for warp in 0..2 {
            let lanes = |grid: &mut Grid, run: &dyn Fn(&mut Grid, Thread)| {
                (warp * 32..warp * 32 + 32).for_each(|thread| run(grid, (0, thread)));
            };
            for _ in 0..2 {
                lanes(&mut grid, &|grid, by| grid.shared_store(by, by.1.into(), 7, WEAK));
                if has(1) {
                    grid.sync_warp(0, warp, u32::MAX);
                }
                lanes(&mut grid, &|grid, by| _ = grid.shared_load(by, (by.1 ^ 1).into(), WEAK));
                if has(2) {
                    grid.sync_warp(0, warp, u32::MAX);
                }
            }
        }
        grid
    });
}

#[test]
fn half_a_warp_meets_alone() {
    // 1: the right lanes meet; 2: the reader is among them.
    ingredients(2, |has| {
        let mut grid = Grid::new(1, 32);
        (0..16).for_each(|lane| grid.shared_store((0, lane), lane.into(), 1, WEAK));
        grid.sync_warp(0, 0, if has(1) { 0xFFFF } else { 0xFF });
        (0..16).for_each(|lane| grid.shared_store((0, lane), (15 - lane).into(), 2, WEAK));
        grid.sync_warp(0, 0, 0xFFFF);
        grid.shared_load((0, if has(2) { 3 } else { 16 }), 5, WEAK);
        grid
    });
}

/// The barrier of a grid of atomics and fences, run so that all blocks arrive before any goes on. `has` says which of its
/// four ingredients are there.
fn grid_barrier(grid: &mut Grid, counter: u64, has: &dyn Fn(u32) -> bool) {
    let blocks = grid.blocks.len() as u32;
    for block in 0..blocks {
        if has(1) {
            grid.sync(block);
        }
        if has(2) {
            grid.fence((block, 0), Scope::Device);
        }
        grid.add((block, 0), counter, 1, RELAXED);
        // Not all are there: it spins.
        grid.load((block, 0), counter, RELAXED);
    }
    for block in 0..blocks {
        grid.load((block, 0), counter, RELAXED);
        if has(3) {
            grid.fence((block, 0), Scope::Device);
        }
        if has(4) {
            grid.sync(block);
        }
    }
}

#[test]
fn grid_barrier_orders_all_blocks() {
    ingredients(4, |has| {
        let mut grid = Grid::new(70, 64);
        for phase in 0..3u64 {
            let present = |it: u32| has(it) || phase != 1;
            for block in 0..70 {
                each(&mut grid, block, |grid, by| {
                    // Reads what the neighbours wrote in the phase before, writes for the next.
                    let me = u64::from(block) * 16 + u64::from(by.1) / 4;
                    if phase > 0 {
                        grid.load(by, (phase - 1) % 2 * 2000 + (me + 17) % 1120, WEAK);
                    }
                    if by.1 % 4 == 0 {
                        grid.store(by, phase % 2 * 2000 + me, phase, WEAK);
                    }
                });
            }
            grid_barrier(&mut grid, 4000, &present);
        }
        grid
    });
}

#[test]
fn last_block_sums_up() {
    ingredients(4, |has| {
        let mut grid = Grid::new(5, 64);
        let mut last = 0;
        for block in [3, 0, 4, 1, 2] {
            each(&mut grid, block, |grid, by| grid.store(by, u64::from(block) * 64 + u64::from(by.1), 1, WEAK));
            if has(1) {
                grid.sync(block);
            }
            if has(2) {
                grid.fence((block, 0), Scope::Device);
            }
            let before = grid.add((block, 0), 4000, 1, RELAXED);
            if before == 4 {
                last = block;
            }
        }
        if has(3) {
            grid.fence((last, 0), Scope::Device);
        }
        if has(4) {
            grid.sync(last);
        }
        each(&mut grid, last, |grid, by| {
            (0..5).for_each(|block| _ = grid.load(by, block * 64 + u64::from(by.1), WEAK));
        });
        grid
    });
}

#[test]
fn last_block_sums_up_where_every_thread_fences() {
    // Fences first, then the barrier, then the atomic: the barrier joins threads whose fences have passed.
    ingredients(1, |has| {
        let mut grid = Grid::new(3, 64);
        for block in 0..3 {
            each(&mut grid, block, |grid, by| grid.store(by, u64::from(block) * 64 + u64::from(by.1), 1, WEAK));
            each(&mut grid, block, |grid, by| grid.fence(by, Scope::Device));
            grid.sync(block);
            if has(1) {
                grid.fence((block, 0), Scope::Device);
            }
            grid.add((block, 0), 4000, 1, RELAXED);
        }
        grid.fence((2, 0), Scope::Device);
        grid.sync(2);
        each(&mut grid, 2, |grid, by| (0..3).for_each(|block| _ = grid.load(by, block * 64 + u64::from(by.1), WEAK)));
        grid
    });
}

#[test]
fn scopes_must_reach_the_other_block() {
    // 1, 2: the fences; 3, 4: the flag's accesses. Of the block's scope only, they order nothing here.
    ingredients(4, |has| {
        let mut grid = Grid::new(2, 32);
        let fence = |it| if has(it) { Scope::Device } else { Scope::Block };
        let strength = |it| if has(it) { RELAXED } else { BLOCK };
        grid.store((0, 5), 10, 1, WEAK);
        grid.fence((0, 5), fence(1));
        grid.store((0, 5), 11, 1, strength(3));
        grid.load((1, 9), 11, strength(4));
        grid.fence((1, 9), fence(2));
        grid.load((1, 9), 10, WEAK);
        grid
    });
}

#[test]
fn scope_of_the_block_is_enough_within_it() {
    let mut grid = Grid::new(1, 64);
    grid.store((0, 5), 10, 1, WEAK);
    grid.fence((0, 5), Scope::Block);
    grid.store((0, 5), 11, 1, BLOCK);
    grid.load((0, 40), 11, BLOCK);
    grid.fence((0, 40), Scope::Block);
    grid.load((0, 40), 10, WEAK);
    assert!(!grid.races());
    grid.load((0, 41), 10, WEAK);
    assert!(grid.races());
}

/// A scan in one pass: each block publishes its own sum, looks back at those before it, and publishes the sum up to it.
fn look_back(has: &dyn Fn(u32) -> bool, store: Strength, load: Strength) -> Grid {
    let (flags, sums, totals) = (3000, 3100, 3200);
    let mut grid = Grid::new(20, 64);
    let fence = |grid: &mut Grid, by: Thread, it: u32| {
        if store == RELAXED && has(it) {
            grid.fence(by, Scope::Device);
        }
    };
    for block in 0..20u64 {
        let by = (block as u32, 0);
        each(&mut grid, by.0, |grid, by| grid.store(by, block * 64 + u64::from(by.1), 1, WEAK));
        if has(1) {
            grid.sync(by.0);
        }
        grid.store(by, sums + block, 1, WEAK);
        fence(&mut grid, by, 2);
        grid.store(by, flags + block, 1, store);
        // Looks back as far as the last total.
        for other in (block.saturating_sub(3)..block).rev() {
            let flag = grid.load(by, flags + other, load);
            fence(&mut grid, by, 3);
            grid.load(by, if flag == 2 { totals } else { sums } + other, WEAK);
        }
        if block % 2 == 0 {
            grid.store(by, totals + block, 1, WEAK);
            fence(&mut grid, by, 4);
            grid.store(by, flags + block, 2, store);
        }
        grid.sync(by.0);
        // What all threads of the block before did is known too.
        if block > 0 {
            each(&mut grid, by.0, |grid, by| _ = grid.load(by, (block - 1) * 64 + 63 - u64::from(by.1), WEAK));
        }
    }
    grid
}

#[test]
fn look_back_scan_with_fences() {
    ingredients(4, |has| look_back(has, RELAXED, RELAXED));
}

#[test]
fn look_back_scan_with_acquire_and_release() {
    assert_eq!(look_back(&|_| true, RELEASE, ACQUIRE).found(), []);
    assert_eq!(look_back(&|_| true, RELAXED, ACQUIRE).found(), [], "its fences release too");
    assert!(look_back(&|it| it != 1, RELEASE, ACQUIRE).races());
    let volatile = Strength { order: crate::lower::Order::Relaxed, scope: Scope::System };
    assert!(look_back(&|_| true, RELEASE, volatile).races(), "nobody acquires");
}

#[test]
fn producer_and_consumer_meet_at_named_barriers() {
    // Warps 0 and 1 produce, warps 2 and 3 consume. Barrier 1: full; barrier 2: empty.
    ingredients(2, |has| {
        let mut grid = Grid::new(1, 128);
        let (producers, consumers): (Vec<u32>, Vec<u32>) = ((0..64).collect(), (64..128).collect());
        for step in 0..4 {
            for &thread in &producers {
                grid.shared_store((0, thread), thread.into(), step, WEAK);
            }
            let order = &mut grid.blocks[0].0;
            order.arrive(1, &producers);
            if has(1) {
                order.complete(1, &consumers, false);
            }
            for &thread in &consumers {
                grid.shared_load((0, thread), (thread - 64).into(), WEAK);
                grid.shared_load((0, thread), (127 - thread).into(), WEAK);
            }
            let order = &mut grid.blocks[0].0;
            order.arrive(2, &consumers);
            if has(2) {
                order.complete(2, &producers, false);
            }
        }
        grid
    });
}

#[test]
fn who_arrives_and_goes_on_learns_nothing() {
    let mut grid = Grid::new(1, 64);
    let (first, second): (Vec<u32>, Vec<u32>) = ((0..32).collect(), (32..64).collect());
    grid.shared_store((0, 40), 0, 1, WEAK);
    let order = &mut grid.blocks[0].0;
    order.arrive(1, &first);
    order.complete(1, &second, false);
    grid.shared_load((0, 33), 0, WEAK);
    assert!(!grid.races());
    grid.shared_load((0, 3), 0, WEAK);
    assert!(grid.races());
    // And what it does after it arrived is not ordered by that barrier.
    grid.shared_store((0, 1), 9, 1, WEAK);
    grid.shared_load((0, 33), 9, WEAK);
    assert!(grid.races());
}

#[test]
fn named_barrier_orders_its_warps_only() {
    ingredients(1, |has| {
        let mut grid = Grid::new(1, 96);
        (0..64).for_each(|thread| grid.shared_store((0, thread), thread.into(), 1, WEAK));
        grid.sync_some(0, 0..64);
        let reader = if has(1) { 63 } else { 64 };
        (0..64).for_each(|word| _ = grid.shared_load((0, reader), word, WEAK));
        grid
    });
}

#[test]
fn histogram_of_atomics() {
    ingredients(2, |has| {
        let mut grid = Grid::new(1, 128);
        each(&mut grid, 0, |grid, by| {
            if by.1 < 16 {
                grid.shared_store(by, by.1.into(), 0, WEAK);
            }
        });
        if has(1) {
            grid.sync(0);
        }
        each(&mut grid, 0, |grid, by| {
            (0..4).for_each(|i| _ = grid.shared_add(by, (u64::from(by.1) * 7 + i * 3) % 16, 1, BLOCK));
        });
        if has(2) {
            grid.sync(0);
        }
        each(&mut grid, 0, |grid, by| {
            if by.1 < 16 {
                assert!(grid.shared_load(by, by.1.into(), WEAK) >= 4 || !has(2));
                grid.add(by, by.1.into(), 1, RELAXED);
            }
        });
        grid
    });
}

#[test]
fn neighbouring_bytes_are_their_own() {
    for bytes in [1, 2] {
        let mut grid = Grid::new(2, 64);
        grid.bytes = bytes;
        // Flags side by side, of threads and of blocks.
        each(&mut grid, 0, |grid, by| grid.shared_store(by, by.1.into(), 1, WEAK));
        each(&mut grid, 0, |grid, by| assert_eq!(grid.shared_load(by, by.1.into(), WEAK), 1));
        for block in 0..2 {
            each(&mut grid, block, |grid, by| grid.store(by, u64::from(by.1 * 2 + block), 1, WEAK));
        }
        assert!(!grid.races());
        grid.shared_load((0, 0), 1, WEAK);
        assert!(grid.races());
        grid.load((0, 0), 1, WEAK);
        assert!(grid.races());
        // All of it, by a thread that knows only a part.
        grid.bytes = 4;
        grid.shared_load((0, 4 / bytes), 1, WEAK);
        assert!(grid.races());
        grid.sync(0);
        grid.shared_load((0, 0), 1, WEAK);
        grid.shared_store((0, 0), 1, 5, WEAK);
        grid.sync(0);
        grid.bytes = bytes;
        let part = u64::from(4 / bytes) + 1;
        grid.shared_load((0, 1), part, WEAK);
        assert!(!grid.races());
        grid.shared_store((0, 2), part, 5, WEAK);
        assert!(grid.races());
    }
}

#[test]
fn spin_lock_guards_a_sum() {
    // 1: the fence before the lock is given back; 2: the one after it was taken.
    ingredients(2, |has| {
        let mut grid = Grid::new(6, 32);
        for block in 0..6 {
            let by = (block, block * 3);
            assert_eq!(grid.add(by, 100, 1, RELAXED), 0);
            if has(2) {
                grid.fence(by, Scope::Device);
            }
            let sum = grid.load(by, 101, WEAK);
            grid.store(by, 101, sum + 1, WEAK);
            if has(1) {
                grid.fence(by, Scope::Device);
            }
            assert_eq!(grid.add(by, 100, u64::MAX, RELAXED), 1);
        }
        grid
    });
}

#[test]
fn what_one_block_passes_on_orders_a_third() {
    // Block 0 to block 1 to block 2, by acquire and release; the third reads what the first wrote.
    ingredients(1, |has| {
        let mut grid = Grid::new(3, 32);
        grid.store((0, 1), 0, 1, WEAK);
        grid.store((0, 1), 1, 1, RELEASE);
        grid.load((1, 2), 1, if has(1) { ACQUIRE } else { RELAXED });
        grid.store((1, 2), 2, 1, RELEASE);
        grid.load((2, 3), 2, ACQUIRE);
        grid.load((2, 3), 0, WEAK);
        grid
    });
}

#[test]
fn knowledge_comes_back_to_its_own_block() {
    ingredients(1, |has| {
        let mut grid = Grid::new(2, 64);
        grid.store((0, 1), 0, 1, WEAK);
        grid.store((0, 1), 1, 1, RELEASE);
        grid.load((1, 2), 1, ACQUIRE);
        grid.store((1, 2), 2, 1, if has(1) { RELEASE } else { RELAXED });
        grid.load((0, 50), 2, ACQUIRE);
        grid.load((0, 50), 0, WEAK);
        grid
    });
}

#[test]
fn overwritten_flag_publishes_nothing() {
    let mut grid = Grid::new(3, 32);
    grid.store((0, 0), 0, 1, WEAK);
    grid.store((0, 0), 1, 1, RELEASE);
    // An atomic passes on what it found; a plain store does not.
    grid.add((1, 0), 1, 1, RELAXED);
    grid.load((2, 0), 1, ACQUIRE);
    grid.load((2, 0), 0, WEAK);
    assert!(!grid.races());
    grid.store((1, 0), 1, 1, RELAXED);
    grid.load((2, 1), 1, ACQUIRE);
    grid.load((2, 1), 0, WEAK);
    assert!(grid.races());
}
