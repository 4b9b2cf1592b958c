//! Loads, stores, addresses, asynchronous copies.

use super::{Input, Special, random4};

/// The thread's own 16 bytes of shared memory, whose address goes to `%r0`.
pub(super) const SLOT: &str = "	mov.b32 %r0, buffer;\n	mad.lo.u32 %r0, %thread, 16, %r0;\n";

/// A number's low bits with their sign in all 64.
fn extended(value: u64, bits: u32) -> u64 {
    ((value << (64 - bits)) as i64 >> (64 - bits)) as u64
}

/// Loads of every width into registers of 64 bits, and of 32.
fn loads() -> Vec<Special> {
    let mut programs = Vec::new();
    for bits in [8, 16, 32, 64] {
        for kind in ["b", "u", "s"] {
            // From the middle of the number where that is aligned.
            let at = if bits == 64 { 0 } else { 8 - bits / 4 };
            let name = format!("ld.global.{kind}{bits}");
            let narrow =
                if bits < 64 { format!("\t{name} %r1, [%in+{at}];\n\tcvt.u64.u32 %y, %r1;\n") } else { String::new() };
            let body = format!("\t{name} %x, [%in+{at}];\n{narrow}");
            programs.push(Special::new(name, body, move |thread, inputs| {
                let value = inputs[thread][0] >> (8 * at) << (64 - bits) >> (64 - bits);
                let value = if kind == "s" { extended(value, bits) } else { value };
                [value, if bits < 64 { value & 0xffff_ffff } else { 0 }]
            }));
        }
    }
    programs
}

/// Stores of every width and vector into bytes that are all ones, in each space.
fn stores() -> Vec<Special> {
    let mut programs = Vec::new();
    for (space, slot) in [("global", "%out"), ("shared", "%r0"), ("local", "own")] {
        let declared = if space == "local" { "\t.local .align 16 .b8 own[16];\n" } else { "" };
        let ones = format!("\tmov.b64 %l0, -1;\n\tst.{space}.v2.b64 [{slot}], {{%l0, %l0}};\n");
        let load = format!("\tld.{space}.v2.b64 {{%x, %y}}, [{slot}];\n");
        let mut add = |what: &str, bits: u32, count: u32, words: &str| {
            let name = format!("st.{space}.{what}");
            let body = format!("{declared}{SLOT}{ones}\tst.{space}.{what} [{slot}], {words};\n{load}");
            programs.push(Special::new(name, body, move |thread, inputs| {
                let mut result = u128::MAX;
                for at in 0..count {
                    let mask = u128::MAX >> (128 - bits) << (bits * at);
                    result = result & !mask | u128::from(inputs[thread][at as usize]) << (bits * at) & mask;
                }
                [result as u64, (result >> 64) as u64]
            }));
        };
        add("b8", 8, 1, "%ra");
        add("b16", 16, 1, "%ra");
        add("b32", 32, 1, "%ra");
        add("b64", 64, 1, "%a");
        add("v2.b8", 8, 2, "{%ra, %rb}");
        add("v4.b8", 8, 4, "{%ra, %rb, %rc, %rd}");
        add("v2.b16", 16, 2, "{%ra, %rb}");
        add("v4.b16", 16, 4, "{%ra, %rb, %rc, %rd}");
        add("v2.b32", 32, 2, "{%ra, %rb}");
        add("v4.b32", 32, 4, "{%ra, %rb, %rc, %rd}");
        add("v2.b64", 64, 2, "{%a, %b}");
    }
    programs
}

