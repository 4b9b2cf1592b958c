//! CIFAR-10, from its binary files on disk.
//!
//! A file is a row of records. A record is a byte for the label and 3,072 for the image: 1,024 for red, as many for green
//! and for blue, each 32 rows of 32.

use super::{
    Dataset,
    find::{Home, known_folders},
};
use crate::Error;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};
use wengert_kernels::{Array, DType, checked_len};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PLANE: usize = SIDE * SIDE;
const IMAGE: usize = CHANNELS * PLANE;
const RECORD: usize = 1 + IMAGE;

/// The names of the classes, that of label 0 first.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: [&str; 1] = ["test_batch.bin"];
/// Records in each of the files.
const RECORDS: usize = 10_000;

pub(super) const HOME: Home = Home {
    title: "CIFAR-10",
    folders: &["cifar10", "cifar-10", "cifar-10-batches-bin"],
    inside: Some("cifar-10-batches-bin"),
    files: "cifar-10-binary.tar.gz",
    url: "https://www.cs.toronto.edu/~kriz/cifar.html",
};

/// The CIFAR-10 photographs for training and testing: `(train, test)`, with 50,000 and 10,000 examples of ten
/// [`CLASSES`].
///
/// `x` is `f32` of shape `[n, 32, 32, 3]`, red, green and blue from 0 to 1; `y` is `i64` of shape `[n]`, from 0 to 9. In
/// memory the images stay in bytes, 176 MiB in all: see [`Dataset::x`].
///
/// The files `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` are looked for in the folder
/// `cifar10/cifar-10-batches-bin` of the folders in which [`mnist`](super::mnist()) is looked for, in the same order. Either of
/// the two folders may be missing, and `dir` may itself be one of them.
///
/// Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
///
/// # Errors
/// When the files are not found: the message lists where they were looked for. When they are damaged: the message names
/// the file and the record.
///
/// ```no_run
/// let (train, test) = wengert_nn::data::cifar10(None)?;
/// assert_eq!(train.shape(), [50_000, 32, 32, 3]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn cifar10(dir: Option<&Path>) -> Result<(Dataset, Dataset), Error> {
    load(dir, &known_folders(), RECORDS)
}

fn load(dir: Option<&Path>, known: &[PathBuf], records: usize) -> Result<(Dataset, Dataset), Error> {
    let folder = HOME.find(dir, known, TRAIN[0], |folder| folder.join(TRAIN[0]).is_file())?;
    let part = |names: &[&str]| {
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        match paths.iter().find(|path| !path.is_file()) {
            Some(path) => Err(HOME.lacks(path)),
            None => read_all(&paths, records)?.scaled(255.0),
        }
    };
    Ok((part(&TRAIN)?, part(&TEST)?))
}

/// Reads one file of any number of records: `x` is `u8` of shape `[n, 32, 32, 3]`, `y` is `i64` of shape `[n]`.
///
/// # Errors
/// When the file cannot be read, is not made of whole records, or has a label above 9. The message names the path and the
/// record.
///
/// ```
/// use wengert_nn::data::cifar10;
///
/// let path = std::env::temp_dir().join(format!("wengert-{}.bin", std::process::id()));
/// let green: Vec<u8> = [6].into_iter().chain((0..3072).map(|i| if i / 1024 == 1 { 255 } else { 0 })).collect();
/// std::fs::write(&path, green).unwrap();
/// let frog = cifar10::read(&path)?;
/// assert_eq!(frog.x().as_slice::<u8>()?[..6], [0, 255, 0, 0, 255, 0]);
/// assert_eq!(cifar10::CLASSES[frog.labels()?[0] as usize], "frog");
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<Dataset, Error> {
    let path = path.as_ref();
    let bytes = std::fs::metadata(path).map_err(|cause| Error::from_io(path.display(), cause))?.len();
    let (records, rest) = (bytes / RECORD as u64, bytes % RECORD as u64);
    if rest > 0 {
        return Err(Error::data(format!(
            "{}: {bytes} bytes are {records} records of {RECORD} bytes and {rest} more: the file is cut off, or not one of CIFAR-10",
            path.display()
        )));
    }
    let records = usize::try_from(records).map_err(|_| Error::out_of_memory(format!("{records} records")))?;
    read_all(&[path.to_path_buf()], records)
}

