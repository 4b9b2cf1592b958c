//! What a device refuses to launch.

use super::plan::Extent;
use super::{DeviceLimits, Launch, Settings};
use crate::lower::{FunctionId, Program};
use crate::{Error, ErrorKind};

/// The most threads of a block.
const THREADS: u64 = 1024;
/// The most threads along each axis of a block.
const BLOCK: [u32; 3] = [1024, 1024, 64];
/// The most blocks along each axis of a grid.
const GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
/// The most blocks on a multiprocessor.
const BLOCKS_EACH: u64 = 32;

/// Blocks of so many threads that the device can hold at once, as far as threads go.
pub(super) fn resident(device: &DeviceLimits, threads: u32) -> u64 {
    let (each, most) = if device.architecture < 80 { (1024, 16) } else { (2048, BLOCKS_EACH) };
    let warps = u64::from(threads.div_ceil(32)).max(1);
    u64::from(device.multiprocessors) * (each / 32 / warps).min(most)
}

/// Whether a device takes this launch, and how large it is.
pub(super) fn check(program: &Program, launch: &Launch, settings: &Settings) -> Result<Extent, Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, 0, message));
    let FunctionId(place) = launch.kernel;
    let found = program.functions.get(place as usize);
    let Some((function, kernel)) = found.and_then(|it| Some((it, it.kernel.as_ref()?))) else {
        return refuse("what is launched is no kernel".into());
    };
    let name = &function.name;
    for (what, given, limit) in [("block", launch.block, BLOCK), ("grid", launch.grid, GRID)] {
        if given.iter().zip(limit).any(|(given, limit)| *given == 0 || *given > limit) {
            return refuse(format!("{name}: a {what} of {given:?}; each size is at least 1 and at most {limit:?}"));
        }
    }
    let product = |all: [u32; 3]| all.iter().fold(1u64, |product, it| product.saturating_mul(u64::from(*it)));
    let (threads, blocks) = (product(launch.block), product(launch.grid));
    if threads > THREADS {
        return refuse(format!("{name}: {threads} threads a block; a device takes {THREADS}"));
    }
    if let Some(most) = kernel.max_threads.filter(|most| threads > u64::from(*most)) {
        return refuse(format!("{name}: {threads} threads a block; it was compiled for at most {most}"));
    }
    if let Some(required) = kernel.required_threads.filter(|it| *it != launch.block) {
        return refuse(format!("{name}: a block of {:?}; it was compiled for {required:?}", launch.block));
    }
    if kernel.cluster {
        let message = format!("{name}: clusters of blocks do not run on the emulator yet");
        return Err(Error::new(ErrorKind::Unsupported, 0, message));
    }
    if launch.parameters.len() as u64 != u64::from(kernel.parameter_bytes) {
        let (given, takes) = (launch.parameters.len(), kernel.parameter_bytes);
        return refuse(format!("{name}: {given} bytes of parameters; it takes {takes}"));
    }
    // What a kernel declares itself must fit without asking for more.
    let plain = u64::from(settings.device.shared_per_block);
    if u64::from(kernel.static_shared) > plain {
        return refuse(format!("{name}: {} bytes of static shared memory; at most {plain}", kernel.static_shared));
    }
    let limit = u64::from(settings.device.shared_per_block_optin);
    let align = u64::from(kernel.dynamic_align.max(1));
    let begin = u64::from(kernel.static_shared).next_multiple_of(align);
    let shared = if launch.dynamic_shared == 0 {
        u64::from(kernel.static_shared)
    } else {
        begin + u64::from(launch.dynamic_shared)
    };
    if shared > limit {
        return refuse(format!("{name}: {shared} bytes of shared memory; a block has at most {limit}"));
    }
    if launch.cooperative && blocks > resident(&settings.device, threads as u32) {
        let most = resident(&settings.device, threads as u32);
        return refuse(format!("{name}: {blocks} blocks launched together; the device holds {most} at once"));
    }
    Ok(Extent { threads: threads as u32, blocks, dynamic_begin: begin as u32, shared_bytes: shared as u32 })
}
