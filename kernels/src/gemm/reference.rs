//! The family on the reference device.

use crate::{
    Gemm,
    reference::{Results, Values, finish},
};

pub(crate) fn gemm(gemm: &Gemm, inputs: &[Values]) -> Results {
    let (a, b, extra) = (&inputs[0], &inputs[1], &inputs[2..]);
    let rank = a.shape.len();
    let (m, k, n) = (a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]);
    let batches: usize = a.shape[..rank - 2].iter().product();
    let mut c = Vec::with_capacity(batches * m * n);
    for batch in 0..batches {
        for row in 0..m {
            for column in 0..n {
                let term = |i: usize| a.data[(batch * m + row) * k + i] * b.data[(batch * k + i) * n + column];
                c.push((0..k).map(term).sum::<f64>());
            }
        }
    }
    let mut shape = a.shape.clone();
    shape[rank - 1] = n;
    let mut results = finish(gemm.epilogue.as_ref(), c, extra, &shape);
    if gemm.column_sums {
        results.push((0..n).map(|column| (0..k).map(|i| b.data[i * n + column]).sum()).collect());
    }
    Ok(results)
}
