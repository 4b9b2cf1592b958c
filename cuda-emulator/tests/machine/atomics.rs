//! Atomics of all types, in global and shared memory.

use crate::bench::{Bench, kernel};

/// Puts `start` at a word, lets one thread run `what` on it, and gives what was there and what is there then.
fn change(space: &str, bytes: u32, start: u64, what: &str) -> (u64, u64) {
    let body = format!(
        "
    .shared .align 8 .b8 s[16];
    mov.u64 %rd5, {place};
    mov.u64 %rd6, {start:#x};
    cvt.u32.u64 %r40, %rd6;
    cvt.u16.u32 %h9, %r40;
    {init}
    {what}
    ld.{space}.u{bits} {back}, [%rd5];
    st.global.u{bits} [%rd0+8], {back};
    st.global.u{bits} [%rd0+16], {old};",
        place = if space == "shared" { "s" } else { "%rd0" },
        bits = bytes * 8,
        init = match bytes {
            2 => format!("st.{space}.u16 [%rd5], %h9;"),
            4 => format!("st.{space}.u32 [%rd5], %r40;"),
            _ => format!("st.{space}.u64 [%rd5], %rd6;"),
        },
        back = ["%h8", "%r41", "%rd7"][bytes.ilog2() as usize - 1],
        old = ["%h1", "%r4", "%rd4"][bytes.ilog2() as usize - 1],
    );
    let words = kernel(&body).threads(1).gives(8);
    let at = |index: usize| u64::from(words[index]) | u64::from(words[index + 1]) << 32;
    (at(4), at(2))
}

#[test]
fn each_operation_in_each_space() {
    let f = |value: f32| u64::from(value.to_bits());
    let cases: &[(u32, u64, &str, u64)] = &[
        (4, 5, "atom.SPACE.add.u32 %r4, [%rd5], 7;", 12),
        (4, 5, "atom.SPACE.add.s32 %r4, [%rd5], -7;", 0xffff_fffe),
        (8, 5, "atom.SPACE.add.u64 %rd4, [%rd5], 0x100000000;", 0x1_0000_0005),
        (4, 5, "atom.SPACE.exch.b32 %r4, [%rd5], 9;", 9),
        (8, 5, "atom.SPACE.exch.b64 %rd4, [%rd5], -1;", u64::MAX),
        (4, 5, "atom.SPACE.cas.b32 %r4, [%rd5], 5, 8;", 8),
        (4, 5, "atom.SPACE.cas.b32 %r4, [%rd5], 6, 8;", 5),
        (8, 5, "atom.SPACE.cas.b64 %rd4, [%rd5], 5, 8;", 8),
        (2, 5, "mov.u16 %h2, 5; mov.u16 %h3, 77; atom.SPACE.cas.b16 %h1, [%rd5], %h2, %h3;", 77),
        (4, 5, "atom.SPACE.inc.u32 %r4, [%rd5], 5;", 0),
        (4, 5, "atom.SPACE.dec.u32 %r4, [%rd5], 5;", 4),
        (4, 6, "atom.SPACE.and.b32 %r4, [%rd5], 3;", 2),
        (8, 6, "atom.SPACE.or.b64 %rd4, [%rd5], 3;", 7),
        (4, 6, "atom.SPACE.xor.b32 %r4, [%rd5], 3;", 5),
        (4, 6, "atom.SPACE.min.s32 %r4, [%rd5], -1;", 0xffff_ffff),
        (4, 6, "atom.SPACE.min.u32 %r4, [%rd5], -1;", 6),
        (8, 6, "atom.SPACE.max.s64 %rd4, [%rd5], -1;", 6),
        (8, 6, "atom.SPACE.max.u64 %rd4, [%rd5], -1;", u64::MAX),
        (4, f(1.5), "atom.SPACE.add.f32 %r4, [%rd5], 0f3F800000;", f(2.5)),
        (
            8,
            1.5f64.to_bits(),
            "mov.f64 %d0, 0d3FF0000000000000; atom.SPACE.add.f64 %d1, [%rd5], %d0; mov.b64 %rd4, %d1;",
            2.5f64.to_bits(),
        ),
        (4, 0x3c00_4000, "mov.u32 %r5, 0x40003c00; atom.SPACE.add.noftz.f16x2 %r4, [%rd5], %r5;", 0x4200_4200),
        (2, 0x3c00, "mov.u16 %h2, 0x3c00; atom.SPACE.add.noftz.f16 %h1, [%rd5], %h2;", 0x4000),
        (2, 0x3f80, "mov.u16 %h2, 0x3f80; atom.SPACE.add.noftz.bf16 %h1, [%rd5], %h2;", 0x4000),
    ];
    for (bytes, start, what, end) in cases {
        for space in ["global", "shared"] {
            let what = what.replace("SPACE", space);
            // Registers of floats hold bits like others.
            let what = what.replace("%r4, [%rd5], 0f3F800000;", "%f0, [%rd5], 0f3F800000; mov.b32 %r4, %f0;");
            assert_eq!(change(space, *bytes, *start, &what), (*start, *end), "{what}");
        }
    }
}

fn counted(bench: Bench) -> u32 {
    bench.gives(1)[0]
}

#[test]
fn nothing_is_lost_between_blocks_and_workers() {
    for workers in [1, 2, 4] {
        let mut bench = kernel("red.global.add.u32 [%rd0], 1;").threads(96).blocks(50);
        bench.settings.workers = workers;
        assert_eq!(counted(bench), 96 * 50);
        let mut bench = kernel("cvta.to.global.u64 %rd3, %rd0; atom.add.u32 %r4, [%rd3], %r1;").threads(64).blocks(9);
        bench.settings.workers = workers;
        assert_eq!(counted(bench), 63 * 32 * 9);
    }
}

#[test]
fn vectors_are_one_element_after_the_other() {
    let body = "
    mov.f32 %f0, 0f3F800000;
    atom.global.v2.f32.add {%f1, %f2}, [%rd0], {%f0, %f0};";
    let words = kernel(body).threads(8).gives(2);
    assert_eq!(words, [8f32.to_bits(); 2]);
}
