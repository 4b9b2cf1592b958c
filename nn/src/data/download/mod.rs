//! Published data sets from the network.
//!
//! Nothing here is done unless a program asks for it by [`Source::load_or_download`] or [`Source::download`]. A file takes its
//! name only when its SHA-256 is that of the published one, so what is there under its name is whole.

mod fetch;
mod homes;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
mod unpack;

use super::{
    Dataset, Source, cifar10,
    find::{Home, cache_folder, known_folders},
    mnist,
};
use crate::Error;
use fetch::{Fetch, Patience};
use homes::{Archive, CIFAR10, FASHION_MNIST, MNIST};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The file that is being received.
    pub file: &'a str,
    /// Bytes that are there, those of an earlier attempt included.
    pub received: u64,
    /// Bytes in all, as far as that is known.
    pub total: Option<u64>,
}

impl Source {
    /// Training set and test set from files on disk, as [`load`](Source::load) finds them, or else from the network.
    ///
    /// # Errors
    /// As [`load`](Source::load) and [`download`](Source::download).
    ///
    /// ```no_run
    /// use wengert_nn::data::Source;
    ///
    /// let (train, test) = Source::Cifar10.load_or_download(None, |progress| {
    ///     println!("{}: {} bytes", progress.file, progress.received);
    /// })?;
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    pub fn load_or_download(
        self,
        dir: Option<&Path>,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<(Dataset, Dataset), Error> {
        self.load_or(dir, &known_folders(), |target| complete(target, self.archives(), &Patience::default(), progress))
    }

    /// Loads the set from where it is found, or from the folder of downloads once `fill` has filled it.
    fn load_or(
        self,
        dir: Option<&Path>,
        known: &[PathBuf],
        fill: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(Dataset, Dataset), Error> {
        let target = self.target(dir);
        let has = |folder: &Path| {
            // What lies in our own folder may be the first part of an interrupted download.
            target.as_ref().is_ok_and(|target| target != folder)
                && self.sign().iter().any(|name| folder.join(name).is_file())
        };
        match self.home().find(dir, known, self.sign()[0], has) {
            Ok(found) => self.load(Some(&found)),
            Err(_) => {
                let target = target?;
                fill(&target)?;
                self.load(Some(&target))
            }
        }
    }

    /// Downloads what is missing of the files, and gives the folder in which they lie: in `dir`, else in the cache
    /// (`WENGERT_CACHE_DIR`, or the folder `wengert` of the user's cache directory).
    ///
    /// A connection that breaks is taken up where it broke, also by a later call. `progress` is called for every piece
    /// received. Proxies named in the environment (`HTTPS_PROXY` and so on) are used.
    ///
    /// # Errors
    /// When no server gives the file: it does not answer, refuses, stays silent for 30 seconds, or sends something else than
    /// what was published, by length or SHA-256. When the file cannot be written, or another program is downloading it.
    pub fn download(self, dir: Option<&Path>, progress: impl FnMut(Progress<'_>)) -> Result<PathBuf, Error> {
        let target = self.target(dir)?;
        complete(&target, self.archives(), &Patience::default(), progress)?;
        Ok(target)
    }

    fn home(self) -> &'static Home {
        match self {
            Source::Mnist => &mnist::MNIST.home,
            Source::FashionMnist => &mnist::FASHION.home,
            Source::Cifar10 => &cifar10::HOME,
        }
    }

    fn archives(self) -> &'static [Archive] {
        match self {
            Source::Mnist => &MNIST,
            Source::FashionMnist => &FASHION_MNIST,
            Source::Cifar10 => &CIFAR10,
        }
    }

    /// Files by which the set is recognised.
    fn sign(self) -> &'static [&'static str] {
        match self {
            Source::Cifar10 => &["data_batch_1.bin"],
            _ => &["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"],
        }
    }

    /// The folder that gets the files.
    fn target(self, dir: Option<&Path>) -> Result<PathBuf, Error> {
        let home = self.home();
        let root = dir.map(Path::to_path_buf).or_else(cache_folder).ok_or_else(|| {
            Error::invalid(format!(
                "there is no place to keep {}: name a folder in the argument or in WENGERT_CACHE_DIR",
                home.title
            ))
        })?;
        let is = |name: &str| root.file_name().is_some_and(|last| last == name);
        if home.inside.is_some_and(is) {
            return Ok(root);
        }
        let folder = if home.folders.iter().any(|name| is(name)) { root } else { root.join(home.folders[0]) };
        Ok(home.inside.map_or(folder.clone(), |inside| folder.join(inside)))
    }
}

/// Sees to it that all files of the archives lie in `folder`.
fn complete(
    folder: &Path,
    archives: &[Archive],
    patience: &Patience,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|cause| Error::from_io(folder.display(), cause))?;
    for archive in archives {
        // A single file may also lie there as it was packed.
        let packed = archive.files.len() == 1 && folder.join(archive.name).is_file();
        if !packed && archive.files.iter().any(|file| !folder.join(file.name).is_file()) {
            get(folder, archive, patience, &mut progress)?;
        }
    }
    Ok(())
}

/// Gets one archive from the first server that gives the right one.
fn get(
    folder: &Path,
    archive: &Archive,
    patience: &Patience,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Error> {
    let mut fetch = Fetch::new(folder, archive, patience)?;
    let mut failures = String::new();
    for server in archive.servers {
        let url = format!("{server}{}", archive.name);
        log::info!("downloading {url}");
        // What was left by an earlier attempt may be of another file: then once more without it.
        for _ in 0..2 {
            let resumed = fetch.received()? > 0;
            let got = fetch.run(&url, progress).and_then(|()| unpack::unpack(archive, fetch.rewound()?, folder));
            match got {
                Ok(()) => return fetch.remove(),
                Err(error) => {
                    let wrong = error.is_data();
                    if wrong {
                        fetch.clear()?;
                    }
                    if wrong && resumed {
                        continue;
                    }
                    // A full disk does not get larger with another server.
                    if !wrong && !fetch::is_of_network(&error) {
                        return Err(error);
                    }
                    failures += &format!("\n  {error}");
                    break;
                }
            }
        }
    }
    Err(Error::missing(format!(
        "{} could not be downloaded:{failures}\nGet it in another way, and name its folder in WENGERT_DATA.",
        archive.name
    )))
}