/// The images and labels of several files with `records` each, in bytes.
fn read_all(paths: &[PathBuf], records: usize) -> Result<Dataset, Error> {
    for path in paths {
        let size = std::fs::metadata(path).map_err(|cause| Error::from_io(path.display(), cause))?.len();
        if size != (records * RECORD) as u64 {
            return Err(Error::data(format!(
                "{}: {size} bytes are not {records} records of {RECORD} bytes: the file {}",
                path.display(),
                if size < (records * RECORD) as u64 { "is cut off" } else { "is too long" },
            )));
        }
    }
    let shape = [paths.len() * records, SIDE, SIDE, CHANNELS];
    checked_len(&shape, 1)?;
    let mut x = Array::zeros(DType::U8, &shape)?;
    let mut y = Vec::with_capacity(shape[0]);
    let images = x.bytes_mut()?;
    for (number, path) in paths.iter().enumerate() {
        read_into(path, &mut images[number * records * IMAGE..][..records * IMAGE], &mut y)?;
    }
    Ok(Dataset::new(x, Array::new(&[shape[0]], &y)?)?.with_classes(CLASSES))
}

/// Reads as many records as `images` has room for.
fn read_into(path: &Path, images: &mut [u8], labels: &mut Vec<i64>) -> Result<(), Error> {
    let failed = |record: usize, cause: io::Error| match cause.kind() {
        io::ErrorKind::UnexpectedEof => Error::data(format!("{}: record {record} is cut off", path.display())),
        _ => Error::from_io(path.display(), cause),
    };
    let file = File::open(path).map_err(|cause| failed(0, cause))?;
    let mut source = BufReader::with_capacity(64 << 10, file);
    let mut record = [0; RECORD];
    for (number, image) in images.chunks_exact_mut(IMAGE).enumerate() {
        source.read_exact(&mut record).map_err(|cause| failed(number, cause))?;
        let [label, planes @ ..] = &record;
        if usize::from(*label) >= CLASSES.len() {
            return Err(Error::data(format!(
                "{}: record {number}, at byte {}, has label {label}, and labels run from 0 to 9",
                path.display(),
                number * RECORD
            )));
        }
        labels.push(i64::from(*label));
        let (red, rest) = planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        for (pixel, ((red, green), blue)) in image.as_chunks_mut().0.iter_mut().zip(red.iter().zip(green).zip(blue)) {
            *pixel = [*red, *green, *blue];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;
    use std::{env, fs};

    /// A record whose planes count up from `label`, 50 and 100.
    fn record(label: u8) -> Vec<u8> {
        let plane = |start: u8| (0..PLANE).map(move |i| start.wrapping_add(i as u8));
        [label].into_iter().chain(plane(label)).chain(plane(50)).chain(plane(100)).collect()
    }

    fn write(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (number, name) in TRAIN.iter().chain(&TEST).enumerate() {
            let records: Vec<u8> = [number as u8, 9 - number as u8].into_iter().flat_map(record).collect();
            fs::write(folder.join(name), records).unwrap();
        }
    }

    #[test]
    fn a_set_is_found_in_either_of_its_folders() {
        // semantics 10.3
        for place in ["cifar10/cifar-10-batches-bin", "cifar10", "cifar-10-batches-bin"] {
            let folder = Folder::new();
            write(&folder.path(place));
            let own = folder.path(place);
            let parents = own.ancestors().take(place.split('/').count() + 1);
            let mut arguments: Vec<_> = parents.clone().map(|parent| (Some(parent), vec![])).collect();
            arguments.extend(parents.map(|parent| (None, vec![parent.to_path_buf()])));
            for (dir, known) in arguments {
                let (train, test) = load(dir, &known, 2).unwrap();
                assert_eq!((train.shape(), test.shape()), (&[10, 32, 32, 3][..], &[2, 32, 32, 3][..]));
                assert_eq!(train.labels().unwrap(), [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
                assert_eq!((train.dtype(), train.kept().dtype()), (DType::F32, DType::U8));
                assert_eq!(test.classes().unwrap()[6], "frog");
                let x = train.x().as_slice::<f32>().unwrap();
                let at = |image: usize, y: usize, x_: usize| &x[((image * 32 + y) * 32 + x_) * 3..][..3];
                let expected = |values: [u8; 3]| values.map(|value| (f64::from(value) / 255.0) as f32);
                assert_eq!(at(1, 0, 0), expected([9, 50, 100]));
                assert_eq!(at(4, 5, 7), expected([2 + 167, 50 + 167, 11]));
            }
        }
    }

    fn spoilt(spoil: impl Fn(&Path)) -> String {
        let folder = Folder::new();
        write(&folder.path("cifar10"));
        spoil(&folder.path("cifar10"));
        let error = load(Some(&folder.path("")), &[], 2).unwrap_err();
        assert!(error.is_data(), "{error:?}");
        error.to_string()
    }

    #[test]
    fn what_is_damaged_is_named_with_its_place() {
        // semantics 10.4
        let at = |message: String, parts: &[&str]| {
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        };
        let edit = |name: &'static str, edit: fn(&mut Vec<u8>)| {
            spoilt(move |folder| {
                let mut bytes = fs::read(folder.join(name)).unwrap();
                edit(&mut bytes);
                fs::write(folder.join(name), bytes).unwrap();
            })
        };
        at(edit("data_batch_3.bin", |b| b[RECORD] = 10), &["data_batch_3.bin", "record 1, at byte 3073, has label 10"]);
        at(edit("test_batch.bin", |b| b.truncate(RECORD)), &["test_batch.bin", "3073 bytes are not 2", "cut off"]);
        at(edit("data_batch_5.bin", |b| b.push(0)), &["data_batch_5.bin", "6147 bytes", "too long"]);
        at(edit("data_batch_1.bin", Vec::clear), &["data_batch_1.bin: 0 bytes", "cut off"]);
        let missing = spoilt(|folder| fs::remove_file(folder.join("data_batch_4.bin")).unwrap());
        at(missing, &["data_batch_4.bin: the file is missing, while others of CIFAR-10"]);
        let nothing = load(Some(Path::new("no/such")), &[PathBuf::from("nor/this")], 2).unwrap_err().to_string();
        at(
            nothing,
            &[
                "CIFAR-10 was not found: there is no data_batch_1.bin",
                "no/such/cifar10/cifar-10-batches-bin",
                "nor/this/cifar10",
                "WENGERT_DATA",
                "cs.toronto.edu",
            ],
        );
    }

    #[test]
    fn one_file_has_as_many_records_as_it_is_long() {
        let folder = Folder::new();
        for records in [0, 1, 5] {
            fs::write(folder.path("file"), record(3).repeat(records)).unwrap();
            assert_eq!(read(folder.path("file")).unwrap().labels().unwrap(), vec![3; records]);
        }
        fs::write(folder.path("file"), &record(3)[1..]).unwrap();
        assert!(read(folder.path("file")).unwrap_err().to_string().contains("0 records of 3073 bytes and 3072 more"));
        assert!(read(folder.path("no")).unwrap_err().is_io());
        assert!(read(folder.path("")).is_err(), "a folder is no file");
    }

    /// On the real files, wherever somebody keeps them.
    #[test]
    fn the_real_set_is_the_published_one() {
        let Some(dir) = env::var_os("WENGERT_DATA").map(PathBuf::from).filter(|dir| dir.join("cifar10").is_dir())
        else {
            return;
        };
        let (train, test) = cifar10(Some(&dir)).unwrap();
        assert_eq!((train.len(), test.len()), (50_000, 10_000));
        assert_eq!(train.class_counts(10).unwrap(), [5000; 10]);
        assert_eq!(test.class_counts(10).unwrap(), [1000; 10]);
        assert_eq!(train.labels().unwrap()[..5], [6, 9, 9, 4, 1]);
        let measured = crate::data::Normalization::of(&train).unwrap();
        for (measured, expected) in measured.mean().iter().zip([0.4914, 0.4822, 0.4465]) {
            assert!((measured - expected).abs() < 5e-5, "{measured}");
        }
        for (measured, expected) in measured.std().iter().zip([0.2470, 0.2435, 0.2616]) {
            assert!((measured - expected).abs() < 5e-5, "{measured}");
        }
    }
}
