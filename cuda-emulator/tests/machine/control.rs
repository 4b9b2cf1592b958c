//! Branches, loops, calls.

use crate::bench::{each, kernel, module};
use cuda_emulator::Finding;

const SPLIT: &str = "
    setp.lt.u32 %p0, %r1, 10;
    @%p0 bra LOW;
    mov.u32 %r4, 100;
    bra.uni JOIN;
LOW:
    mov.u32 %r4, 200;
JOIN:
    activemask.b32 %r5;
    st.global.u32 [%rd2], %r4;
    st.global.u32 [%rd2+128], %r5;
";

#[test]
fn lanes_that_went_apart_meet_again() {
    for seed in 0..20 {
        let bench = kernel(SPLIT).seed(seed);
        let outcome = bench.quiet();
        assert_eq!(bench.words(32), each(32, |lane| if lane < 10 { 200 } else { 100 }));
        assert_eq!(outcome.counters.divergent_branches, 1);
        // Once in a while the other part goes first, and then they do not meet.
        if seed == 0 {
            assert_eq!(bench.words(64)[32..], [u32::MAX; 32]);
        }
    }
}

#[test]
fn a_loop_runs_as_often_as_each_lane_wants() {
    let body = "
    mov.u32 %r4, 0;
    mov.u32 %r5, 0;
AGAIN:
    add.u32 %r4, %r4, %r5;
    add.u32 %r5, %r5, 1;
    setp.le.u32 %p0, %r5, %r1;
    @%p0 bra AGAIN;
    st.global.u32 [%rd2], %r4;";
    let bench = kernel(body).threads(50);
    let outcome = bench.quiet();
    assert_eq!(bench.words(50), each(50, |lane| (0..=lane).sum()));
    assert_eq!(outcome.counters.divergent_branches, 31 + 17);
}

#[test]
fn what_a_guard_holds_back_does_not_happen() {
    let body = "
    and.b32 %r4, %r1, 1;
    setp.eq.u32 %p0, %r4, 0;
    mov.u32 %r5, 5;
    @%p0 mov.u32 %r5, 6;
    @!%p0 add.u32 %r5, %r5, 2;
    @%p0 st.global.u32 [%rd2], %r5;
    @!%p0 st.global.u32 [%rd2], %r5;
    @%p0 exit;
    st.global.u32 [%rd2+128], %r5;";
    let bench = kernel(body);
    let words = bench.gives(64);
    assert_eq!(words[..32], each(32, |lane| if lane % 2 == 0 { 6 } else { 7 }));
    assert_eq!(words[32..], each(32, |lane| if lane % 2 == 0 { 0 } else { 7 }));
}

const TABLE: &str = "
    LIST: .branchtargets A, B, C;
    rem.u32 %r4, %r1, %r0;
    brx.idx %r4, LIST;
A:
    mov.u32 %r5, 10;
    bra.uni END;
B:
    mov.u32 %r5, 20;
    bra.uni END;
C:
    mov.u32 %r5, 30;
END:
    st.global.u32 [%rd2], %r5;";

#[test]
fn a_table_of_branches() {
    assert_eq!(kernel(TABLE).number(3).gives(32), each(32, |lane| 10 * (lane % 3 + 1)));
    assert_eq!(kernel(TABLE).number(1).gives(32), [10; 32]);
    let report = kernel(TABLE).number(5).finds(Finding::Invalid);
    assert!(report.note.contains("place 3 of a branch table of 3"), "{report}");
    assert_eq!(report.place.thread, [3, 0, 0]);
}

const FACTORIAL: &str = "
.func (.param .b32 result) factorial(.param .b32 x)
{
    .reg .pred %p0; .reg .b32 %r<5>;
    ld.param.u32 %r0, [x];
    setp.le.u32 %p0, %r0, 1;
    @%p0 bra ONE;
    sub.u32 %r1, %r0, 1;
    {
        .param .b32 down; .param .b32 back;
        st.param.b32 [down], %r1;
        call (back), factorial, (down);
        ld.param.b32 %r2, [back];
    }
    mul.lo.u32 %r3, %r0, %r2;
    st.param.b32 [result], %r3;
    ret;
ONE:
    mov.u32 %r4, 1;
    st.param.b32 [result], %r4;
    ret;
}";

const CALL: &str = "
    .param .b32 given; .param .b32 back;
    add.u32 %r4, %r1, %r0;
    st.param.b32 [given], %r4;
    call (back), factorial, (given);
    ld.param.b32 %r5, [back];
    st.global.u32 [%rd2], %r5;";

