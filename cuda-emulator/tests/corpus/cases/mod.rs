//! The kernels that are right, and how they are run.

mod conv;
mod gemm;
mod grid;
mod order;
mod random;
mod rows;
mod warp;

use crate::bench::{Bench, Case, Failure};

/// A case from its file in `tests/kernels`.
macro_rules! case {
    ($name:literal, $least:literal, $run:path) => {
        Case { name: $name, source: include_str!(concat!("../../kernels/", $name, ".cu")), least: $least, run: $run }
    };
}

/// All of them.
pub(crate) const CASES: &[Case] = &[
    case!("gemm", 75, gemm::gemm),
    case!("gemm_f64", 75, gemm::gemm_f64),
    case!("gemm_async", 80, gemm::gemm_async),
    case!("softmax", 75, rows::softmax),
    case!("layer_norm", 75, rows::layer_norm),
    case!("last_block", 75, grid::last_block),
    case!("scan", 75, grid::scan),
    case!("grid_barrier", 75, grid::grid_barrier),
    case!("conv_direct", 75, conv::direct),
    case!("conv_implicit", 75, conv::implicit),
    case!("max_pool", 75, conv::max_pool),
    case!("philox", 75, random::philox),
    case!("histogram", 75, random::histogram),
    case!("transpose", 75, order::transpose),
    case!("bitonic", 75, order::bitonic),
    case!("median", 75, order::median),
    case!("scatter", 75, order::scatter),
    case!("named_barriers", 75, warp::named_barriers),
    case!("warp_exchange", 75, warp::warp_exchange),
    case!("half", 75, warp::half),
];

type Ran = Result<(), Failure>;

/// Blocks of `size` that cover `count`.
fn blocks(count: usize, size: usize) -> u32 {
    count.div_ceil(size) as u32
}

/// Runs a host program for each size, with all buffers of one size freed before the next.
fn each<T: Copy>(bench: &mut Bench, few: &[T], more: &[T], run: impl Fn(&mut Bench, T) -> Ran) -> Ran {
    bench.sizes(few, more).into_iter().try_for_each(|size| run(bench, size))
}
