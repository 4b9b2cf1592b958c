//! Spaces, addresses, local memory.

use crate::bench::{each, kernel, module};
use cuda_emulator::Finding;

const LOCAL: &str = "
    .local .align 8 .b8 own[64];
    mov.u64 %rd3, own;
    cvta.local.u64 %rd4, %rd3;
    st.local.u32 [%rd3+60], %r1;
    st.u32 [%rd4+56], 7;
    ld.u32 %r4, [%rd4+60];
    ld.local.u32 %r5, [%rd3+56];
    add.u32 %r4, %r4, %r5;
    st.global.u32 [%rd2], %r4;";

#[test]
fn each_thread_has_its_own_local_memory() {
    assert_eq!(kernel(LOCAL).threads(64).gives(64), each(64, |it| it + 7));
}

#[test]
fn local_memory_ends_with_the_frame() {
    let report = kernel(&LOCAL.replace("[%rd3+60], %r1", "[%rd3+64], %r1")).finds(Finding::OutOfBounds);
    assert_eq!(report.access.unwrap().space, "local");
    kernel(&LOCAL.replace("[%rd3+56];", "[%rd3+58];")).finds(Finding::Misaligned);
    kernel(&LOCAL.replace("ld.u32 %r4, [%rd4+60]", "ld.u32 %r4, [%rd4-4]")).finds(Finding::OutOfBounds);
}

#[test]
fn generic_addresses_reach_all_spaces() {
    let body = "
    .shared .align 8 .b8 s[64];
    .local .align 8 .b8 own[8];
    mov.u64 %rd3, s;
    cvta.shared.u64 %rd4, %rd3;
    mov.u64 %rd5, own;
    cvta.local.u64 %rd6, %rd5;
    mov.u64 %rd9, constant;
    isspacep.shared %p0, %rd4;
    isspacep.local %p1, %rd6;
    isspacep.global %p2, %rd0;
    isspacep.global %p3, %rd4;
    isspacep.const %p4, %rd9;
    isspacep.const %p5, %rd0;
    selp.u32 %r4, 1, 0, %p0;
    selp.u32 %r5, 2, 0, %p1;
    selp.u32 %r6, 4, 0, %p2;
    selp.u32 %r7, 8, 0, %p3;
    selp.u32 %r8, 16, 0, %p4;
    selp.u32 %r9, 32, 0, %p5;
    add.u32 %r4, %r4, %r5;
    add.u32 %r6, %r6, %r7;
    add.u32 %r8, %r8, %r9;
    add.u32 %r4, %r4, %r6;
    add.u32 %r4, %r4, %r8;
    st.u32 [%rd0], %r4;
    st.u32 [%rd4], 11;
    ld.shared.u32 %r10, [%rd3];
    st.global.u32 [%rd0+4], %r10;
    cvta.to.shared.u64 %rd7, %rd4;
    ld.shared.u32 %r11, [%rd7];
    st.global.u32 [%rd0+8], %r11;
    ld.const.u32 %r12, [constant+4];
    ld.u32 %r13, [%rd9];
    st.global.u32 [%rd0+12], %r12;
    st.global.u32 [%rd0+16], %r13;";
    let words = module(".const .u32 constant[2] = {21, 22};", body).threads(1).gives(5);
    assert_eq!(words, [1 + 2 + 4 + 16, 11, 11, 22, 21]);
}

#[test]
fn constants_cannot_be_written_nor_parameters_be_left() {
    let write = "mov.u64 %rd3, constant; st.u32 [%rd3], 5;";
    module(".const .u32 constant = 1;", write).finds(Finding::ReadOnly);
    let report = kernel("ld.param.u32 %r4, [n+4]; st.global.u32 [%rd2], %r4;").finds(Finding::OutOfBounds);
    assert_eq!(report.access.unwrap().space, "param");
    kernel("ld.param.u64 %rd3, [out+4]; st.global.u64 [%rd0], %rd3;").finds(Finding::Misaligned);
}

#[test]
fn vectors_are_aligned_as_a_whole() {
    let body = "
    mul.wide.u32 %rd3, %r1, 16;
    add.u64 %rd3, %rd0, %rd3;
    st.global.v4.u32 [%rd3], {%r1, 1, 2, 3};
    ld.global.v2.u32 {%r4, _}, [%rd3+8];
    st.global.u32 [%rd3+4], %r4;";
    let words = kernel(body).gives(128);
    assert_eq!(words, each(128, |at| [at / 4, 2, 2, 3][at as usize % 4]));
    let report = kernel(&body.replace("v4.u32 [%rd3]", "v4.u32 [%rd3+8]")).finds(Finding::Misaligned);
    assert_eq!(report.access.unwrap().bytes, 16);
}

#[test]
fn narrow_loads_extend_as_they_say() {
    let body = "
    st.global.u32 [%rd0], 0x80ff7f81;
    ld.global.s8 %r4, [%rd0];
    ld.global.u8 %r5, [%rd0];
    ld.global.s16 %r6, [%rd0+2];
    ld.global.u16 %r7, [%rd0+2];
    st.global.u32 [%rd0], %r4;
    st.global.u32 [%rd0+4], %r5;
    st.global.u32 [%rd0+8], %r6;
    st.global.u32 [%rd0+12], %r7;";
    assert_eq!(kernel(body).threads(1).gives(4), [0xffff_ff81, 0x81, 0xffff_80ff, 0x80ff]);
}

#[test]
fn parts_of_registers() {
    let body = "
    mov.b64 %rd3, {%r1, 5};
    mov.b64 {%r4, %r5}, %rd3;
    mov.b32 {%h1, %h2}, 0x00070003;
    mov.b32 %r6, {%h2, %h1};
    add.u32 %r4, %r4, %r5;
    st.global.u32 [%rd2], %r4;
    st.global.u32 [%rd2+128], %r6;";
    let words = kernel(body).gives(64);
    assert_eq!(words[..32], each(32, |it| it + 5));
    assert_eq!(words[32..], [0x0003_0007; 32]);
}

#[test]
fn written_since_the_launch_began_is_no_business_of_the_read_only_cache() {
    let body = "
    st.global.u32 [%rd2], %r1;
    ld.global.nc.u32 %r4, [%rd2];
    st.global.u32 [%rd2+256], %r4;";
    kernel(body).finds(Finding::Race);
}
