//! Single accesses: what is refused, what is said of it, and what several workers do at once.

use std::sync::Arc;

use super::grid::{ACQUIRE, GLOBAL_WORDS, Grid, RELAXED, RELEASE, WEAK};
use crate::Finding;
use crate::lower::Scope;
use crate::memory::{Actor, BlockOrder, Checks, LaunchOrder, Memory, SHARED_BASE, Shared, View};

const ME: Actor = Actor { block: 0, thread: 0, pc: 7 };

fn order() -> BlockOrder {
    BlockOrder::new(&Arc::new(LaunchOrder::default()), 0, 64)
}

fn view(memory: &Memory) -> View {
    View::new(memory, memory.begin_launch(), Checks::default())
}

#[test]
fn global_accesses_are_refused_with_the_place_they_miss() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(100).unwrap();
    let freed = memory.allocate(64).unwrap();
    let constant = memory.allocate_read_only(8).unwrap();
    memory.write(constant, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    memory.free(freed).unwrap();
    let (mut view, mut order) = (view(&memory), order());
    let cases = [
        (a + 100, 4, Finding::OutOfBounds, format!("0 bytes behind the end of the allocation of 100 bytes at {a:#x}")),
        (a + 96, 8, Finding::OutOfBounds, format!("4 bytes past the end of the allocation of 100 bytes at {a:#x}")),
        (a - 4, 4, Finding::OutOfBounds, format!("4 bytes in front of the allocation of 100 bytes at {a:#x}")),
        (0, 4, Finding::OutOfBounds, format!("{a} bytes in front of the allocation of 100 bytes at {a:#x}")),
        (a + 2, 4, Finding::Misaligned, "the address is 2 bytes past a multiple of 4".into()),
        (
            freed + 8,
            4,
            Finding::UseAfterFree,
            format!("byte 8 of the allocation of 64 bytes at {freed:#x}, which was freed"),
        ),
        (u64::MAX - 3, 4, Finding::OutOfBounds, String::new()),
        (a, 3, Finding::Invalid, "an access has 1, 2, 4 or 8 bytes, not 3".into()),
        (a, 0, Finding::Invalid, "an access has 1, 2, 4 or 8 bytes, not 0".into()),
    ];
    for (address, bytes, finding, note) in cases {
        // Twice, as what is in the cache must not matter.
        view.store(&mut order, ME, a, 4, 1, WEAK).unwrap();
        assert_eq!(view.load(&mut order, ME, address, bytes, WEAK), None);
        assert_eq!(view.store(&mut order, ME, address, bytes, 1, WEAK), None);
        assert_eq!(view.update(&mut order, ME, address, bytes, RELAXED, &|old| Some(old)), None);
        let found = std::mem::take(&mut view.troubles);
        assert_eq!(found.len(), 3, "{found:?}");
        for trouble in found {
            assert_eq!(trouble.finding, finding, "{trouble:?}");
            assert!(note.is_empty() || trouble.note == note, "{trouble:?}");
        }
    }
    assert_eq!(view.load(&mut order, ME, constant, 8, WEAK), Some(0x0807_0605_0403_0201));
    assert_eq!(view.store(&mut order, ME, constant, 4, 1, WEAK), None);
    assert_eq!(view.troubles.pop().unwrap().finding, Finding::ReadOnly);
    assert_eq!(view.troubles, []);
}

#[test]
fn shared_accesses_are_refused_too() {
    let (mut shared, mut order) = (Shared::new(100, Checks::default()), order());
    let base = u64::from(SHARED_BASE);
    let cases = [
        (0, 4, "1024 bytes in front of the block's 100 bytes of shared memory"),
        (base + 96, 8, "4 bytes past the end of the block's 100 bytes of shared memory"),
        (base + 104, 4, "4 bytes behind the end of the block's 100 bytes of shared memory"),
        (u64::MAX - 7, 8, ""),
    ];
    for (address, bytes, note) in cases {
        assert_eq!(shared.load(&mut order, ME, address, bytes, WEAK), None);
        let trouble = shared.troubles.pop().unwrap();
        assert_eq!(trouble.finding, Finding::OutOfBounds);
        assert!(note.is_empty() || trouble.note == note, "{trouble:?}");
    }
    assert_eq!(shared.store(&mut order, ME, base + 2, 4, 0, WEAK), None);
    assert_eq!(shared.troubles.pop().unwrap().finding, Finding::Misaligned);
    assert_eq!(Shared::new(0, Checks::default()).load(&mut order, ME, base, 4, WEAK), None);
}

