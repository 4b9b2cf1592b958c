//! Where data sets lie on disk.

use crate::Error;
use std::{
    env,
    path::{Path, PathBuf},
};

/// How a data set is known on disk, and where it comes from.
pub(super) struct Home {
    pub(super) title: &'static str,
    /// The names its folder may have; the first is the one that we give.
    pub(super) folders: &'static [&'static str],
    /// A folder in that one, as its archive has it.
    pub(super) inside: Option<&'static str>,
    /// What is to be got.
    pub(super) files: &'static str,
    /// A page about it.
    pub(super) url: &'static str,
}

/// Where data sets lie when nobody says where: `WENGERT_DATA`, and the cache.
pub(super) fn known_folders() -> Vec<PathBuf> {
    variable("WENGERT_DATA").into_iter().chain(cache_folder()).collect()
}

/// The folder for what can be got again: `WENGERT_CACHE_DIR`, or else `wengert` in the user's cache directory.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let home = || variable("HOME");
    variable("WENGERT_CACHE_DIR").or_else(|| {
        let caches = variable("XDG_CACHE_HOME").or_else(|| match env::consts::OS {
            "windows" => variable("LOCALAPPDATA"),
            "macos" => home().map(|home| home.join("Library").join("Caches")),
            _ => home().map(|home| home.join(".cache")),
        });
        caches.map(|caches| caches.join("wengert"))
    })
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl Home {
    /// The first folder that has the file `sign`, as `has` tells.
    pub(super) fn find(
        &self,
        dir: Option<&Path>,
        known: &[PathBuf],
        sign: &str,
        has: impl Fn(&Path) -> bool,
    ) -> Result<PathBuf, Error> {
        let folders = self.candidates(dir, known);
        match folders.iter().find(|folder| has(folder)) {
            Some(folder) => Ok(folder.clone()),
            None => Err(self.missing(&folders, sign)),
        }
    }

    /// The folders in which the files may lie. Files of several sets have the same names, so those directly in a folder are
    /// taken only if the caller named it or its name tells whose they are.
    fn candidates(&self, dir: Option<&Path>, known: &[PathBuf]) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let mut add = |folder: PathBuf| {
            folders.extend(self.inside.map(|inside| folder.join(inside)));
            folders.push(folder);
        };
        for (root, named) in
            dir.map(|dir| (dir, true)).into_iter().chain(known.iter().map(|root| (root.as_path(), false)))
        {
            self.folders.iter().for_each(|name| add(root.join(name)));
            if named || self.folders.iter().any(|name| root.file_name().is_some_and(|last| last == *name)) {
                add(root.to_path_buf());
            }
        }
        folders
    }

    fn missing(&self, folders: &[PathBuf], sign: &str) -> Error {
        let searched: Vec<String> = folders.iter().map(|folder| format!("  {}", folder.display())).collect();
        Error::missing(format!(
            "{} was not found: there is no {sign} in\n{}\nGet {} from {} and name the folder above `{}` in the argument or in WENGERT_DATA.",
            self.title,
            if searched.is_empty() { String::from("  (no folder is known)") } else { searched.join("\n") },
            self.files,
            self.url,
            self.folders[0],
        ))
    }

    /// The error of a file that is not there beside the others.
    pub(super) fn lacks(&self, path: &Path) -> Error {
        Error::data(format!("{}: the file is missing, while others of {} are there", path.display(), self.title))
    }
}
