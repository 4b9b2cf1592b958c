//! Logic, shifts, bit fields, permutations, moves and selections.

use super::Class::Integer;
use super::lanes::lanes;
use super::table::Table;

/// What each width has.
macro_rules! width {
    ($table:ident, $ty:ident, $signed:ident, $name:literal, $others:literal) => {
        let mut row = |name: &str, function| $table.row(&name.replace('#', $name), Integer, 0, function);
        row("and.b#", lanes!(|a: $ty, b: $ty| a & b));
        row("or.b#", lanes!(|a: $ty, b: $ty| a | b));
        row("xor.b#", lanes!(|a: $ty, b: $ty| a ^ b));
        row("not.b#", lanes!(|a: $ty| !a));
        row("cnot.b#", lanes!(|a: $ty| $ty::from(a == 0)));
        row("shl.b#", lanes!(|a: $ty, b: u32| if b < $ty::BITS { a << b } else { 0 }));
        row("shr.{b#,u#}", lanes!(|a: $ty, b: u32| if b < $ty::BITS { a >> b } else { 0 }));
        row("shr.s#", lanes!(|a: $signed, b: u32| a >> b.min($ty::BITS - 1)));
        row(&format!("mov.{{b#,u#,s#{}}}", $others), lanes!(|a: $ty| a));
        row(
            &format!("selp.{{b#,u#,s#{}}}", $others),
            lanes!(|a: $ty, b: $ty, c: u64| b ^ (a ^ b) & (0u64.wrapping_sub(c & 1) as $ty)),
        );
    };
}

/// What 32 and 64 bits have. Positions and lengths of fields are the low bytes of their operands.
macro_rules! fields {
    ($table:ident, $ty:ident, $signed:ident, $name:literal) => {
        let mut row = |name: &str, function| $table.row(&name.replace('#', $name), Integer, 0, function);
        row("popc.b#", lanes!(|a: $ty| a.count_ones()));
        row("clz.b#", lanes!(|a: $ty| a.leading_zeros()));
        row("brev.b#", lanes!(|a: $ty| a.reverse_bits()));
        row("bfind.u#", lanes!(|a: $ty| find(a.into(), 0)));
        row("bfind.s#", lanes!(|a: $signed| find((a ^ (a >> ($ty::BITS - 1))) as $ty as u64, 0)));
        row("bfind.shiftamt.u#", lanes!(|a: $ty| find(a.into(), $ty::BITS)));
        row("bfind.shiftamt.s#", lanes!(|a: $signed| find((a ^ (a >> ($ty::BITS - 1))) as $ty as u64, $ty::BITS)));
        row("bfe.u#", lanes!(|a: $ty, b: u8, c: u8| extract(a.into(), b.into(), c.into(), $ty::BITS, false) as $ty));
        row("bfe.s#", lanes!(|a: $ty, b: u8, c: u8| extract(a.into(), b.into(), c.into(), $ty::BITS, true) as $ty));
        row("bfi.b#", lanes!(|a: $ty, b: $ty, c: u8, d: u8| insert(a.into(), b.into(), c.into(), d.into()) as $ty));
    };
}

/// The lowest `count` bits.
fn mask(count: u32) -> u64 {
    u64::MAX.checked_shr(64u32.saturating_sub(count)).unwrap_or(0)
}

/// The place of the highest bit that is set, or (with the width) how far a shift brings it to the top; all ones if none is.
fn find(value: u64, width: u32) -> u32 {
    match value.checked_ilog2() {
        Some(place) if width > 0 => width - 1 - place,
        Some(place) => place,
        None => u32::MAX,
    }
}

/// `length` bits from `position` on. What lies past the end is zero, or the sign: the field's highest bit, or the value's if the
/// field goes on past its end.
fn extract(value: u64, position: u32, length: u32, width: u32, signed: bool) -> u64 {
    let field = value.checked_shr(position).unwrap_or(0) & mask(length);
    let sign_at = (position + length).saturating_sub(1).min(width - 1);
    let negative = signed && length > 0 && value >> sign_at & 1 == 1;
    let taken = length.min(width.saturating_sub(position));
    if negative { field | !mask(taken) } else { field }
}

/// `base` with the lowest `length` bits of `value` at `position`.
fn insert(value: u64, base: u64, position: u32, length: u32) -> u64 {
    let field = mask(length).checked_shl(position).unwrap_or(0);
    base & !field | value.checked_shl(position).unwrap_or(0) & field
}

/// Any function of three bits, by its truth table. All rows are computed, so that there is no branch.
fn lop3(a: u32, b: u32, c: u32, table: u8) -> u32 {
    let same = |value: u32, wanted: u32| !(value ^ 0u32.wrapping_sub(wanted & 1));
    (0..8).fold(0, |sum, row| {
        let chosen = 0u32.wrapping_sub(u32::from(table) >> row & 1);
        sum | same(a, row >> 2) & same(b, row >> 1) & same(c, row) & chosen
    })
}

