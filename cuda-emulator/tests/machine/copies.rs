//! Asynchronous copies land as late as they may.

use crate::bench::{Bench, each, kernel};
use cuda_emulator::Finding;

/// Each thread copies its word of the output to shared memory; `what` stands between that and the store to the output's second
/// part.
fn copy(what: &str) -> Bench {
    kernel(&format!(
        "
    .shared .align 16 .b8 s[512];
    mov.u32 %r4, s;
    shl.b32 %r5, %r1, 2;
    add.u32 %r6, %r4, %r5;
    add.u32 %r10, %r1, 50;
    st.global.u32 [%rd2], %r10;
    {what}
    ld.shared.u32 %r7, [%r6];
    st.global.u32 [%rd2+256], %r7;"
    ))
}

const COPY: &str = "cp.async.ca.shared.global [%r6], [%rd2], 4;";

#[test]
fn a_wait_lets_them_land() {
    for wait in ["cp.async.wait_all;", "cp.async.commit_group; cp.async.wait_group 0;"] {
        let bench = copy(&format!("{COPY} {wait}"));
        assert_eq!(bench.gives(96)[64..], each(32, |it| it + 50));
    }
    copy(COPY).finds(Finding::Race);
    // A group that is not the last one awaited.
    copy(&format!("{COPY} cp.async.commit_group; cp.async.wait_group 1;")).finds(Finding::Race);
    // A copy in no group is not awaited by groups.
    copy(&format!("cp.async.commit_group; {COPY} cp.async.wait_group 0;")).finds(Finding::Race);
    // Empty groups count.
    copy(&format!("{COPY} cp.async.commit_group; cp.async.commit_group; cp.async.wait_group 1;")).quiet();
}

#[test]
fn what_is_copied_is_read_when_it_lands() {
    let late = format!("{COPY} st.global.u32 [%rd2], 7; cp.async.wait_all;");
    assert_eq!(copy(&late).words(96)[64..], [0; 32]);
    let bench = copy(&late);
    bench.run();
    assert_eq!(bench.words(96)[64..], [7; 32]);
}

#[test]
fn bytes_that_are_not_read_are_zero() {
    let wide = |operands: &str| {
        format!(
            "shl.b32 %r8, %r1, 4; add.u32 %r9, %r4, %r8; mul.wide.u32 %rd3, %r1, 16; add.u64 %rd3, %rd0, %rd3;
             {operands} cp.async.wait_all; mov.u32 %r6, %r9; add.u32 %r6, %r6, 4;"
        )
    };
    let second = |what: &str| copy(&wide(what)).threads(16).gives(80)[64..].to_vec();
    let start = "bar.sync 0; mov.u32 %r11, 6; setp.lt.u32 %p0, %r1, 2;";
    // The words of the output are 50 + index for 16 threads; only thread 0 to 3 read such.
    let whole = second(&format!("{start} cp.async.cg.shared.global [%r9], [%rd3], 16;"));
    assert_eq!(whole, each(16, |it| if it < 4 { 51 + 4 * it } else { 0 }));
    let cut = second(&format!("{start} cp.async.ca.shared.global [%r9], [%rd3], 16, %r11;"));
    assert_eq!(cut, whole);
    let none = second(&format!("{start} cp.async.cg.shared.global [%r9], [%rd3], 16, 4;"));
    assert_eq!(none, [0; 16]);
    let some = second(&format!("{start} cp.async.cg.shared.global [%r9], [%rd3], 16, %p0;"));
    assert_eq!(some, each(16, |it| if (2..4).contains(&it) { 51 + 4 * it } else { 0 }));
}

#[test]
fn they_land_at_the_end_of_their_thread_at_the_latest() {
    let body = "
    .shared .u32 s[32];
    mov.u32 %r4, s;
    cp.async.ca.shared.global [%r4], [%rd0+1000000], 4;";
    let report = kernel(body).threads(1).finds(Finding::OutOfBounds);
    assert!(report.place.instruction.starts_with("cp.async.ca"), "{report}");
}

#[test]
fn crooked_and_endless_copies() {
    let body = "
    .shared .align 16 .b8 s[64];
    mov.u32 %r4, s;
    cp.async.cg.shared.global [%r4+8], [%rd0], 16;";
    kernel(body).finds(Finding::Misaligned);
    kernel(&body.replace("[%r4+8], [%rd0]", "[%r4], [%rd0+4]")).finds(Finding::Misaligned);
    let endless = "
    .shared .align 16 .b8 s[64];
    mov.u32 %r4, s;
    AGAIN:
    cp.async.ca.shared.global [%r4], [%rd0], 4;
    bra.uni AGAIN;";
    let outcome = kernel(endless).threads(1).run();
    assert!(outcome.reports.iter().any(|it| it.finding == Finding::Invalid && it.note.contains("copies under way")));
}
