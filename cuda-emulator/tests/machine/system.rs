//! Special registers, `printf`, assertions, and the places that reports name.

use crate::bench::{each, kernel, module};
use cuda_emulator::Finding;

#[test]
fn special_registers() {
    let read = |register: &str| {
        let mut bench = kernel(&format!("mov.u32 %r4, {register}; st.global.u32 [%rd2], %r4;")).threads(40).blocks(2);
        bench.settings.device.multiprocessors = 1;
        bench.gives(80)
    };
    let lane = |it: u32| it % 40 % 32;
    assert_eq!(read("%tid.x"), each(80, |it| it % 40));
    assert_eq!(read("%ntid.x"), [40; 80]);
    assert_eq!(read("%ctaid.x"), each(80, |it| it / 40));
    assert_eq!(read("%nctaid.x"), [2; 80]);
    assert_eq!(read("%laneid"), each(80, lane));
    assert_eq!(read("%warpid"), each(80, |it| it % 40 / 32));
    assert_eq!(read("%nwarpid"), [2; 80]);
    assert_eq!(read("%smid"), [0; 80]);
    assert_eq!(read("%nsmid"), [1; 80]);
    assert_eq!(read("%lanemask_eq"), each(80, |it| 1 << lane(it)));
    assert_eq!(read("%lanemask_lt"), each(80, |it| (1 << lane(it)) - 1));
    assert_eq!(read("%lanemask_le"), each(80, |it| ((2u64 << lane(it)) as u32).wrapping_sub(1)));
    assert_eq!(read("%lanemask_gt"), each(80, |it| !((2u64 << lane(it)) as u32).wrapping_sub(1)));
    assert_eq!(read("%lanemask_ge"), each(80, |it| !((1 << lane(it)) - 1)));
}

#[test]
fn indices_in_three_dimensions() {
    let body = "
    mov.u32 %r4, %tid.x; mov.u32 %r5, %tid.y; mov.u32 %r6, %tid.z;
    mov.u32 %r7, %ntid.x; mov.u32 %r8, %ntid.y;
    mad.lo.u32 %r9, %r6, %r8, %r5;
    mad.lo.u32 %r9, %r9, %r7, %r4;
    mov.u32 %r10, %ctaid.y; mov.u32 %r11, %ctaid.z;
    mad.lo.u32 %r12, %r11, 3, %r10;
    mad.lo.u32 %r13, %r12, 30, %r9;
    mul.wide.u32 %rd3, %r13, 4;
    add.u64 %rd3, %rd0, %rd3;
    st.global.u32 [%rd3], %r13;";
    let mut bench = kernel(body);
    (bench.launch.grid, bench.launch.block) = ([1, 3, 2], [5, 3, 2]);
    assert_eq!(bench.gives(180), each(180, |it| it));
    bench.memory.free(bench.out).unwrap();
    let report = bench.finds(Finding::UseAfterFree);
    assert!(report.place.block[1] < 3 && report.place.thread[2] < 2, "{report}");
}

#[test]
fn clocks_go_on() {
    let body = "
    mov.u64 %rd3, %clock64;
    add.u32 %r4, %r4, 1;
    mov.u64 %rd4, %clock64;
    sub.u64 %rd5, %rd4, %rd3;
    st.global.u32 [%rd2], 1;
    setp.eq.u64 %p0, %rd5, 2;
    @!%p0 st.global.u32 [%rd2], 2;";
    assert_eq!(kernel(body).gives(32), [1; 32]);
}

const PRINT: &str = "
.extern .func (.param .b32 result) vprintf(.param .b64 format, .param .b64 values);
.global .align 1 .b8 text[14] = {37, 100, 32, 37, 46, 50, 102, 32, 37, 115, 33, 10, 0};
.global .align 1 .b8 word[3] = {104, 105, 0};";

#[test]
fn kernels_print() {
    let body = "
    .local .align 8 .b8 values[24];
    .param .b64 a; .param .b64 b; .param .b32 c;
    mov.u64 %rd3, values;
    st.local.u32 [%rd3], %r1;
    st.local.f64 [%rd3+8], 0d3FF8000000000000;
    mov.u64 %rd4, word;
    st.local.u64 [%rd3+16], %rd4;
    cvta.local.u64 %rd5, %rd3;
    mov.u64 %rd6, text;
    st.param.b64 [a], %rd6;
    st.param.b64 [b], %rd5;
    call (c), vprintf, (a, b);
    ld.param.b32 %r4, [c];
    st.global.u32 [%rd2], %r4;";
    let bench = module(PRINT, body).threads(3);
    assert_eq!(bench.quiet().output, "0 1.50 hi!\n1 1.50 hi!\n2 1.50 hi!\n");
    assert_eq!(bench.words(3), [3; 3]);
}

const FAIL: &str = "
.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);
.global .align 1 .b8 word[6] = {120, 32, 62, 32, 48, 0};";

#[test]
fn assertions_fail_and_traps_trap() {
    let body = "
    .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e;
    .loc 1 33 1
    setp.ne.u32 %p0, %r1, 9;
    @%p0 bra END;
    mov.u64 %rd3, word;
    st.param.b64 [a], %rd3; st.param.b64 [b], %rd3; st.param.b32 [c], 12; st.param.b64 [d], %rd3; st.param.b64 [e], 1;
    .loc 1 0 1
    call __assertfail, (a, b, c, d, e);
END:";
    let report = module(FAIL, body).finds(Finding::Trap);
    assert!(report.note.contains("assertion `x > 0` failed in x > 0, x > 0:12"), "{report}");
    assert_eq!(report.place.thread, [9, 0, 0]);
    // Line 0 is the compiler's own: the line in front of it is better.
    assert_eq!(report.place.source.line, 33);
    let trap = kernel("setp.eq.u32 %p0, %r1, 3; @%p0 trap; st.global.u32 [%rd2], 1;").finds(Finding::Trap);
    assert_eq!((trap.place.thread, trap.place.instruction.as_str()), ([3, 0, 0], "trap"));
}
