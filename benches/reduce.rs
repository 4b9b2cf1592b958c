//! Sums: of everything, and of columns. Bytes are those that are read.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{calls, function, group, placeholders, values};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wengert::Graph;

fn reduce(criterion: &mut Criterion) {
    let mut group = group(criterion, "reduce");
    for (name, shape) in [("sum of 16M", &[16 << 20][..]), ("column sums of 128x512", &[128, 512])] {
        let arrays = [values(shape)];
        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let sum = function(&inputs, &[&inputs[0].sum_axes([0])], &[]);
        calls(&mut group, name, Throughput::Bytes(4 * arrays[0].len() as u64), &sum, &arrays);
    }
    group.finish();
}

criterion_group!(benches, reduce);
criterion_main!(benches);
