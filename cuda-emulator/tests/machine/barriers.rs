//! Barriers of blocks.

use crate::bench::{each, kernel};
use cuda_emulator::Finding;

#[test]
fn all_threads_wait_for_all() {
    // Each thread reads what another warp's thread wrote.
    let body = "
    .shared .u32 s[256];
    mov.u32 %r4, s;
    shl.b32 %r5, %r1, 2;
    add.u32 %r6, %r4, %r5;
    st.shared.u32 [%r6], %r1;
    bar.sync 0;
    xor.b32 %r7, %r5, 508;
    add.u32 %r7, %r4, %r7;
    ld.shared.u32 %r8, [%r7];
    st.global.u32 [%rd2], %r8;";
    for seed in 0..20 {
        assert_eq!(kernel(body).threads(128).seed(seed).gives(128), each(128, |it| it ^ 127));
    }
    let outcome = kernel(&body.replace("bar.sync 0;", "")).threads(128).run();
    assert!(outcome.reports.iter().any(|it| it.finding == Finding::Race));
}

#[test]
fn a_barrier_that_reduces() {
    let body = "
    setp.lt.u32 %p0, %r1, %r0;
    bar.red.popc.u32 %r4, 1, %p0;
    bar.red.and.pred %p1, 2, %p0;
    bar.red.or.pred %p2, 3, !%p0;
    selp.u32 %r5, 1, 0, %p1;
    selp.u32 %r6, 2, 0, %p2;
    shl.b32 %r4, %r4, 2;
    add.u32 %r4, %r4, %r5;
    add.u32 %r4, %r4, %r6;
    st.global.u32 [%rd2], %r4;";
    assert_eq!(kernel(body).threads(80).number(50).gives(80), [50 * 4 + 2; 80]);
    assert_eq!(kernel(body).threads(80).number(99).gives(80), [80 * 4 + 1; 80]);
}

#[test]
fn producers_arrive_and_consumers_wait() {
    let body = "
    .shared .u32 s[32];
    mov.u32 %r4, s;
    and.b32 %r5, %r1, 31;
    shl.b32 %r6, %r5, 2;
    add.u32 %r4, %r4, %r6;
    setp.ge.u32 %p0, %r1, 32;
    @%p0 bra CONSUME;
    mul.lo.u32 %r7, %r1, 3;
    st.shared.u32 [%r4], %r7;
    barrier.arrive 5, 64;
    bra.uni END;
CONSUME:
    barrier.sync 5, 64;
    ld.shared.u32 %r8, [%r4];
    st.global.u32 [%rd2], %r8;
END:";
    for seed in 0..10 {
        let words = kernel(body).threads(64).seed(seed).gives(64);
        assert_eq!(words[32..], each(32, |lane| lane * 3));
    }
}

#[test]
fn a_barrier_that_some_lanes_of_a_warp_pass_by() {
    let body = "
    .loc 1 7 0
    setp.lt.u32 %p0, %r1, 16;
    .loc 1 8 0
    @%p0 bar.sync 0;
    .loc 1 9 0
    bar.sync 1;
    .loc 1 10 0
    st.global.u32 [%rd2], %r1;";
    let report = kernel(body).finds(Finding::DivergentBarrier);
    assert_eq!((report.place.source.line, report.place.source.file.as_str()), (8, "hand.cu"));
    assert_eq!(report.other.unwrap().source.line, 9);
    assert_eq!(report.place.thread, [0, 0, 0]);
}

#[test]
fn threads_that_ended_do_not_come() {
    let body = "
    setp.ge.u32 %p0, %r1, %r0;
    @%p0 ret;
    bar.sync 0;
    st.global.u32 [%rd2], 1;";
    // Within a warp, and a whole warp.
    for n in [40, 32] {
        let bench = kernel(body).threads(64).number(n);
        let report = bench.finds(Finding::DivergentBarrier);
        assert!(report.note.contains(&format!("thread ({n}, 0, 0) ended")), "{report}");
        // The others go on, as on a device.
        assert_eq!(bench.words(64), each(64, |it| u32::from(it < n)));
    }
    kernel(body).threads(64).number(64).quiet();
}

#[test]
fn barriers_that_wait_for_each_other() {
    let body = "
    setp.lt.u32 %p0, %r1, 32;
    @%p0 bra FIRST;
    bar.sync 1;
    bra.uni END;
FIRST:
    bar.sync 2;
END:";
    let report = kernel(body).threads(64).finds(Finding::Deadlock);
    assert!(report.note.matches("1 warp is at `bar.sync").count() == 2, "{report}");
    assert!(report.other.is_some());
}

#[test]
fn counts_that_do_not_fit() {
    let mixed = "
    setp.lt.u32 %p0, %r1, 32;
    @%p0 bra FIRST;
    bar.sync 1, 64;
    bra.uni END;
FIRST:
    bar.sync 1, 96;
END:";
    kernel(mixed).threads(64).finds(Finding::DivergentBarrier);
    assert!(kernel("bar.sync 1, 33;").finds(Finding::Invalid).note.contains("33 threads"));
    assert!(kernel("bar.sync 1, %r0;").finds(Finding::Invalid).note.contains("0 threads"));
    assert!(kernel("bar.sync %r0;").number(16).finds(Finding::Invalid).note.contains("barrier 16"));
    // Too few ever come.
    kernel("bar.sync 1, 64;").finds(Finding::Deadlock);
}

#[test]
fn a_warp_that_is_not_full_counts_as_one() {
    let body = "
    bar.sync 3, 64;
    st.global.u32 [%rd2], %r1;";
    assert_eq!(kernel(body).threads(40).gives(40), each(40, |it| it));
}

#[test]
fn lanes_may_come_one_by_one_where_it_is_not_aligned() {
    let body = "
    setp.lt.u32 %p0, %r1, 7;
    @%p0 bra FEW;
    barrier.sync 1;
    bra.uni END;
FEW:
    barrier.sync 1;
END:
    st.global.u32 [%rd2], %r1;";
    assert_eq!(kernel(body).threads(64).gives(64), each(64, |it| it));
    kernel(&body.replace("barrier.sync", "bar.sync")).threads(64).finds(Finding::DivergentBarrier);
}