#[test]
fn bytes_that_nobody_wrote_are_told_each() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(64).unwrap();
    let (mut view, mut order) = (view(&memory), order());
    view.store(&mut order, ME, a + 1, 1, 0x55, WEAK).unwrap();
    assert_eq!(view.load(&mut order, ME, a + 1, 1, WEAK), Some(0x55));
    assert_eq!(view.troubles, []);
    assert_eq!(view.load(&mut order, ME, a, 4, WEAK), Some(0xFFFF_55FF));
    let note = view.troubles.pop().unwrap();
    assert_eq!(note.finding, Finding::Uninitialised);
    assert_eq!(note.note, "nobody has written 3 of these bytes, the first of them byte 0");
    view.update(&mut order, ME, a + 8, 8, RELAXED, &|_| Some(5));
    assert_eq!(view.troubles.pop().unwrap().note, "nobody has written any of these bytes");
    assert_eq!(view.load(&mut order, ME, a + 8, 8, RELAXED), Some(5));
    assert_eq!(view.troubles, []);
    // The host sees what the kernel wrote, and no more.
    let mut bytes = [0; 16];
    assert_eq!(memory.read(a, &mut bytes), Ok(7));
    assert_eq!((bytes[1], bytes[8]), (0x55, 5));
}

#[test]
fn shared_memory_of_the_next_block_is_new() {
    let (mut shared, mut order) = (Shared::new(64, Checks::default()), order());
    let base = u64::from(SHARED_BASE);
    for _ in 0..5000 {
        shared.store(&mut order, ME, base, 4, 1, WEAK).unwrap();
        shared.begin_copy(&mut order, ME, base + 16, 16).unwrap();
        assert_eq!(shared.troubles, []);
        shared.restart();
        order = self::order();
        let other = Actor { thread: 5, ..ME };
        shared.load(&mut order, other, base + 16, 4, WEAK);
        assert_eq!(shared.troubles.pop().unwrap().finding, Finding::Uninitialised);
        shared.restart();
        order = self::order();
    }
}

#[test]
fn lanes_of_one_instruction_must_not_write_the_same_bytes() {
    let mut grid = Grid::new(1, 64);
    for (other, value, note) in [(1, 7, "two lanes of one instruction write the same value 0x7"), (2, 9, "0x7 and 0x9")]
    {
        let index = other.into();
        grid.store((0, 0), index, 7, WEAK);
        grid.store((0, other), index, value, WEAK);
        let found = grid.found();
        assert_eq!(found.len(), 1);
        assert!(found[0].note.contains(note), "{found:?}");
        assert_eq!(found[0].other.unwrap().thread, 0);
    }
    grid.add((0, 0), 9, 1, RELAXED);
    grid.add((0, 1), 9, 1, RELAXED);
    assert_eq!(grid.found(), []);
}

#[test]
fn non_coherent_loads_must_not_meet_writes() {
    let mut grid = Grid::new(1, 64);
    let (base, actor) = (grid.base, Actor { thread: 3, ..ME });
    let load = |grid: &mut Grid, index: u64| {
        grid.view.load_non_coherent(&mut grid.blocks[0].0, actor, base + index * 4, 4).unwrap();
        grid.found()
    };
    assert_eq!(load(&mut grid, 0), []);
    grid.store((0, 3), 1, 1, WEAK);
    grid.sync(0);
    let found = load(&mut grid, 1);
    assert_eq!((found.len(), found[0].finding), (1, Finding::Race));
    assert_eq!(found[0].other.unwrap().thread, 3);
    grid.bytes = 1;
    grid.store((0, 3), 8, 1, WEAK);
    assert_eq!(load(&mut grid, 2).len(), 1);
    assert_eq!(load(&mut grid, 3), []);
}

