//! Random numbers on the CPU: sixteen blocks at a time, in vector lanes.

use super::{Distribution, MULTIPLIERS, WEYL, halves, key};
use crate::{
    DType, Error, Random, Step,
    cpu::{Context, Cpu, Launch, Place, rows::per_isa, share},
};

/// Blocks computed together.
const LANES: usize = 16;

/// Blocks that become elements together.
const BATCH: usize = 4 * LANES;

/// Elements from which on a second thread pays: some 3 us of work.
const HEAVY: usize = 4 * 1024;

/// The words of a batch of blocks in order, two in each `u64`.
type Pairs = [u64; 2 * BATCH];

/// How words become elements.
trait Draw: 'static {
    type Element: Copy + Default;
    /// Elements of a block.
    const BLOCK: usize;
    /// The elements of a batch, as many as `out` takes.
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [Self::Element]);
}

struct Bits;
struct Uniform32;
struct Uniform64;
struct Normal32;
struct Normal64;

impl Draw for Bits {
    type Element = i64;
    const BLOCK: usize = 4;
    #[inline(always)]
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [i64]) {
        let words: &[u32; 4 * BATCH] = bytemuck::cast_ref(pairs);
        for (out, &word) in out.iter_mut().zip(words) {
            *out = i64::from(u32::from_le(word));
        }
    }
}

#[inline(always)]
fn unit32(word: u32) -> f32 {
    // Fewer than 31 bits: the signed conversion is an instruction on every CPU.
    (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
}

/// Two words as a number, the earlier one its low half.
#[inline(always)]
fn joined(pair: u64) -> u64 {
    u64::from_le(pair)
}

const ULP64: f64 = 1.0 / 9_007_199_254_740_992.0;

impl Draw for Uniform32 {
    type Element = f32;
    const BLOCK: usize = 4;
    #[inline(always)]
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [f32]) {
        let words: &[u32; 4 * BATCH] = bytemuck::cast_ref(pairs);
        for (out, &word) in out.iter_mut().zip(words) {
            *out = unit32(u32::from_le(word));
        }
    }
}

impl Draw for Uniform64 {
    type Element = f64;
    const BLOCK: usize = 2;
    #[inline(always)]
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [f64]) {
        for (out, &pair) in out.iter_mut().zip(pairs) {
            *out = (joined(pair) >> 11) as f64 * ULP64;
        }
    }
}

impl Draw for Normal32 {
    type Element = f32;
    const BLOCK: usize = 4;
    #[inline(always)]
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [f32]) {
        let mut normals = [[0.0; 2]; 2 * BATCH];
        for (normal, &pair) in normals.iter_mut().zip(pairs) {
            let pair = joined(pair);
            let u = (pair as u32 as f32).max(0.5) * (1.0 / 4_294_967_296.0);
            let radius = (-2.0 * ln::<FMA>(u)).max(0.0).sqrt();
            let (sin, cos) = turn::<FMA>(unit32((pair >> 32) as u32));
            *normal = [radius * cos, radius * sin];
        }
        out.copy_from_slice(&normals.as_flattened()[..out.len()]);
    }
}

impl Draw for Normal64 {
    type Element = f64;
    const BLOCK: usize = 2;
    #[inline(always)]
    fn draw<const FMA: bool>(pairs: &Pairs, out: &mut [f64]) {
        for (out, pair) in out.chunks_mut(2).zip(pairs.as_chunks::<2>().0) {
            let u = ((joined(pair[0]) >> 11) + 1) as f64 * ULP64;
            let v = (joined(pair[1]) >> 11) as f64 * ULP64;
            let radius = (-2.0 * u.ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
            out.copy_from_slice(&[radius * cos, radius * sin][..out.len()]);
        }
    }
}

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Natural logarithm of a normal positive number, to about an ulp (polynomial of Cephes' logf).
#[inline(always)]
fn ln<const FMA: bool>(x: f32) -> f32 {
    // x = m * 2^e with m in [sqrt(1/2), sqrt(2)).
    let shifted = x.to_bits().wrapping_sub(0x3F35_04F3);
    let exponent = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007F_FFFF).wrapping_add(0x3F35_04F3)) - 1.0;
    let mut p = fma::<FMA>(7.037_683_6e-2, m, -1.151_461e-1);
    p = fma::<FMA>(p, m, 1.167_699_87e-1);
    p = fma::<FMA>(p, m, -1.242_014_1e-1);
    p = fma::<FMA>(p, m, 1.424_932_3e-1);
    p = fma::<FMA>(p, m, -1.666_805_8e-1);
    p = fma::<FMA>(p, m, 2.000_071_5e-1);
    p = fma::<FMA>(p, m, -2.499_999_4e-1);
    p = fma::<FMA>(p, m, 0.333_333_3);
    let square = m * m;
    let tail = fma::<FMA>(exponent, -2.121_944_4e-4, p * m * square);
    let tail = fma::<FMA>(square, -0.5, tail);
    fma::<FMA>(exponent, 0.693_359_4, m + tail)
}

