//! Instructions of whole warps.

use crate::bench::{each, kernel, module};
use cuda_emulator::Finding;

#[test]
fn shuffles_move_values_between_lanes() {
    let shuffle = |what: &str| {
        let body = format!(
            "add.u32 %r4, %r1, 100;
            {what}
            selp.u32 %r6, 1000, 0, %p0;
            add.u32 %r5, %r5, %r6;
            st.global.u32 [%rd2], %r5;"
        );
        kernel(&body).gives(32)
    };
    let down = shuffle("shfl.sync.down.b32 %r5|%p0, %r4, 3, 31, -1;");
    assert_eq!(down, each(32, |it| if it < 29 { 1103 + it } else { 100 + it }));
    let up = shuffle("shfl.sync.up.b32 %r5|%p0, %r4, 3, 0, -1;");
    assert_eq!(up, each(32, |it| if it < 3 { 100 + it } else { 1097 + it }));
    let other = shuffle("shfl.sync.bfly.b32 %r5|%p0, %r4, 5, 31, -1;");
    assert_eq!(other, each(32, |it| 1100 + (it ^ 5)));
    let index = shuffle("shfl.sync.idx.b32 %r5|%p0, %r4, 9, 31, -1;");
    assert_eq!(index, [1109; 32]);
    // Segments of 8 lanes.
    let segment = shuffle("shfl.sync.idx.b32 %r5|%p0, %r4, 2, 0x181f, -1;");
    assert_eq!(segment, each(32, |it| 1102 + it / 8 * 8));
}

#[test]
fn a_shuffle_from_a_lane_that_is_not_there() {
    let body = "
    setp.ge.u32 %p0, %r1, 8;
    @%p0 exit;
    shfl.sync.down.b32 %r5, %r1, 4, 31, 0xff;
    st.global.u32 [%rd2], %r5;";
    let report = kernel(body).finds(Finding::BadMask);
    assert!(report.note.contains("lane 4 reads lane 8"), "{report}");
    // With the right width it stays among those who are there.
    let right = body.replace("4, 31, 0xff", "4, 0x181f, 0xff");
    assert_eq!(kernel(&right).gives(8), each(8, |it| if it < 4 { it + 4 } else { it }));
}

#[test]
fn members_that_have_ended_are_not_waited_for() {
    let body = "
    setp.ge.u32 %p0, %r1, 20;
    @%p0 exit;
    vote.sync.ballot.b32 %r4, 1, -1;
    st.global.u32 [%rd2], %r4;";
    assert_eq!(kernel(body).gives(20), [0xf_ffff; 20]);
    // Nor are those that never were.
    assert_eq!(kernel(body).threads(5).gives(5), [31; 5]);
}

#[test]
fn votes() {
    let body = "
    setp.lt.u32 %p0, %r1, %r0;
    vote.sync.all.pred %p1, %p0, -1;
    vote.sync.any.pred %p2, %p0, -1;
    vote.sync.uni.pred %p3, %p0, -1;
    vote.sync.ballot.b32 %r4, !%p0, -1;
    selp.u32 %r5, 1, 0, %p1;
    selp.u32 %r6, 2, 0, %p2;
    selp.u32 %r7, 4, 0, %p3;
    add.u32 %r5, %r5, %r6;
    add.u32 %r5, %r5, %r7;
    st.global.u32 [%rd2], %r5;
    st.global.u32 [%rd2+128], %r4;";
    for (n, bits) in [(0, 4), (5, 2), (32, 7)] {
        let words = kernel(body).number(n).gives(64);
        assert_eq!(words[..32], [bits; 32]);
        assert_eq!(words[32..], [u32::MAX.checked_shl(n).unwrap_or(0); 32]);
    }
}

#[test]
fn equal_values_and_sums_of_a_warp() {
    let body = "
    and.b32 %r4, %r1, 3;
    match.any.sync.b32 %r5, %r4, -1;
    match.all.sync.b32 %r6|%p0, %r4, -1;
    match.all.sync.b32 %r7|%p1, %r0, -1;
    selp.u32 %r8, 1, 0, %p0;
    selp.u32 %r9, 2, 0, %p1;
    add.u32 %r8, %r8, %r9;
    redux.sync.add.u32 %r10, %r1, -1;
    neg.s32 %r11, %r1;
    redux.sync.min.s32 %r12, %r11, -1;
    redux.sync.max.u32 %r13, %r11, -1;
    redux.sync.xor.b32 %r14, %r4, -1;
    st.global.u32 [%rd2], %r5;
    st.global.u32 [%rd2+128], %r6;
    st.global.u32 [%rd2+256], %r7;
    st.global.u32 [%rd2+384], %r8;
    st.global.u32 [%rd2+512], %r10;
    st.global.u32 [%rd2+640], %r12;
    st.global.u32 [%rd2+768], %r13;
    st.global.u32 [%rd2+896], %r14;";
    let words = kernel(body).gives(256);
    assert_eq!(words[..32], each(32, |it| 0x1111_1111 << (it & 3)));
    let rest: Vec<u32> = words[32..].chunks(32).map(|it| it[7]).collect();
    assert_eq!(rest, [0, u32::MAX, 2, 496, -31i32 as u32, u32::MAX, 0]);
}