/// A byte of `b:a`, by the low three bits of a selector; with the fourth, its sign in all eight bits.
fn pick(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    let byte = (bytes >> (8 * (selector & 7))) as u8;
    u32::from(if selector & 8 == 0 { byte } else { (byte as i8 >> 7) as u8 })
}

/// Four bytes of `b:a` by four selectors of four bits each.
fn permute(a: u32, b: u32, selectors: u32) -> u32 {
    (0..4).fold(0, |sum, at| sum | pick(a, b, selectors >> (4 * at)) << (8 * at))
}

/// The place of the n-th bit that is set, counted from `base` up or down.
fn find_nth(mask: u32, base: u32, offset: i32) -> u32 {
    let set = |place: &u32| mask.checked_shr(*place).unwrap_or(0) & 1 == 1;
    let nth = (offset.unsigned_abs() as usize).saturating_sub(1);
    let found = match offset {
        0 => Some(base).filter(set),
        1.. => (base..32).filter(set).nth(nth),
        _ => (0..=base.min(31)).rev().filter(set).nth(nth),
    };
    found.unwrap_or(u32::MAX)
}

/// Ones from bit `start` on, `length` of them; `clamp` says what becomes of numbers of 32 and more.
fn bit_mask(start: u32, length: u32, clamp: bool) -> u32 {
    let limit = |number: u32| if clamp { number.min(32) } else { number & 31 };
    (mask(limit(length)) << limit(start)) as u32
}

/// The lowest `length` bits, extended by zeros or by their sign.
fn extend(value: u32, length: u32, clamp: bool, signed: bool) -> u32 {
    let length = if clamp { length.min(32) } else { length & 31 };
    extract(value.into(), 0, length, 32, signed) as u32
}

/// The fixed patterns of `prmt`, each with the selectors for its four modes.
const PATTERNS: [(&str, [u32; 4]); 6] = [
    ("f4e", [0x3210, 0x4321, 0x5432, 0x6543]),
    ("b4e", [0x5670, 0x6701, 0x7012, 0x0123]),
    ("rc8", [0x0000, 0x1111, 0x2222, 0x3333]),
    ("ecl", [0x3210, 0x3211, 0x3222, 0x3333]),
    ("ecr", [0x0000, 0x1110, 0x2210, 0x3210]),
    ("rc16", [0x1010, 0x3232, 0x1010, 0x3232]),
];

pub(super) fn rows(table: &mut Table) {
    width!(table, u16, i16, "16", "");
    width!(table, u32, i32, "32", ",f32");
    width!(table, u64, i64, "64", ",f64");
    fields!(table, u32, i32, "32");
    fields!(table, u64, i64, "64");

    let mut row = |name: &str, function| table.row(name, Integer, 0, function);
    row("and.pred", lanes!(|a: bool, b: bool| a & b));
    row("or.pred", lanes!(|a: bool, b: bool| a | b));
    row("xor.pred", lanes!(|a: bool, b: bool| a ^ b));
    row("not.pred", lanes!(|a: bool| !a));
    row("mov.pred", lanes!(|a: bool| a));
    row("lop3.b32", lanes!(|a: u32, b: u32, c: u32, d: u8| lop3(a, b, c, d)));
    row("fns.b32", lanes!(|a: u32, b: u32, c: i32| find_nth(a, b, c)));
    row("bmsk.clamp.b32", lanes!(|a: u32, b: u32| bit_mask(a, b, true)));
    row("bmsk.wrap.b32", lanes!(|a: u32, b: u32| bit_mask(a, b, false)));
    row("szext.clamp.u32", lanes!(|a: u32, b: u32| extend(a, b, true, false)));
    row("szext.clamp.s32", lanes!(|a: u32, b: u32| extend(a, b, true, true)));
    row("szext.wrap.u32", lanes!(|a: u32, b: u32| extend(a, b, false, false)));
    row("szext.wrap.s32", lanes!(|a: u32, b: u32| extend(a, b, false, true)));

    // A funnel shift takes 32 bits out of `b:a`.
    row("shf.l.clamp.b32", lanes!(|a: u32, b: u32, c: u32| ((joined(a, b) << c.min(32)) >> 32) as u32));
    row("shf.l.wrap.b32", lanes!(|a: u32, b: u32, c: u32| ((joined(a, b) << (c & 31)) >> 32) as u32));
    row("shf.r.clamp.b32", lanes!(|a: u32, b: u32, c: u32| (joined(a, b) >> c.min(32)) as u32));
    row("shf.r.wrap.b32", lanes!(|a: u32, b: u32, c: u32| (joined(a, b) >> (c & 31)) as u32));

    row("prmt.b32", lanes!(|a: u32, b: u32, c: u32| permute(a, b, c)));
    macro_rules! patterns {
        ($($at:literal)*) => {$(
            row(&format!("prmt.b32.{}", PATTERNS[$at].0),
                lanes!(|a: u32, b: u32, c: u32| permute(a, b, PATTERNS[$at].1[(c & 3) as usize])));
        )*};
    }
    patterns!(0 1 2 3 4 5);
}

fn joined(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
