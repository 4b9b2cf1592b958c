//! Instructions of a warp, and barriers.

use super::{Input, Special, block, low, votes, warp};

/// A result of 32 bits in `%r0` and a predicate in `%p0`.
const BOTH: &str = "	cvt.u64.u32 %x, %r0;\n	selp.b64 %y, 1, 0, %p0;\n";
/// The result alone.
const ONE: &str = "	cvt.u64.u32 %x, %r0;\n";
/// The predicate alone.
const HOLDS: &str = "	selp.b64 %x, 1, 0, %p0;\n";
/// The lowest bit of the first number as a predicate.
const PREDICATE: &str = "	and.b32 %r1, %ra, 1;\n	setp.ne.b32 %p1, %r1, 0;\n";

/// Where `shfl` takes its value from, and whether that is in range.
fn source(mode: &str, lane: i64, by: u64, clamp: u64) -> (i64, bool) {
    let (by, segment) = ((by & 31) as i64, (clamp >> 8 & 31) as i64);
    let least = lane & segment;
    let most = least | (clamp & 31) as i64 & !segment;
    let (from, valid) = match mode {
        "up" => (lane - by, lane - by >= most),
        "down" => (lane + by, lane + by <= most),
        "bfly" => (lane ^ by, lane ^ by <= most),
        _ => (least | by & !segment, (least | by & !segment) <= most),
    };
    if valid { (from, true) } else { (lane, false) }
}

fn shuffles() -> Vec<Special> {
    let mut programs = Vec::new();
    for mode in ["up", "down", "bfly", "idx"] {
        // Segments of 32, 8 and 4 lanes, and whatever the third number says.
        for width in [Some(32), Some(8), Some(4), None] {
            let ends = if mode == "up" { 0u64 } else { 31 };
            let (clamp, name) = match width {
                Some(width) => (format!("{}", (32 - width) << 8 | ends), format!("segments of {width}")),
                None => ("%r2".to_owned(), "any clamp".to_owned()),
            };
            let body = format!(
                "\tand.b32 %r2, %rc, {};\n\tshfl.sync.{mode}.b32 %r0|%p0, %ra, %rb, {clamp}, -1;\n{BOTH}",
                0x1f1f
            );
            programs.push(Special::new(format!("shfl.sync.{mode}.b32 {name}"), body, move |thread, inputs| {
                let [_, by, clamp, _] = inputs[thread];
                let clamp = width.map_or(clamp & 0x1f1f, |width| (32 - width) << 8 | ends);
                let (from, valid) = source(mode, (thread % 32) as i64, by, clamp);
                [low(warp(thread, inputs)[from as usize][0]), u64::from(valid)]
            }));
        }
    }
    programs
}

fn is_set(input: &Input) -> bool {
    input[0] & 1 == 1
}

/// The lanes of a warp of which something holds, as a mask.
fn mask(inputs: &[Input], holds: impl Fn(&Input) -> bool) -> u64 {
    inputs.iter().enumerate().fold(0, |mask, (lane, it)| mask | u64::from(holds(it)) << lane)
}

fn vote_programs() -> Vec<Special> {
    let vote = |mode: &str, expected: fn(&[Input]) -> bool| {
        let body = format!("{PREDICATE}\tvote.sync.{mode}.pred %p0, %p1, -1;\n{HOLDS}");
        let name = format!("vote.sync.{mode}.pred");
        Special::new(name, body, move |thread, inputs| [u64::from(expected(warp(thread, inputs))), 0]).with(votes)
    };
    let ballot = format!("{PREDICATE}\tvote.sync.ballot.b32 %r0, %p1, -1;\n{ONE}");
    let negated = format!("{PREDICATE}\tvote.sync.ballot.b32 %r0, !%p1, -1;\n{ONE}");
    let half = format!(
        "{PREDICATE}\tmov.b32 %r0, 0;\n\tsetp.lt.u32 %p2, %lane, 16;\n\t@%p2 vote.sync.ballot.b32 %r0, %p1, 0xffff;\n{ONE}"
    );
    vec![
        vote("all", |warp| warp.iter().all(is_set)),
        vote("any", |warp| warp.iter().any(is_set)),
        vote("uni", |warp| warp.iter().all(is_set) || !warp.iter().any(is_set)),
        Special::new("vote.sync.ballot.b32", ballot, |thread, inputs| [mask(warp(thread, inputs), is_set), 0])
            .with(votes),
        Special::new("vote.sync.ballot.b32 of !p", negated, |thread, inputs| {
            [mask(warp(thread, inputs), |it| !is_set(it)), 0]
        })
        .with(votes),
        Special::new("vote.sync.ballot.b32 of half a warp", half, |thread, inputs| {
            [if thread % 32 < 16 { mask(&warp(thread, inputs)[..16], is_set) } else { 0 }, 0]
        })
        .with(votes),
        Special::new("activemask.b32", format!("\tactivemask.b32 %r0;\n{ONE}"), |_, _| [0xffff_ffff, 0]),
    ]
}

