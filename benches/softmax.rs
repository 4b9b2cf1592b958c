//! Softmax along rows. Bytes are those that are read and written.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{calls, for_gpu, function, group, placeholders, values};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wengert::Graph;

const SHAPES: &[(&str, [usize; 2])] = &[("4096x1000", [4096, 1000]), ("128x10", [128, 10])];
const LARGE: &[(&str, [usize; 2])] = &[("65536x1000", [65536, 1000])];

fn softmax(criterion: &mut Criterion) {
    let mut group = group(criterion, "softmax");
    for &(name, shape) in SHAPES.iter().chain(for_gpu(LARGE)) {
        let arrays = [values(&shape)];
        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let softmax = function(&inputs, &[&inputs[0].softmax(-1)], &[]);
        calls(&mut group, name, Throughput::Bytes(8 * arrays[0].len() as u64), &softmax, &arrays);
    }
    group.finish();
}

criterion_group!(benches, softmax);
criterion_main!(benches);
