//! Counters of launches whose cost can be counted by hand.

use crate::bench::{Bench, Shape, Sizes, compile, settings};
use cuda_emulator::machine::Counters;
use cuda_emulator_nvrtc::{Compiler, for_tests};

const TRANSPOSE: &str = include_str!("../kernels/transpose.cu");
const GEMM: &str = include_str!("../kernels/gemm.cu");

/// What it costs to turn 64 x 64 numbers with whole tiles.
fn transpose(compiler: &Compiler, source: &str) -> Counters {
    let ptx = compile(compiler, "transpose", source, 80);
    let mut bench = Bench::new(&ptx, settings(80, 0, 1), Sizes::All).unwrap();
    let x = bench.numbers.f32s(64 * 64);
    let (from, to) = (bench.buffer(&x).unwrap(), bench.empty::<f32>(64 * 64).unwrap());
    let shape = Shape::new([2, 2, 1], [32, 8, 1]);
    bench.launch("transpose", shape, &[&from, &to, &64_i32, &64_i32]).unwrap();
    bench.counters
}

#[test]
fn rows_of_a_tile_fill_sectors_and_its_padding_keeps_banks_apart() {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let padded = transpose(&compiler, TRANSPOSE);
    // 64 x 64 numbers of 4 bytes are read and written, 32 bytes a sector.
    assert_eq!(padded.global_bytes, 2 * 64 * 64 * 4);
    assert_eq!(padded.global_sectors, padded.global_bytes / 32);
    // Four blocks of eight warps store and load four times.
    assert_eq!((padded.shared_passes, padded.shared_passes_ideal), (4 * 8 * 8, 4 * 8 * 8));
    assert_eq!(padded.flops, 0);
    // Without padding all 32 lanes of each load meet at one bank.
    let plain = transpose(&compiler, &TRANSPOSE.replace("tile[TILE][TILE + 1]", "tile[TILE][TILE]"));
    assert_eq!(plain.shared_passes, 4 * 8 * 4 * (1 + 32));
    assert_eq!(plain.shared_passes_ideal, padded.shared_passes_ideal);
}

#[test]
fn columns_cost_a_sector_each() {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let source =
        "extern \"C\" __global__ void column(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x * 64]; }";
    let mut bench = Bench::new(&compile(&compiler, "column", source, 80), settings(80, 0, 1), Sizes::All).unwrap();
    let x = bench.numbers.f32s(64 * 32);
    let (from, to) = (bench.buffer(&x).unwrap(), bench.empty::<f32>(32).unwrap());
    bench.launch("column", Shape::rows(1, 32), &[&from, &to]).unwrap();
    assert_eq!((bench.counters.global_bytes, bench.counters.global_sectors), (2 * 32 * 4, 32 + 4));
    assert_eq!(bench.counters.divergent_branches, 0);
}

#[test]
fn a_product_of_matrices_has_as_many_operations_as_its_definition() {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let mut bench = Bench::new(&compile(&compiler, "gemm", GEMM, 80), settings(80, 0, 1), Sizes::All).unwrap();
    let (a, b) = (bench.numbers.f32s(32 * 24), bench.numbers.f32s(24 * 48));
    let (a, b, c) = (bench.buffer(&a).unwrap(), bench.buffer(&b).unwrap(), bench.empty::<f32>(32 * 48).unwrap());
    let shape = Shape::new([3, 2, 1], [8, 8, 1]);
    bench.launch("gemm", shape, &[&a, &b, &c, &32_i32, &48_i32, &24_i32]).unwrap();
    assert_eq!(bench.counters.flops, 2 * 32 * 48 * 24);
    // Each tile of 16 x 16 reads 16 rows of one and 16 columns of the other.
    assert_eq!(bench.counters.global_bytes, 4 * (6 * 2 * 16 * 24 + 32 * 48));
}
