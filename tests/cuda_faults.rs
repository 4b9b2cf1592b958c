//! What becomes of a training when CUDA fails it: too little memory, a kernel that fails, a lost device, no compiler, a damaged cache.
//!
//! Faults are the emulated device's: `cargo xtask emulate -- cargo test ...`. Each training is a process of its own, this very
//! test with [`CHILD`] set, because the device reads its faults once.

#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use wengert::prelude::*;

/// Tells this test binary that it was started to train and print.
const CHILD: &str = "WENGERT_TEST_TRAIN_ON_CUDA";
const STEPS: usize = 3;

/// What a training in a process of its own said.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    losses: Vec<String>,
    errors: Vec<String>,
}

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let folder = env::temp_dir().join(format!("wengert-cuda-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    fn entries(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether there is an emulated device. Without one these tests say so and pass; in CI there is one.
fn emulated() -> bool {
    let found = wengert::cuda::devices().first().is_some_and(wengert::cuda::Description::is_emulated);
    assert!(found || env::var_os("CI").is_none(), "no emulated device, and in CI nothing is skipped");
    if !found {
        eprintln!("skipped: no emulated device");
    }
    found
}

fn model() -> Sequential {
    let mut model = Sequential::new()
        .add(Flatten)
        .add(Dense::new(16).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(10).activation(Softmax))
        .device(Device::cuda(0).unwrap())
        .seed(3);
    model.compile(Adam::default(), CategoricalCrossentropy, ["accuracy"]).unwrap();
    model
}

/// Trains; a step that fails is tried once more with the same model.
fn train() -> Outcome {
    let (train, _) = data::digits().unwrap();
    let mut outcome = Outcome::default();
    let mut model = model();
    while outcome.losses.len() < STEPS && outcome.errors.len() < 2 {
        let rows = outcome.losses.len() * 32..(outcome.losses.len() + 1) * 32;
        let (x, y) = (train.x().view().slice_rows(rows.clone()), train.y().view().slice_rows(rows));
        let step = model.train_step(&train).and_then(|mut step| Ok(step.run(&x.unwrap(), &y.unwrap())?.loss));
        match step {
            Ok(loss) => outcome.losses.push(loss.to_string()),
            Err(why) => outcome.errors.push(why.to_string().replace('\n', " ")),
        }
    }
    outcome
}

/// Not a test by itself: what the others start.
#[test]
fn child() {
    if env::var_os(CHILD).is_some() {
        let Outcome { losses, errors } = train();
        // The test harness has begun a line.
        println!();
        losses.iter().for_each(|loss| println!("loss {loss}"));
        errors.iter().for_each(|error| println!("error {error}"));
    }
}

/// A training in a process of its own.
fn trained(cache: &Path, settings: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1").env("WENGERT_CACHE", cache);
    let output = command.envs(settings.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{settings:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines = |kind: &str| text.lines().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned).collect();
    Outcome { losses: lines("loss "), errors: lines("error ") }
}

/// What an undisturbed training says, with a cache of its own that it has filled.
fn undisturbed(name: &str) -> (Scratch, Outcome) {
    let cache = Scratch::new(name);
    let wanted = trained(&cache.0, &[]);
    assert!(wanted.losses.len() == STEPS && wanted.errors.is_empty(), "{wanted:?}");
    (cache, wanted)
}

#[test]
fn each_allocation_in_turn_fails_and_the_training_goes_on() {
    // semantics 6.9
    if !emulated() {
        return;
    }
    let (cache, wanted) = undisturbed("alloc");
    for number in 1.. {
        let counters = cache.0.join("counters.csv");
        let fault = format!("alloc:{number}");
        let file = counters.to_str().unwrap();
        let got = trained(&cache.0, &[("CUDA_EMULATOR_FAIL", &fault), ("CUDA_EMULATOR_COUNTERS", file)]);
        assert_eq!(got.losses, wanted.losses, "{fault}: {:?}", got.errors);
        let counts = fs::read_to_string(&counters).unwrap();
        let live = counts.lines().filter(|line| line.contains("leaked") || line.contains("live"));
        assert!(live.clone().count() > 0 && live.into_iter().all(|line| line.ends_with(",0")), "{fault}:\n{counts}");
        if got.errors.is_empty() {
            assert!(number > 10, "a training takes more than {number} allocations");
            return;
        }
        assert!(got.errors[0].contains("bytes") && got.errors[0].contains("cuda:"), "{fault}: {:?}", got.errors);
    }
}

#[test]
fn what_breaks_is_named_and_nothing_hangs() {
    // semantics 6.9
    if !emulated() {
        return;
    }
    let (cache, wanted) = undisturbed("broken");
    // A module that does not load is compiled again at the next try.
    let got = trained(&cache.0, &[("CUDA_EMULATOR_FAIL", "module:2")]);
    assert_eq!(got.losses, wanted.losses, "{:?}", got.errors);
    for fault in ["launch:1", "launch:20", "lost:5", "lost:60"] {
        let got = trained(&cache.0, &[("CUDA_EMULATOR_FAIL", fault)]);
        assert!(got.losses.len() < STEPS && got.errors.len() == 2, "{fault}: {got:?}");
        assert!(got.errors.iter().all(|why| why.contains("cuda: ") && why.contains("CUDA_ERROR_")), "{fault}: {got:?}");
    }
}

#[test]
fn without_a_compiler_the_error_says_what_was_searched() {
    // semantics 6.9
    if !emulated() {
        return;
    }
    let folders = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let without = env::split_paths(&folders).filter(|folder| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        !files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libnvrtc"))
    });
    let without = env::join_paths(without).unwrap();
    let cache = Scratch::new("compiler");
    let got = trained(&cache.0, &[("LD_LIBRARY_PATH", without.to_str().unwrap()), ("WENGERT_NVRTC", "")]);
    if got.errors.is_empty() {
        assert!(env::var_os("CI").is_none(), "NVRTC is found somewhere else");
        eprintln!("skipped: this machine has NVRTC in a place where it is found anyway");
        return;
    }
    let words = ["no NVRTC", "install", "libnvrtc.so.13"];
    assert!(words.iter().all(|words| got.errors[0].contains(words)), "{got:?}");
}

#[test]
fn a_damaged_or_unwritable_cache_costs_time_only() {
    // semantics 6.10
    if !emulated() {
        return;
    }
    let (cache, wanted) = undisturbed("cache");
    let entries = cache.entries();
    assert!(entries.len() > 5, "{entries:?}");
    for (number, path) in entries.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => *bytes.last_mut().unwrap() ^= 1,
            // A sound entry of another key.
            _ => bytes = fs::read(&entries[(number + 1) % entries.len()]).unwrap(),
        }
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(trained(&cache.0, &[]), wanted);
    assert_eq!(cache.entries(), entries);
    let file = cache.0.join("file");
    fs::write(&file, "no folder").unwrap();
    assert_eq!(trained(&file.join("inside"), &[]), wanted);
}

#[test]
fn processes_share_a_cache() {
    // semantics 6.10
    if !emulated() {
        return;
    }
    let cache = Scratch::new("shared");
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..3).map(|_| scope.spawn(|| trained(&cache.0, &[]))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0] && outcome.errors.is_empty()), "{outcomes:?}");
    // Nothing half-written is left.
    assert!(cache.entries().iter().all(|path| path.extension().is_some_and(|it| it == "kernel")));
}

