//! One harness for all tests over the kernels: a device, a loaded module, launches, and comparisons.

use crate::plain::{self, Argument, Buffer, Numbers, Plain};
use cuda_emulator::machine::{Counters, DeviceLimits, Launch, Settings, launch};
use cuda_emulator::memory::{Memory, Trouble};
use cuda_emulator::{Error, Module, Report};
use cuda_emulator_nvrtc::Compiler;
use std::fmt;

/// A source with kernels that are right, and the program of the host that runs them and knows what must come out.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// The lowest compute capability that has its instructions.
    pub(crate) least: u32,
    pub(crate) run: fn(&mut Bench) -> Result<(), Failure>,
}

impl Case {
    /// The source's PTX for a compute capability.
    pub(crate) fn ptx(&self, compiler: &Compiler, architecture: u32) -> String {
        compile(compiler, self.name, self.source, architecture)
    }
}

pub(crate) fn compile(compiler: &Compiler, name: &str, source: &str, architecture: u32) -> String {
    let architecture = format!("--gpu-architecture=compute_{architecture}");
    let options = [&architecture, "-lineinfo", "-default-device"];
    compiler.compile(&format!("{name}.cu"), source, &options).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The launch was refused.
    Refused(Error),
    /// The host was refused.
    Host(Trouble),
    /// The emulator has something to say.
    Reported(Vec<Report>),
    /// The numbers are wrong.
    Wrong(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(why) => write!(out, "refused: {why}"),
            Failure::Host(trouble) => write!(out, "the host was refused: {trouble:?}"),
            Failure::Reported(reports) => reports.iter().try_for_each(|report| writeln!(out, "reported: {report}")),
            Failure::Wrong(what) => write!(out, "wrong: {what}"),
        }
    }
}

/// Which sizes are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// A few small ones: many seeds or many mutants.
    Few,
    /// All.
    All,
}

/// A device with a module on it.
pub(crate) struct Bench {
    memory: Memory,
    module: Module,
    settings: Settings,
    sizes: Sizes,
    /// A source of inputs.
    pub(crate) numbers: Numbers,
    /// What all launches cost together.
    pub(crate) counters: Counters,
}

/// The shape of a launch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) cooperative: bool,
}

impl Shape {
    pub(crate) fn new(grid: [u32; 3], block: [u32; 3]) -> Self {
        Shape { grid, block, ..Shape::default() }
    }

    /// A row of blocks, each a row of threads.
    pub(crate) fn rows(blocks: usize, threads: u32) -> Self {
        Shape::new([blocks as u32, 1, 1], [threads, 1, 1])
    }
}

impl Bench {
    /// A device of the compute capability `settings.device.architecture`.
    pub(crate) fn new(ptx: &str, settings: Settings, sizes: Sizes) -> Result<Self, Failure> {
        let memory = Memory::new(64 << 20);
        let module = Module::load(&memory, ptx, settings.device.architecture).map_err(Failure::Refused)?;
        Ok(Bench { memory, module, settings, sizes, numbers: Numbers::new(1), counters: Counters::default() })
    }

    /// A few sizes, and more where all are wanted.
    pub(crate) fn sizes<T: Copy>(&self, few: &[T], more: &[T]) -> Vec<T> {
        let more = if self.sizes == Sizes::All { more } else { &[] };
        few.iter().chain(more).copied().collect()
    }

    /// A buffer with values in it.
    pub(crate) fn buffer<T: Plain>(&self, values: &[T]) -> Result<Buffer, Failure> {
        let buffer = self.empty::<T>(values.len())?;
        self.memory.write(buffer.address, &plain::bytes(values)).map_err(Failure::Host)?;
        Ok(buffer)
    }

    /// A buffer that nobody has written.
    pub(crate) fn empty<T: Plain>(&self, count: usize) -> Result<Buffer, Failure> {
        let bytes = (count * T::BYTES) as u64;
        let address = self.memory.allocate(bytes).map_err(|why| Failure::Wrong(format!("{why:?}")))?;
        Ok(Buffer { address, bytes })
    }

    pub(crate) fn free(&self, buffer: Buffer) {
        self.memory.free(buffer.address).unwrap();
    }

