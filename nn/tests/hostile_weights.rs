//! Files of weights from anywhere: whatever is in them, loading ends in success or an error.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, path::PathBuf};
use wengert_autograd::Device;
use wengert_nn::{layers::Dense, models::Sequential};

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

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

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

#[test]
fn two_thousand_damaged_files_neither_panic_nor_take_memory_nor_change_a_weight() {
    // semantics 6.7
    let folder: PathBuf = std::env::temp_dir().join(format!("wengert-hostile-weights-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("weights.safetensors");
    let model = |seed| {
        let model = Sequential::new().device(Device::cpu().threads(1)).seed(seed).input([5]);
        model.add(Dense::new(4).activation("relu")).add(Dense::new(3))
    };
    let mut subject = model(1);
    subject.save_weights(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let mut random = Random(42);
    let own = model(2).get_weights().unwrap();
    let (mut loaded, mut refused) = (0, 0);
    LARGEST.store(0, Ordering::Relaxed);
    for case in 0..2000 {
        let bytes = mutated(&good, &mut random);
        fs::write(&path, &bytes).unwrap();
        subject.set_weights(&own).unwrap();
        match subject.load_weights(&path) {
            Ok(()) => loaded += 1,
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("weights.safetensors"), "case {case}: {error}");
                assert_eq!(subject.get_weights().unwrap(), own, "case {case}: {error}");
            }
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    assert!(refused > 1000 && loaded > 0, "{refused} refused, {loaded} loaded");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < 1 << 20, "{largest} bytes at once");
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
