//! How long a newcomer waits for the first build.

use crate::{Outcome, cargo, files, files::Scratch};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

/// What DESIGN allows a minimal program; the seconds depend on the machine and are reported only.
const MOST_CRATES: usize = 45;

/// Builds a program that depends on the façade, from nothing, and reports seconds and crates.
pub(crate) fn measure(root: &Path) -> Outcome {
    let scratch = Scratch::new("build-time")?;
    let at = scratch.path();
    let source = files::read(&root.join("xtask/minimal.rs"))?;
    let manifest = format!(
        "[package]\nname = \"minimal\"\nedition = \"2024\"\n\n[[bin]]\nname = \"minimal\"\npath = \"main.rs\"\n\n\
         [dependencies]\nwengert = {{ path = {:?} }}\n\n[workspace]\n",
        root.display().to_string()
    );
    files::write(&at.join("main.rs"), &source)?;
    files::write(&at.join("Cargo.toml"), &manifest)?;
    // The versions of the workspace, which are on this machine already.
    files::write(&at.join("Cargo.lock"), &files::read(&root.join("Cargo.lock"))?)?;

    let tree = cargo(at, "tree --offline --prefix none --edges normal,build").output();
    let tree = tree.map_err(|why| format!("cannot start cargo tree: {why}"))?;
    if !tree.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&tree.stderr).trim()));
    }
    let crates = crates(&String::from_utf8_lossy(&tree.stdout));

    let start = Instant::now();
    let build = cargo(at, "build --release --offline").env("CARGO_TARGET_DIR", at.join("target")).output();
    let build = build.map_err(|why| format!("cannot start cargo build: {why}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !build.status.success() {
        return Err(format!("the minimal program does not build:\n{}", String::from_utf8_lossy(&build.stderr).trim()));
    }
    println!("a minimal program of {} lines: {seconds:.1} s, {crates} crates", source.lines().count());
    if crates > MOST_CRATES { Err(format!("{crates} crates are more than {MOST_CRATES}")) } else { Ok(()) }
}

/// How many different crates `cargo tree --prefix none` lists.
fn crates(tree: &str) -> usize {
    let name = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    tree.lines().map(name).filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_count_once() {
        assert_eq!(
            crates("minimal v0.0.0 (/x)\nlog v0.4.1\nsyn v2.0.0\n\nlog v0.4.1 (*)\nsyn v3.0.0 (proc-macro)\n"),
            4
        );
    }
}
