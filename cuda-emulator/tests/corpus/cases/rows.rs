//! Kernels over the rows of a matrix.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, Near, Shape, near};

pub(super) fn softmax(bench: &mut Bench) -> Ran {
    let more = [(1, 1), (7, 7), (5, 31), (4, 33), (1, 65), (3, 127)];
    each(bench, &[(5, 71), (3, 7)], &more, |bench, (rows, columns)| {
        let mut x: Vec<f32> = bench.numbers.f32s(rows * columns).iter().map(|x| x * 8.0).collect();
        // In every other row one is so great that all goes wrong if a lane does not see it.
        for row in x.chunks_mut(columns).skip(1).step_by(2) {
            row[columns - 1] += 200.0;
        }
        let (from, to) = (bench.buffer(&x)?, bench.empty::<f32>(x.len())?);
        let shape = Shape::new([blocks(rows, 4), 1, 1], [32, 4, 1]);
        bench.launch("softmax", shape, &[&from, &to, &(rows as i32), &(columns as i32)])?;
        let mut wanted = Vec::new();
        for row in x.chunks(columns) {
            let most = row.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f64> = row.iter().map(|x| f64::from(x - most).exp()).collect();
            let sum: f64 = powers.iter().sum();
            // x - most is rounded alike here; expf errs by at most 2 units in the last place, that is 4 F32; the sum of positive
            // terms by one F32 for each addition; the division by one. What is below the least normal number may be zero.
            let relative = (4.0 + 4.0 + columns as f64 + 1.0) * 1.01 * F32;
            wanted.extend(powers.iter().map(|power| Near {
                value: power / sum,
                bound: relative * power / sum + f64::from(f32::MIN_POSITIVE),
            }));
        }
        near(&format!("softmax {rows} x {columns}"), &bench.read::<f32>(to)?, &wanted)
    })
}

pub(super) fn layer_norm(bench: &mut Bench) -> Ran {
    let more = [(1, 1), (3, 7), (2, 31), (2, 33), (1, 65), (3, 127)];
    each(bench, &[(2, 70), (2, 7)], &more, |bench, (rows, columns)| {
        let numbers = &mut bench.numbers;
        let (x, gain, shift) = (numbers.f32s(rows * columns), numbers.f32s(columns), numbers.f32s(columns));
        let inputs = (bench.buffer(&x)?, bench.buffer(&gain)?, bench.buffer(&shift)?);
        let to = bench.empty::<f32>(x.len())?;
        let epsilon = 1e-3_f32;
        let shape = Shape::rows(rows, 64);
        bench.launch("layer_norm", shape, &[&inputs.0, &inputs.1, &inputs.2, &to, &(columns as i32), &epsilon])?;
        let mut wanted = Vec::new();
        let count = columns as f64;
        for row in x.chunks(columns) {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
            // The mean errs by n + 1 units of numbers below 1, which moves each difference; the variance is moved by that
            // only in second order, and errs by n + 3 units, which its root halves; rsqrtf errs by 2 units in the last
            // place; a product, a fused product and sum come on top.
            let mean_bound = (count + 1.0) * F32;
            for (at, x) in row.iter().enumerate() {
                let (gain, shift) = (f64::from(gain[at]), f64::from(shift[at]));
                let value = (x - mean) * scale * gain;
                let variance_bound = ((count + 3.0) * F32 * variance + mean_bound * mean_bound) * scale * scale;
                let bound = (mean_bound + F32) * scale * gain.abs() + (0.5 * variance_bound + 8.0 * F32) * value.abs();
                wanted.push(Near { value: value + shift, bound: 1.05 * bound + 2.0 * F32 * (value + shift).abs() });
            }
        }
        near(&format!("layer_norm {rows} x {columns}"), &bench.read::<f32>(to)?, &wanted)
    })
}
