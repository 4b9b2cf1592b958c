//! Files that are written in one piece or not at all.

use crate::Error;
use std::{
    fs, io,
    io::Write,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Writes `bytes` to a temporary file beside `path`, brings it to the disk and renames it: whoever opens `path` finds the
/// old file or the whole new one. To be replaced by the function of the same name in `wengert-kernels`.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let failed = |cause: io::Error| Error::from_io(format!("cannot write {}", path.display()), cause);
    let Some(name) = path.file_name() else {
        return Err(Error::invalid(format!("cannot write {}: it names no file", path.display())));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(temporary);
    let write = || {
        let mut file = fs::File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|cause| {
        // The file may never have come to be; the error to report is the one that stopped us.
        let _ = fs::remove_file(&temporary);
        failed(cause)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder for one test, removed with all in it at the end.
    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub(crate) fn new() -> Folder {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("wengert-nn-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        pub(crate) fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        // semantics 6.8
        let folder = Folder::new();
        write_atomic(&folder.path("a"), b"first").unwrap();
        write_atomic(&folder.path("a"), b"second").unwrap();
        assert_eq!(fs::read(folder.path("a")).unwrap(), b"second");
        fs::create_dir(folder.path("b")).unwrap();
        let error = write_atomic(&folder.path("b"), b"third").unwrap_err();
        assert!(error.is_io() && error.to_string().contains("cannot write"), "{error}");
        assert!(write_atomic(Path::new("/"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 2);
    }
}
