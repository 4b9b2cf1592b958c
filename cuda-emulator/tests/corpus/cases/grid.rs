//! Kernels whose blocks work together.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, Failure, Near, Shape, near, same};

pub(super) fn last_block(bench: &mut Bench) -> Ran {
    let more = [(1, 1), (7, 2), (31, 3), (65, 1), (127, 7), (1000, 5), (3001, 70)];
    each(bench, &[(430, 3), (4230, 67)], &more, |bench, (n, blocks)| {
        let x = bench.numbers.f32s(n);
        let (from, partial) = (bench.buffer(&x)?, bench.empty::<f32>(blocks)?);
        let (done, to) = (bench.buffer(&[0_u32])?, bench.empty::<f32>(1)?);
        let wanted = [Near::sum(F32, x.iter().map(|x| f64::from(*x)))];
        // Twice: the counter of the blocks that are done must come back to zero.
        for _ in 0..2 {
            bench.launch("last_block", Shape::rows(blocks, 64), &[&from, &partial, &done, &to, &(n as i32)])?;
            near(&format!("last_block {n}"), &bench.read::<f32>(to)?, &wanted)?;
        }
        same("done", &bench.read::<u32>(done)?, &[0])
    })
}

pub(super) fn scan(bench: &mut Bench) -> Ran {
    each(bench, &[225], &[1, 7, 31, 33, 65, 127, 1000], |bench, n: usize| {
        let x: Vec<i32> = (0..n).map(|_| bench.numbers.below(2001) as i32 - 1000).collect();
        let parts = blocks(n, 64) as usize;
        let (from, to) = (bench.buffer(&x)?, bench.empty::<i32>(n)?);
        let (ticket, state) = (bench.buffer(&[0_u32])?, bench.buffer(&vec![0_u32; parts])?);
        let (own, all) = (bench.empty::<i32>(parts)?, bench.empty::<i32>(parts)?);
        let shape = Shape::rows(parts, 64);
        bench.launch("scan", shape, &[&from, &to, &ticket, &state, &own, &all, &(n as i32)])?;
        let mut sum = 0;
        let sums = x.iter().map(|x| {
            sum += x;
            sum
        });
        same(&format!("scan {n}"), &bench.read::<i32>(to)?, &sums.collect::<Vec<i32>>())
    })
}

pub(super) fn grid_barrier(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 1), (7, 3, 2), (127, 5, 6)];
    each(bench, &[(70, 2, 3), (33, 2, 1), (5, 1, 0)], &more, |bench, (n, blocks, steps)| {
        let begin = bench.numbers.f32s(n);
        let (x, y, arrived) = (bench.buffer(&begin)?, bench.empty::<f32>(n)?, bench.buffer(&[0_u32])?);
        let shape = Shape { cooperative: true, ..Shape::rows(blocks, 32) };
        let size = n as i32;
        bench.launch("smooth", shape, &[&x, &y, &arrived, &size, &steps])?;
        let mut wanted: Vec<f64> = begin.iter().map(|x| f64::from(*x)).collect();
        for _ in 0..steps {
            let at = |i: usize| 0.25 * wanted[(i + n - 1) % n] + 0.5 * wanted[i] + 0.25 * wanted[(i + 1) % n];
            wanted = (0..n).map(at).collect();
        }
        // Numbers stay below 1; a step adds the roundings of three products and two sums and averages the earlier ones.
        let bound = f64::from(steps) * 5.0 * F32;
        let wanted: Vec<Near> = wanted.iter().map(|value| Near { value: *value, bound }).collect();
        let got = bench.read::<f32>(if steps % 2 == 0 { x } else { y })?;
        near(&format!("grid_barrier {n}"), &got, &wanted)?;
        match bench.read::<u32>(arrived)?[0] {
            count if count == blocks as u32 * steps as u32 => Ok(()),
            count => Err(Failure::Wrong(format!("{count} arrivals"))),
        }
    })
}