fn vectors() -> Vec<Special> {
    let pack = |space: &str, slot: &str, what: &str, registers: &str, join: &str| {
        let body = format!(
            "{SLOT}\tst.{space}.v2.b64 [{slot}], {{%a, %b}};\n\tld.{space}.{what} {registers}, [{slot}];\n{join}"
        );
        Special::new(format!("ld.{space}.{what}"), body, |thread, inputs| [inputs[thread][0], inputs[thread][1]])
    };
    let four = "\tmov.b64 %x, {%r1, %r2};\n\tmov.b64 %y, {%r3, %r4};\n";
    let mut programs = Vec::new();
    for (space, slot) in [("global", "%out"), ("shared", "%r0")] {
        programs.push(pack(space, slot, "v2.b64", "{%x, %y}", ""));
        programs.push(pack(space, slot, "v4.b32", "{%r1, %r2, %r3, %r4}", four));
        let halves = "\tmov.b64 %x, {%h0, %h1, %h2, %h3};\n";
        let rest = format!(
            "{halves}\tld.{space}.v4.b16 {{%h0, %h1, %h2, %h3}}, [{slot}+8];\n\tmov.b64 %y, {{%h0, %h1, %h2, %h3}};\n"
        );
        programs.push(pack(space, slot, "v4.b16", "{%h0, %h1, %h2, %h3}", &rest));
        let rest = format!(
            "\tmov.b64 %x, {{%r1, %r2}};\n\tld.{space}.v2.b32 {{%r1, %r2}}, [{slot}+8];\n\tmov.b64 %y, {{%r1, %r2}};\n"
        );
        programs.push(pack(space, slot, "v2.b32", "{%r1, %r2}", &rest));
    }
    programs
}

/// Which spaces a generic address is in, a bit each.
fn spaces(name: &str, begin: &str, expected: u64) -> Special {
    let mut body = format!("\t.local .align 16 .b8 own[16];\n{SLOT}{begin}\tst.b64 [%l0], %a;\n\tld.b64 %x, [%l0];\n");
    for (at, space) in ["global", "shared", "local"].iter().enumerate() {
        body += &format!("\tisspacep.{space} %p0, %l0;\n\tselp.b64 %l1, {}, 0, %p0;\n\tor.b64 %y, %y, %l1;\n", 1 << at);
    }
    Special::new(name, body, move |thread, inputs| [inputs[thread][0], expected])
}

fn addresses() -> Vec<Special> {
    let both = "\tcvt.u64.u32 %l0, %r0;\n\tcvta.shared.u64 %l0, %l0;\n\tst.shared.b64 [%r0], %a;\n\tld.b64 %x, [%l0];
	cvta.to.shared.u64 %l1, %l0;\n\tcvt.u64.u32 %l2, %r0;\n\tsub.u64 %y, %l1, %l2;\n";
    vec![
        spaces("cvta.global.u64 and isspacep", "\tcvta.global.u64 %l0, %out;\n", 1),
        spaces("cvta.shared.u64 and isspacep", "\tcvt.u64.u32 %l0, %r0;\n\tcvta.shared.u64 %l0, %l0;\n", 2),
        spaces("cvta.local.u64 and isspacep", "\tmov.u64 %l0, own;\n\tcvta.local.u64 %l0, %l0;\n", 4),
        Special::new("cvta.to.shared.u64", format!("{SLOT}{both}"), |thread, inputs| [inputs[thread][0], 0]),
    ]
}

fn copies() -> Vec<Special> {
    let mut programs = Vec::new();
    for (cache, bytes) in [("ca", 4u32), ("ca", 8), ("ca", 16), ("cg", 16)] {
        for part in [false, true] {
            let size = if part { ", %r1" } else { "" };
            // The first group is waited for, then all.
            let body = format!(
                "{SLOT}\tmov.b64 %l0, -1;\n\tst.shared.v2.b64 [%r0], {{%l0, %l0}};\n\trem.u32 %r1, %rd, {};
	cp.async.{cache}.shared.global [%r0], [%in], {bytes}{size};\n\tcp.async.commit_group;\n\tcp.async.wait_group 0;
	ld.shared.v2.b64 {{%x, %y}}, [%r0];\n",
                bytes + 1
            );
            let name = format!("cp.async.{cache}.shared.global {bytes}{}", if part { " of fewer" } else { "" });
            let expected = move |thread: usize, inputs: &[Input]| {
                let [a, b, _, d] = inputs[thread];
                let read = if part { d as u32 % (bytes + 1) } else { bytes };
                let low = |bytes: u32| u128::MAX.checked_shr(128 - 8 * bytes).unwrap_or(0);
                let result = (u128::from(b) << 64 | u128::from(a)) & low(read) | !low(bytes);
                [result as u64, (result >> 64) as u64]
            };
            programs.push(Special::new(name, body, expected).needs(80).with(|_, random| random4(random)));
        }
    }
    programs
}

pub(super) fn programs() -> Vec<Special> {
    [loads(), stores(), vectors(), addresses(), copies()].into_iter().flatten().collect()
}
