//! Carries, packing, special registers, guards and jumps.

use super::{Special, low};
use crate::conformance::{BLOCKS, Input, THREADS};

/// The first and second number of a thread side by side, and the third and fourth.
fn wide(thread: usize, inputs: &[Input]) -> (u128, u128) {
    let [a, b, c, d] = inputs[thread];
    (u128::from(b) << 64 | u128::from(a), u128::from(d) << 64 | u128::from(c))
}

fn parts(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// 64 bits by halves of 32, with a carry out of them in `%y`; and 128 bits by halves of 64.
fn carries() -> Vec<Special> {
    let split = "	mov.b64 {%r0, %r1}, %a;\n	mov.b64 {%r2, %r3}, %c;\n";
    let join = "	mov.b64 %x, {%r4, %r5};\n	cvt.u64.u32 %y, %r6;\n";
    let sum =
        format!("{split}\tadd.cc.u32 %r4, %r0, %r2;\n\taddc.cc.u32 %r5, %r1, %r3;\n\taddc.u32 %r6, 0, 0;\n{join}");
    let difference =
        format!("{split}\tsub.cc.u32 %r4, %r0, %r2;\n\tsubc.cc.u32 %r5, %r1, %r3;\n\tsubc.u32 %r6, 0, 0;\n{join}");
    // 32 by 32 bits, plus a number of 64, with its carry.
    let product = format!(
        "{split}\tmad.lo.cc.u32 %r4, %rb, %rd, %r0;\n\tmadc.hi.cc.u32 %r5, %rb, %rd, %r1;\n\taddc.u32 %r6, 0, 0;\n{join}"
    );
    let signed = format!(
        "{split}\tmad.lo.cc.s32 %r4, %rb, %rd, %r0;\n\tmadc.hi.s32 %r5, %rb, %rd, %r1;\n\tmov.b32 %r6, 0;\n{join}"
    );
    vec![
        Special::new("add.cc.u32 addc.cc.u32 addc.u32", sum, |thread, inputs| {
            parts(u128::from(inputs[thread][0]) + u128::from(inputs[thread][2]))
        }),
        Special::new("sub.cc.u32 subc.cc.u32 subc.u32", difference, |thread, inputs| {
            let (value, borrow) = inputs[thread][0].overflowing_sub(inputs[thread][2]);
            [value, if borrow { 0xffff_ffff } else { 0 }]
        }),
        Special::new("mad.lo.cc.u32 madc.hi.cc.u32", product, |thread, inputs| {
            let [a, b, _, d] = inputs[thread].map(u128::from);
            parts((b & 0xffff_ffff) * (d & 0xffff_ffff) + a)
        }),
        Special::new("mad.lo.cc.s32 madc.hi.s32", signed, |thread, inputs| {
            let [a, b, _, d] = inputs[thread];
            [(i64::from(b as i32) * i64::from(d as i32)).wrapping_add(a as i64) as u64, 0]
        }),
        Special::new("add.cc.u64 addc.u64", "	add.cc.u64 %x, %a, %c;\n	addc.u64 %y, %b, %d;\n", |thread, inputs| {
            let (one, other) = wide(thread, inputs);
            parts(one.wrapping_add(other))
        }),
        Special::new("sub.cc.s64 subc.s64", "	sub.cc.s64 %x, %a, %c;\n	subc.s64 %y, %b, %d;\n", |thread, inputs| {
            let (one, other) = wide(thread, inputs);
            parts(one.wrapping_sub(other))
        }),
        Special::new(
            "mad.lo.cc.u64 madc.hi.u64",
            "	mad.lo.cc.u64 %x, %a, %b, %c;\n	madc.hi.u64 %y, %a, %b, %d;\n",
            |thread, inputs| {
                let [a, b, c, d] = inputs[thread].map(u128::from);
                parts((a * b).wrapping_add(d << 64 | c))
            },
        ),
    ]
}

fn packing() -> Vec<Special> {
    let swap = |value: u64| value.rotate_left(32);
    vec![
        Special::new(
            "mov.b64 of two b32",
            "	mov.b64 {%r0, %r1}, %a;\n	mov.b64 %x, {%r1, %r0};\n	mov.b64 {_, %r2}, %b;\n	cvt.u64.u32 %y, %r2;\n",
            move |thread, inputs| [swap(inputs[thread][0]), inputs[thread][1] >> 32],
        ),
        Special::new(
            "mov.b32 of two b16",
            "	mov.b32 {%h0, %h1}, %ra;\n	mov.b32 %r0, {%h1, %h0};\n	cvt.u64.u32 %x, %r0;\n",
            |thread, inputs| [low(inputs[thread][0]) >> 16 | low(inputs[thread][0] << 16), 0],
        ),
        Special::new(
            "mov.b64 of four b16",
            "	mov.b64 {%h0, %h1, %h2, %h3}, %a;\n	mov.b64 %x, {%h3, %h2, %h1, %h0};\n",
            |thread, inputs| {
                let reversed = (0..4).fold(0, |sum, at| sum << 16 | inputs[thread][0] >> (16 * at) & 0xffff);
                [reversed, 0]
            },
        ),
    ]
}

fn special_registers() -> Vec<Special> {
    let mut programs: Vec<Special> = Vec::new();
    let mut add = |registers: [&str; 2], expected: fn(u64) -> [u64; 2]| {
        let [x, y] = registers;
        let body =
            format!("\tmov.u32 %r0, {x};\n\tmov.u32 %r1, {y};\n\tcvt.u64.u32 %x, %r0;\n\tcvt.u64.u32 %y, %r1;\n");
        programs.push(Special::new(format!("mov.u32 of {x} and {y}"), body, move |thread, _| expected(thread as u64)));
    };
    const SIZE: u64 = THREADS as u64;
    add(["%tid.x", "%ctaid.x"], |thread| [thread % SIZE, thread / SIZE]);
    add(["%ntid.x", "%nctaid.x"], |_| [SIZE, BLOCKS as u64]);
    add(["%tid.y", "%tid.z"], |_| [0, 0]);
    add(["%ntid.y", "%nctaid.z"], |_| [1, 1]);
    add(["%laneid", "%ctaid.y"], |thread| [thread % 32, 0]);
    add(["%lanemask_eq", "%lanemask_le"], |thread| [1 << (thread % 32), (2 << (thread % 32)) - 1]);
    add(["%lanemask_lt", "%lanemask_gt"], |thread| [(1 << (thread % 32)) - 1, low(u64::MAX << (thread % 32 + 1))]);
    add(["%lanemask_ge", "%nctaid.y"], |thread| [low(u64::MAX << (thread % 32)), 1]);
    programs
}

fn control() -> Vec<Special> {
    let guards = "	setp.lt.u32 %p0, %ra, %rb;\n	@%p0 mov.b64 %x, %c;\n	@!%p0 mov.b64 %y, %d;\n";
    let table = "	and.b32 %r0, %ra, 3;
targets: .branchtargets zero, one, zero, three;
	brx.idx %r0, targets;
zero:
	mov.b64 %x, %b;
	bra done;
one:
	mov.b64 %x, %c;
	bra done;
three:
	mov.b64 %x, %d;
done:
";
    let count = "	and.b32 %r0, %ra, 15;
loop:
	setp.eq.u32 %p0, %r0, 0;
	@%p0 bra done;
	add.u64 %x, %x, %b;
	sub.u32 %r0, %r0, 1;
	bra loop;
done:
";
    vec![
        Special::new("@p and @!p", guards, |thread, inputs| {
            let [a, b, c, d] = inputs[thread];
            if low(a) < low(b) { [c, 0] } else { [0, d] }
        }),
        Special::new("brx.idx", table, |thread, inputs| {
            let [a, b, c, d] = inputs[thread];
            [[b, c, b, d][(a & 3) as usize], 0]
        }),
        Special::new("bra back, as often as each lane says", count, |thread, inputs| {
            [inputs[thread][1].wrapping_mul(inputs[thread][0] & 15), 0]
        }),
    ]
}

pub(super) fn programs() -> Vec<Special> {
    [carries(), packing(), special_registers(), control()].into_iter().flatten().collect()
}
