//! The CUDA driver's C interface over [`cuda_emulator`]: a `libcuda.so.1` for machines without a GPU.
//!
//! A call enters through `export`, where its rule is looked at; its table and body stand in the room of its topic. Work goes
//! into streams (`stream`) as tasks (`work`) or, while a stream is captured, into graphs (`capture`, `graph`, `exec`). Tasks run when
//! somebody waits for them. The README says what there is, what it is set by, and what it cannot do.

mod absent;
mod capture;
mod code;
mod context;
mod copy;
mod counters;
mod device;
mod driver;
mod entry;
mod event;
mod exec;
mod export;
mod ffi;
mod graph;
mod launch;
mod memory;
mod module;
mod node;
mod pool;
mod settings;
mod stream;
mod table;
mod work;
