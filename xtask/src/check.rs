//! What must hold before a change is sent.

use crate::{Outcome, budget, cargo, clauses, emulate, files, files::Scratch, nvrtc, step};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cheapest first, so that a slip is found in seconds.
pub(crate) fn check(root: &Path) -> Outcome {
    step("formatting", &mut cargo(root, "fmt --all --check"))?;
    clauses::check(root)?;
    budget::report(root)?;
    step("lints", &mut cargo(root, "clippy --workspace --all-targets -- -D warnings"))?;
    let cuda = format!("clippy {CUDA} --features wengert/cli --all-targets -- -D warnings");
    step("lints of CUDA code", &mut cargo(root, &cuda))?;
    step("documentation", cargo(root, "doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))?;
    test(root)
}

/// Tests of every crate and doctests in the `test` profile; then the examples, as a user builds them.
pub(crate) fn test(root: &Path) -> Outcome {
    if std::env::var_os("CI").is_some() {
        nvrtc::fetch(root)?;
    } else if !nvrtc::complete(root) && std::env::var_os("WENGERT_NVRTC").is_none() {
        println!("== SKIPPED: tests of CUDA code; `cargo xtask nvrtc` fetches the compiler (220 MB)");
    }
    step("tests", &mut cargo(root, "test --workspace"))?;
    if nvrtc::complete(root) {
        on_emulated_devices(root)?;
    }
    let examples = examples(&root.join("examples"))?;
    if examples.is_empty() {
        return Ok(());
    }
    step("examples", &mut cargo(root, "build --release --examples"))?;
    for Example { name, run, real } in &examples {
        if let Some(arguments) = run {
            // What an example writes goes with its directory.
            let scratch = Scratch::new(&format!("example-{name}"))?;
            step(&format!("example {name}"), &mut example(root, scratch.path(), name, arguments))?;
        }
        real.iter().try_for_each(|real| learn(root, name, real))?;
    }
    Ok(())
}

/// What is built differently with CUDA.
const CUDA: &str = "--package wengert-kernels --package wengert --features wengert-kernels/cuda,wengert/cuda";

/// Kernels of CUDA through NVIDIA's compiler, on the emulated device, and trainings on it.
fn on_emulated_devices(root: &Path) -> Outcome {
    // Kernels are compiled anew in each check, once for all tests of it.
    let cache = Scratch::new("kernels")?;
    let run = |name: &str, arguments: &str, device: &str| {
        let mut tests = cargo(root, &format!("test {CUDA} {arguments}"));
        emulate::with_device(root, true, &mut tests)?;
        step(name, tests.env("WENGERT_CACHE", cache.path()).env("CUDA_EMULATOR_CC", device))
    };
    run("CUDA: texts of kernels for other architectures", "--lib -- cuda custom", "8.0")?;
    run(
        "CUDA: kernels, trainings and faults on a device of 8.0",
        "--features wengert/cli --test cuda --test cuda_faults --test command_line",
        "8.0",
    )?;
    for device in ["7.5", "9.0"] {
        run(
            &format!("CUDA: some kernels on a device of {device}"),
            "--test cuda -- softmax pool gather perceptron",
            device,
        )?;
    }
    Ok(())
}

fn example(root: &Path, at: &Path, name: &str, arguments: &str) -> Command {
    let mut command = cargo(at, "run --release --quiet --example");
    command.arg(name).arg("--manifest-path").arg(root.join("Cargo.toml")).arg("--").args(arguments.split_whitespace());
    command
}

/// Runs an example on real data, which must be learned as well as its line says.
fn learn(root: &Path, name: &str, real: &Real) -> Outcome {
    let data = std::env::var_os("WENGERT_DATA").map(|data| Path::new(&data).join(&real.data));
    let Some(data) = data.filter(|data| data.is_dir()) else {
        let what = format!("example {name} {}: WENGERT_DATA has no folder `{}`", real.arguments, real.data);
        if std::env::var_os("CI").is_some() {
            return Err(format!("{what}, and in CI nothing is skipped"));
        }
        println!("== SKIPPED: {what}");
        return Ok(());
    };
    println!("== example {name} {}", real.arguments);
    let scratch = Scratch::new(&format!("real-{name}"))?;
    let mut command = example(root, scratch.path(), name, &real.arguments);
    let output = command.arg("--data").arg(data).output().map_err(|why| format!("cannot start cargo: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    println!("== {last}, wanted {}", real.accuracy);
    let accuracy = last.rsplit_once("test accuracy ").and_then(|(_, number)| number.parse::<f64>().ok());
    match accuracy {
        Some(accuracy) if output.status.success() && accuracy >= real.accuracy => Ok(()),
        _ => Err(format!(
            "example {name} {}: {last}\n{}",
            real.arguments,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// An example and what its first lines say.
#[derive(Debug, PartialEq)]
struct Example {
    name: String,
    /// The arguments of its line `//! xtask-run:`.
    run: Option<String>,
    /// Its lines `//! xtask-real:`.
    real: Vec<Real>,
}

/// `mnist 0.97 --epochs 5`: a folder of real data, the accuracy that must be reached on it, and the arguments.
#[derive(Debug, PartialEq)]
struct Real {
    data: String,
    accuracy: f64,
    arguments: String,
}

fn examples(folder: &Path) -> Result<Vec<Example>, String> {
    let mut sources: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        // A project without examples has none to run.
        Err(_) => return Ok(Vec::new()),
    };
    sources.sort();
    let mut examples = Vec::new();
    for path in sources {
        let main = if path.is_dir() { path.join("main.rs") } else { path.clone() };
        if let (true, Some(name)) = (main.extension().is_some_and(|it| it == "rs") && main.is_file(), path.file_stem())
        {
            let source = files::read(&main)?;
            let (run, real) = (arguments(&source).map(str::to_owned), real(&source)?);
            examples.push(Example { name: name.to_string_lossy().into_owned(), run, real });
        }
    }
    Ok(examples)
}

fn arguments(source: &str) -> Option<&str> {
    source.lines().find_map(|line| line.strip_prefix("//! xtask-run:")).map(str::trim)
}

fn real(source: &str) -> Result<Vec<Real>, String> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//! xtask-real:"));
    let parsed = lines.map(|line| {
        let mut words = line.split_whitespace();
        let (data, accuracy) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        let (Some(data), Some(accuracy)) = (data, accuracy) else {
            return Err(format!("`//! xtask-real:{line}` does not begin with a folder and an accuracy"));
        };
        Ok(Real { data: data.to_owned(), accuracy, arguments: words.collect::<Vec<_>>().join(" ") })
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_says_how_well_it_learns_real_data() {
        let wanted = Real { data: "mnist".into(), accuracy: 0.97, arguments: "--epochs 5".into() };
        assert_eq!(real("//! A.\n//! xtask-real: mnist 0.97  --epochs 5\n"), Ok(vec![wanted]));
        assert!(real("//! xtask-real: mnist\n").unwrap_err().contains("mnist"));
        assert!(real("//! xtask-run: x\n").unwrap().is_empty());
    }

    #[test]
    fn an_example_says_how_it_is_run() {
        assert_eq!(arguments("//! A.\n//! xtask-run: --steps 3\nfn main() {}"), Some("--steps 3"));
        assert_eq!(arguments("//! xtask-run:"), Some(""));
        assert_eq!(arguments("//! A long one."), None);
    }

    #[test]
    fn examples_are_files_and_folders() {
        let scratch = Scratch::new("examples-test").unwrap();
        fs::create_dir(scratch.path().join("big")).unwrap();
        for (name, text) in [("big/main.rs", "//! xtask-run:"), ("small.rs", ""), ("notes.txt", "")] {
            files::write(&scratch.path().join(name), text).unwrap();
        }
        let plain = |name: &str, run| Example { name: name.into(), run, real: vec![] };
        let expected = [plain("big", Some(String::new())), plain("small", None)];
        assert_eq!(examples(scratch.path()).unwrap(), expected);
        assert!(examples(&scratch.path().join("missing")).unwrap().is_empty());
    }
}