#[test]
fn one_lane_is_elected() {
    let body = "
    setp.lt.u32 %p0, %r1, 4;
    @%p0 bra END;
    elect.sync %r4|%p1, 0xfffffff0;
    selp.u32 %r5, 1, 0, %p1;
    add.u32 %r5, %r5, %r4;
    st.global.u32 [%rd2], %r5;
END:";
    assert_eq!(kernel(body).gives(32), each(32, |it| if it < 4 { 0 } else { 4 + u32::from(it == 4) }));
}

#[test]
fn masks_that_are_wrong() {
    let own = kernel("vote.sync.ballot.b32 %r4, 1, 0xfffffffe;").finds(Finding::BadMask);
    assert!(own.note.contains("does not name lane 0"), "{own}");
    // Two halves that wait for each other at different instructions.
    let apart = "
    setp.lt.u32 %p0, %r1, 16;
    @%p0 bra LOW;
    vote.sync.ballot.b32 %r4, 1, -1;
    bra.uni END;
LOW:
    vote.sync.ballot.b32 %r4, 1, -1;
END:
    st.global.u32 [%rd2], %r4;";
    let bench = kernel(apart);
    let report = bench.finds(Finding::BadMask);
    assert!(report.other.is_some() && report.note.contains("waits elsewhere"), "{report}");
    // They go on without each other.
    assert_eq!(bench.words(32), each(32, |it| if it < 16 { 0xffff } else { 0xffff_0000 }));
    let right =
        apart.replace("LOW:\n    vote.sync.ballot.b32 %r4, 1, -1", "LOW:\n    vote.sync.ballot.b32 %r4, 1, 0xffff");
    kernel(&right.replacen("1, -1", "1, 0xffff0000", 1)).quiet();
    let differ = "
    setp.lt.u32 %p0, %r1, 16;
    selp.u32 %r5, -1, 0xfffffffe, %p0;
    @!%p0 mov.u32 %r5, 0xffff0001;
    vote.sync.ballot.b32 %r4, 1, %r5;";
    let report = kernel(differ).finds(Finding::BadMask);
    assert!(report.note.contains("names 0xffff"), "{report}");
}

#[test]
fn barriers_of_a_warp_may_be_different_ones() {
    let body = "
    .shared .u32 s[32];
    mov.u32 %r4, s;
    shl.b32 %r5, %r1, 2;
    add.u32 %r6, %r4, %r5;
    st.shared.u32 [%r6], %r1;
    setp.lt.u32 %p0, %r1, 16;
    @%p0 bra LOW;
    bar.warp.sync -1;
    bra.uni END;
LOW:
    bar.warp.sync -1;
END:
    xor.b32 %r5, %r5, 124;
    add.u32 %r6, %r4, %r5;
    ld.shared.u32 %r7, [%r6];
    st.global.u32 [%rd2], %r7;";
    for seed in 0..10 {
        assert_eq!(kernel(body).seed(seed).gives(32), each(32, |it| it ^ 31));
    }
    kernel(&body.replace("bar.warp.sync -1;", "")).finds(Finding::Race);
}

#[test]
fn lanes_in_different_calls_meet() {
    let declarations = "
.func (.param .b32 result) all(.param .b32 x)
{
    .reg .b32 %r<9>;
    ld.param.u32 %r7, [x];
    redux.sync.add.u32 %r8, %r7, -1;
    st.param.b32 [result], %r8;
    ret;
}
.func (.param .b32 result) deeper(.param .b32 x)
{
    .reg .b32 %r<3>;
    .param .b32 given; .param .b32 back;
    ld.param.u32 %r0, [x];
    st.param.b32 [given], %r0;
    call (back), all, (given);
    ld.param.b32 %r1, [back];
    st.param.b32 [result], %r1;
    ret;
}";
    let body = "
    .param .b32 given; .param .b32 back;
    st.param.b32 [given], %r1;
    setp.lt.u32 %p0, %r1, 16;
    @%p0 bra LOW;
    call (back), deeper, (given);
    bra.uni END;
LOW:
    call (back), all, (given);
END:
    ld.param.b32 %r5, [back];
    st.global.u32 [%rd2], %r5;";
    assert_eq!(module(declarations, body).gives(32), [496; 32]);
}

