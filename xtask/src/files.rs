//! Files of the repository, and directories that go when they are no longer needed.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// Reads a text; the error names it.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
}

/// Writes a text; the error names it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))
}

/// Every Rust source below `at`, sorted; hidden folders and build outputs are skipped.
pub(crate) fn rust_sources(at: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![at.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|why| format!("cannot read {}: {why}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|why| format!("cannot read {}: {why}", folder.display()))?;
            let (path, name) = (entry.path(), entry.file_name());
            let hidden = name.to_string_lossy().starts_with('.');
            // A link could lead in a circle.
            let kind = entry.file_type().map_err(|why| format!("cannot read {}: {why}", path.display()))?;
            if kind.is_dir() && !hidden && name != "target" && name != "runs" && name != "shared" {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A fresh directory that is removed when this goes.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Scratch, String> {
        let path = env::temp_dir().join(format!("wengert-{name}-{}", process::id()));
        fs::create_dir_all(&path).map_err(|why| format!("cannot create {}: {why}", path.display()))?;
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind at worst: the system clears its temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
