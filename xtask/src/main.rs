//! The project's habits as commands: `cargo xtask` lists them.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod budget;
mod build_time;
mod check;
#[cfg(feature = "cifar10")]
mod cifar10;
mod clauses;
mod emulate;
mod files;
mod gpu;
mod nvrtc;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A failure is one clear line.
type Outcome = Result<(), String>;

struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&Path) -> Outcome,
}

const TASKS: &[Task] = &[
    Task { name: "check", about: "all that must hold before a change is sent, cheapest first", run: check::check },
    Task { name: "test", about: "tests of every crate, doctests, examples", run: check::test },
    Task {
        name: "clauses",
        about: "clauses of docs/semantics.md against the tests that cite them",
        run: clauses::check,
    },
    Task { name: "budget", about: "lines of Rust per crate, files that are too long", run: budget::report },
    Task { name: "bench", about: "benchmarks; training steps beside PyTorch and JAX, if there", run: bench::bench },
    #[cfg(feature = "cifar10")]
    Task {
        name: "cifar10",
        about: "makes WENGERT_DATA/cifar10 out of the pictures in WENGERT_DATA/package",
        run: |_| {
            let data = std::env::var_os("WENGERT_DATA").ok_or("WENGERT_DATA names no folder")?;
            let data = Path::new(&data);
            cifar10::convert(&data.join("package"), &data.join("cifar10/cifar-10-batches-bin"))
        },
    },
    Task {
        name: "nvrtc",
        about: "NVIDIA's compiler and disassemblers, from Python's package index, under target",
        run: nvrtc::fetch,
    },
    Task {
        name: "emulate",
        about: "runs the command behind `--` with the emulated CUDA device",
        run: emulate::emulate,
    },
    Task { name: "gpu", about: "pack: an archive that tests and measures on a machine with a GPU", run: gpu::gpu },
    Task { name: "build-time", about: "cold release build of a minimal program", run: build_time::measure },
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        println!("cargo xtask <task>");
        TASKS.iter().for_each(|task| println!("  {:<12} {}", task.name, task.about));
        return if name.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    // The manifest of this crate lies in a folder of the root.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    match (task.run)(root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The cargo that runs this, in the directory `at`.
fn cargo(at: &Path, arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments.split_whitespace()).current_dir(at);
    command
}

/// Runs a command under a heading and says how long it took.
fn step(name: &str, command: &mut Command) -> Outcome {
    println!("== {name}");
    let start = Instant::now();
    let status = command.status().map_err(|why| format!("{name}: cannot start {:?}: {why}", command.get_program()))?;
    println!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})")) }
}
