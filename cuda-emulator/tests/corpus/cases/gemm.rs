//! Products of matrices.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, F64, Near, Shape, near};

/// Rows, columns, inner size.
type Size = (usize, usize, usize);

/// The product with its bounds.
fn product(a: impl Fn(usize, usize) -> f64, b: impl Fn(usize, usize) -> f64, unit: f64, (m, n, k): Size) -> Vec<Near> {
    let at = |i: usize| Near::sum(unit, (0..k).map(|p| a(i / n, p) * b(p, i % n)));
    (0..m * n).map(at).collect()
}

fn single(bench: &mut Bench, kernel: &str, size: Size) -> Ran {
    let (m, n, k) = size;
    let (a, b) = (bench.numbers.f32s(m * k), bench.numbers.f32s(k * n));
    let (from_a, from_b, to) = (bench.buffer(&a)?, bench.buffer(&b)?, bench.empty::<f32>(m * n)?);
    let shape = Shape::new([blocks(n, 16), blocks(m, 16), 1], [8, 8, 1]);
    bench.launch(kernel, shape, &[&from_a, &from_b, &to, &(m as i32), &(n as i32), &(k as i32)])?;
    let wanted = product(|i, p| a[i * k + p].into(), |p, j| b[p * n + j].into(), F32, size);
    near(&format!("{kernel} {size:?}"), &bench.read::<f32>(to)?, &wanted)
}

pub(super) fn gemm(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 1), (7, 31, 1), (33, 7, 65), (65, 33, 31)];
    each(bench, &[(28, 19, 11), (5, 13, 3), (2, 3, 0)], &more, |bench, size| single(bench, "gemm", size))
}

pub(super) fn gemm_async(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 1), (7, 31, 1), (33, 7, 65), (65, 33, 31)];
    each(bench, &[(28, 19, 33), (5, 13, 3), (2, 3, 0)], &more, |bench, size| single(bench, "gemm_async", size))?;
    let more = [(1, 4, 4), (7, 32, 8), (33, 68, 20)];
    each(bench, &[(28, 20, 36), (5, 12, 4), (2, 4, 0)], &more, |bench, size| single(bench, "gemm_async16", size))
}

pub(super) fn gemm_f64(bench: &mut Bench) -> Ran {
    let more = [(1, 1, 1), (7, 31, 1), (33, 7, 65), (65, 33, 31)];
    each(bench, &[(9, 11, 13), (2, 3, 0)], &more, |bench, size @ (m, n, k)| {
        let mut reals = |count: usize| (0..count).map(|_| bench.numbers.real()).collect::<Vec<f64>>();
        let (a, b, c, alpha, beta) = (reals(m * k), reals(n * k), reals(m * n), 0.75, -1.5);
        let (from_a, from_b, to) = (bench.buffer(&a)?, bench.buffer(&b)?, bench.buffer(&c)?);
        let shape = Shape::new([blocks(n, 8), blocks(m, 8), 1], [8, 8, 1]);
        let sizes = (m as i32, n as i32, k as i32);
        bench.launch("gemm_f64", shape, &[&from_a, &from_b, &to, &sizes.0, &sizes.1, &sizes.2, &alpha, &beta])?;
        // Both sides round their sums.
        let mut wanted = product(|i, p| a[i * k + p], |p, j| b[j * k + p], F64, size);
        for (near, c) in wanted.iter_mut().zip(&c) {
            *near = Near {
                value: alpha * near.value + beta * c,
                bound: 2.0 * near.bound + 4.0 * F64 * ((alpha * near.value).abs() + (beta * c).abs()),
            };
        }
        near(&format!("gemm_f64 {size:?}"), &bench.read::<f64>(to)?, &wanted)
    })
}
