//! Compiled kernels on disk.
//!
//! An entry is a file named by a hash of its key; it holds the whole key, the image and a check sum, so that neither a collision
//! nor a damaged or foreign file is ever taken for a kernel. What cannot be read is compiled anew; where nothing can be
//! written, nothing is kept.

use crate::files;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

/// Raise when the meaning of a kernel's parameters changes while its source does not.
const ABI: u32 = 1;

/// The first bytes of an entry.
const MAGIC: &[u8; 8] = b"wengert\x01";

/// The oldest entries go when all together are larger.
const LARGEST: u64 = 256 << 20;

/// The environment variable that names the folder. Empty: no cache.
pub(crate) const VARIABLE: &str = "WENGERT_CACHE";

/// A folder of compiled kernels.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    largest: u64,
}

/// What an image depends on.
pub(super) fn key(source: &str, architecture: &str, output: &str, nvrtc: (u32, u32)) -> String {
    let (major, minor) = nvrtc;
    let options = super::nvrtc::options();
    format!("abi {ABI}, nvrtc {major}.{minor}, {output}_{architecture}, {options}\n{source}")
}

impl Cache {
    /// The user's cache.
    pub(crate) fn of_user() -> Cache {
        let under = |variable: &str, parts: &str| {
            let root = env::var_os(variable).filter(|root| !root.is_empty())?;
            Some(Path::new(&root).join(parts))
        };
        let folder = match env::var_os(VARIABLE) {
            Some(given) if given.is_empty() => None,
            Some(given) => Some(PathBuf::from(given)),
            None if cfg!(windows) => under("LOCALAPPDATA", "wengert\\kernels"),
            None => under("XDG_CACHE_HOME", "wengert/kernels").or_else(|| under("HOME", ".cache/wengert/kernels")),
        };
        Cache { folder, largest: LARGEST }
    }

    /// A cache in this folder that may grow to so many bytes.
    #[cfg(test)]
    pub(super) fn at(folder: &Path, largest: u64) -> Cache {
        Cache { folder: Some(folder.to_owned()), largest }
    }

    /// Where it is, if anywhere.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{:016x}.kernel", hash(key.as_bytes()))))
    }

    /// The image of this key, if a sound entry has it. An unsound one is removed.
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let bytes = fs::read(&path).ok()?;
        match decode(&bytes, key) {
            Entry::Image(image) => {
                // Used again: the time says so to who makes room. Failure only ages the entry.
                let _ =
                    fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(image.to_vec())
            }
            Entry::Other => None,
            Entry::Damaged => {
                log::warn!("the cached kernel {} is damaged and was removed", path.display());
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps an image. Whatever prevents that is no error: the next process compiles again.
    pub(super) fn put(&self, key: &str, image: &[u8]) {
        let Some(path) = self.path(key) else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).is_ok()
            && files::write_atomic(&path, |file: &mut dyn Write| file.write_all(&encode(key, image))).is_ok();
        if written {
            self.make_room();
        } else {
            log::debug!("the cache folder {} cannot be written", folder.display());
        }
    }

    /// Forgets an entry that the driver refused.
    pub(super) fn remove(&self, key: &str) {
        if let Some(path) = self.path(key) {
            let _ = fs::remove_file(path);
        }
    }

    /// Entries and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        let entries = self.entries();
        (entries.len(), entries.iter().map(|entry| entry.1).sum())
    }

    /// When each entry was last used, its bytes, its path.
    fn entries(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let files = self.folder.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        files
            .filter(|file| file.path().extension().is_some_and(|it| it == "kernel"))
            .filter_map(|file| {
                let about = file.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), file.path()))
            })
            .collect()
    }

    fn make_room(&self) {
        let mut entries = self.entries();
        let mut bytes: u64 = entries.iter().map(|entry| entry.1).sum();
        entries.sort();
        for (_, size, path) in entries {
            if bytes <= self.largest {
                return;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= size;
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn encode(key: &str, image: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend((key.len() as u64).to_le_bytes());
    bytes.extend(key.as_bytes());
    bytes.extend(hash(image).to_le_bytes());
    bytes.extend(image);
    bytes
}

enum Entry<'a> {
    Image(&'a [u8]),
    /// A sound entry of another key.
    Other,
    Damaged,
}

fn decode<'a>(bytes: &'a [u8], key: &str) -> Entry<'a> {
    let parts = || {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (have, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (sum, image) = rest.split_first_chunk::<8>()?;
        (hash(image) == u64::from_le_bytes(*sum)).then_some((have, image))
    };
    match parts() {
        Some((have, image)) if have == key.as_bytes() => Entry::Image(image),
        Some(_) => Entry::Other,
        None => Entry::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("wengert-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn an_image_comes_back_for_its_key_only() {
        let folder = folder("key");
        let cache = Cache::at(&folder, u64::MAX);
        let keys = [key("a", "80", "sm", (13, 0)), key("a", "90", "sm", (13, 0)), key("b", "80", "sm", (12, 9))];
        assert_eq!(cache.get(&keys[0]), None);
        keys.iter().zip([b"one", b"two", b"six"]).for_each(|(key, image)| cache.put(key, image));
        assert_eq!(keys.each_ref().map(|key| cache.get(key).unwrap()), [b"one", b"two", b"six"]);
        assert_eq!(cache.size().0, 3);
        // An entry under the name of another key is not taken for it.
        fs::copy(cache.path(&keys[1]).unwrap(), cache.path(&keys[0]).unwrap()).unwrap();
        assert_eq!(cache.get(&keys[0]), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn damaged_entries_are_removed() {
        let folder = folder("damage");
        let cache = Cache::at(&folder, u64::MAX);
        let sound = encode("key", b"the image");
        cache.put("key", b"the image");
        let path = cache.path("key").unwrap();
        for cut in 0..sound.len() {
            fs::write(&path, &sound[..cut]).unwrap();
            assert_eq!(cache.get("key"), None, "cut at {cut}");
            assert!(!path.exists());
        }
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x40;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(cache.get("key"), None, "byte {at}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let folder = folder("room");
        let one = encode("0", &[0; 100]).len() as u64;
        let cache = Cache::at(&folder, 3 * one);
        for number in 0..4u64 {
            cache.put(&number.to_string(), &[0; 100]);
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
            if let Some(path) = cache.path(&number.to_string()).filter(|_| number < 3) {
                fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
            }
        }
        let kept: Vec<bool> = (0..4).map(|number| cache.path(&number.to_string()).unwrap().exists()).collect();
        assert_eq!(kept, [false, true, true, true]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_nothing() {
        let folder = folder("file");
        fs::write(&folder, "a file where the folder should be").unwrap();
        let cache = Cache::at(&folder, u64::MAX);
        cache.put("key", b"image");
        assert_eq!(cache.get("key"), None);
        fs::remove_file(folder).unwrap();
        let none = Cache { folder: None, largest: 0 };
        none.put("key", b"image");
        assert_eq!((none.get("key"), none.size()), (None, (0, 0)));
    }
}