#[test]
fn a_new_size_costs_no_compilation() {
    // semantics 5.11
    if !emulated() {
        return;
    }
    let cache = Scratch::new("sizes");
    let output = Command::new(env::current_exe().unwrap())
        .args(["sizes", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("WENGERT_CACHE", &cache.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("sizes done"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not a test by itself: a function of open size, called with 24 sizes; the folder of the cache says how many kernels that took.
#[test]
fn sizes() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let cache = PathBuf::from(env::var_os("WENGERT_CACHE").unwrap());
    let kernels = || fs::read_dir(&cache).map_or(0, Iterator::count);
    let g = Graph::new();
    let x = g.placeholder("x", F32, [None, Some(12)]);
    let w = g.variable("w", Array::full(F32, &[12, 5], 0.1).unwrap());
    let y = (x.matmul(&w).tanh().softmax(-1) * 3.0).sum_axes([1]);
    let mut session = Session::new(Device::cuda(0).unwrap()).unwrap();
    let mut run = |n: usize| {
        let rows = Array::from_fn(F32, &[n, 12], |i| i as f64 * 0.01).unwrap();
        let sums = session.run(&y, feed! { x => &rows }).unwrap();
        assert!(sums[0].to_f64().iter().all(|sum| (sum - 3.0).abs() < 1e-5), "{n}");
    };
    // Sizes that differ in what a text may depend on: an axis of one, aligned or not.
    [1, 2, 3, 4, 64, 128].into_iter().for_each(&mut run);
    let known = kernels();
    (5..29).for_each(&mut run);
    assert_eq!(kernels(), known, "new sizes were compiled for");
    println!("sizes done");
}
