//! What programs are run on: edges of each type, and random bits.

use super::exact::Format;
use super::form::{Element, Form, Kind, Sources, Type, from_f64, low_bits};

/// Random numbers (SplitMix64), the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Seeded by a name.
    pub(super) fn new(name: &str) -> Self {
        Random(
            name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, it| (hash ^ u64::from(it)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Integers at which something happens: widths, signs, the ends of types, places where floats lose a bit.
const INTEGERS: [u64; 30] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x801,
    0x7fff,
    0x8000,
    0xffff,
    0x100_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x20_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
];

/// Numbers at which something happens: halves, the ends of integer types.
const NUMBERS: [f64; 40] = [
    0.0,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    0.5,
    0.25,
    0.75,
    0.499_999_97,
    0.1,
    10.0,
    6.25,
    100.0,
    126.5,
    127.0,
    127.5,
    128.0,
    254.5,
    255.0,
    255.5,
    256.0,
    448.0,
    464.0,
    480.0,
    32767.0,
    32767.5,
    32768.0,
    65504.0,
    65520.0,
    65535.0,
    65535.5,
    65536.0,
    2147483520.0,
    2147483647.5,
    2147483648.0,
    4294967295.0,
    4294967296.0,
    9.223_372_036_854_776e18,
    1.844_674_407_370_955_2e19,
];

fn edges(format: Format) -> Vec<u64> {
    let (one, normal, greatest) = (format.one(), format.normal(), format.greatest);
    let mut edges: Vec<u64> = NUMBERS.iter().map(|it| from_f64(format, *it)).collect();
    edges.extend([1, 2, normal - 1, normal, normal + 1, normal / 2, 2 * normal, greatest - 1, greatest, greatest + 1]);
    edges.extend([one - 1, one + 1, one + 3, one + 2 * normal - 1, format.nan]);
    // A signalling NaN and one with a payload, where the format has more than one.
    edges.extend([greatest + 2, greatest + 2 + normal / 4].into_iter().filter(|it| *it < format.sign()));
    edges.extend(edges.clone().into_iter().map(|it| it | format.sign()));
    edges.iter_mut().for_each(|it| *it &= low_bits(format.bits));
    edges
}

/// Edges of a type.
fn all_edges(kind: Kind) -> Vec<u64> {
    match kind {
        Kind::Float(format) | Kind::Two(Element::Float(format)) => edges(format),
        _ => INTEGERS.iter().flat_map(|it| [*it, it.wrapping_neg(), !it]).collect(),
    }
}

/// A random number of a format whose exponent is near another's, so that sums cancel and quotients are near one.
fn near(format: Format, other: u64, random: &mut Random) -> u64 {
    let fraction = random.next() & (format.normal() - 1);
    let exponent = (other & (format.sign() - 1)) / format.normal();
    let moved = exponent.saturating_add_signed(random.below(5) as i64 - 2).min(format.greatest / format.normal());
    moved * format.normal() + fraction + (random.next() & format.sign())
}

fn draw(ty: Type, edges: &[u64], other: Option<u64>, random: &mut Random) -> u64 {
    let two = |random: &mut Random, one: &mut dyn FnMut(&mut Random) -> u64| one(random) | one(random) << (ty.bits / 2);
    let edge = |random: &mut Random| edges.get(random.below(edges.len())).copied().unwrap_or(0);
    match (random.below(3), ty.kind) {
        (0, Kind::Two(_)) => two(random, &mut |random| edge(random) & low_bits(ty.bits / 2)),
        (0, _) => edge(random),
        (1, Kind::Float(format)) => near(format, other.unwrap_or(format.one()), random),
        (1, Kind::Two(Element::Float(format))) => {
            two(random, &mut |random| near(format, other.unwrap_or(format.one()), random) & low_bits(ty.bits / 2))
        }
        // Shifts, lengths and places, with rubbish above.
        (1, _) if ty.bits == 32 && random.below(2) == 0 => random.next() & 0x3f | random.next() & 0xff00,
        _ => random.next(),
    }
}

/// The inputs of so many threads.
pub(super) fn inputs(form: &Form, threads: usize) -> Vec<Sources> {
    let mut random = Random::new(&form.opcode);
    let edges: Vec<Vec<u64>> = form.sources.iter().map(|it| all_edges(it.kind)).collect();
    let unary = form.sources.len() == 1;
    (0..threads)
        .map(|thread| {
            let mut values = [0; 4];
            for at in 0..form.sources.len().min(4) {
                // One operand takes all edges in turn.
                values[at] = match edges[at].get(thread) {
                    Some(edge) if unary => *edge | upper(form, *edge),
                    _ => draw(form.sources[at], &edges[at], (at > 0).then(|| values[0]), &mut random),
                };
            }
            match (form.sources.as_slice(), thread % 4) {
                ([_, _, Type { kind: Kind::Float(format), .. }], 0) => values[2] = cancelling(*format, &values),
                ([_, _, Type { kind: Kind::Float(format), .. }], 1) => beside_tie(*format, &mut values, &mut random),
                _ => {}
            }
            values
        })
        .collect()
}

/// Two numbers side by side: the same edge in both halves.
fn upper(form: &Form, edge: u64) -> u64 {
    match form.sources.first() {
        Some(Type { kind: Kind::Two(_), bits }) => edge << (bits / 2),
        _ => 0,
    }
}

/// A summand that cancels most of the product of the first two.
fn cancelling(format: Format, values: &Sources) -> u64 {
    let double = |at: usize| super::form::to_f64(&format.value(values[at] & low_bits(format.bits)));
    from_f64(format, -double(0) * double(1))
}

/// Factors whose product is a very little less than half of the last bit of the summand: rounding twice goes wrong there.
fn beside_tie(format: Format, values: &mut Sources, random: &mut Random) {
    let bias = (format.one() >> format.fraction) as i64;
    let exponent = (values[2] >> format.fraction & (2 * bias as u64 + 1)).max(1) as i64;
    let half = exponent - bias - i64::from(format.fraction) - 1;
    let power = |exponent: i64| ((bias + exponent).clamp(1, 2 * bias) as u64) << format.fraction;
    let little = random.next() % 4;
    values[0] = power(half / 2) + little + (random.next() & format.sign());
    values[1] = power(half - half / 2) - 2 * little;
}
