//! From a packed file to the files in it, if they are the published ones.

use super::homes::{Archive, Unpacked};
use crate::Error;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};
use wengert_kernels::files::write_atomic;

/// Headers of a tar file, and what else may be in it beside the files.
const SLACK: u64 = 1 << 20;

/// Unpacks an archive into `folder`. A file takes its name only if it is whole and right.
pub(super) fn unpack(archive: &Archive, packed: &File, folder: &Path) -> Result<(), Error> {
    let plain = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, packed));
    if !archive.name.ends_with(".tar.gz") {
        return match archive.files {
            [file] => verified(archive, file, plain, folder),
            _ => Err(damaged(archive, "it holds one file")),
        };
    }
    let unpacked: u64 = archive.files.iter().map(|file| file.bytes).sum();
    let mut missing: Vec<&Unpacked> = archive.files.iter().collect();
    let mut tar = tar::Archive::new(plain.take(unpacked + SLACK));
    for entry in tar.entries().map_err(|cause| damaged(archive, cause))? {
        let entry = entry.map_err(|cause| damaged(archive, cause))?;
        let path = entry.path().map_err(|cause| damaged(archive, cause))?.into_owned();
        let place = missing.iter().position(|file| path.file_name().is_some_and(|name| name == file.name));
        // Names come from our own table, so that no archive chooses where we write.
        if let Some(place) = place.filter(|_| entry.header().entry_type().is_file()) {
            verified(archive, missing.remove(place), entry, folder)?;
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(file) => Err(damaged(archive, format!("there is no {} in it", file.name))),
    }
}

fn damaged(archive: &Archive, what: impl std::fmt::Display) -> Error {
    Error::data(format!("{} is not the published file: {what}", archive.name))
}

/// Copies a file out of an archive.
fn verified(archive: &Archive, file: &Unpacked, source: impl Read, folder: &Path) -> Result<(), Error> {
    let mut wrong = None;
    // One byte more than it should have, to notice one too many.
    let mut source = source.take(file.bytes + 1);
    let written = write_atomic(folder.join(file.name), |target| {
        let (mut sum, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            let piece = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(piece) => &buffer[..piece],
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => {
                    wrong = Some(format!("{}: {cause}", file.name));
                    return Err(cause);
                }
            };
            bytes += piece.len() as u64;
            sum.update(piece);
            target.write_all(piece)?;
        }
        let sum = sum.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        if bytes != file.bytes {
            let relation = if bytes > file.bytes { "more than" } else { "only" };
            wrong = Some(format!("{} has {relation} {} bytes, not {}", file.name, bytes.min(file.bytes), file.bytes));
        } else if sum != file.sha256 {
            wrong = Some(format!("{} has SHA-256 {sum}, not {}", file.name, file.sha256));
        }
        if wrong.is_some() { Err(io::Error::other("it is not the published file")) } else { Ok(()) }
    });
    match wrong {
        Some(what) => Err(damaged(archive, what)),
        None => Ok(written?),
    }
}
