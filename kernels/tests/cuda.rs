//! CUDA devices against the reference. Needs one, or the emulated one: `cargo xtask emulate -- cargo test ...`.

#![cfg(feature = "cuda")]

use wengert_kernels::{Device, Error};

/// The first device. A machine without one says so and passes; in CI there is the emulated one.
fn device() -> Result<Device, Error> {
    let device = Device::cuda(0);
    assert!(device.is_ok() || std::env::var_os("CI").is_none(), "{device:?}, and in CI nothing is skipped");
    device
}

wengert_kernels::conformance!(cuda, device());
