//! Blocks side by side: who runs when, and what does not depend on it.

use crate::bench::kernel;
use cuda_emulator::Finding;

/// Every block waits until the last one has begun.
const WAIT: &str = "
    mov.u32 %r4, %nctaid.x;
    setp.ne.u32 %p0, %r1, 0;
    @%p0 bra WAITED;
    atom.global.acq_rel.gpu.add.u32 %r5, [%rd0], 1;
AGAIN:
    ld.acquire.gpu.global.u32 %r5, [%rd0];
    setp.lt.u32 %p1, %r5, %r4;
    @%p1 bra AGAIN;
WAITED:
    bar.sync 0;
    st.global.u32 [%rd2+4], %r4;";

#[test]
fn blocks_that_wait_for_later_ones_do_not_starve_them() {
    for workers in [1, 2] {
        let mut bench = kernel(WAIT).threads(32).blocks(12);
        bench.settings.workers = workers;
        bench.settings.instruction_limit = 1 << 26;
        assert_eq!(bench.gives(385)[1..], [12; 384]);
    }
}

#[test]
fn a_cooperative_launch_holds_all_blocks_at_once() {
    for workers in [1, 2, 3] {
        let mut bench = kernel(WAIT).threads(32).blocks(100);
        bench.launch.cooperative = true;
        bench.settings.workers = workers;
        // Blocks spin for as long as the system gives another worker no processor.
        bench.settings.instruction_limit = 1 << 32;
        assert_eq!(bench.gives(3201)[1..], [100; 3200]);
    }
    let mut bench = kernel(WAIT).threads(1024).blocks(217);
    bench.launch.cooperative = true;
    let why = bench.try_run().unwrap_err().to_string();
    assert!(why.contains("holds 216 at once"), "{why}");
}

const MIXED: &str = "
    setp.lt.u32 %p0, %r1, %r2;
    and.b32 %r4, %r1, 5;
    setp.eq.u32 %p1, %r4, 4;
    @%p1 bra END;
    @%p0 bra END;
    atom.global.add.u32 %r5, [%rd0], 1;
    mul.wide.u32 %rd3, %r5, 4;
    add.u64 %rd3, %rd0, %rd3;
    st.global.u32 [%rd3+4], %r2;
END:";

#[test]
fn the_same_seed_with_one_worker_is_the_same_run() {
    let order = |seed: u64| {
        let bench = kernel(MIXED).threads(96).blocks(6).seed(seed);
        let outcome = bench.quiet();
        (bench.words(500), outcome.counters)
    };
    let runs: Vec<_> = (0..6).map(order).collect();
    for (seed, run) in (0..).zip(&runs) {
        assert_eq!(&order(seed), run);
    }
    assert!(runs.iter().any(|it| it.0 != runs[0].0), "the seed changes nothing");
}

#[test]
fn counters_do_not_depend_on_workers() {
    let body = "
    setp.lt.u32 %p0, %r1, 17;
    @%p0 bra LOW;
    ld.global.u32 %r4, [%rd2];
    st.global.u32 [%rd2], %r4;
    bra.uni END;
LOW:
    ld.global.u32 %r4, [%rd2];
    add.u32 %r4, %r4, 1;
    st.global.u32 [%rd2], %r4;
END:
    bar.sync 0;";
    let count = |workers: usize| {
        let mut bench = kernel(body).threads(80).blocks(20).seed(3);
        bench.settings.workers = workers;
        bench.quiet().counters
    };
    let one = count(1);
    assert_eq!(one, count(2));
    assert_eq!(one, count(5));
    assert!(one.divergent_branches > 0 && one.global_bytes == 80 * 20 * 8);
}

#[test]
fn the_first_that_would_stop_a_device_ends_the_launch() {
    let body = "
    setp.eq.u32 %p0, %r2, 5;
    @%p0 st.global.u32 [%rd2+1000000], %r2;
    AGAIN:
    @%p0 bra AGAIN;";
    for workers in [1, 2] {
        let mut bench = kernel(body).blocks(4);
        bench.settings.workers = workers;
        let report = bench.finds(Finding::OutOfBounds);
        assert_eq!((report.place.block, report.place.thread), ([0; 3], [5, 0, 0]));
        let access = report.access.unwrap();
        assert_eq!((access.space, access.bytes, access.write), ("global", 4, true));
        assert_eq!(access.address, bench.out + 20 + 1_000_000);
    }
}

#[test]
fn equal_findings_are_told_once_and_no_more_than_asked_for() {
    let body = "
    .shared .u32 s[2];
    mov.u32 %r4, s;
    ld.shared.u32 %r5, [%r4];
    ld.shared.u32 %r6, [%r4+4];
    ld.shared.u32 %r7, [%r4];
    st.global.u32 [%rd2], 9;";
    let mut bench = kernel(body).threads(64).blocks(3);
    let all = bench.run().reports;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|it| it.finding == Finding::Uninitialised));
    bench.settings.report_limit = 2;
    assert_eq!(bench.run().reports.len(), 2);
    // They did not end the launch.
    assert_eq!(bench.words(192), [9; 192]);
}