/// Sine and cosine of `turns` full turns, 0 <= turns < 1 (polynomials of Cephes' sinf and cosf).
#[inline(always)]
fn turn<const FMA: bool>(turns: f32) -> (f32, f32) {
    let quarter = (4.0 * turns + 0.5) as i32;
    // Exact: `turns` is a multiple of 2^-24.
    let x = (4.0 * turns - quarter as f32) * std::f32::consts::FRAC_PI_2;
    let square = x * x;
    let mut sin = fma::<FMA>(-1.951_529_6e-4, square, 8.332_161e-3);
    sin = fma::<FMA>(sin, square, -1.666_665_5e-1);
    sin = fma::<FMA>(sin * square, x, x);
    let mut cos = fma::<FMA>(2.443_315_7e-5, square, -1.388_731_6e-3);
    cos = fma::<FMA>(cos, square, 4.166_664_6e-2);
    cos = fma::<FMA>(cos * square, square, fma::<FMA>(square, -0.5, 1.0));
    let (a, b) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let negative = |number: i32, x: f32| f32::from_bits(x.to_bits() ^ (((number >> 1) & 1) as u32) << 31);
    (negative(quarter, a), negative(quarter + 1, b))
}

/// Fills `out` with the blocks from number `first` on. Words are kept in lanes of 64 bits, whose upper halves do not matter
/// until the end: the product of two such lanes' lower halves is one instruction.
#[inline(always)]
fn blocks<const FMA: bool>(first: u64, run: u64, key: u64, out: &mut Pairs) {
    const LOW: u64 = 0xFFFF_FFFF;
    for (group, out) in (0..).zip(out.as_chunks_mut::<{ 2 * LANES }>().0) {
        let [mut low, mut high] = halves(key).map(u64::from);
        let (mut w0, mut w1, mut w2, mut w3) = ([0; LANES], [0; LANES], [run; LANES], [run >> 32; LANES]);
        for lane in 0..LANES {
            w0[lane] = first.wrapping_add((group * LANES + lane) as u64);
            w1[lane] = w0[lane] >> 32;
        }
        for _ in 0..10 {
            for lane in 0..LANES {
                let a = (w0[lane] & LOW) * u64::from(MULTIPLIERS[0]);
                let b = (w2[lane] & LOW) * u64::from(MULTIPLIERS[1]);
                w0[lane] = (b >> 32) ^ w1[lane] ^ low;
                w2[lane] = (a >> 32) ^ w3[lane] ^ high;
                w1[lane] = b;
                w3[lane] = a;
            }
            low = low.wrapping_add(u64::from(WEYL[0]));
            high = high.wrapping_add(u64::from(WEYL[1]));
        }
        for lane in 0..LANES {
            out[2 * lane] = ((w0[lane] & LOW) | (w1[lane] << 32)).to_le();
            out[2 * lane + 1] = ((w2[lane] & LOW) | (w3[lane] << 32)).to_le();
        }
    }
}

#[inline(always)]
fn draw<const FMA: bool, D: Draw>(pairs: &Pairs, out: &mut [D::Element]) {
    D::draw::<FMA>(pairs, out);
}

per_isa! { choose_blocks<>(first: u64, run: u64, key: u64, out: &mut Pairs) = blocks }
per_isa! { choose_draw<D: Draw>(pairs: &Pairs, out: &mut [D::Element]) = draw }

struct Launcher<D: Draw> {
    stream: u64,
    seed: Place,
    run: Place,
    y: Place,
    len: usize,
    blocks: unsafe fn(u64, u64, u64, &mut Pairs),
    draw: unsafe fn(&Pairs, &mut [D::Element]),
}

pub(crate) fn prepare(random: &Random, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    fn launcher<D: Draw>(random: &Random, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
        let ([seed, run], [y]) = (&step.inputs[..], &step.outputs[..]) else {
            return Err(Error::invalid("random takes a key, a counter and an output"));
        };
        let (seed, run, len) = (seed.into(), run.into(), y.layout.len());
        let (blocks, draw) = (choose_blocks(cpu.isa), choose_draw::<D>(cpu.isa));
        Ok(Box::new(Launcher::<D> { stream: random.stream, seed, run, y: y.into(), len, blocks, draw }))
    }
    let single = step.outputs.first().is_some_and(|y| y.dtype == DType::F32);
    match random.distribution {
        Distribution::Bits => launcher::<Bits>(random, step, cpu),
        Distribution::Uniform if single => launcher::<Uniform32>(random, step, cpu),
        Distribution::Uniform => launcher::<Uniform64>(random, step, cpu),
        Distribution::Normal if single => launcher::<Normal32>(random, step, cpu),
        Distribution::Normal => launcher::<Normal64>(random, step, cpu),
    }
}

impl<D: Draw> Launch for Launcher<D> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        // SAFETY: the operands lie inside their memory.
        let (seed, run) = unsafe { (*context.at::<i64>(self.seed), *context.at::<i64>(self.run)) };
        let key = key(seed as u64, self.stream);
        let threads = if self.len >= HEAVY { context.team.threads() } else { 1 };
        context.team.run(threads, &|thread| {
            let part = share(self.len, D::BLOCK * BATCH, threads, thread);
            // SAFETY: the output lies inside its memory and is shared out.
            let out =
                unsafe { std::slice::from_raw_parts_mut(context.at::<D::Element>(self.y).add(part.start), part.len()) };
            let mut pairs = [0; 2 * BATCH];
            for (batch, out) in out.chunks_mut(D::BLOCK * BATCH).enumerate() {
                let first = part.start / D::BLOCK + batch * BATCH;
                // SAFETY: the CPU was checked for the instruction set.
                unsafe {
                    (self.blocks)(first as u64, run as u64, key, &mut pairs);
                    (self.draw)(&pairs, out);
                }
            }
        });
        Ok(())
    }
}
