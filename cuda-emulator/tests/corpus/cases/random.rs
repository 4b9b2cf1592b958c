//! Random numbers, and how often each occurs.

use super::{Ran, blocks, each};
use crate::bench::{Bench, Shape, same};

/// The generator again, from its definition.
fn philox_reference(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product = |factor: u64, value: u32| factor * u64::from(value);
        let (a, b) = (product(0xD251_1F53, counter[0]), product(0xCD9E_8D57, counter[2]));
        let high = |product: u64| (product >> 32) as u32;
        counter = [high(b) ^ counter[1] ^ key[0], b as u32, high(a) ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Counters, keys and results that the authors of the generator publish with it.
const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
    ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
    ),
];

pub(super) fn philox(bench: &mut Bench) -> Ran {
    let counters = bench.buffer(&KNOWN.map(|known| known.0).concat())?;
    let keys = bench.buffer(&KNOWN.map(|known| known.1).concat())?;
    let to = bench.empty::<u32>(12)?;
    bench.launch("philox_blocks", Shape::rows(1, 32), &[&counters, &keys, &to, &3_i32])?;
    same("philox", &bench.read::<u32>(to)?, &KNOWN.map(|known| known.2).concat())?;
    each(bench, &[70, 33, 7, 8], &[1, 31, 127, 1000], |bench, n: usize| {
        let seed = 0x0123_4567_89ab_cdef_u64;
        let to = bench.empty::<f32>(n)?;
        bench.launch("philox_uniform", Shape::rows(n.div_ceil(128), 32), &[&to, &(n as i32), &seed])?;
        let number = |i: usize| {
            let words = philox_reference([(i / 4) as u32, 0, 0, 0], [seed as u32, (seed >> 32) as u32]);
            (words[i % 4] >> 8) as f32 / (1 << 24) as f32
        };
        same(&format!("philox_uniform {n}"), &bench.read::<f32>(to)?, &(0..n).map(number).collect::<Vec<f32>>())
    })
}

pub(super) fn histogram(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 64), (7, 1, 32), (127, 3, 64), (1000, 2, 64)];
    each(bench, &[(150, 2, 64), (33, 1, 288)], &more, |bench, (n, grid, threads)| {
        // Most are one of four values, so that lanes of a warp meet.
        let byte = |bench: &mut Bench| match bench.numbers.below(3) {
            0 => bench.numbers.below(256) as u8,
            _ => 250 + bench.numbers.below(4) as u8,
        };
        let x: Vec<u8> = (0..n).map(|_| byte(bench)).collect();
        let mut wanted = vec![0_u32; 256];
        x.iter().for_each(|byte| wanted[usize::from(*byte)] += 1);
        let (from, bins) = (bench.buffer(&x)?, bench.buffer(&[0_u32; 256])?);
        bench.launch("histogram", Shape::rows(grid, threads), &[&from, &bins, &(n as i32)])?;
        same(&format!("histogram {n}"), &bench.read::<u32>(bins)?, &wanted)?;

        let (bins, most, sum) = (bench.buffer(&[0_u32; 256])?, bench.buffer(&[-1_i32])?, bench.buffer(&[0.0_f32])?);
        let shape = Shape::rows(blocks(n, 64) as usize, 64);
        bench.launch("histogram_global", shape, &[&from, &bins, &most, &sum, &(n as i32)])?;
        same(&format!("histogram_global {n}"), &bench.read::<u32>(bins)?, &wanted)?;
        same("the greatest", &bench.read::<i32>(most)?, &[x.iter().copied().max().unwrap().into()])?;
        // Integers below 2^24, so exact.
        same("the sum", &bench.read::<f32>(sum)?, &[x.iter().map(|byte| f32::from(*byte)).sum()])
    })
}
