//! Files that are there whole or not at all.

use crate::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file so that a crash, a full disk or an error leaves either the old file or the new one: `write` fills a
/// temporary file in the same directory, which is synced to disk and then renamed to `path`. On failure the temporary
/// file is removed.
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

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (file, mut temporary) = Temporary::beside(path)?;
    let mut buffered = BufWriter::new(file);
    write(&mut buffered)?;
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    // Windows does not rename an open file.
    drop(file);
    fs::rename(&temporary.path, path)?;
    temporary.renamed = true;
    sync_directory(path);
    Ok(())
}

/// The rename itself reaches the disk with its directory. A file system that cannot sync one has still renamed.
fn sync_directory(path: &Path) {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"))?;
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let path = path.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, Temporary { path, renamed: false })),
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
    fn paths_that_are_no_files_are_errors() {
        let directory = directory("no-file");
        for path in [directory.join("missing/file"), directory.join(".."), PathBuf::new()] {
            assert!(write_atomic(&path, |_| Ok(())).unwrap_err().is_io());
        }
        assert!(write_atomic(&directory, |_| Ok(())).unwrap_err().is_io());
        fs::remove_dir_all(&directory).unwrap();
    }
}
