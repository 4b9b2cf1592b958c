//! Warps that work together, and numbers of 16 bits.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, Near, Shape, near, same};

pub(super) fn named_barriers(bench: &mut Bench) -> Ran {
    let more = [(1, 1), (7, 2), (127, 1), (500, 3)];
    each(bench, &[(201, 2), (65, 1), (33, 3)], &more, |bench, (n, blocks)| {
        let x = bench.numbers.f32s(n);
        let (from, to) = (bench.buffer(&x)?, bench.empty::<f32>(n)?);
        bench.launch("producer_consumer", Shape::rows(blocks, 64), &[&from, &to, &(n as i32)])?;
        let at = |i: usize| f64::from(x.get(i).copied().unwrap_or(0.0));
        let wanted: Vec<Near> = (0..n).map(|i| Near::sum(F32, [at(i) * at(i), at(i ^ 1)].into_iter())).collect();
        near(&format!("producer_consumer {n}"), &bench.read::<f32>(to)?, &wanted)
    })
}

pub(super) fn warp_exchange(bench: &mut Bench) -> Ran {
    each(bench, &[77, 127], &[1, 7, 31, 33, 65], |bench, n: usize| {
        let mut x = bench.numbers.f32s(n);
        let groups = n.div_ceil(32);
        let (from, sums, reversed) = (bench.buffer(&x)?, bench.empty::<f32>(groups)?, bench.empty::<f32>(groups * 32)?);
        let shape = Shape::rows(blocks(n, 64) as usize, 64);
        bench.launch("warp_exchange", shape, &[&from, &sums, &reversed, &(n as i32)])?;
        x.resize(groups * 32, 0.0);
        let wanted: Vec<Near> = x.chunks(32).map(|group| Near::sum(F32, group.iter().map(|x| f64::from(*x)))).collect();
        near(&format!("warp_exchange {n}"), &bench.read::<f32>(sums)?, &wanted)?;
        let wanted: Vec<f32> = x.chunks(32).flat_map(|group| group.iter().rev().copied()).collect();
        same(&format!("warp_exchange, reversed {n}"), &bench.read::<f32>(reversed)?, &wanted)?;

        let x: Vec<i32> = (0..n).map(|_| bench.numbers.below(200) as i32 - 100).collect();
        let (from, to) = (bench.buffer(&x)?, bench.empty::<i32>(groups * 3)?);
        bench.launch("warp_votes", shape, &[&from, &to, &(n as i32)])?;
        let votes = x.chunks(32).flat_map(|group| {
            let padded = group.iter().copied().chain([-1].repeat(32 - group.len()));
            let most = padded.clone().max().unwrap();
            let positive = group.iter().filter(|x| **x > 0).count() as i32;
            [positive, most, padded.clone().position(|x| x == most).unwrap() as i32]
        });
        same(&format!("warp_votes {n}"), &bench.read::<i32>(to)?, &votes.collect::<Vec<i32>>())
    })
}

/// A finite 16-bit float.
fn wide(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let size =
        if exponent == 0 { fraction * 2.0_f64.powi(-14) } else { (1.0 + fraction) * 2.0_f64.powi(exponent - 15) };
    if bits >> 15 == 1 { -size } else { size }
}

pub(super) fn half(bench: &mut Bench) -> Ran {
    each(bench, &[71], &[1, 7, 31, 33, 65, 127], |bench, n: usize| {
        // Exponents from 2^-14 to 2: normal numbers of moderate size.
        let mut halves = || -> Vec<u16> {
            (0..n)
                .map(|_| {
                    ((bench.numbers.below(2) << 15) | (1 + bench.numbers.below(15)) << 10) as u16
                        | bench.numbers.below(1024) as u16
                })
                .collect()
        };
        let (x, y, a) = (halves(), halves(), 0.75_f32);
        let (from, to) = (bench.buffer(&x)?, bench.buffer(&y)?);
        let shape = Shape::rows(n.div_ceil(64), 32);
        bench.launch("axpy_half", shape, &[&from, &to, &a, &(n as i32)])?;
        let wanted: Vec<Near> = x
            .iter()
            .zip(&y)
            .map(|(x, y)| {
                let value = f64::from(a) * wide(*x) + wide(*y);
                // Half a unit of the last of 11 bits, at least that of the least normal number, and one rounding to f32 (or two, if
                // product and sum are not fused).
                let bound =
                    (value.abs() / 2048.0).max(2.0_f64.powi(-25)) + 2.0 * F32 * (wide(*x).abs() + wide(*y).abs());
                Near { value, bound }
            })
            .collect();
        let got: Vec<f64> = bench.read::<u16>(to)?.into_iter().map(wide).collect();
        near(&format!("axpy_half {n}"), &got, &wanted)
    })
}
