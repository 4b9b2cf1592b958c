//! Convolutions and their gradients. An element is a floating-point operation of the direct method: `Gelem/s` are GFLOP/s,
//! also of methods that need fewer.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

mod common;

use common::{devices, group, runs, values};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wengert::DType;
use wengert_kernels::{Base, Conv, ConvPass, Extern, Kernel, Operand, Program, Slide, Step};

/// Name; images, side, channels, filters, side of a filter, padding. Layers of the networks for CIFAR-10 and MNIST.
const LAYERS: &[(&str, [usize; 6])] = &[
    ("3 to 32, 32x32", [64, 32, 3, 32, 3, 1]),
    ("32 to 32, 32x32", [64, 32, 32, 32, 3, 1]),
    ("32 to 64, 16x16", [64, 16, 32, 64, 3, 1]),
    ("64 to 64, 16x16", [64, 16, 64, 64, 3, 1]),
    ("64 to 128, 8x8", [64, 8, 64, 128, 3, 1]),
    ("128 to 128, 8x8", [64, 8, 128, 128, 3, 1]),
    ("1 to 32, 28x28 valid", [64, 28, 1, 32, 3, 0]),
    ("32 to 64, 13x13 valid", [64, 13, 32, 64, 3, 0]),
];

/// A program of one kernel, whose operands are an extern each.
fn program(pass: ConvPass, [images, side, channels, filters, taps, padding]: [usize; 6]) -> Program {
    let results = side + 2 * padding + 1 - taps;
    let x = [images, side, side, channels];
    let f = [taps, taps, channels, filters];
    let y = [images, results, results, filters];
    let shapes = match pass {
        ConvPass::Forward => [x, f, y],
        ConvPass::InputGradient => [y, f, x],
        ConvPass::WeightGradient => [x, y, f],
    };
    let slides = [Slide { padding, ..Slide::PLAIN }; 2];
    let conv = Conv { pass, slides, groups: 1, channel_sums: false, epilogue: None };
    let operand = |number: usize| Operand::contiguous(Base::Extern(number as u32), DType::F32, &shapes[number]);
    let step = Step {
        kernel: Kernel::Conv(conv),
        inputs: vec![operand(0), operand(1)],
        outputs: vec![operand(2)],
        label: String::new(),
    };
    let extern_of = |number: usize| Extern {
        name: number.to_string(),
        dtype: DType::F32,
        len: shapes[number].iter().product(),
        written: number == 2,
    };
    Program { arena: 0, externs: (0..3).map(extern_of).collect(), steps: vec![step] }
}

fn conv(criterion: &mut Criterion) {
    for (name, pass) in [
        ("conv", ConvPass::Forward),
        ("conv input gradient", ConvPass::InputGradient),
        ("conv weight gradient", ConvPass::WeightGradient),
    ] {
        let mut group = group(criterion, name);
        for &(layer, sizes) in LAYERS {
            let program = program(pass, sizes);
            let [images, side, channels, filters, taps, padding] = sizes;
            let positions = images * (side + 2 * padding + 1 - taps).pow(2);
            group.throughput(Throughput::Elements((2 * positions * taps * taps * channels * filters) as u64));
            for (device, on) in devices() {
                let arrays = program.externs.iter().map(|memory| values(&[memory.len])).collect();
                runs(&mut group, BenchmarkId::new(layer, device), &on, &program, arrays);
            }
        }
        group.finish();
    }
}

criterion_group!(benches, conv);
criterion_main!(benches);
