//! Kernels that move values without changing them.

use super::{Ran, blocks, each};
use crate::bench::{Bench, Shape, same};

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
