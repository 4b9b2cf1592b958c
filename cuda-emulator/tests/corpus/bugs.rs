//! The wrong kernels: each must be reported, with the right finding, at a line that is marked `// BUG: <finding>`.

use crate::bench::{Bench, Failure, Shape, Sizes, compile, settings};
use cuda_emulator::machine::Settings;
use cuda_emulator::{Finding, Place, Report};
use cuda_emulator_nvrtc::{Compiler, for_tests};

/// Seeds of schedules: a bug must be found under each.
const SEEDS: u64 = 8;

type Ran = Result<(), Failure>;

/// 64 numbers.
fn numbers(bench: &mut Bench) -> Vec<f32> {
    bench.numbers.f32s(64)
}

/// One block of so many threads over `(x, y)`.
fn pair(bench: &mut Bench, threads: u32) -> Ran {
    let x = numbers(bench);
    let (x, y) = (bench.buffer(&x)?, bench.empty::<f32>(64)?);
    bench.launch("bug", Shape::rows(1, threads), &[&x, &y])
}

/// The same with a number as third parameter.
fn pair_and(bench: &mut Bench, n: i32) -> Ran {
    let x = numbers(bench);
    let (x, y) = (bench.buffer(&x)?, bench.empty::<f32>(64)?);
    bench.launch("bug", Shape::rows(1, 64), &[&x, &y, &n])
}

/// Three blocks, each of which publishes something, and a counter.
fn published(bench: &mut Bench, blocks: usize) -> Ran {
    let x = numbers(bench);
    let (x, parts) = (bench.buffer(&x)?, bench.empty::<f32>(64)?);
    let (counter, y) = (bench.buffer(&[0_u32])?, bench.empty::<f32>(64)?);
    bench.launch("bug", Shape::rows(blocks, 32), &[&x, &parts, &counter, &y])
}

macro_rules! bugs {
    ($($name:ident: $run:expr;)*) => {$(
        #[test]
        fn $name() {
            found(stringify!($name), include_str!(concat!("../bugs/", stringify!($name), ".cu")), $run);
        }
    )*};
}

bugs! {
    missing_sync: |bench| pair(bench, 64);
    divergent_sync: |bench| pair_and(bench, 48);
    early_return: |bench| pair_and(bench, 48);
    one_past_end: |bench| pair_and(bench, 64);
    row_too_many: |bench| {
        let y = bench.empty::<f32>(7 * 31)?;
        bench.launch("bug", Shape::new([2, 1, 1], [32, 4, 1]), &[&y, &7_i32, &31_i32])
    };
    misaligned_vector: |bench| {
        let x = numbers(bench);
        let (x, y) = (bench.buffer(&x)?, bench.empty::<f32>(8)?);
        bench.launch("bug", Shape::rows(2, 4), &[&x, &y, &17_i32])
    };
    use_after_free: |bench| {
        let x = numbers(bench);
        let (x, y) = (bench.buffer(&x)?, bench.empty::<f32>(64)?);
        bench.free(x);
        bench.launch("bug", Shape::rows(1, 64), &[&x, &y])
    };
    unwritten_shared: |bench| pair_and(bench, 50);
    unwritten_global: |bench| pair(bench, 64);
    missing_fence: |bench| published(bench, 3);
    missing_acquire: |bench| published(bench, 2);
    narrow_fence: |bench| published(bench, 2);
    missing_syncwarp: |bench| pair(bench, 32);
    async_without_wait: |bench| pair(bench, 64);
    async_wait_after_sync: |bench| pair(bench, 64);
    wrong_mask: |bench| pair(bench, 32);
    lost_increment: |bench| {
        let (x, bins) = (bench.buffer(&[5_u8; 64])?, bench.buffer(&[0_u32; 256])?);
        bench.launch("bug", Shape::rows(1, 64), &[&x, &bins])
    };
    barrier_count: |bench| pair(bench, 64);
    endless: |bench| {
        let (x, y) = (bench.buffer(&(0..64).map(|i| 60 - i).collect::<Vec<i32>>())?, bench.empty::<i32>(64)?);
        bench.launch("bug", Shape::rows(1, 64), &[&x, &y])
    };
    spin_on_own_block: |bench| {
        let (flag, y) = (bench.buffer(&[0_u32])?, bench.empty::<f32>(64)?);
        bench.launch("bug", Shape::rows(1, 64), &[&flag, &y])
    };
    read_only_cache: |bench| pair(bench, 64);
    shared_past_end: |bench| {
        let x = numbers(bench);
        let (x, y) = (bench.buffer(&x)?, bench.empty::<f32>(64)?);
        bench.launch("bug", Shape::new([1; 3], [32, 2, 1]), &[&x, &y, &1_i32])
    };
}

/// The lines that are marked, each with its finding.
fn marked(source: &str) -> Vec<(u32, String)> {
    let marks =
        source.lines().zip(1..).filter_map(|(text, line)| Some((line, text.split_once("// BUG: ")?.1.to_owned())));
    marks.collect()
}

fn found(name: &str, source: &str, run: fn(&mut Bench) -> Ran) {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let marked = marked(source);
    let is_marked = |place: &Place| {
        place.source.file.ends_with(&format!("{name}.cu")) && marked.iter().any(|(line, _)| *line == place.source.line)
    };
    // One bug may be seen in more than one way: what is read too early may be old, or nothing at all.
    let is_named = |report: &Report| marked.iter().any(|(_, finding)| *finding == report.finding.to_string());
    for architecture in [80, 90] {
        let ptx = compile(&compiler, name, source, architecture);
        for seed in 0..SEEDS {
            let settings = Settings { instruction_limit: 100_000, ..settings(architecture, seed, 1) };
            let ran = Bench::new(&ptx, settings, Sizes::All).and_then(|mut bench| run(&mut bench));
            let context = format!("{name} for {architecture}, seed {seed}, marked {marked:?}");
            let reports = match ran {
                Err(Failure::Reported(reports)) => reports,
                Err(other) => panic!("{context}: {other}"),
                Ok(()) => panic!("{context}: nothing was reported"),
            };
            // Of a race both sides are wrong.
            let sides =
                |report: &Report| report.finding != Finding::Race || report.other.as_ref().is_some_and(is_marked);
            let at_marks = reports.iter().all(|report| is_marked(&report.place) && sides(report));
            let right = at_marks && reports.iter().any(is_named);
            assert!(right, "{context}:\n{}", Failure::Reported(reports));
        }
    }
}
