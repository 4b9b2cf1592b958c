//! How much there is to read.

use crate::{Outcome, files};
use std::collections::BTreeMap;
use std::path::Path;

/// A file beyond this is asking to be two.
const LONG: usize = 500;

/// Prints the lines of Rust in each top folder, then the files that are too long.
pub(crate) fn report(root: &Path) -> Outcome {
    let mut folders = BTreeMap::<String, (usize, usize)>::new();
    let mut long = Vec::new();
    for path in files::rust_sources(root)? {
        let lines = files::read(&path)?.lines().count();
        let name = path.strip_prefix(root).unwrap_or(&path);
        let folder = match name.components().count() {
            1 => ".".into(),
            _ => name.components().next().map_or_else(String::new, |first| first.as_os_str().to_string_lossy().into()),
        };
        let entry = folders.entry(folder).or_default();
        *entry = (entry.0 + lines, entry.1 + 1);
        if lines > LONG {
            long.push((lines, name.display().to_string()));
        }
    }
    println!("lines of Rust: {}", folders.values().map(|(lines, _)| lines).sum::<usize>());
    folders.iter().for_each(|(folder, (lines, files))| println!("  {folder:<16} {lines:>7} in {files} files"));
    long.sort_unstable_by(|a, b| b.cmp(a));
    long.iter().for_each(|(lines, name)| println!("  longer than {LONG}: {name} ({lines})"));
    Ok(())
}
