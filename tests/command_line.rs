//! The command line `wengert`.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Exit code, standard output, standard error.
fn wengert(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wengert")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_doctor_says_what_there_is_and_what_is_missing() {
    // semantics 6.9
    let (code, text, _) = wengert(&["doctor"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("CPU kernels:") && text.contains("computes cpu") && text.contains("best "), "{text}");
    #[cfg(not(feature = "cuda"))]
    assert!(text.contains("without the feature `cuda`"), "{text}");
    #[cfg(feature = "cuda")]
    {
        assert!(["driver ", "nvrtc ", "cache "].iter().all(|word| text.contains(word)), "{text}");
        match wengert::cuda::devices().first() {
            Some(device) => assert!(text.contains(&device.name) && text.contains("computes cuda:0"), "{text}"),
            None => assert!(text.contains("install the NVIDIA driver") || text.contains("sees no device"), "{text}"),
        }
    }
}

#[test]
fn what_it_does_not_know_it_refuses() {
    let (code, _, why) = wengert(&["docter"]);
    assert!(code == Some(2) && why.contains("doctor"), "{why}");
}
