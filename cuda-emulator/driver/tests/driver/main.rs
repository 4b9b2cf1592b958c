//! The emulated driver as programs see it: through cudarc, which knows nothing of it, each test in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod capture;
mod common;
mod errors;
mod faults;
mod graphs;
mod launches;
mod memory;
mod program;
mod settings;
mod streams;
