//! The emulated driver as programs see it: through cudarc, which knows nothing of it, each test in a process of its own.

mod capture;
mod common;
mod errors;
mod faults;
mod graphs;
mod memory;
mod program;
mod settings;
mod streams;
