//! Results worked out by hand from what PTX says. The conformance programs try everything; these few guard against a mistake that
//! they and the arithmetic might share.

use super::*;

fn run(opcode: &str, sources: [u64; 4]) -> u64 {
    let mut parts = opcode.split('.').map(str::to_owned);
    let opcode = Opcode { name: parts.next().unwrap(), parts: parts.collect() };
    let alu = select(&opcode).unwrap_or_else(|| panic!("{opcode} is not there"));
    let lanes = sources.map(|source| [source; WARP]);
    let mut result = [0; WARP];
    (alu.compute)(lanes.each_ref(), &mut result);
    assert!(result.iter().all(|it| *it == result[0]));
    result[0]
}

/// An opcode, what it reads, what it gives in 32 bits.
type Row<'a> = (&'a str, &'a [u32], u32);

fn check(rows: &[Row<'_>]) {
    for (opcode, given, expected) in rows {
        let mut sources = [0; 4];
        sources.iter_mut().zip(*given).for_each(|(source, it)| *source = u64::from(*it));
        let got = run(opcode, sources) as u32;
        assert_eq!(got, *expected, "{opcode} of {given:x?}: {got:#x}, not {expected:#x}");
    }
}

fn check_wide(rows: &[(&str, [u64; 2], u64)]) {
    for (opcode, [a, b], expected) in rows {
        let got = run(opcode, [*a, *b, 0, 0]);
        assert_eq!(got, *expected, "{opcode} of {a:#x}, {b:#x}: {got:#x}, not {expected:#x}");
    }
}

#[test]
fn integers() {
    check(&[
        ("add.u32", &[0xffff_ffff, 2], 1),
        ("add.sat.s32", &[0x7fff_ffff, 1], 0x7fff_ffff),
        ("sub.sat.s32", &[0x8000_0000, 1], 0x8000_0000),
        ("add.u16x2", &[0x0001_ffff, 0x0001_0001], 0x0002_0000),
        ("abs.s32", &[0x8000_0000], 0x8000_0000),
        ("mul.hi.s32", &[0xffff_ffff, 1], 0xffff_ffff),
        ("mul.hi.u32", &[0xffff_ffff, 0xffff_ffff], 0xffff_fffe),
        ("mul.wide.s16", &[0xffff, 2], 0xffff_fffe),
        ("mul24.lo.u32", &[0xff_ffff, 0xff_ffff], 0xfe00_0001),
        ("mul24.hi.u32", &[0xff_ffff, 0xff_ffff], 0xffff_fe00),
        ("mad.hi.sat.s32", &[0x8000_0000, 0x8000_0000, 0x7000_0000], 0x7fff_ffff),
        ("sad.s32", &[-5i32 as u32, 3, 10], 18),
        ("div.s32", &[-7i32 as u32, 2], -3i32 as u32),
        ("rem.s32", &[-7i32 as u32, 2], -1i32 as u32),
        ("div.u32", &[7, 0], 0xffff_ffff),
        ("div.s32", &[0x8000_0000, 0xffff_ffff], 0x8000_0000),
        ("min.relu.s32", &[-3i32 as u32, 5], 0),
        // Bytes -2, 2, -1, 1.
        ("dp4a.s32.s32", &[0x01ff_02fe, 0x0101_0101, 10], 10),
        ("dp4a.u32.u32", &[0xffff_ffff, 0xffff_ffff, 0], 4 * 255 * 255),
        // 1 and -2 with 5 and 3.
        ("dp2a.lo.s32.s32", &[0xfffe_0001, 0x0000_0305, 0], 0xffff_ffff),
        ("dp2a.hi.s32.s32", &[0xfffe_0001, 0x0305_0000, 0], 0xffff_ffff),
    ]);
}

#[test]
fn bits() {
    check(&[
        ("shl.b32", &[1, 32], 0),
        ("shl.b32", &[1, 0xffff_ffff], 0),
        ("shr.u32", &[0x8000_0000, 32], 0),
        ("shr.s32", &[0x8000_0000, 99], 0xffff_ffff),
        ("shr.s16", &[0x8000, 4], 0xffff_f800),
        ("shf.l.wrap.b32", &[0x8000_0000, 1, 33], 3),
        ("shf.l.clamp.b32", &[0x8000_0000, 1, 33], 0x8000_0000),
        ("shf.r.clamp.b32", &[0x8000_0000, 1, 33], 1),
        ("shf.r.wrap.b32", &[0x8000_0000, 1, 33], 0xc000_0000),
        ("lop3.b32", &[0xf0, 0xcc, 0xaa, 0xe8], 0xe8),
        ("lop3.b32", &[0xf0, 0xcc, 0xaa, 0x1a], 0x1a),
        ("prmt.b32", &[0x7766_5544, 0xbbaa_9988, 0x8c04], 0x00ff_4488),
        ("prmt.b32.f4e", &[0x3322_1100, 0x7766_5544, 1], 0x4433_2211),
        ("prmt.b32.b4e", &[0x3322_1100, 0x7766_5544, 0], 0x5566_7700),
        ("prmt.b32.rc8", &[0x3322_1100, 0, 2], 0x2222_2222),
        ("prmt.b32.ecl", &[0x3322_1100, 0, 2], 0x3322_2222),
        ("prmt.b32.ecr", &[0x3322_1100, 0, 2], 0x2222_1100),
        ("prmt.b32.rc16", &[0xddcc_bbaa, 0, 1], 0xddcc_ddcc),
        ("bfe.s32", &[0x8000_0000, 31, 5], 0xffff_ffff),
        ("bfe.u32", &[0xf0, 4, 4], 0xf),
        ("bfe.s32", &[0xf0, 4, 4], 0xffff_ffff),
        ("bfe.u32", &[0xffff_ffff, 0x104, 0x100], 0),
        ("bfi.b32", &[0xff, 0, 4, 4], 0xf0),
        ("bfind.u32", &[0], 0xffff_ffff),
        ("bfind.s32", &[0xffff_ffff], 0xffff_ffff),
        ("bfind.s32", &[0xffff_fffe], 0),
        ("bfind.shiftamt.u32", &[0x8000_0000], 0),
        ("clz.b32", &[0], 32),
        ("fns.b32", &[0b10110, 1, 2], 2),
        ("fns.b32", &[0b10110, 4, -3i32 as u32], 1),
        ("fns.b32", &[0b10110, 0, 0], 0xffff_ffff),
        ("bmsk.clamp.b32", &[4, 4], 0xf0),
        ("bmsk.clamp.b32", &[0, 32], 0xffff_ffff),
        ("bmsk.wrap.b32", &[0, 32], 0),
        ("szext.clamp.s32", &[0xff, 8], 0xffff_ffff),
        ("szext.wrap.s32", &[0xff, 32], 0),
        ("szext.clamp.s32", &[0xff, 32], 0xff),
        ("cnot.b32", &[0], 1),
    ]);
}

/// 1 is 3f800000, its last bit 2^-23.
#[test]
fn singles() {
    check(&[
        ("add.f32", &[0x3f80_0000, 0x3380_0000], 0x3f80_0000),
        ("add.rn.f32", &[0x3f80_0000, 0x3380_0001], 0x3f80_0001),
        ("add.rp.f32", &[0x3f80_0000, 0x0000_0001], 0x3f80_0001),
        ("add.rm.f32", &[0xbf80_0000, 0x8000_0001], 0xbf80_0001),
        ("add.rz.f32", &[0xbf80_0000, 0x0000_0001], 0xbf7f_ffff),
        ("sub.f32", &[0x3f80_0000, 0x3f80_0000], 0),
        ("sub.rm.f32", &[0x3f80_0000, 0x3f80_0000], 0x8000_0000),
        ("add.f32", &[0x7f80_0000, 0xff80_0000], 0x7fff_ffff),
        ("add.f32", &[0x7f80_0001, 0], 0x7fff_ffff),
        ("add.sat.f32", &[0x7fc0_0000, 0], 0),
        ("add.sat.f32", &[0x3f80_0000, 0x3f80_0000], 0x3f80_0000),
        ("mul.f32", &[0x0080_0000, 0x3f00_0000], 0x0040_0000),
        ("mul.ftz.f32", &[0x8080_0000, 0x3f00_0000], 0x8000_0000),
        ("mul.rz.f32", &[0x7f7f_ffff, 0x4000_0000], 0x7f7f_ffff),
        ("mul.rp.f32", &[0xff7f_ffff, 0x4000_0000], 0xff7f_ffff),
        // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, which a product rounded by itself has lost.
        ("fma.rn.f32", &[0x3f80_0800, 0x3f80_0800, 0xbf80_1000], 0x3380_0000),
        // 1 + 2^-23 + 2^-24 - 2^-70 is just below a tie, at which f64 puts it.
        ("fma.rn.f32", &[0x3380_0001, 0x3f7f_fffe, 0x3f80_0001], 0x3f80_0001),
        ("fma.rn.f32", &[0x3380_0000, 0x3f80_0000, 0x3f80_0001], 0x3f80_0002),
        ("div.rn.f32", &[0x3f80_0000, 0x4040_0000], 0x3eaa_aaab),
        ("div.rm.f32", &[0x3f80_0000, 0x4040_0000], 0x3eaa_aaaa),
        ("rcp.rn.f32", &[0x8000_0000], 0xff80_0000),
        ("sqrt.rn.f32", &[0x4000_0000], 0x3fb5_04f3),
        ("sqrt.rp.f32", &[0x4000_0000], 0x3fb5_04f4),
        ("sqrt.rn.f32", &[0x8000_0000], 0x8000_0000),
        ("sqrt.rn.f32", &[0xbf80_0000], 0x7fff_ffff),
        ("min.f32", &[0x7fc0_0000, 0x3f80_0000], 0x3f80_0000),
        ("max.NaN.f32", &[0x7fc0_0000, 0x3f80_0000], 0x7fff_ffff),
        ("min.f32", &[0, 0x8000_0000], 0x8000_0000),
        ("max.f32", &[0x8000_0000, 0], 0),
        ("min.xorsign.abs.f32", &[0xbf80_0000, 0x4000_0000], 0xbf80_0000),
        ("max.xorsign.abs.f32", &[0xbf80_0000, 0xc000_0000], 0x4000_0000),
        ("copysign.f32", &[0xbf80_0000, 0x4000_0000], 0xc000_0000),
        ("testp.subnormal.f32", &[1], 1),
        ("testp.normal.f32", &[0], 0),
        ("set.lt.f32.f32", &[0, 1], 0x3f80_0000),
        ("set.lt.s32.f32", &[0, 1], 0xffff_ffff),
        ("setp.lt.f32", &[0x7fc0_0000, 0], 0),
        ("setp.ltu.f32", &[0x7fc0_0000, 0], 1),
        ("setp.ne.f32", &[0x7fc0_0000, 0], 0),
        ("setp.neu.f32", &[0x7fc0_0000, 0], 1),
        ("setp.eq.ftz.f32", &[1, 0x8000_0002], 1),
        ("setp.lo.u32", &[1, 0xffff_ffff], 1),
        ("setp.lt.and.s32", &[0, 1, 0], 0),
        ("slct.u32.f32", &[7, 8, 0x8000_0000], 7),
        ("slct.u32.f32", &[7, 8, 0x7fc0_0000], 8),
    ]);
}

/// Special values as PTX lists them, and exact ones.
#[test]
fn approximations() {
    check(&[
        ("ex2.approx.ftz.f32", &[0xff80_0000], 0),
        ("ex2.approx.ftz.f32", &[0x8000_0001], 0x3f80_0000),
        ("ex2.approx.f32", &[0x4040_0000], 0x4100_0000),
        ("lg2.approx.f32", &[0], 0xff80_0000),
        ("lg2.approx.ftz.f32", &[0x8000_0001], 0xff80_0000),
        ("lg2.approx.f32", &[0xbf80_0000], 0x7fff_ffff),
        ("lg2.approx.f32", &[0x4100_0000], 0x4040_0000),
        ("rcp.approx.ftz.f32", &[1], 0x7f80_0000),
        ("rcp.approx.ftz.f32", &[0xff80_0000], 0x8000_0000),
        ("rsqrt.approx.f32", &[0x8000_0000], 0xff80_0000),
        ("rsqrt.approx.f32", &[0x4080_0000], 0x3f00_0000),
        ("sin.approx.f32", &[0x8000_0000], 0x8000_0000),
        ("sin.approx.f32", &[0x7f80_0000], 0x7fff_ffff),
        ("cos.approx.f32", &[0], 0x3f80_0000),
        ("tanh.approx.f32", &[0xff80_0000], 0xbf80_0000),
        // 2^127 is too great a divisor.
        ("div.approx.f32", &[0x3f80_0000, 0x7f00_0000], 0),
        ("div.full.f32", &[0x3f80_0000, 0x7f00_0000], 0x0040_0000),
    ]);
}

#[test]
fn halves() {
    check(&[
        // (1 + 2^-10)^2 - (1 + 2^-9) is 2^-20, sixteen times the least f16.
        ("fma.rn.f16", &[0x3c01, 0x3c01, 0xbc02], 0x0010),
        ("fma.rn.ftz.f16", &[0x3c01, 0x3c01, 0xbc02], 0),
        ("fma.rn.relu.f16", &[0xbc00, 0x3c00, 0], 0),
        ("add.f16", &[0x7bff, 0x4c00], 0x7c00),
        ("add.f16", &[0x7bff, 0x4bff], 0x7bff),
        ("add.sat.f16", &[0x7e00, 0x3c00], 0),
        ("mul.f16x2", &[0x4000_3c00, 0x4000_4200], 0x4400_4200),
        ("add.bf16", &[0x3f80, 0x3b80], 0x3f80),
        ("add.bf16", &[0x3f80, 0x3b81], 0x3f81),
        ("max.NaN.f16", &[0x7e01, 0], 0x7fff),
        ("neg.f16x2", &[0x0000_3c00], 0x8000_bc00),
        ("setp.lt.f16x2", &[0x4000_0000, 0x3c00_3c00], 1),
        ("set.lt.u32.f16x2", &[0x4000_0000, 0x3c00_3c00], 0x0000_ffff),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("cvt.rni.s32.f32", &[0x4020_0000], 2),
        ("cvt.rni.s32.f32", &[0x4060_0000], 4),
        ("cvt.rzi.s32.f32", &[0xc02c_cccd], -2i32 as u32),
        ("cvt.rmi.s32.f32", &[0xc02c_cccd], -3i32 as u32),
        ("cvt.rzi.s32.f32", &[0x7fc0_0000], 0),
        ("cvt.rzi.s32.f32", &[0x4f80_0000], 0x7fff_ffff),
        ("cvt.rzi.u32.f32", &[0xbf80_0000], 0),
        ("cvt.rzi.u8.f32", &[0x4396_0000], 255),
        ("cvt.rmi.f32.f32", &[0xbf00_0000], 0xbf80_0000),
        ("cvt.rpi.f32.f32", &[0xbf00_0000], 0x8000_0000),
        ("cvt.rn.f32.s32", &[0x0100_0001], 0x4b80_0000),
        ("cvt.rp.f32.s32", &[0x0100_0001], 0x4b80_0001),
        ("cvt.rn.f16.f32", &[0x477f_f000], 0x7c00),
        ("cvt.rn.f16.f32", &[0x477f_ef00], 0x7bff),
        ("cvt.rz.f16.f32", &[0x477f_f000], 0x7bff),
        ("cvt.rn.f16.f32", &[0x3300_0000], 0),
        ("cvt.rn.f16.f32", &[0x3300_0001], 1),
        ("cvt.f32.f16", &[1], 0x3380_0000),
        ("cvt.rn.bf16.f32", &[0x3f80_8000], 0x3f80),
        ("cvt.rn.bf16.f32", &[0x3f81_8000], 0x3f82),
        ("cvt.rn.bf16.f32", &[0x7f80_0001], 0x7fff),
        ("cvt.rn.f16x2.f32", &[0x3f80_0000, 0x4000_0000], 0x3c00_4000),
        ("cvt.rn.relu.f16.f32", &[0xbf80_0000], 0),
        ("cvt.rna.tf32.f32", &[0x3f80_1000], 0x3f80_2000),
        ("cvt.rn.tf32.f32", &[0x3f80_1000], 0x3f80_0000),
        ("cvt.rn.satfinite.e4m3x2.f32", &[0x447a_0000, 0xc47a_0000], 0x7efe),
        ("cvt.rn.f16x2.e4m3x2", &[0x7f38], 0x7fff_3c00),
        ("cvt.rn.satfinite.e5m2x2.f32", &[0x3f80_0000, 0x7f80_0000], 0x3c7b),
        ("cvt.sat.u8.s32", &[-5i32 as u32], 0),
        ("cvt.sat.s8.u32", &[300], 127),
        ("cvt.s8.s32", &[0x1ff], 0xffff_ffff),
        ("cvt.u8.s32", &[0x1ff], 0xff),
        ("cvt.sat.f32.f32", &[0x7fc0_0000], 0),
        ("cvt.pack.sat.s16.s32", &[40000, -40000i32 as u32], 0x7fff_8000),
        ("cvt.pack.sat.u8.s32.b32", &[300, -1i32 as u32, 0xaabb_ccdd], 0xccdd_ff00),
    ]);
    check_wide(&[
        ("cvt.rzi.s64.f32", [0x7fc0_0000, 0], 0x8000_0000_0000_0000),
        ("cvt.rzi.u64.f64", [0x7ff8_0000_0000_0000, 0], 0x8000_0000_0000_0000),
        ("cvt.rzi.s64.f64", [0x43e0_0000_0000_0000, 0], 0x7fff_ffff_ffff_ffff),
        ("cvt.s64.s32", [0xffff_ffff, 0], 0xffff_ffff_ffff_ffff),
        ("cvt.u64.u32", [0xffff_ffff_ffff_ffff, 0], 0xffff_ffff),
        ("cvt.rn.f64.u64", [0xffff_ffff_ffff_ffff, 0], 0x43f0_0000_0000_0000),
        ("cvt.f64.f32", [0x8000_0001, 0], 0xb6a0_0000_0000_0000),
    ]);
}

#[test]
fn doubles() {
    check_wide(&[
        ("add.f64", [0x3ff0_0000_0000_0000, 0x3ca0_0000_0000_0000], 0x3ff0_0000_0000_0000),
        ("add.rp.f64", [0x3ff0_0000_0000_0000, 0x3ca0_0000_0000_0000], 0x3ff0_0000_0000_0001),
        ("div.rn.f64", [0x3ff0_0000_0000_0000, 0x4008_0000_0000_0000], 0x3fd5_5555_5555_5555),
        ("div.rp.f64", [0x3ff0_0000_0000_0000, 0x4008_0000_0000_0000], 0x3fd5_5555_5555_5556),
        ("sqrt.rz.f64", [0x4000_0000_0000_0000, 0], 0x3ff6_a09e_667f_3bcc),
        ("sqrt.rn.f64", [0x4000_0000_0000_0000, 0], 0x3ff6_a09e_667f_3bcd),
        ("mul.rm.f64", [0x0010_0000_0000_0000, 0xbfe0_0000_0000_0000], 0x8008_0000_0000_0000),
        ("min.f64", [0x7ff8_0000_0000_0000, 0], 0),
        ("add.f64", [0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000], 0x7ff8_0000_0000_0000),
        ("rcp.approx.ftz.f64", [0x4000_0000_0000_0000, 0], 0x3fe0_0000_0000_0000),
        ("rcp.approx.ftz.f64", [1, 0], 0x7ff0_0000_0000_0000),
    ]);
}

/// What counts, and the second result of `setp`.
#[test]
fn classes_and_second_results() {
    let find = |name: &str, parts: &[&str]| {
        select(&Opcode { name: name.into(), parts: parts.iter().map(|it| (*it).to_owned()).collect() })
    };
    let fma = find("fma", &["rn", "f32"]).unwrap();
    assert_eq!((fma.sources, fma.class, fma.flops), (3, Class::Single, 2));
    assert_eq!(find("fma", &["rn", "f16x2"]).unwrap().flops, 4);
    assert_eq!(find("cvt", &["rn", "f16", "f32"]).unwrap().class, Class::Convert);
    assert_eq!(find("ex2", &["approx", "ftz", "f32"]).unwrap().class, Class::Special);
    assert_eq!(find("add", &["ftz", "rn", "f32"]).unwrap().class, Class::Single);
    assert!(find("add", &["f33"]).is_none());
    assert!(find("wgmma", &[]).is_none());

    let setp = find("setp", &["lt", "and", "f32"]).unwrap();
    let nan = [u64::from(f32::NAN.to_bits()); WARP];
    let mut result = [7; WARP];
    (setp.second.unwrap())([&nan, &nan, &[1; WARP], &[0; WARP]], &mut result);
    assert_eq!(result, [1; WARP]);
}
