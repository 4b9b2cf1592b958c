//! Files of data from anywhere: whatever is in them, reading ends in data that make sense or in an error, and takes no
//! memory that the file does not account for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::Random;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, path::Path, path::PathBuf};
use wengert_kernels::Array;
use wengert_nn::Error;
use wengert_nn::data::{cifar10, idx};

/// Remembers the most memory that was in use at once.
struct Peak;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Peak = Peak;

/// The file with bytes changed, taken out, put in or cut off, most of them where `hot` says that they matter.
fn mutated(good: &[u8], hot: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        let range = if random.below(3) > 0 { hot.min(bytes.len()) } else { bytes.len() };
        let at = random.below(range);
        match random.below(8) {
            0 => bytes.truncate(random.below(bytes.len() + 1)),
            1 => bytes.extend(std::iter::repeat_n(random.below(256) as u8, random.below(5000))),
            2 => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
            3 => drop(bytes.splice(at..at, std::iter::repeat_n(random.below(256) as u8, random.below(9)))),
            4 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 255),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.below(256) as u8),
        }
    }
    bytes
}

struct Kind {
    name: &'static str,
    good: Vec<Vec<u8>>,
    /// How many of the first bytes say how to read the others.
    hot: usize,
    /// Bytes of memory for each byte of the file, and for none.
    memory: (usize, usize),
    read: fn(&Path) -> Result<(), Error>,
}

fn idx_file(path: &Path) -> Result<(), Error> {
    let array = idx::read(path)?;
    assert_eq!(array.bytes().len(), array.shape().iter().product::<usize>() * array.dtype().size());
    Ok(())
}

fn cifar_file(path: &Path) -> Result<(), Error> {
    let set = cifar10::read(path)?;
    assert_eq!(set.shape(), [fs::metadata(path).unwrap().len() as usize / 3073, 32, 32, 3]);
    assert!(set.labels()?.iter().all(|label| (0..10).contains(label)));
    Ok(())
}

/// IDX files of each type of elements, shaped like those of MNIST, and one of many axes.
fn idx_files() -> Vec<Vec<u8>> {
    let folder = Folder::new("idx-good");
    let write = |array: &Array| {
        idx::write(folder.0.join("good"), array).unwrap();
        fs::read(folder.0.join("good")).unwrap()
    };
    let bytes = Array::from_fn(wengert_kernels::DType::U8, &[3, 28, 28], |i| (i * 7 % 256) as f64).unwrap();
    let mut files = vec![write(&bytes), write(&bytes.reshape(&[3 * 28 * 28]).unwrap())];
    for dtype in [wengert_kernels::DType::I32, wengert_kernels::DType::F32, wengert_kernels::DType::F64] {
        files.push(write(&bytes.cast(dtype).unwrap()));
    }
    // Signed bytes and 16-bit integers are read and not written.
    files.extend([0x09u8, 0x0b].map(|code| {
        let mut file = files[0].clone();
        file[2] = code;
        if code == 0x0b {
            file.extend_from_within(16..);
        }
        file
    }));
    files.push(write(&Array::zeros(wengert_kernels::DType::U8, &[1; 200]).unwrap()));
    files
}

#[cfg(feature = "data")]
fn packed(files: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    use std::io::Write;
    let pack = |file: Vec<u8>| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&file).unwrap();
        packer.finish().unwrap()
    };
    files.into_iter().map(pack).collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("wengert-hostile-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn ten_thousand_damaged_files_neither_panic_nor_take_memory() {
    // semantics 6.7
    // semantics 10.4
    let records = |labels: &[u8]| {
        let record =
            |label: &u8| [*label].into_iter().chain((0..3072u32).map(|i| (i * 31 % 251) as u8)).collect::<Vec<u8>>();
        labels.iter().flat_map(record).collect::<Vec<u8>>()
    };
    let kinds = [
        // Read as they are, decoded into a vector, and that into an array.
        Kind { name: "idx", good: idx_files(), hot: 20, memory: (9, 100 << 10), read: idx_file },
        Kind {
            name: "cifar",
            good: vec![records(&[3, 9, 0]), records(&[5])],
            hot: 4000,
            memory: (2, 100 << 10),
            read: cifar_file,
        },
        // A packed file justifies what DEFLATE can make of it.
        #[cfg(feature = "data")]
        Kind { name: "gzip", good: packed(idx_files()), hot: 60, memory: (9 * 1032, 200 << 10), read: idx_file },
        // Packed again after they were damaged, so that the damage is not found by the sum.
        #[cfg(feature = "data")]
        Kind {
            name: "packed",
            good: {
                let mut random = Random(1);
                let files = idx_files();
                packed((0..500).map(|i| mutated(&files[i % files.len()], 20, &mut random)).collect())
            },
            hot: 0,
            memory: (9 * 1032, 200 << 10),
            read: idx_file,
        },
    ];
    let mut random = Random(42);
    let cases = 10_000usize.div_ceil(kinds.len());
    for Kind { name, good, hot, memory, read } in kinds {
        let folder = Folder::new(name);
        let path = folder.0.join(name);
        let (mut fine, mut refused) = (0, 0);
        for case in 0..cases {
            let original = &good[case % good.len()];
            let bytes = if name == "packed" { original.clone() } else { mutated(original, hot, &mut random) };
            // Some file systems wait for the disk when a file is overwritten.
            let _ = fs::remove_file(&path);
            fs::write(&path, &bytes).unwrap();
            let before = USED.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let result = read(&path);
            let most = PEAK.load(Ordering::Relaxed) - before;
            let allowed = memory.0 * bytes.len() + memory.1;
            assert!(most <= allowed, "{name} {case}: {most} bytes of memory for a file of {}", bytes.len());
            match result {
                Ok(()) => fine += 1,
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains(name), "{name} {case}: {error}");
                    assert!(error.is_data(), "{name} {case}: {error:?}");
                }
            }
        }
        assert!(fine > 20 && refused > cases / 4, "{name}: {refused} refused, {fine} read");
    }
}
