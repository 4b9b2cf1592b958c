//! The right kernels: right on each kind of device, with nothing reported under any schedule.

use crate::bench::{Bench, Case, Sizes, settings};
use crate::cases::CASES;
use cuda_emulator_nvrtc::{Compiler, for_tests};

/// Seeds of schedules.
const SEEDS: u64 = 20;

/// The compute capabilities that a case runs on.
fn architectures(case: &Case) -> impl Iterator<Item = u32> {
    [75, 80, 90].into_iter().filter(|architecture| *architecture >= case.least)
}

fn run(case: &Case, ptx: &str, architecture: u32, seed: u64, workers: usize, sizes: Sizes) {
    let bench = Bench::new(ptx, settings(architecture, seed, workers), sizes);
    if let Err(failure) = bench.and_then(|mut bench| (case.run)(&mut bench)) {
        panic!("{} for {architecture}, seed {seed}, {workers} workers:\n{failure}", case.name);
    }
}

fn right_everywhere(case: &Case) {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    for architecture in architectures(case) {
        let ptx = case.ptx(&compiler, architecture);
        run(case, &ptx, architecture, 0, 1, Sizes::All);
        run(case, &ptx, architecture, 1, 2, Sizes::All);
    }
    let Some(compiler) = for_tests(Compiler::find_12()).unwrap() else { return };
    run(case, &case.ptx(&compiler, 80), 80, 0, 1, Sizes::All);
}

fn quiet_under_all_schedules(case: &Case) {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    for architecture in architectures(case) {
        let ptx = case.ptx(&compiler, architecture);
        (0..SEEDS).for_each(|seed| run(case, &ptx, architecture, seed, 1, Sizes::Few));
    }
}

/// A test of each case, named after it, so that they run side by side.
macro_rules! tests {
    ($($name:ident)*) => {$(
        mod $name {
            fn case() -> &'static super::Case {
                super::CASES.iter().find(|case| case.name == stringify!($name)).unwrap()
            }

            #[test]
            fn right_everywhere() {
                super::right_everywhere(case());
            }

            #[test]
            fn quiet_under_all_schedules() {
                super::quiet_under_all_schedules(case());
            }
        }
    )*

        #[test]
        fn every_case_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert!(CASES.iter().all(|case| tested.contains(&case.name)));
        }
    };
}

tests! {
    gemm gemm_f64 gemm_async softmax layer_norm last_block scan grid_barrier conv_direct conv_implicit max_pool philox
    histogram transpose bitonic median scatter named_barriers warp_exchange half
}
