//! One archive with which a machine that has a GPU, and neither Rust nor these sources, tests and measures everything:
//! programs, a script that runs them, and what peers do in Python.

use crate::{Outcome, cargo};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const USAGE: &str = "usage: cargo xtask gpu pack";

/// Such a machine may take no more.
const MOST_BYTES: u64 = 60 << 20;

/// What is built: all of Wengert at once, so that features are the same for all; the emulator's programs of one instruction.
const BUILDS: [&str; 2] = [
    "--package wengert --package wengert-kernels --features wengert/cuda,wengert/cli,wengert-kernels/cuda \
     --bin wengert --test cuda --bench * --example mnist --example cifar10 --example custom_model --example custom_op",
    "--package cuda-emulator-driver --example conformance",
];

/// A program that cargo built.
#[derive(Debug, PartialEq)]
struct Built {
    /// Its name in the pack: `bench-gemm`, `test-kernels`.
    name: String,
    path: PathBuf,
}

/// The tasks for machines with a GPU.
pub(crate) fn gpu(root: &Path) -> Outcome {
    let arguments: Vec<String> = env::args().skip(2).collect();
    if arguments == ["pack"] { pack(root) } else { Err(USAGE.to_owned()) }
}

fn pack(root: &Path) -> Outcome {
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        let flags = env::var(variable).unwrap_or_default();
        if let Some(flag) = ["target-cpu=native", "+crt-static"].into_iter().find(|flag| flags.contains(flag)) {
            return Err(format!("{variable} has {flag}, with which the programs may not run elsewhere"));
        }
    }
    let folder = root.join("target/gpu-pack");
    match fs::remove_dir_all(&folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(failed("remove", &folder, &why)),
        _ => {}
    }
    for part in ["bin", "peers"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).map_err(|why| failed("create", &part, &why))?;
    }
    let mut glibc = (0, 0);
    let builds = BUILDS.map(|what| build(root, what)).into_iter().collect::<Result<Vec<_>, _>>()?;
    for Built { name, path } in builds.into_iter().flatten() {
        let stripped = folder.join("bin").join(name);
        tool(Command::new("strip").arg("-o").arg(&stripped).arg(&path), "binutils")?;
        glibc = glibc.max(wanted_glibc(&fs::read(&stripped).map_err(|why| failed("read", &stripped, &why))?));
    }
    copy(&root.join("xtask/gpu/run.sh"), &folder)?;
    let peers = root.join("benches/peers");
    let scripts = fs::read_dir(&peers).map_err(|why| failed("read", &peers, &why))?.filter_map(Result::ok);
    for path in scripts.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("py"))) {
        copy(&path, &folder.join("peers"))?;
    }
    let archive = root.join("target/gpu-pack.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--file"]).arg(&archive);
    tool(tar.arg("--directory").arg(root.join("target")).arg("gpu-pack"), "tar")?;
    let bytes = fs::metadata(&archive).map_err(|why| failed("read", &archive, &why))?.len();
    let size = format!("{}: {:.1} MiB", archive.display(), bytes as f64 / f64::from(1 << 20));
    if bytes > MOST_BYTES {
        return Err(format!("{size}, more than {} MiB", MOST_BYTES >> 20));
    }
    println!("{size}; glibc {}.{} is enough", glibc.0, glibc.1);
    println!("there: tar xzf gpu-pack.tar.gz && sh gpu-pack/run.sh");
    Ok(())
}

fn failed(what: &str, path: &Path, why: &std::io::Error) -> String {
    format!("cannot {what} {}: {why}", path.display())
}

fn copy(file: &Path, folder: &Path) -> Outcome {
    let to = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &to).map(drop).map_err(|why| failed("copy", file, &why))
}

/// Runs a program of the system; what it said is the reason if it fails.
fn tool(command: &mut Command, package: &str) -> Outcome {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|why| format!("cannot start {name}: {why}; install it (Debian: {package})"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(()) } else { Err(format!("{name} failed ({}): {}", done.status, said.trim())) }
}

fn build(root: &Path, what: &str) -> Result<Vec<Built>, String> {
    let mut command = cargo(root, "build --release --message-format=json-render-diagnostics");
    let done = command.args(what.split_whitespace()).stderr(Stdio::inherit()).output();
    let done = done.map_err(|why| format!("cannot start cargo: {why}"))?;
    if !done.status.success() {
        return Err(format!("the programs do not build ({})", done.status));
    }
    let built: Vec<Built> = String::from_utf8_lossy(&done.stdout).lines().filter_map(built).collect();
    if built.is_empty() { Err("cargo names no program that it built".to_owned()) } else { Ok(built) }
}

/// The program that one of cargo's messages is about.
fn built(message: &str) -> Option<Built> {
    let after = |text: &str| Some(message.split_once(text)?.1.split_once('"')?.0.to_owned());
    let path = after("\"executable\":\"")?.into();
    let target = message.split_once("\"target\":{")?.1;
    let kind = target.split_once("\"kind\":[\"")?.1.split_once('"')?.0;
    let name = target.split_once("\"name\":\"")?.1.split_once('"')?.0;
    let name = match kind {
        // Tests of all packages are called after what they test.
        "test" => {
            let package = after("\"package_id\":\"")?;
            // `path#name@version`, or `path#version` where the folder is called like the package.
            let (path, name) = package.rsplit_once('#')?;
            let package = name.split_once('@').map_or_else(|| path.rsplit('/').next(), |(name, _)| Some(name))?;
            format!("test-{}", package.strip_prefix("wengert-").unwrap_or(package))
        }
        "bin" => name.to_owned(),
        _ => format!("{kind}-{name}"),
    };
    Some(Built { name, path })
}

/// The newest version of glibc whose symbols a program names.
fn wanted_glibc(program: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_2.";
    let marks = program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let minor = marks.filter_map(|(at, _)| {
        let digits = program[at + MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit()).take(3);
        digits.map(|digit| char::from(*digit)).collect::<String>().parse().ok()
    });
    (2, minor.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let message = |package: &str, kind: &str, name: &str, executable: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"package_id\":\"{package}\",\"target\":{{\"kind\":[\"{kind}\"],\
                 \"crate_types\":[\"bin\"],\"name\":\"{name}\"}},\"executable\":{executable},\"fresh\":true}}"
            )
        };
        let name = |package: &str, kind: &str, name: &str| {
            built(&message(package, kind, name, "\"/t/x-1\"")).map(|built| built.name).unwrap()
        };
        assert_eq!(name("path+file:///w#wengert@0.1.0", "test", "cuda"), "test-wengert");
        assert_eq!(name("path+file:///w/kernels#wengert-kernels@0.1.0", "test", "cuda"), "test-kernels");
        // The folder's name is left out of an id where the package is called the same.
        assert_eq!(name("path+file:///w/wengert#0.1.0", "test", "cuda"), "test-wengert");
        assert_eq!(name("path+file:///w#wengert@0.1.0", "bench", "gemm"), "bench-gemm");
        assert_eq!(name("path+file:///w#wengert@0.1.0", "bin", "wengert"), "wengert");
        assert_eq!(built(&message("x", "lib", "half", "null")), None);
        assert_eq!(built("Compiling"), None);
    }

    #[test]
    fn the_newest_glibc_counts() {
        assert_eq!(wanted_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE"), (2, 34));
        assert_eq!(wanted_glibc(b"GLIBC_2."), (2, 0));
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let why = tool(&mut Command::new("/no/such/strip"), "binutils").unwrap_err();
        assert!(why.contains("/no/such/strip") && why.contains("Debian: binutils"), "{why}");
    }
}
