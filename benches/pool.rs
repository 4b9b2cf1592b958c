//! Max pooling with windows of 2 x 2, and its gradient. Bytes are those that are read and written.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{calls, function, group, placeholders, values};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wengert::{Graph, PoolOptions};

fn pool(criterion: &mut Criterion) {
    let mut group = group(criterion, "max pool");
    let options = PoolOptions::new([2, 2]);
    for [n, h, w, c] in [[64, 32, 32, 32], [64, 16, 16, 64], [64, 8, 8, 128], [64, 26, 26, 32], [128, 11, 11, 64]] {
        let arrays = [values(&[n, h, w, c]), values(&[n, h / 2, w / 2, c])];
        let [image, result] = [0, 1].map(|number: usize| 4 * arrays[number].len() as u64);
        let graph = Graph::new();
        let inputs = placeholders(&graph, &arrays);
        let pooled = inputs[0].max_pool2d(&options);
        let gradient = &(&pooled * &inputs[1]).sum().grad(&[&inputs[0]])[0];
        let name = format!("{n}x{h}x{w}x{c}");
        let forward = function(&inputs[..1], &[&pooled], &[]);
        calls(&mut group, &name, Throughput::Bytes(image + result), &forward, &arrays[..1]);
        let backward = function(&inputs, &[gradient], &[]);
        let name = format!("gradient {name}");
        calls(&mut group, &name, Throughput::Bytes(2 * image + result), &backward, &arrays);
    }
    group.finish();
}

criterion_group!(benches, pool);
criterion_main!(benches);
