//! Runs the instruction conformance programs on the first CUDA device that the machine's driver has, and says which agree.
//!
//!     cargo build --release --package cuda-emulator-driver --example conformance
//!     target/release/examples/conformance
//!
//! `cargo run` would put the emulator, which is built beside this, in front of the machine's driver. On a GPU it is the emulator's
//! arithmetic that is on trial, on the emulated device (`cargo xtask emulate -- target/...`) this program.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use cuda_emulator::conformance::{BLOCKS, Case, THREADS, module, suite};
use cudarc::driver::{CudaContext, CudaStream, DriverError, LaunchConfig, PushKernelArg, sys};
use cudarc::nvrtc::Ptx;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // cudarc panics where there is no driver.
    // SAFETY: loads the driver's library, which programs with a GPU load anyway.
    if !unsafe { sys::is_culib_present() } {
        eprintln!("error: there is no CUDA driver");
        return ExitCode::FAILURE;
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all programs agree that the device can run.
fn run() -> Result<bool, DriverError> {
    let context = CudaContext::new(0)?;
    let (major, minor) = context.compute_capability()?;
    println!("{}, compute capability {major}.{minor}", context.name()?);
    let stream = context.new_stream()?;
    let (mut agree, mut differ, mut beyond) = (0, 0, 0);
    for case in suite() {
        if case.architecture > (10 * major + minor) as u32 {
            beyond += 1;
            continue;
        }
        let result = outputs(&context, &stream, &case).map_err(|why| format!("{}: {why}", case.name));
        match result.and_then(|outputs| case.check(&outputs).map_err(|why| why.to_string())) {
            Ok(()) => agree += 1,
            Err(why) => {
                differ += 1;
                println!("DIFFERS {why}");
                // After a fault, nothing works in this context any more.
                stream.synchronize()?;
            }
        }
    }
    println!("test result: {agree} programs agree, {differ} differ, {beyond} need a newer device");
    Ok(differ == 0)
}

/// What the threads of a case write. Each case is a module of its own: one that a driver refuses spoils no other.
fn outputs(context: &Arc<CudaContext>, stream: &Arc<CudaStream>, case: &Case) -> Result<Vec<[u64; 2]>, DriverError> {
    let (text, names) = module(&[case]);
    let function = context.load_module(Ptx::from_src(text))?.load_function(&names[0])?;
    let read = stream.clone_htod(case.inputs().as_flattened())?;
    let mut written = stream.alloc_zeros::<u64>(2 * BLOCKS * THREADS)?;
    let shape =
        LaunchConfig { grid_dim: (BLOCKS as u32, 1, 1), block_dim: (THREADS as u32, 1, 1), shared_mem_bytes: 0 };
    let mut launch = stream.launch_builder(&function);
    launch.arg(&mut written).arg(&read);
    // SAFETY: every thread reads its four and writes its two numbers, for which both buffers have room.
    unsafe { launch.launch(shape) }?;
    let words = stream.clone_dtoh(&written)?;
    Ok(words.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}
