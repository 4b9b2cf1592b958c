//! Any command with the emulated CUDA device first on the loader's path.

use crate::{Outcome, cargo};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const USAGE: &str = "usage: cargo xtask emulate [--without-nvrtc] -- COMMAND [ARGUMENT..]";

/// What is to be run.
#[derive(Debug, PartialEq)]
struct Request {
    nvrtc: bool,
    command: Vec<OsString>,
}

/// Builds the driver, and becomes the command, so that its exit code is the command's.
pub(crate) fn emulate(root: &Path) -> Outcome {
    let Request { nvrtc, command } = parse(env::args_os().skip(2))?;
    let (program, arguments) = command.split_first().ok_or(USAGE)?;
    let mut command = Command::new(program);
    with_device(root, nvrtc, command.args(arguments))?;
    become_command(&mut command)
}

/// Builds the driver, and puts it and NVRTC in front of what a command's loader looks at.
pub(crate) fn with_device(root: &Path, nvrtc: bool, command: &mut Command) -> Outcome {
    let mut folders = vec![driver(root)?];
    if nvrtc {
        let lib = root.join("target/nvrtc/lib");
        if !lib.is_dir() {
            return Err("there is no NVRTC; `cargo xtask nvrtc` fetches it, --without-nvrtc does without".to_owned());
        }
        folders.push(lib);
    }
    let path = joined(folders, env::var_os("LD_LIBRARY_PATH").as_deref())?;
    command.env("LD_LIBRARY_PATH", path);
    Ok(())
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut request = Request { nvrtc: true, command: Vec::new() };
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        match argument.to_str() {
            Some("--") => break,
            Some("--without-nvrtc") => request.nvrtc = false,
            _ => return Err(format!("{argument:?} before `--`; {USAGE}")),
        }
    }
    request.command = arguments.collect();
    if request.command.is_empty() { Err(USAGE.to_owned()) } else { Ok(request) }
}

/// The loader's path with some folders in front.
fn joined(mut folders: Vec<PathBuf>, before: Option<&OsStr>) -> Result<OsString, String> {
    // An empty entry would mean the directory of the command.
    folders.extend(before.into_iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty()));
    env::join_paths(folders).map_err(|why| format!("LD_LIBRARY_PATH: {why}"))
}

/// Builds the driver and puts it, under the names that programs ask for, into a folder of its own.
fn driver(root: &Path) -> Result<PathBuf, String> {
    let mut build = cargo(root, "build --release --quiet --package cuda-emulator-driver");
    build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let done = build.output().map_err(|why| format!("cannot start cargo: {why}"))?;
    if !done.status.success() {
        return Err(format!("the driver does not build ({})", done.status));
    }
    let built =
        library(&String::from_utf8_lossy(&done.stdout)).ok_or("cargo names no libcuda.so among what it built")?;
    let folder = root.join("target/emulate");
    fs::create_dir_all(&folder).map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
    for name in ["libcuda.so.1", "libcuda.so"] {
        // A program that runs now keeps the file that it has open.
        let (path, new) = (folder.join(name), folder.join(format!("{name}.new-{}", std::process::id())));
        let copied = fs::copy(&built, &new).and_then(|_| fs::rename(&new, &path));
        copied.map_err(|why| format!("cannot copy {} to {}: {why}", built.display(), path.display()))?;
    }
    Ok(folder)
}

/// The path of the library in cargo's messages.
fn library(messages: &str) -> Option<PathBuf> {
    messages.split('"').find(|text| text.ends_with("/libcuda.so")).map(PathBuf::from)
}

#[cfg(unix)]
fn become_command(command: &mut Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let why = command.exec();
    Err(format!("cannot start {:?}: {why}", command.get_program()))
}

#[cfg(not(unix))]
fn become_command(_: &mut Command) -> Outcome {
    Err("the emulated device is a library for Linux".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Request, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_follows_the_dashes_is_the_command() {
        let command = vec!["ls".into(), "--".into(), "-l".into()];
        assert_eq!(parsed("-- ls -- -l"), Ok(Request { nvrtc: true, command: command.clone() }));
        assert_eq!(parsed("--without-nvrtc -- ls -- -l"), Ok(Request { nvrtc: false, command }));
    }

    #[test]
    fn bad_usage_is_told() {
        for words in ["", "--", "--without-nvrtc", "--without-nvrtc --"] {
            assert_eq!(parsed(words), Err(USAGE.to_owned()));
        }
        for words in ["ls -l", "--with-nvrtc -- ls"] {
            assert!(parsed(words).unwrap_err().ends_with(USAGE));
        }
    }

    #[test]
    fn the_emulated_device_comes_first() {
        let path = |before| joined(vec!["/emulate".into(), "/nvrtc".into()], before).unwrap();
        assert_eq!(path(None), "/emulate:/nvrtc");
        assert_eq!(path(Some(OsStr::new("/a::/b"))), "/emulate:/nvrtc:/a:/b");
        assert!(joined(vec!["/a:b".into()], None).is_err());
    }

    #[test]
    fn the_library_is_found_in_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/release/libcuda.so\"]}\n{}";
        assert_eq!(library(messages), Some("/t/release/libcuda.so".into()));
        assert_eq!(library("{}"), None);
    }
}
