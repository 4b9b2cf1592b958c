//! Files that are there whole or not at all.

use crate::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file so that a crash, a full disk or an error leaves either the old file or the new one: `write` fills a
/// temporary file in the same directory, which is synced to disk and then renamed to `path`. On failure the temporary
/// file is removed; one that a killed process left behind is removed by the next write to the same path.
///
/// # Errors
/// When `write` fails or the file cannot be written; the message names `path`.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("wengert-files-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// let path = directory.join("answer.txt");
/// wengert_kernels::files::write_atomic(&path, |file| writeln!(file, "42"))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "42\n");
/// # std::fs::remove_dir_all(&directory).unwrap();
/// # Ok::<(), wengert_kernels::Error>(())
/// ```
pub fn write_atomic(path: impl AsRef<Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let path = path.as_ref();
    replace(path, write).map_err(|cause| Error::from_io(format_args!("cannot write {}", path.display()), cause))
}

/// Whether [`write_atomic`] could write to `path` as things are: a temporary file beside it is made and removed. For
/// programs that write after long work, and would rather hear of a wrong folder before it.
///
/// # Errors
/// When the file cannot be written; the message names `path`.
pub fn check_writable(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let probe = || if path.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Temporary::beside(path) };
    probe().map(drop).map_err(|cause| Error::from_io(format_args!("cannot write {}", path.display()), cause))
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (file, mut temporary) = Temporary::beside(path)?;
    remove_left_behind(path);
    let mut buffered = BufWriter::new(file);
    write(&mut buffered)?;
    let mut file = Some(buffered.into_inner().map_err(io::IntoInnerError::into_error)?);
    file.as_ref().map_or(Ok(()), File::sync_all)?;
    // Open, the file is locked, and nobody takes it for left behind. Windows does not rename an open file.
    if cfg!(windows) {
        file = None;
    }
    fs::rename(&temporary.path, path)?;
    temporary.renamed = true;
    drop(file);
    sync_directory(path);
    Ok(())
}

/// Removes the temporary files of processes that were killed while they wrote to `path`. Who writes holds a lock on the
/// file, which ends with the process; a file system without locks keeps them all.
fn remove_left_behind(path: &Path) {
    let (Some(prefix), Ok(entries)) = (prefix(path), fs::read_dir(directory(path))) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let (name, prefix) = (name.as_encoded_bytes(), prefix.as_encoded_bytes());
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(b".tmp"));
        if number.is_some_and(|number| number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-'))
            && let Ok(file) = OpenOptions::new().write(true).open(entry.path())
            && file.try_lock().is_ok()
            && let Err(why) = fs::remove_file(entry.path())
        {
            log::debug!("cannot remove {}: {why}", entry.path().display());
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the names of the temporary files for `path` begin with.
fn prefix(path: &Path) -> Option<OsString> {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name()?);
    hidden.push(".");
    Some(hidden)
}

/// The rename itself reaches the disk with its directory. A file system that cannot sync one has still renamed.
fn sync_directory(path: &Path) {
    if cfg!(unix) {
        let parent = directory(path);
        if let Err(why) = File::open(parent).and_then(|directory| directory.sync_all()) {
            log::debug!("cannot sync {}: {why}", parent.display());
        }
    }
}

/// Removes its file unless it was renamed, also when `write` panics.
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<(File, Temporary)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let prefix =
            prefix(path).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"))?;
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let mut hidden = prefix.clone();
            hidden.push(format!("{}-{number}.tmp", std::process::id()));
            let path = path.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => match file.try_lock() {
                    // Another process, which removes what was left behind, was faster than this lock.
                    Err(TryLockError::WouldBlock) => {}
                    Ok(()) if !path.exists() => {}
                    // A file system without locks has no one who relies on them either.
                    _ => return Ok((file, Temporary { path, renamed: false })),
                },
                // Left behind by a process that had the same number.
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
                Err(why) => return Err(why),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(why) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {}: {why}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("wengert-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_failure_keeps_the_old_file_and_leaves_nothing() {
        // semantics 6.8
        let directory = directory("atomic");
        let path = directory.join("file");
        write_atomic(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |file| {
            file.write_all(&[0; 100_000])?;
            Err(io::Error::other("enough"))
        });
        let message = failed.as_ref().unwrap_err().to_string();
        assert!(failed.unwrap_err().is_io() && message.contains("file: enough"), "{message}");
        let panicked = std::panic::catch_unwind(|| write_atomic(&path, |_| panic!("in the middle")));
        assert!(panicked.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_atomic(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not() {
        // semantics 9.17
        let directory = directory("left");
        let path = directory.join("file");
        let (left, others) = (directory.join(".file.1-0.tmp"), [".file.gz.1-0.tmp", ".file.1-0", "file.1-0.tmp"]);
        fs::write(&left, "half").unwrap();
        others.iter().for_each(|name| fs::write(directory.join(name), "another's").unwrap());
        let (living, guard) = Temporary::beside(&path).unwrap();
        check_writable(&path).unwrap();
        assert!(left.exists() && !path.exists(), "a check changes nothing");
        write_atomic(&path, |file| file.write_all(b"whole")).unwrap();
        assert!(!left.exists() && guard.path.exists());
        assert!(others.iter().all(|name| directory.join(name).exists()));
        drop((living, guard));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn paths_that_are_no_files_are_errors() {
        let directory = directory("no-file");
        for path in [directory.join("missing/file"), directory.join(".."), PathBuf::new()] {
            assert!(write_atomic(&path, |_| Ok(())).unwrap_err().is_io());
            assert!(check_writable(&path).unwrap_err().is_io());
        }
        assert!(check_writable(&directory).unwrap_err().is_io());
        assert!(write_atomic(&directory, |_| Ok(())).unwrap_err().is_io());
        fs::remove_dir_all(&directory).unwrap();
    }
}