#[test]
fn launches_are_ordered() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(1024).unwrap();
    memory.fill(a, 0, 4, 256).unwrap();
    // More launches than there are tags.
    for launch in 0..10_000u32 {
        let (mut view, mut order) = (view(&memory), order());
        let actor = Actor { block: 0, thread: launch % 64, pc: 0 };
        view.store(&mut order, actor, a, 4, 1, WEAK).unwrap();
        view.load(&mut order, actor, a + 4, 4, WEAK).unwrap();
        view.store(&mut order, Actor { thread: (launch + 1) % 64, ..actor }, a + 8, 1, 1, WEAK).unwrap();
        assert_eq!(view.troubles, []);
        view.load(&mut order, Actor { thread: (launch + 1) % 64, ..actor }, a, 4, WEAK).unwrap();
        assert_eq!(view.troubles.len(), 1);
    }
}

#[test]
fn copies_belong_to_nobody_until_they_land() {
    let base = u64::from(SHARED_BASE);
    let run = |wait_first: bool, sync: bool, reader: u32| {
        let (mut shared, mut order) = (Shared::new(256, Checks::default()), order());
        shared.begin_copy(&mut order, ME, base + 16, 16).unwrap();
        if wait_first {
            shared.land_copy(&mut order, ME, base + 16, &[3; 16]);
        }
        if sync {
            order.barrier(&(0..64).collect::<Vec<_>>(), true);
        }
        let value = shared.load(&mut order, Actor { thread: reader, ..ME }, base + 20, 4, WEAK);
        let race = shared.troubles.pop().is_some_and(|it| it.finding == Finding::Race);
        assert!(race || value == Some(0x0303_0303));
        race
    };
    assert!(!run(true, false, 0), "its own thread has waited");
    assert!(!run(true, true, 9));
    assert!(run(true, false, 9), "no barrier");
    assert!(run(false, true, 9) && run(false, false, 0), "nobody has waited");

    let (mut shared, mut order) = (Shared::new(256, Checks::default()), order());
    shared.store(&mut order, Actor { thread: 9, ..ME }, base, 4, 1, WEAK).unwrap();
    shared.begin_copy(&mut order, ME, base, 8).unwrap();
    assert_eq!(shared.troubles.pop().unwrap().other.unwrap().thread, 9, "a copy races with what came before");
    shared.begin_copy(&mut order, Actor { thread: 2, ..ME }, base + 4, 4).unwrap();
    assert_eq!(shared.troubles.pop().unwrap().other.unwrap().thread, 0, "two copies to the same bytes");
    assert_eq!(shared.store(&mut order, ME, base + 8, 4, 1, WEAK), Some(()), "beside it");
    assert_eq!(shared.troubles, []);
    for (address, bytes, finding) in [
        (base + 4, 8, Finding::Misaligned),
        (base + 248, 16, Finding::Misaligned),
        (base + 256, 16, Finding::OutOfBounds),
        (base, 12, Finding::Invalid),
        (u64::MAX - 15, 16, Finding::OutOfBounds),
    ] {
        assert_eq!(shared.begin_copy(&mut order, ME, address, bytes), None);
        assert_eq!(shared.troubles.pop().unwrap().finding, finding);
    }
}

#[test]
fn counter_is_reset_by_the_last_who_counted() {
    let mut grid = Grid::new(3, 32);
    for block in 0..3 {
        grid.add((block, 0), 0, 1, RELAXED);
    }
    grid.store((2, 0), 0, 0, WEAK);
    assert_eq!(grid.found(), []);
    // Who has not counted comes after nobody.
    grid.add((0, 0), 1, 1, RELAXED);
    grid.store((1, 0), 1, 0, WEAK);
    assert!(grid.races());
    // Nor does who reads a flag in passing know what was written in front of it.
    grid.store((0, 0), 2, 1, WEAK);
    grid.store((0, 0), 3, 1, RELAXED);
    grid.load((1, 0), 3, RELAXED);
    grid.store((1, 0), 3, 0, WEAK);
    assert!(!grid.races());
    grid.load((1, 0), 2, WEAK);
    assert!(grid.races());
}

