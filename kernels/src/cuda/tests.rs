//! What can be proven of kernels where there is no device: that NVRTC takes them, for every architecture.

use super::launch::Source;
use super::nvrtc::{Nvrtc, Output, candidates};
use super::prepare;
use crate::conformance::FAMILIES;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The compiler, unless this machine has none; in CI it has to.
fn compiler() -> Option<Nvrtc> {
    let found = candidates().iter().find_map(|path| Nvrtc::open(path).ok());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "no NVRTC, and in CI nothing is skipped");
    if found.is_none() {
        eprintln!("skipped: no NVRTC; `cargo xtask nvrtc` fetches it");
    }
    found
}

/// The texts of all conformance cases of a family.
fn texts(family: &str) -> Vec<Arc<Source>> {
    let mut seen = HashSet::new();
    let mut texts = Vec::new();
    for (_, cases) in FAMILIES.iter().filter(|(name, _)| *name == family) {
        for case in cases().unwrap() {
            for step in &case.program().steps {
                let sources = prepare(step).unwrap().launches.into_iter().map(|launch| launch.source);
                texts.extend(sources.filter(|source| seen.insert(source.clone())));
            }
        }
    }
    texts
}

fn compiles_for_every_architecture(family: &str) {
    let Some(nvrtc) = compiler() else { return };
    let texts = texts(family);
    assert!(!texts.is_empty());
    // Every text for the oldest and the newest; 8.0 is what the emulated device compiles for. Between them a quarter each: what
    // differs from one to the next is the compiler's business, and all of them would take minutes.
    for (architecture, first, step) in [("75", 0, 1), ("120", 0, 1), ("86", 0, 4), ("90a", 1, 4), ("100", 2, 4)] {
        let texts: Vec<&Arc<Source>> = texts.iter().skip(first).step_by(step).collect();
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
