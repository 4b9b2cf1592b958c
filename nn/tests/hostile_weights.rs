//! Files of weights from anywhere: whatever is in them, loading ends in success or an error.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Random;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use wengert_autograd::Device;
use wengert_kernels::Array;
use wengert_nn::prelude::*;

/// Remembers the largest allocation that was asked for.
struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// The file with some bytes changed, cut, doubled, or numbers of its header made larger.
fn mutated(good: &[u8], random: &mut Random) -> Vec<u8> {
    let header = 8 + usize::from(good[0]) + 256 * usize::from(good[1]);
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(4) {
        let inside = random.below(header.min(bytes.len()).max(1));
        match random.below(7) {
            0 => bytes.truncate(random.below(bytes.len() + 1)),
            1 => bytes[..8.min(good.len())]
                .copy_from_slice(&(random.below(usize::MAX) as u64 >> random.below(64)).to_le_bytes()),
            2 => drop(bytes.splice(
                inside..inside,
                std::iter::repeat_n(b"0123456789-{}[]\",:"[random.below(18)], random.below(20)),
            )),
            3 => {
                let end = inside + random.below(bytes.len() - inside + 1).min(20);
                drop(bytes.drain(inside..end));
            }
            4 => {
                let digits: Vec<usize> =
                    (8..header.min(bytes.len())).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if let Some(&at) = digits.get(random.below(digits.len().max(1))) {
                    bytes[at] = b'0' + random.below(10) as u8;
                }
            }
            5 => bytes[inside] = random.below(256) as u8,
            _ => bytes.extend(std::iter::repeat_n(0, random.below(100))),
        }
        if bytes.len() < 8 {
            break;
        }
    }
    bytes
}

/// Loads `cases` damaged variants of the file at `path`. Whatever is in them: an error names the file and changes nothing,
/// and no allocation is large.
fn survives<M>(
    path: &Path,
    cases: usize,
    subject: &mut M,
    load: impl Fn(&mut M) -> Result<(), Error>,
    values: impl Fn(&mut M) -> Vec<Array>,
    reset: impl Fn(&mut M),
) {
    let good = fs::read(path).unwrap();
    let mut random = Random(42);
    reset(subject);
    let own = values(subject);
    let (mut loaded, mut refused) = (0, 0);
    LARGEST.store(0, Ordering::Relaxed);
    for case in 0..cases {
        // Some file systems flush a file that is cut and written anew; a new one they do not.
        fs::remove_file(path).unwrap();
        fs::write(path, mutated(&good, &mut random)).unwrap();
        match load(subject) {
            Ok(()) => {
                loaded += 1;
                reset(subject);
            }
            Err(error) => {
                refused += 1;
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(error.to_string().contains(name), "case {case}: {error}");
                assert_eq!(values(subject), own, "case {case}: {error}");
            }
        }
    }
    assert!(refused > cases / 2 && loaded > 0, "{refused} refused, {loaded} loaded");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < 1 << 20, "{largest} bytes at once");
    fs::write(path, &good).unwrap();
    load(subject).unwrap();
}

fn model(seed: u64) -> Sequential {
    let model = Sequential::new().device(Device::cpu().threads(1)).seed(seed).add(Dense::new(4).activation("relu"));
    let mut model = model.add(Dropout::new(0.1)).add(Dense::new(3).activation("softmax"));
    model.compile("adam", "categorical_crossentropy", ["accuracy"]).unwrap();
    model
}

fn blobs() -> Dataset {
    wengert_nn::data::make_blobs(40, 2, 3, 1.0, 0).unwrap()
}