    /// What is in a buffer, all of which must have been written.
    pub(crate) fn read<T: Plain>(&self, buffer: Buffer) -> Result<Vec<T>, Failure> {
        let mut bytes = vec![0; buffer.bytes as usize];
        match self.memory.read(buffer.address, &mut bytes).map_err(Failure::Host)? {
            0 => Ok(plain::values(&bytes)),
            unwritten => Err(Failure::Wrong(format!("{unwritten} of {} bytes were never written", bytes.len()))),
        }
    }

    /// Launches a kernel and waits for it. A report ends the run.
    pub(crate) fn launch(&mut self, name: &str, shape: Shape, arguments: &[&dyn Argument]) -> Result<(), Failure> {
        let kernel = self.module.kernel(name).ok_or_else(|| Failure::Wrong(format!("no kernel is named {name}")))?;
        let request = Launch {
            kernel,
            grid: shape.grid,
            block: shape.block,
            dynamic_shared: shape.shared,
            parameters: plain::parameters(arguments),
            cooperative: shape.cooperative,
        };
        let outcome = launch(&self.memory, &self.module.program, &self.module.symbols, &request, &self.settings)
            .map_err(Failure::Refused)?;
        add(&mut self.counters, &outcome.counters);
        if outcome.reports.is_empty() { Ok(()) } else { Err(Failure::Reported(outcome.reports)) }
    }
}

fn add(sum: &mut Counters, other: &Counters) {
    sum.warp_instructions += other.warp_instructions;
    sum.lane_instructions.iter_mut().zip(other.lane_instructions).for_each(|(sum, other)| *sum += other);
    sum.flops += other.flops;
    sum.global_bytes += other.global_bytes;
    sum.global_sectors += other.global_sectors;
    sum.shared_passes += other.shared_passes;
    sum.shared_passes_ideal += other.shared_passes_ideal;
    sum.divergent_branches += other.divergent_branches;
}

/// Settings for a device of a compute capability.
pub(crate) fn settings(architecture: u32, seed: u64, workers: usize) -> Settings {
    Settings { seed, workers, device: DeviceLimits::of(architecture), ..Settings::default() }
}

/// Values must be the same to the bit.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, got: &[T], wanted: &[T]) -> Result<(), Failure> {
    let differs = got.iter().zip(wanted).position(|(got, wanted)| got != wanted);
    match differs {
        None if got.len() == wanted.len() => Ok(()),
        None => Err(Failure::Wrong(format!("{what}: {} values, not {}", got.len(), wanted.len()))),
        Some(at) => Err(Failure::Wrong(format!("{what}[{at}] is {:?}, not {:?}", got[at], wanted[at]))),
    }
}

/// A value, and how far from it a result may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Near {
    pub(crate) value: f64,
    pub(crate) bound: f64,
}

/// Half the distance of 1 to the next f32, and to the next f64.
pub(crate) const F32: f64 = 1.0 / (1_u32 << 24) as f64;
pub(crate) const F64: f64 = 1.0 / (1_u64 << 53) as f64;

impl Near {
    /// A sum of products computed with `unit` in any order, each product and each sum rounded: the error is at most
    /// (n + 1) units of the sum of the absolute products, to first order; 1 % covers the higher orders.
    pub(crate) fn sum(unit: f64, terms: impl Iterator<Item = f64>) -> Self {
        let (mut value, mut size, mut count) = (0.0, 0.0, 1.0);
        for term in terms {
            (value, size, count) = (value + term, size + term.abs(), count + 1.0);
        }
        Near { value, bound: 1.01 * unit * count * size }
    }
}

/// Each value must be within its bound.
pub(crate) fn near(what: &str, got: &[impl Into<f64> + Copy], wanted: &[Near]) -> Result<(), Failure> {
    if got.len() != wanted.len() {
        return Err(Failure::Wrong(format!("{what}: {} values, not {}", got.len(), wanted.len())));
    }
    for (at, (got, Near { value, bound })) in got.iter().zip(wanted).enumerate() {
        let got: f64 = (*got).into();
        // A NaN is near nothing.
        let is_near = (got - value).abs() <= *bound;
        if !is_near {
            return Err(Failure::Wrong(format!("{what}[{at}] is {got:e}, not {value:e} +- {bound:e}")));
        }
    }
    Ok(())
}
