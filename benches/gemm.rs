//! Products of matrices. An element is a floating-point operation: `Gelem/s` are GFLOP/s.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{calls, for_gpu, function, group, placeholders, values};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wengert::Graph;

/// Name, m, k, n, and whether A and B are transposed tensors.
const PRODUCTS: &[(&str, [usize; 3], [bool; 2])] = &[
    ("512x512x512", [512, 512, 512], [false, false]),
    ("128x784x512", [128, 784, 512], [false, false]),
    ("128x512x10", [128, 512, 10], [false, false]),
    ("784x128x512 TN", [784, 128, 512], [true, false]),
    ("128x512x512 NT", [128, 512, 512], [false, true]),
];

const LARGE: &[(&str, [usize; 3], [bool; 2])] = &[
    ("1024x1024x1024", [1024; 3], [false, false]),
    ("2048x2048x2048", [2048; 3], [false, false]),
    ("4096x4096x4096", [4096; 3], [false, false]),
];

fn gemm(criterion: &mut Criterion) {
    let mut group = group(criterion, "gemm");
    for &(name, [m, k, n], transposed) in PRODUCTS.iter().chain(for_gpu(LARGE)) {
        let stored =
            |[rows, columns]: [usize; 2], transposed| if transposed { [columns, rows] } else { [rows, columns] };
        let arrays = [values(&stored([m, k], transposed[0])), values(&stored([k, n], transposed[1]))];
        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let operand = |number: usize| if transposed[number] { inputs[number].t() } else { inputs[number].clone() };
        let product = function(&inputs, &[&operand(0).matmul(&operand(1))], &[]);
        calls(&mut group, name, Throughput::Elements((2 * m * k * n) as u64), &product, &arrays);
    }
    group.finish();
}

criterion_group!(benches, gemm);
criterion_main!(benches);
