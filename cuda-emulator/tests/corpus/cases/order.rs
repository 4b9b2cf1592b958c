//! Kernels that move values.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, Near, Shape, near, same};

pub(super) fn transpose(bench: &mut Bench) -> Ran {
    let more = [(1, 1), (7, 31), (33, 65), (127, 1), (65, 64)];
    each(bench, &[(33, 39)], &more, |bench, (rows, columns)| {
        let x = bench.numbers.f32s(rows * columns);
        let (from, to) = (bench.buffer(&x)?, bench.empty::<f32>(x.len())?);
        let shape = Shape::new([blocks(columns, 32), blocks(rows, 32), 1], [32, 8, 1]);
        bench.launch("transpose", shape, &[&from, &to, &(rows as i32), &(columns as i32)])?;
        let wanted: Vec<f32> = (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect();
        same(&format!("transpose {rows} x {columns}"), &bench.read::<f32>(to)?, &wanted)
    })
}

pub(super) fn bitonic(bench: &mut Bench) -> Ran {
    each(bench, &[201], &[1, 7, 31, 33, 65, 127, 300], |bench, n: usize| {
        let x: Vec<i32> = (0..n).map(|_| bench.numbers.below(200) as i32 - 100).collect();
        let whole = n.next_power_of_two().max(128);
        let (from, scratch) = (bench.buffer(&x)?, bench.empty::<i32>(whole)?);
        bench.launch("bitonic_parts", Shape::rows(whole / 128, 64), &[&from, &scratch, &(n as i32)])?;
        let mut size = 256;
        while size <= whole {
            let mut stride = size / 2;
            while stride > 0 {
                let shape = Shape::rows(whole / 128, 64);
                bench.launch("bitonic_step", shape, &[&scratch, &(size as i32), &(stride as i32)])?;
                stride /= 2;
            }
            size *= 2;
        }
        let mut wanted = x;
        wanted.sort_unstable();
        same(&format!("bitonic {n}"), &bench.read::<i32>(scratch)?[..n], &wanted)
    })
}

pub(super) fn median(bench: &mut Bench) -> Ran {
    each(bench, &[39], &[1, 2, 7, 31, 33, 65, 127], |bench, n: usize| {
        let x: Vec<i32> = (0..n).map(|_| bench.numbers.below(200) as i32 - 100).collect();
        let (from, to) = (bench.buffer(&x)?, bench.empty::<i32>(n)?);
        bench.launch("median", Shape::rows(n.div_ceil(32), 32), &[&from, &to, &(n as i32)])?;
        let at = |i: usize| {
            let mut window = x[i.saturating_sub(2)..(i + 3).min(n)].to_vec();
            window.sort_unstable();
            window[window.len() / 2]
        };
        same(&format!("median {n}"), &bench.read::<i32>(to)?, &(0..n).map(at).collect::<Vec<i32>>())
    })
}

pub(super) fn scatter(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 1), (7, 3, 5), (33, 2, 1), (127, 31, 2)];
    each(bench, &[(21, 4, 3)], &more, |bench, (rows, targets, quads): (usize, usize, usize)| {
        let columns = quads * 4;
        let x = bench.numbers.f32s(rows * columns);
        // One below and one above what there is are left out.
        let index: Vec<i32> = (0..rows).map(|_| bench.numbers.below(targets as u64 + 2) as i32 - 1).collect();
        let begin = bench.numbers.f32s(targets * columns);
        let (from, by, to) = (bench.buffer(&x)?, bench.buffer(&index)?, bench.buffer(&begin)?);
        let shape = Shape::rows((rows * quads).div_ceil(64), 64);
        let sizes = (rows as i32, targets as i32, quads as i32);
        bench.launch("scatter_add", shape, &[&from, &by, &to, &sizes.0, &sizes.1, &sizes.2])?;
        let at = |i: usize| {
            let added =
                (0..rows).filter(|row| index[*row] as usize == i / columns).map(|row| x[row * columns + i % columns]);
            Near::sum(F32, [begin[i]].into_iter().chain(added).map(f64::from))
        };
        let wanted: Vec<Near> = (0..begin.len()).map(at).collect();
        near(&format!("scatter_add {rows} to {targets}"), &bench.read::<f32>(to)?, &wanted)
    })
}