/// One after the other, for the largest allocation is that of the whole process.
#[test]
fn five_thousand_damaged_files_neither_panic_nor_take_memory_nor_change_a_value() {
    // semantics 6.7, semantics 9.16
    let folder: PathBuf = std::env::temp_dir().join(format!("wengert-hostile-weights-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let fit = || Fit::epochs(1).batch_size(16).verbose(0).callback(EarlyStopping::on("loss"));
    let weights = |model: &mut Sequential| model.get_weights().unwrap();
    let mut subject = model(1);
    subject.fit(&blobs(), fit()).unwrap();

    let path = folder.join("weights.safetensors");
    subject.save_weights(&path).unwrap();
    let mut other = model(2);
    other.fit(&blobs(), fit()).unwrap();
    let own = weights(&mut other);
    let reset = |model: &mut Sequential| model.set_weights(&own).unwrap();
    survives(&path, 2000, &mut subject, |model| model.load_weights(&path), weights, reset);

    let path = folder.join("model.checkpoint");
    let reset_to = folder.join("own.checkpoint");
    subject.save_checkpoint(&path).unwrap();
    other.save_checkpoint(&reset_to).unwrap();
    let reset = |model: &mut Sequential| model.load_checkpoint(&reset_to).unwrap();
    let all = |model: &mut Sequential| {
        let rate = Array::scalar(model.learning_rate().unwrap()).unwrap();
        weights(model).into_iter().chain([rate]).collect()
    };
    survives(&path, 2000, &mut subject, |model| model.load_checkpoint(&path), all, reset);

    let path = folder.join("fit.checkpoint");
    model(3).fit(&blobs(), fit().checkpoint(&path)).unwrap();
    let resume = |model: &mut Sequential| model.fit(&blobs(), fit().resume(&path)).map(|_| ());
    survives(&path, 1000, &mut subject, resume, all, reset);
    fs::remove_dir_all(&folder).unwrap();
}

/// A header of its own over elements that are there.
fn file(header: &str, elements: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(std::iter::repeat_n(0, elements));
    bytes
}

#[test]
fn headers_that_lie_are_refused_for_what_they_say() {
    // semantics 6.7
    let folder: PathBuf = std::env::temp_dir().join(format!("wengert-lying-headers-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lying");
    let head = |text: &str| format!("{{\"__metadata__\":{{\"wengert\":\"{}\"}}}}", text.replace('"', "\\\""));
    let tensor = |shape: &str, end: &str| {
        format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    let checkpoint = |x: &str, y: &str| head(&format!("{{\"format\":1,\"seed\":0,\"epochs\":0,\"x\":{x},\"y\":{y}}}"));
    let flat = "{\"dtype\":\"f32\",\"shape\":[2]}";
    let cases: [(Vec<u8>, &str); 20] = [
        (file(&tensor("[1]", "4"), 8), "speaks of 4 bytes of elements, there are 8"),
        (file(&tensor("[1]", "4"), 0), "speaks of 4 bytes of elements, there are 0"),
        (file(&tensor("[4611686018427387904,4]", "0"), 0), "not a safetensors file"),
        (file(&tensor("[4611686018427387904]", "0"), 0), "not a safetensors file"),
        (file(&tensor("[-1]", "4"), 4), "not a safetensors file"),
        (file(&tensor("[1]", "18446744073709551615"), 4), "not a safetensors file"),
        (file(&"[".repeat(100_000), 0), "nested deeper than 16 levels"),
        (file(&"{\"a\":".repeat(50_000), 0), "nested deeper than 16 levels"),
        (file(&head(&"[".repeat(100_000)), 0), "nested deeper than 16 levels"),
        (file(&head("{\"format\":1,\"format\":1}"), 0), "a second \"format\""),
        (file(&head("{\"format\":1.0}"), 0), "names no format"),
        (file(&head("{\"format\":1,\"seed\":18446744073709551616}"), 0), "no right `seed`"),
        (file(&tensor("[1]", "4"), 4), "no checkpoint"),
        (file(&head("{"), 0), "byte 1 of its JSON: the text ends too early"),
        (file(&head("{}"), 0), "names no format"),
        (file(&head("{\"format\":2}"), 0), "format 2; this version reads 1"),
        (file(&head("{\"format\":1,\"seed\":-1}"), 0), "no right `seed`"),
        (file(&checkpoint("{\"dtype\":\"f32\",\"shape\":[99999999999]}", "null"), 0), "no right `x`"),
        (file(&checkpoint("{\"dtype\":\"f99\",\"shape\":[2]}", "null"), 0), "no right `x`"),
        (file(&checkpoint(flat, "{\"dtype\":\"f32\",\"shape\":[3,3,3]}"), 0), "does not fit the model"),
    ];
    for (bytes, words) in cases {
        fs::write(&path, bytes).unwrap();
        let error = model(1).load_checkpoint(&path).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("lying"), "{words}: {error}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_weight_may_be_nan() {
    // semantics 9.15
    let folder: PathBuf = std::env::temp_dir().join(format!("wengert-nan-weights-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("nan");
    let mut first = Sequential::new().device(Device::cpu().threads(1)).input([2]).add(Dense::new(1).no_bias());
    first.set_weights(&[Array::new(&[2, 1], &[f32::NAN, f32::INFINITY]).unwrap()]).unwrap();
    let mut second = Sequential::new().device(Device::cpu().threads(1)).input([2]).add(Dense::new(1).no_bias());
    for checkpoint in [false, true] {
        if checkpoint {
            first.save_checkpoint(&path).unwrap();
            second.load_checkpoint(&path).unwrap();
        } else {
            first.save_weights(&path).unwrap();
            second.load_weights(&path).unwrap();
        }
        assert_eq!(first.get_weights().unwrap()[0].bytes(), second.get_weights().unwrap()[0].bytes());
        second.set_weights(&[Array::new(&[2, 1], &[0.0f32; 2]).unwrap()]).unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn weights_that_cannot_be_written_leave_nothing_behind() {
    // semantics 6.8
    let folder = std::env::temp_dir().join(format!("wengert-unwritten-weights-{}", std::process::id()));
    fs::create_dir_all(folder.join("taken/by/a/folder")).unwrap();
    let mut model = Sequential::new().device(Device::cpu().threads(1)).input([2]).add(Dense::new(2));
    for name in ["taken", "no/such/folder"] {
        let error = model.save_weights(folder.join(name)).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains(name), "{error}");
    }
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["taken"]);
    fs::remove_dir_all(&folder).unwrap();
}
