//! NVIDIA GPUs as devices.
//!
//! Nothing of CUDA is needed to build. At run time [`driver`] probes the driver, [`nvrtc`] looks for the compiler, and a machine
//! without them behaves as if nobody had asked. Each family's `cuda.rs` turns a [`Step`] into [`Launch`]es once, when a
//! program is loaded: source text, grid, arguments. [`compile`] makes functions of the texts, which [`cache`] keeps on disk;
//! [`executor`] lays out memory and records a whole step as one CUDA graph, which later runs replay.

mod cache;
mod compile;
mod driver;
mod executor;
mod finish;
mod launch;
mod nvrtc;
mod report;
pub(crate) mod source;
mod space;
#[cfg(test)]
mod tests;
pub(crate) mod tiles;

pub use driver::Description;
pub(crate) use executor::{Executor, Loaded, Value};
pub(crate) use finish::Finish;
pub(crate) use launch::{Argument, Failure, Launch, PARAMETERS, Prepared, Source, grid_of};
pub use report::report;
pub(crate) use space::Space;
pub(crate) use tiles::{Partials, Product, Way};

use crate::{Error, Kernel, Step, conv, custom, gather, gemm, map, pool, random, reduce, softmax};

/// Pixels, windows and what they reach over are counted in 32 bits by kernels on images, and stay below.
pub(crate) const REACH: u128 = 1 << 30;

/// The refusal of what goes beyond [`REACH`].
pub(crate) fn too_far(name: &str, shape: &[usize]) -> Error {
    Error::device(format!("cuda: {name} counts pixels and windows up to 2^30, and {shape:?} goes beyond that"))
}

/// The number of a device, as the driver counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ordinal(pub(crate) usize);

/// The devices that the driver sees; none where there is no driver.
#[must_use]
pub fn devices() -> &'static [Description] {
    driver::driver().map_or(&[], |driver| &driver.devices)
}

/// The first device for which there is a compiler.
pub(crate) fn best() -> Option<Ordinal> {
    devices().iter().find(|device| compile::nvrtc_for(device).is_ok()).map(|device| Ordinal(device.ordinal))
}

/// A device by its number.
pub(crate) fn find(ordinal: usize) -> Result<Ordinal, Error> {
    let driver = driver::driver().map_err(|why| Error::device(format!("`cuda:{ordinal}` cannot be used: {why}")))?;
    match driver.devices.get(ordinal) {
        Some(_) => Ok(Ordinal(ordinal)),
        None => {
            Err(Error::device(format!("there is no device `cuda:{ordinal}`; the driver sees {}", driver.devices.len())))
        }
    }
}

/// The one place where a kernel family is chosen on CUDA.
fn prepare(step: &Step) -> Result<Prepared, Error> {
    let prepared = match &step.kernel {
        Kernel::Custom(custom) => custom::cuda::prepare(custom, step),
        Kernel::Map(map) => map::cuda::prepare(map, step),
        Kernel::Softmax(softmax) => softmax::cuda::prepare(softmax, step),
        Kernel::Reduce(reduce) => reduce::cuda::prepare(reduce, step),
        Kernel::Gather(gather) => gather::cuda::prepare_gather(gather, step),
        Kernel::ScatterAdd(scatter) => gather::cuda::prepare_scatter_add(scatter, step),
        Kernel::Random(random) => random::cuda::prepare(random, step),
        Kernel::Gemm(gemm) => gemm::cuda::prepare(gemm, step),
        Kernel::Conv(conv) => conv::cuda::prepare(conv, step),
        Kernel::Pool(pool) => pool::cuda::prepare(pool, step),
    }?;
    match prepared.launches.iter().map(Launch::parameters).max() {
        Some(bytes) if bytes > PARAMETERS => Err(Error::device(format!(
            "cuda: {} has so many operands that its parameters take {bytes} bytes, and a kernel may have {PARAMETERS}",
            step.kernel.name()
        ))),
        _ => Ok(prepared),
    }
}
