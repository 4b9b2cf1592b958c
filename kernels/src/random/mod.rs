//! Random: counter-based random numbers (Philox 4x32-10).
//!
//! A block of four 32-bit words is a pure function of a 64-bit key and a 128-bit counter:
//!
//! * key: `splitmix64(seed ^ splitmix64(stream))`, low word first;
//! * counter: words 0 and 1 are the block's number, words 2 and 3 the run's number, low words first.
//!
//! | drawn | words of element `i` | value |
//! |---|---|---|
//! | bits | word `i % 4` of block `i / 4` | the word |
//! | uniform `F32` | word `i % 4` of block `i / 4` | `(word >> 8) * 2^-24` |
//! | uniform `F64` | words `2 * (i % 2)` and the next, low first, of block `i / 2` | `(word >> 11) * 2^-53` |
//! | normal | those of the uniforms `2j` and `2j + 1`, `j = i / 2` | `sqrt(-2 ln u) * (cos or sin)(2 pi v)`, cosine for even `i` |
//!
//! Of a normal pair, `v` is the second uniform. `u` lies in (0, 1]: for `F32` it is `max(word as f32, 0.5) * 2^-32`, where
//! small values keep all their bits and so the tail reaches 6.7; for `F64` it is `((word >> 11) + 1) * 2^-53`.

use std::convert::Infallible;

#[cfg(any(test, feature = "conformance"))]
pub(crate) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// What a [`Random`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// 32 random bits as a non-negative `I64`.
    Bits,
    /// Uniform on [0, 1): the top 24 bits (`F32`) or 53 bits (`F64`) of the stream.
    Uniform,
    /// Normal with mean 0 and variance 1, by the Box-Muller transform.
    Normal,
}

/// Independent draws, each a pure function of (key, stream, counter, row-major index).
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | key | `I64` | `[]`: the Session's seed |
/// | counter | `I64` | `[]`: how often the op has run |
/// | output | `F32`, `F64`; `I64` for `Bits` | row-major |
///
/// Bits and uniforms are equal on every device. Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// SC11.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    /// What is drawn.
    pub distribution: Distribution,
    /// The op's own stream: its stable ordinal in the graph.
    pub stream: u64,
}

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox 4x32 with 10 rounds, one block.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let [a, b] = [u64::from(counter[0]), u64::from(counter[2])];
        let [a, b] = [a * u64::from(MULTIPLIERS[0]), b * u64::from(MULTIPLIERS[1])];
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
    }
    counter
}

/// The key for a seed and a stream: for either one fixed, different values of the other give different keys.
fn key(seed: u64, stream: u64) -> u64 {
    let splitmix = |x: u64| {
        let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    };
    splitmix(seed ^ splitmix(stream))
}

const fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// The generator of [`Random`] on the host, for shuffles and initialisers: the same numbers on every machine, in every
/// version of this crate. It implements the traits of `rand_core`.
///
/// Its blocks are those of the run with number `u64::MAX`, which no [`Random`] reaches.
///
/// ```
/// # use wengert_kernels::Philox;
/// use rand_core::Rng;
/// let mut dice = Philox::new(42, 0);
/// let first = dice.next_u64();
/// assert_eq!(Philox::new(42, 0).next_u64(), first);
/// assert_ne!(Philox::new(42, 1).next_u64(), first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    block: u64,
    words: [u32; 4],
    /// Words of the current block that were given out.
    used: usize,
}

impl Philox {
    /// The generator for one of a seed's streams.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Philox {
        Philox { key: halves(key(seed, stream)), block: 0, words: [0; 4], used: 4 }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            let [low, high] = halves(self.block);
            self.words = philox([low, high, u32::MAX, u32::MAX], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

impl rand_core::TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for bytes in bytes.chunks_mut(4) {
            bytes.copy_from_slice(&self.word().to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::Rng;

    /// The known answers that the authors publish with Random123.
    #[test]
    fn published_vectors() {
        // semantics 7.1
        for (counter, key, wanted) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), wanted);
        }
    }

    #[test]
    fn the_host_generator_walks_through_blocks() {
        // semantics 7.7
        let mut words = Philox::new(1, 2);
        let list: Vec<u32> = (0..9).map(|_| words.next_u32()).collect();
        let key = halves(key(1, 2));
        let block = |n| philox([n, 0, u32::MAX, u32::MAX], key);
        assert_eq!(list[..4], block(0));
        assert_eq!(list[4..8], block(1));
        let mut bytes = [0; 6];
        Philox::new(1, 2).fill_bytes(&mut bytes);
        assert_eq!(bytes[..4], list[0].to_le_bytes());
        assert_eq!(bytes[4..], list[1].to_le_bytes()[..2]);
        assert_eq!(Philox::new(1, 2).next_u64(), u64::from(list[0]) | u64::from(list[1]) << 32);
    }

    /// Sums of the first four powers of `n` draws on the CPU.
    fn moments(distribution: Distribution, dtype: crate::DType, n: usize) -> [f64; 4] {
        use crate::{Array, Base, Device, Extern, Kernel, Memory, Operand, Program, Step};
        let mut values = Array::zeros(dtype, &[n]).unwrap();
        let scalar = |n| Operand::contiguous(Base::Extern(n), crate::DType::I64, &[]);
        let memory = |dtype, len, written| Extern { name: "m".into(), dtype, len, written };
        let step = Step {
            kernel: Kernel::Random(Random { distribution, stream: 3 }),
            inputs: vec![scalar(0), scalar(1)],
            outputs: vec![Operand::contiguous(Base::Extern(2), dtype, &[n])],
            label: "draws".into(),
        };
        let i64s = || memory(crate::DType::I64, 1, false);
        let program = Program { arena: 0, externs: vec![i64s(), i64s(), memory(dtype, n, true)], steps: vec![step] };
        let mut executor = Device::cpu().executor().unwrap();
        let mut loaded = executor.load(&program).unwrap();
        let (seed, run) = (Array::scalar(7i64).unwrap(), Array::scalar(0i64).unwrap());
        let bytes = [Memory::Read(seed.bytes()), Memory::Read(run.bytes()), Memory::Write(values.bytes_mut().unwrap())];
        executor.run(&mut loaded, 1, bytes.into_iter()).unwrap();
        values.to_f64().iter().fold([0.0; 4], |sums, x| [1, 2, 3, 4].map(|p| sums[p as usize - 1] + x.powi(p)))
    }

    #[test]
    fn moments_are_within_five_sigma() {
        let n = 1_000_000;
        for dtype in [crate::DType::F32, crate::DType::F64] {
            for (distribution, moment) in [
                (Distribution::Uniform, (|p| 1.0 / (p + 1.0)) as fn(f64) -> f64),
                (Distribution::Normal, |p| [1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0, 0.0, 105.0][p as usize]),
            ] {
                for (p, sum) in (1..).zip(moments(distribution, dtype, n)) {
                    let p = f64::from(p);
                    let sigma = ((moment(2.0 * p) - moment(p) * moment(p)) / n as f64).sqrt();
                    let off = (sum / n as f64 - moment(p)) / sigma;
                    assert!(off.abs() < 5.0, "{distribution:?} {dtype}: moment {p} is {off} sigma off");
                }
            }
        }
    }
}