fn matches() -> Vec<Special> {
    let mut programs = Vec::new();
    for (bits, register) in [(32, "%ra"), (64, "%a")] {
        let wide = move |value: u64| if bits == 32 { low(value) } else { value };
        let body = format!("\tmatch.any.sync.b{bits} %r0, {register}, -1;\n{ONE}");
        let any = Special::new(format!("match.any.sync.b{bits}"), body, move |thread, inputs| {
            [mask(warp(thread, inputs), |it| wide(it[0]) == wide(inputs[thread][0])), 0]
        });
        // Three values that differ in both halves.
        programs.push(any.with(|_, random| [random.next() % 3 * 0x1_0000_0001, 0, 0, 0]));
        let body = format!("\tmatch.all.sync.b{bits} %r0|%p0, {register}, -1;\n{BOTH}");
        let all = Special::new(format!("match.all.sync.b{bits}"), body, move |thread, inputs| {
            let same = warp(thread, inputs).iter().all(|it| wide(it[0]) == wide(inputs[thread][0]));
            [if same { 0xffff_ffff } else { 0 }, u64::from(same)]
        });
        programs.push(all.with(votes));
    }
    programs
}

fn reductions() -> Vec<Special> {
    let redux = |name: &str, reduce: fn(u32, u32) -> u32| {
        let body = format!("\tredux.sync.{name} %r0, %ra, -1;\n{ONE}");
        let expected = move |thread: usize, inputs: &[Input]| {
            let values = warp(thread, inputs).iter().map(|it| it[0] as u32);
            [values.reduce(reduce).unwrap_or_default().into(), 0]
        };
        Special::new(format!("redux.sync.{name}"), body, expected).needs(80)
    };
    vec![
        redux("add.u32", u32::wrapping_add),
        redux("add.s32", u32::wrapping_add),
        redux("min.u32", u32::min),
        redux("max.u32", u32::max),
        redux("min.s32", |a, b| (a as i32).min(b as i32) as u32),
        redux("max.s32", |a, b| (a as i32).max(b as i32) as u32),
        redux("and.b32", |a, b| a & b),
        redux("or.b32", |a, b| a | b),
        redux("xor.b32", |a, b| a ^ b),
    ]
}

fn barriers() -> Vec<Special> {
    let bar = |name: &str, body: &str, expected: fn(&[Input]) -> u64| {
        let body = format!("{PREDICATE}{body}");
        Special::new(name, body, move |thread, inputs| [expected(block(thread, inputs)), 0]).with(votes)
    };
    let exchange = |name: &str, barrier: &str, partner: u32| {
        let body = format!(
            "\tmov.b32 %r0, buffer;\n\tmad.lo.u32 %r1, %thread, 8, %r0;\n\tst.shared.b64 [%r1], %a;\n\t{barrier};
	xor.b32 %r2, %thread, {partner};\n\tmad.lo.u32 %r1, %r2, 8, %r0;\n\tld.shared.b64 %x, [%r1];\n"
        );
        Special::new(name, body, move |thread, inputs| [inputs[thread ^ partner as usize][0], 0])
    };
    vec![
        bar("bar.red.popc.u32", &format!("\tbar.red.popc.u32 %r0, 0, %p1;\n{ONE}"), |block| {
            block.iter().filter(|it| is_set(it)).count() as u64
        }),
        bar("bar.red.and.pred", &format!("\tbar.red.and.pred %p0, 0, %p1;\n{HOLDS}"), |block| {
            u64::from(block.iter().all(is_set))
        }),
        bar("bar.red.or.pred", &format!("\tbar.red.or.pred %p0, 1, %p1;\n{HOLDS}"), |block| {
            u64::from(block.iter().any(is_set))
        }),
        exchange("bar.sync", "bar.sync 0", 77),
        exchange("barrier.sync", "barrier.sync 3", 99),
        exchange("bar.warp.sync", "bar.warp.sync -1", 21),
    ]
}

pub(super) fn programs() -> Vec<Special> {
    [shuffles(), vote_programs(), matches(), reductions(), barriers()].into_iter().flatten().collect()
}
