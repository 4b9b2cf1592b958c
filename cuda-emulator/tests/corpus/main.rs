//! The emulator's own kernels, compiled by NVIDIA's compiler in the test run: right ones in `tests/kernels`, of which nothing may
//! be reported; wrong ones in `tests/bugs`, each of which must be; and mutants of the right ones.
//!
//! `cargo xtask nvrtc` fetches the compiler. Without it these tests are skipped, but not in continuous integration.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod bench;
mod bugs;
mod cases;
mod counters;
mod kernels;
mod mutants;
mod mutation;
mod plain;
