//! Lane-instructions a second on two tiled products of matrices, with and without checks, with one and two workers.
//!
//! `cargo bench -p cuda-emulator --bench gemm [-- size]`. The PTX is what NVRTC 13.0 makes of `gemm.cu` with
//! `--gpu-architecture=compute_80 -lineinfo`.

#![allow(clippy::print_stdout, reason = "a bench shows what it measured")]

use cuda_emulator::Module;
use cuda_emulator::machine::{Launch, Settings, launch};
use cuda_emulator::memory::{Checks, Memory};
use std::error::Error;
use std::time::Instant;

const PTX: &str = include_str!("gemm.ptx");
/// The best of so many runs is shown.
const RUNS: usize = 3;

/// Kernel, threads of a block, side of its tile.
const KERNELS: [(&str, [u32; 3], u32); 2] = [("gemm_tile", [16, 16, 1], 16), ("gemm_registers", [256, 1, 1], 64)];

fn main() -> Result<(), Box<dyn Error>> {
    let size = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(256u32);
    let side = size as usize;
    let memory = Memory::new(1 << 30);
    let module = Module::load(&memory, PTX, 80)?;
    let (a, b): (Vec<f32>, Vec<f32>) =
        (0..side * side).map(|at| ((at % 7) as f32 - 3.0, (at % 5) as f32 - 2.0)).unzip();
    let bytes = (side * side * 4) as u64;
    let mut places = Vec::new();
    for values in [Some(&a), Some(&b), None] {
        let address = memory.allocate(bytes).map_err(|it| format!("{it:?}"))?;
        let values: Vec<u8> = values.into_iter().flatten().flat_map(|it| it.to_le_bytes()).collect();
        memory.write(address, &values).map_err(|it| it.note)?;
        places.push(address);
    }
    let mut parameters: Vec<u8> = places.iter().flat_map(|it| it.to_le_bytes()).collect();
    parameters.extend(size.to_le_bytes());
    for (name, block, tile) in KERNELS {
        let kernel = module.kernel(name).ok_or("the kernel is missing")?;
        let blocks = size / tile;
        let (grid, parameters) = ([blocks, blocks, 1], parameters.clone());
        let request = Launch { kernel, grid, block, dynamic_shared: 0, parameters, cooperative: false };
        for (what, checks) in [("on", Checks::default()), ("off", Checks { races: false, uninitialised: false })] {
            for workers in [1, 2] {
                let settings = Settings { workers, checks, ..Settings::default() };
                let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
                let mut lanes = 0;
                for _ in 0..RUNS {
                    let (begin, used) = (Instant::now(), processor_seconds());
                    let outcome = launch(&memory, &module.program, &module.symbols, &request, &settings)?;
                    best = best.min(begin.elapsed().as_secs_f64());
                    least = least.min(processor_seconds() - used);
                    lanes = outcome.counters.lane_instructions.iter().sum::<u64>();
                    if let Some(report) = outcome.reports.first() {
                        return Err(report.to_string().into());
                    }
                }
                let (rate, each) = (lanes as f64 / best / 1e6, lanes as f64 / least / 1e6);
                println!("{name} {size}^3, checks {what}, {workers} workers: {lanes} lane-instructions in {best:.3} s");
                println!("    {rate:.0} million/s, {each:.0} million a second of a core");
            }
        }
        let mut row = vec![0; side * 4];
        memory.read(*places.last().ok_or("no places")?, &mut row).map_err(|it| it.note)?;
        for (column, value) in row.chunks_exact(4).enumerate() {
            let wanted: f32 = (0..side).map(|k| a[k] * b[k * side + column]).sum();
            let value = f32::from_le_bytes(value.try_into()?);
            assert_eq!(value, wanted, "column {column} of the first row");
        }
    }
    Ok(())
}

/// Seconds of a core that this process has had, which on a busy machine say more than the clock. 0 if the system does not tell.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses: user and system time, in hundredths, are the 12th and the 13th.
    let fields = text.rsplit(") ").next().unwrap_or("").split(' ').skip(11).take(2);
    fields.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}
