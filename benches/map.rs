//! Elementwise chains, each one kernel. Bytes are those of the arrays that a call reads and writes.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{calls, for_gpu, function, group, placeholders, values};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wengert::{Array, DType, Graph};

const SIZES: &[(&str, usize)] = &[("256K", 256 << 10)];
const LARGE: &[(&str, usize)] = &[("64M", 64 << 20)];

fn map(criterion: &mut Criterion) {
    let mut group = group(criterion, "map");
    for &(size, elements) in SIZES.iter().chain(for_gpu(LARGE)) {
        let arrays = [values(&[elements])];
        let bytes = |arrays: usize| Throughput::Bytes((arrays * elements * 4) as u64);

        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let chain = function(&inputs, &[&((&inputs[0] * 1.5 + 0.5).tanh() * 2.0)], &[]);
        calls(&mut group, &format!("tanh(a x + b) c, {size}"), bytes(2), &chain, &arrays);

        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let zeros = || Array::zeros(DType::F32, &[elements]);
        let [m, v, w] = ["m", "v", "w"].map(|name| graph.variable(name, zeros()));
        let mean = &m + (&inputs[0] - &m) * 0.1;
        let square = &v + (inputs[0].square() - &v) * 0.001;
        let next = &w - &mean * 0.001 / (square.sqrt() + 1e-7);
        let adam = function(&inputs, &[], &[m.becomes(&mean), v.becomes(&square), w.becomes(&next)]);
        calls(&mut group, &format!("adam in place, {size}"), bytes(7), &adam, &arrays);
    }
    group.finish();
}

criterion_group!(benches, map);
criterion_main!(benches);