#[test]
fn calls_keep_registers_and_frames_apart() {
    for seed in 0..10 {
        let words = module(FACTORIAL, CALL).seed(seed).threads(12).gives(12);
        assert_eq!(words, each(12, |lane| (1..=lane).product()));
    }
}

#[test]
fn calls_without_end_overflow_the_stack() {
    let report = module(FACTORIAL, CALL).number(1 << 30).finds(Finding::Invalid);
    assert!(report.note.contains("stack overflow"), "{report}");
}

const TWO: &str = "
.func (.param .b32 result) twice(.param .b32 x)
{
    .reg .b32 %r<3>;
    ld.param.u32 %r0, [x];
    add.u32 %r1, %r0, %r0;
    st.param.b32 [result], %r1;
    ret;
}
.func (.param .b32 result) square(.param .b32 x)
{
    .reg .b32 %r<9>;
    ld.param.u32 %r7, [x];
    mul.lo.u32 %r8, %r7, %r7;
    st.param.b32 [result], %r8;
    ret;
}
.func (.param .b64 result) wide(.param .b64 x)
{
    .reg .b64 %r<2>;
    ld.param.u64 %r0, [x];
    st.param.b64 [result], %r0;
    ret;
}
.global .u64 choice[3] = {twice, square, wide};";

const INDIRECT: &str = "
    P: .callprototype (.param .b32 _) _ (.param .b32 _);
    .param .b32 given; .param .b32 back;
    st.param.b32 [given], %r1;
    rem.u32 %r4, %r1, %r0;
    mul.wide.u32 %rd3, %r4, 8;
    mov.u64 %rd4, choice;
    add.u64 %rd4, %rd4, %rd3;
    ld.global.u64 %rd5, [%rd4];
    call (back), %rd5, (given), P;
    ld.param.b32 %r5, [back];
    st.global.u32 [%rd2], %r5;";

#[test]
fn a_call_through_a_register_goes_where_each_lane_wants() {
    let words = module(TWO, INDIRECT).number(2).gives(32);
    assert_eq!(words, each(32, |lane| if lane % 2 == 0 { 2 * lane } else { lane * lane }));
    let report = module(TWO, INDIRECT).number(3).finds(Finding::Invalid);
    assert!(report.note.contains("wide takes other arguments"), "{report}");
    let wild = "P: .callprototype _ (); mov.u64 %rd4, 77; call %rd4, (), P;";
    let report = module(TWO, wild).finds(Finding::Invalid);
    assert!(report.note.contains("0x4d is no function"), "{report}");
}

#[test]
fn a_loop_without_end_is_ended() {
    let report = kernel("AGAIN: add.u32 %r4, %r4, 1; bra.uni AGAIN;").threads(64).blocks(2).finds(Finding::Endless);
    assert!(report.note.contains("more than 131072 warp instructions"), "{report}");
    assert!(report.note.contains("warps are at `"), "{report}");
}

#[test]
fn a_lock_between_lanes_of_a_warp_is_passed_on() {
    // Each lane spins until it has the lock; the one that has it stands behind the loop.
    let body = "
AGAIN:
    atom.global.acquire.gpu.cas.b32 %r4, [%rd0], 0, 1;
    setp.ne.u32 %p0, %r4, 0;
    @%p0 bra AGAIN;
    ld.global.u32 %r5, [%rd0+4];
    add.u32 %r5, %r5, 1;
    st.global.u32 [%rd0+4], %r5;
    atom.global.release.gpu.exch.b32 %r6, [%rd0], 0;";
    for seed in 0..5 {
        assert_eq!(kernel(body).seed(seed).threads(64).gives(2), [0, 64]);
    }
}

#[test]
fn long_sums_carry() {
    let body = "
    mov.u32 %r4, -1;
    add.cc.u32 %r5, %r4, %r1;
    addc.cc.u32 %r6, %r4, 0;
    addc.u32 %r7, 0, 0;
    st.global.u32 [%rd2], %r5;
    st.global.u32 [%rd2+128], %r6;
    st.global.u32 [%rd2+256], %r7;";
    let words = kernel(body).gives(96);
    assert_eq!(words[..32], each(32, |lane| lane.wrapping_sub(1)));
    assert_eq!(words[32..64], each(32, |lane| if lane == 0 { u32::MAX } else { 0 }));
    assert_eq!(words[64..], each(32, |lane| u32::from(lane > 0)));
}
