//! Records what the binary is built from. Never fails and needs no CUDA: what cannot be found is left empty.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CUDA_PATH");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    // The first changes with the branch, the second with each commit. Naming a file that is absent would rerun always.
    for head in [".git/HEAD", ".git/logs/HEAD"] {
        if Path::new(head).exists() {
            println!("cargo::rerun-if-changed={head}");
        }
    }

    // Only a checkout of this very repository: a released crate may lie inside an unrelated one.
    let commit = if Path::new(".git").exists() { first_line("git", &["rev-parse", "HEAD"]) } else { None };
    set("WENGERT_COMMIT", commit);
    set("WENGERT_RUSTC", env::var("RUSTC").ok().and_then(|rustc| first_line(&rustc, &["--version"])));
    set("WENGERT_OPT_LEVEL", env::var("OPT_LEVEL").ok());
    set("WENGERT_TARGET", env::var("TARGET").ok());
    set("WENGERT_CUDA", cuda_toolkit());
}

fn set(name: &str, value: Option<String>) {
    println!("cargo::rustc-env={name}={}", value.unwrap_or_default());
}

/// The first line that a command prints, if it succeeds.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

fn cuda_toolkit() -> Option<String> {
    let named = ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(|name| env::var(name).ok());
    named.chain(["/usr/local/cuda".to_owned()]).find(|place| {
        // A line end would break the directive above.
        !place.is_empty() && !place.contains('\n') && Path::new(place).is_dir()
    })
}