#[test]
fn who_ended_is_known_after_a_barrier_of_all() {
    let mut grid = Grid::new(1, 96);
    let threads = |range: std::ops::Range<u32>| range.collect::<Vec<u32>>();
    grid.shared_store((0, 90), 0, 1, WEAK);
    let order = &mut grid.blocks[0].0;
    // Warp 2 has ended, warp 1 arrives and goes on, warp 0 waits.
    order.arrive(1, &threads(32..64));
    order.complete(1, &threads(0..32), true);
    grid.shared_load((0, 3), 0, WEAK);
    assert!(!grid.races());
    grid.shared_load((0, 40), 0, WEAK);
    assert!(grid.races());
}

#[test]
fn a_clock_that_runs_out_ends_the_search_quietly() {
    let mut grid = Grid::new(1, 32);
    for _ in 0..600_000 {
        grid.sync(0);
        grid.fence((0, 1), Scope::Device);
    }
    grid.store((0, 0), 0, 1, WEAK);
    grid.store((0, 1), 0, 1, WEAK);
    assert_eq!(grid.found(), []);
}

#[test]
fn blocks_on_several_workers_find_no_race_where_there_is_none() {
    let memory = Memory::new(1 << 24);
    let base = memory.allocate(GLOBAL_WORDS * 4).unwrap();
    memory.fill(base, 0, 1, GLOBAL_WORDS * 4).unwrap();
    let (launch, number) = (Arc::new(LaunchOrder::default()), memory.begin_launch());
    let blocks = std::sync::atomic::AtomicU32::new(0);
    let (counter, wide, lock, sum, flags) = (base, base + 8, base + 16, base + 20, base + 1024);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut view = View::new(&memory, number, Checks::default());
                loop {
                    let block = blocks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if block >= 200 {
                        break;
                    }
                    let mut order = BlockOrder::new(&launch, block, 32);
                    let actor = Actor { block, thread: block % 32, pc: 0 };
                    for thread in 0..32 {
                        let add = |old: u64| Some(old + 1);
                        let actor = Actor { thread, ..actor };
                        view.update(&mut order, actor, counter, 4, RELAXED, &add).unwrap();
                        let add = |old: u64| Some(old + 0x1_0000_0001);
                        view.update(&mut order, actor, wide, 8, RELAXED, &add).unwrap();
                        // Bytes of one word, each of another block.
                        let byte = base + 2048 + u64::from(thread * 200 + block);
                        view.store(&mut order, actor, byte, 1, 1, WEAK).unwrap();
                    }
                    // A lock by acquire and release around a plain sum.
                    let take = |old: u64| (old == 0).then_some(1);
                    while view.update(&mut order, actor, lock, 4, ACQUIRE, &take).unwrap() != 0 {
                        std::thread::yield_now();
                    }
                    let old = view.load(&mut order, actor, sum, 4, WEAK).unwrap();
                    view.store(&mut order, actor, sum, 4, old + 1, WEAK).unwrap();
                    view.store(&mut order, actor, lock, 4, 0, RELEASE).unwrap();
                    // What a block writes, the next one reads when it sees the flag.
                    let flag = flags + u64::from(block) * 4;
                    if block > 0 && view.load(&mut order, actor, flag - 4, 4, ACQUIRE).unwrap() == 1 {
                        view.load(
                            &mut order,
                            actor,
                            base + 2048 + u64::from((block - 1) % 32 * 200 + block - 1),
                            1,
                            WEAK,
                        );
                    }
                    view.store(&mut order, actor, flag, 4, 1, RELEASE).unwrap();
                }
                assert_eq!(view.troubles, []);
            });
        }
    });
    let mut words = [0; 24];
    memory.read(base, &mut words).unwrap();
    let word = |at: usize| u32::from_le_bytes(words[at..at + 4].try_into().unwrap());
    assert_eq!([word(0), word(8), word(12), word(16), word(20)], [6400, 6400, 6400, 0, 200]);
}