#[test]
fn matrices_are_loaded_and_multiplied() {
    // Row r of the matrix holds 8 r + column as f16 in steps of one; element (r, c) of lane l is found where the ISA says.
    let load = "
    .shared .align 16 .b8 s[128];
    mov.u32 %r4, s;
    shl.b32 %r5, %r1, 2;
    add.u32 %r5, %r4, %r5;
    shl.b32 %r6, %r1, 1;
    add.u32 %r7, %r6, 1;
    shl.b32 %r7, %r7, 16;
    or.b32 %r6, %r6, %r7;
    st.shared.u32 [%r5], %r6;
    bar.sync 0;
    and.b32 %r8, %r1, 7;
    shl.b32 %r8, %r8, 4;
    add.u32 %r8, %r4, %r8;
    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r8];
    ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r10}, [%r8];
    st.global.u32 [%rd2], %r9;
    st.global.u32 [%rd2+128], %r10;";
    let words = kernel(load).gives(64);
    assert_eq!(words[..32], each(32, |it| (2 * it) | ((2 * it + 1) << 16)));
    let at = |row: u32, column: u32| 8 * row + column;
    assert_eq!(
        words[32..],
        each(32, |it| {
            let (column, row) = (it / 4, it % 4 * 2);
            at(row, column) | (at(row + 1, column) << 16)
        })
    );
    // All of A is one and all of B is two: 16 products of 2, plus 5.
    let multiply = "
    mov.u32 %r4, 0x3c003c00;
    mov.u32 %r5, 0x40004000;
    mov.f32 %f0, 0f40A00000;
    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r4, %r4, %r4, %r4}, {%r5, %r5}, {%f0, %f0, %f0, %f0};
    st.global.f32 [%rd2], %f1;
    st.global.f32 [%rd2+128], %f4;";
    assert_eq!(kernel(multiply).gives(64), [37f32.to_bits(); 64]);
    let half = format!("setp.ge.u32 %p0, %r1, 16; @%p0 exit; {multiply}");
    assert!(kernel(&half).finds(Finding::BadMask).note.contains("all 32 lanes"));
}

#[test]
fn a_product_of_matrices_is_the_product() {
    // A has one 1 in a row: row r picks row (r % 8) of B, scaled by tf32 numbers.
    let body = "
    shr.u32 %r4, %r1, 2;
    and.b32 %r5, %r1, 3;
    setp.eq.u32 %p0, %r4, %r5;
    add.u32 %r6, %r5, 4;
    setp.eq.u32 %p1, %r4, %r6;
    selp.f32 %f0, 0f3F800000, 0f00000000, %p0;
    selp.f32 %f1, 0f3F800000, 0f00000000, %p1;
    mov.b32 %r7, %f0;
    mov.b32 %r8, %f1;
    shl.b32 %r9, %r5, 3;
    add.u32 %r9, %r9, %r4;
    cvt.rn.f32.u32 %f2, %r9;
    add.u32 %r10, %r9, 32;
    cvt.rn.f32.u32 %f3, %r10;
    mov.b32 %r11, %f2;
    mov.b32 %r12, %f3;
    mov.f32 %f4, 0f00000000;
    mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f5, %f6, %f7, %f8}, {%r7, %r7, %r8, %r8}, {%r11, %r12}, {%f4, %f4, %f4, %f4};
    shl.b32 %r13, %r4, 3;
    shl.b32 %r14, %r5, 1;
    add.u32 %r13, %r13, %r14;
    mul.wide.u32 %rd3, %r13, 4;
    add.u64 %rd3, %rd0, %rd3;
    st.global.v2.f32 [%rd3], {%f5, %f6};
    st.global.v2.f32 [%rd3+256], {%f7, %f8};";
    let words = kernel(body).gives(128);
    assert_eq!(words, each(128, |at| ((at % 64) as f32).to_bits()));
}

#[test]
fn wrong_masks_in_an_endless_loop_come_to_an_end() {
    let body = "
    setp.lt.u32 %p0, %r1, 16;
AGAIN:
    @%p0 bra LOW;
    vote.sync.ballot.b32 %r4, 1, -1;
    bra.uni AGAIN;
LOW:
    vote.sync.ballot.b32 %r4, 1, -1;
    bra.uni AGAIN;";
    let reports = kernel(body).run().reports;
    assert!(reports.iter().any(|it| it.finding == Finding::BadMask));
    assert!(reports.iter().any(|it| it.finding == Finding::Endless));
}
