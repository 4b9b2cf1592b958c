//! What can be proven of kernels where there is no device: that NVRTC takes them, for every architecture.

use super::launch::Source;
use super::nvrtc::{Nvrtc, Output, candidates};
use super::{Description, prepare};
use crate::conformance::FAMILIES;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A device that is only described.
fn described(major: u32, minor: u32) -> Description {
    Description {
        ordinal: 0,
        name: String::new(),
        compute_capability: (major, minor),
        memory: 16 << 30,
        multiprocessors: 108,
        shared_per_block: 64 << 10,
    }
}

/// The compiler, unless this machine has none; in CI it has to.
fn compiler() -> Option<Nvrtc> {
    let found = candidates().iter().find_map(|path| Nvrtc::open(path).ok());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "no NVRTC, and in CI nothing is skipped");
    if found.is_none() {
        eprintln!("skipped: no NVRTC; `cargo xtask nvrtc` fetches it");
    }
    found
}

/// The texts of all conformance cases of a family. The device need not have every kernel.
fn texts(family: &str, device: &Description) -> Vec<Arc<Source>> {
    let mut seen = HashSet::new();
    let mut texts = Vec::new();
    for (_, cases) in FAMILIES.iter().filter(|(name, _)| *name == family) {
        for case in cases().unwrap() {
            for step in &case.program().steps {
                let Ok(prepared) = prepare(step, device) else { continue };
                let sources = prepared.launches.into_iter().map(|launch| launch.source);
                texts.extend(sources.filter(|source| seen.insert(source.clone())));
            }
        }
    }
    texts
}

fn compiles_for_every_architecture(family: &str) {
    let Some(nvrtc) = compiler() else { return };
    for (architecture, major, minor) in
        [("75", 7, 5), ("80", 8, 0), ("86", 8, 6), ("90a", 9, 0), ("100", 10, 0), ("120", 12, 0)]
    {
        let texts = texts(family, &described(major, minor));
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(source) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let compiled = nvrtc.compile(&source.name, &source.text, architecture, Output::Ptx);
                let image = compiled.unwrap_or_else(|why| panic!("{why}\n{}", source.text));
                assert_eq!(image.last(), Some(&0), "{}", source.name);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
        println!("{family} for {architecture}: {} texts", texts.len());
    }
}

/// A test for each family.
macro_rules! families {
    ($($family:ident)*) => {
        mod compiles {
            $(#[test] fn $family() { super::compiles_for_every_architecture(stringify!($family)); })*
        }

        #[test]
        fn all_families_are_tried() {
            let tried = [$(stringify!($family)),*];
            assert!(FAMILIES.iter().all(|(name, _)| tried.contains(name)), "{tried:?}");
        }
    };
}
families! { map reduce gemm conv pool softmax gather random }
