//! What must hold before a change is sent.

use crate::{Outcome, budget, cargo, clauses, files, files::Scratch, step};
use std::fs;
use std::path::{Path, PathBuf};

/// Cheapest first, so that a slip is found in seconds.
pub(crate) fn check(root: &Path) -> Outcome {
    step("formatting", &mut cargo(root, "fmt --all --check"))?;
    clauses::check(root)?;
    budget::report(root)?;
    step("lints", &mut cargo(root, "clippy --workspace --all-targets -- -D warnings"))?;
    step("documentation", cargo(root, "doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))?;
    test(root)
}

/// Tests of every crate and doctests in the `test` profile; then the examples, as a user builds them.
pub(crate) fn test(root: &Path) -> Outcome {
    step("tests", &mut cargo(root, "test --workspace"))?;
    let examples = examples(&root.join("examples"))?;
    if examples.is_empty() {
        return Ok(());
    }
    step("examples", &mut cargo(root, "build --release --examples"))?;
    for (name, arguments) in examples.iter().filter_map(|(name, run)| Some((name, run.as_ref()?))) {
        // What an example writes goes with its directory.
        let scratch = Scratch::new(&format!("example-{name}"))?;
        let manifest = root.join("Cargo.toml");
        let mut command = cargo(scratch.path(), "run --release --quiet --example");
        command.arg(name).arg("--manifest-path").arg(manifest).arg("--").args(arguments.split_whitespace());
        step(&format!("example {name}"), &mut command)?;
    }
    Ok(())
}

/// The examples, each with the arguments of its line `//! xtask-run:` if it has one.
fn examples(folder: &Path) -> Result<Vec<(String, Option<String>)>, String> {
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
            examples.push((name.to_string_lossy().into_owned(), arguments(&files::read(&main)?).map(str::to_owned)));
        }
    }
    Ok(examples)
}

fn arguments(source: &str) -> Option<&str> {
    source.lines().find_map(|line| line.strip_prefix("//! xtask-run:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let expected = [("big".to_owned(), Some(String::new())), ("small".to_owned(), None)];
        assert_eq!(examples(scratch.path()).unwrap(), expected);
        assert!(examples(&scratch.path().join("missing")).unwrap().is_empty());
    }
}
