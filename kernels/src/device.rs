//! Devices: where programs run.

#[cfg(feature = "cuda")]
use crate::cuda;
use crate::{Array, Error, Resident, cpu, reference};
use std::{fmt, str::FromStr};

/// Where programs run. A device is a description; [`Device::executor`] brings its threads and memory to life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cpu(cpu::Cpu),
    #[cfg(feature = "cuda")]
    Cuda(cuda::Ordinal),
    Reference,
}

pub use cpu::Isa;

impl Device {
    /// The CPU with every core and the best instruction set found.
    #[must_use]
    pub fn cpu() -> Device {
        Device(Kind::Cpu(cpu::Cpu::detect()))
    }

    /// Naive `f64` arithmetic, one element at a time: what every other device is held against.
    #[must_use]
    pub fn reference() -> Device {
        Device(Kind::Reference)
    }

    /// A CUDA device by its number, from 0.
    ///
    /// # Errors
    /// When this build has no CUDA (feature `cuda`), or the machine has no driver or no such device.
    pub fn cuda(ordinal: usize) -> Result<Device, Error> {
        #[cfg(feature = "cuda")]
        return cuda::find(ordinal).map(|ordinal| Device(Kind::Cuda(ordinal)));
        #[cfg(not(feature = "cuda"))]
        Err(Error::device(format!(
            "`cuda:{ordinal}` cannot be used: this program was built without the feature `cuda` of wengert \
             (cargo run --features cuda ...)"
        )))
    }

    /// Every device of this machine: the CUDA devices, then the CPU.
    #[must_use]
    pub fn list() -> Vec<Device> {
        #[cfg(feature = "cuda")]
        let devices = cuda::devices().iter().map(|found| Device(Kind::Cuda(cuda::Ordinal(found.ordinal))));
        #[cfg(not(feature = "cuda"))]
        let devices = std::iter::empty();
        devices.chain([Device::cpu()]).collect()
    }

    /// The fastest device of this machine: the first CUDA device that has all it needs, else the CPU.
    #[must_use]
    pub fn best() -> Device {
        #[cfg(feature = "cuda")]
        if let Some(ordinal) = cuda::best() {
            return Device(Kind::Cuda(ordinal));
        }
        Device::cpu()
    }

    /// The same device with this many threads (at least one).
    #[must_use]
    pub fn threads(self, threads: usize) -> Device {
        match self.0 {
            Kind::Cpu(cpu) => Device(Kind::Cpu(cpu::Cpu { threads: threads.max(1), ..cpu })),
            other => Device(other),
        }
    }

    /// The same device, its kernels forced to `isa`; for tests and comparisons.
    ///
    /// # Errors
    /// When this machine lacks the instruction set.
    pub fn isa(self, isa: Isa) -> Result<Device, Error> {
        match self.0 {
            _ if !isa.is_available() => Err(Error::invalid(format!("this machine has no {isa}"))),
            Kind::Cpu(cpu) => Ok(Device(Kind::Cpu(cpu::Cpu { isa, ..cpu }))),
            other => Ok(Device(other)),
        }
    }

    /// The threads and scratch memory that run loaded programs.
    ///
    /// # Errors
    /// When a thread cannot be started, or more than 1024 are asked for: every thread takes part in every kernel. On CUDA, when
    /// the device cannot be opened or NVRTC is missing.
    pub fn executor(&self) -> Result<Executor, Error> {
        Ok(Executor(match &self.0 {
            Kind::Cpu(cpu) if cpu.threads > 1024 => {
                return Err(Error::invalid(format!("{} threads are asked for, 1024 are the most", cpu.threads)));
            }
            Kind::Cpu(cpu) => Running::Cpu(cpu::Executor::new(*cpu)?),
            #[cfg(feature = "cuda")]
            Kind::Cuda(ordinal) => Running::Cuda(cuda::Executor::new(*ordinal)?),
            Kind::Reference => Running::Reference(reference::Executor::default()),
        }))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cpu(cpu) => {
                write!(f, "cpu ({}, {} thread{})", cpu.isa, cpu.threads, if cpu.threads == 1 { "" } else { "s" })
            }
            #[cfg(feature = "cuda")]
            Kind::Cuda(ordinal) => write!(f, "cuda:{}", ordinal.0),
            Kind::Reference => f.write_str("reference"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `cuda` (the first), `cuda:1` or `reference`.
    fn from_str(name: &str) -> Result<Device, Error> {
        let ordinal = name.strip_prefix("cuda").and_then(|rest| match rest.strip_prefix(':') {
            Some(number) => number.parse().ok(),
            None => rest.is_empty().then_some(0),
        });
        if let Some(ordinal) = ordinal {
            return Device::cuda(ordinal).map_err(|why| Error::device(format!("{why}; `cpu` is always there")));
        }
        match name {
            "auto" => Ok(Device::best()),
            "cpu" => Ok(Device::cpu()),
            "reference" => Ok(Device::reference()),
            _ => Err(Error::invalid(format!("there is no device `{name}`; known are auto, cpu, cuda:0, reference"))),
        }
    }
}

/// A device at work: its threads, its scratch memory.
#[derive(Debug)]
pub struct Executor(Running);

#[derive(Debug)]
enum Running {
    Cpu(cpu::Executor),
    #[cfg(feature = "cuda")]
    Cuda(cuda::Executor),
    Reference(reference::Executor),
}

/// A program made ready for one device.
#[derive(Debug)]
pub struct Loaded(Ready);

#[derive(Debug)]
enum Ready {
    Cpu(cpu::Loaded),
    #[cfg(feature = "cuda")]
    Cuda(cuda::Loaded),
    Reference(reference::Loaded),
}

/// The memory that a caller brings for one [`Extern`](crate::Extern) of a program.
#[derive(Debug)]
pub enum Memory<'a> {
    /// Read by every step of the call.
    Read(&'a [u8]),
    /// Read and written.
    Write(&'a mut [u8]),
    /// As many consecutive arrays as the call makes steps: step `i` reads the `i`-th.
    PerStep(&'a [u8]),
    /// On the device already; read.
    Keep(&'a Resident),
    /// On the device already; read and written.
    Update(&'a mut Resident),
}

impl Executor {
    /// Makes a program ready to run here.
    ///
    /// # Errors
    /// When the program is not sound ([`Program::verify`](crate::Program::verify)), or the arena cannot be allocated.
    pub fn load(&mut self, program: &crate::Program) -> Result<Loaded, Error> {
        program.verify()?;
        Ok(Loaded(match &mut self.0 {
            Running::Cpu(executor) => Ready::Cpu(executor.load(program)?),
            #[cfg(feature = "cuda")]
            Running::Cuda(executor) => Ready::Cuda(executor.load(program)?),
            Running::Reference(executor) => Ready::Reference(executor.load(program)?),
        }))
    }

    /// Brings an array to the memory of the device.
    ///
    /// # Errors
    /// When that memory is not to be had.
    pub fn upload(&mut self, array: Array) -> Result<Resident, Error> {
        match &mut self.0 {
            #[cfg(feature = "cuda")]
            Running::Cuda(executor) => executor.upload(&array).map(Resident::cuda),
            Running::Cpu(_) | Running::Reference(_) => Ok(Resident::host(array)),
        }
    }

    /// The array that lies in the memory of the device.
    ///
    /// # Errors
    /// When it was uploaded to another device, or the host has no memory for it.
    pub fn download(&mut self, resident: &Resident) -> Result<Array, Error> {
        let elsewhere = || Error::invalid("the array lies in the memory of another device");
        match &mut self.0 {
            #[cfg(feature = "cuda")]
            Running::Cuda(executor) => executor.download(resident.as_cuda().ok_or_else(elsewhere)?),
            Running::Cpu(_) | Running::Reference(_) => resident.as_host().cloned().ok_or_else(elsewhere),
        }
    }

    /// Waits until the device has done everything that it was asked for. A run on CUDA that brings nothing back to the host returns
    /// while the device computes; on the CPU nothing is ever under way.
    ///
    /// # Errors
    /// When the device is lost, or a kernel failed since somebody last waited.
    pub fn synchronize(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            #[cfg(feature = "cuda")]
            Running::Cuda(executor) => executor.synchronize(),
            Running::Cpu(_) | Running::Reference(_) => Ok(()),
        }
    }

    /// Runs a loaded program `steps` times. `memory` yields one item for each extern, in order.
    ///
    /// # Errors
    /// When the memory does not fit the program's externs, the program was loaded by another device, or a kernel fails
    /// (an index out of range). What the program writes is then unspecified.
    pub fn run<'a>(
        &mut self,
        loaded: &mut Loaded,
        steps: usize,
        memory: impl Iterator<Item = Memory<'a>>,
    ) -> Result<(), Error> {
        let on_host = Memory::on_host;
        match (&mut self.0, &mut loaded.0) {
            (Running::Cpu(executor), Ready::Cpu(loaded)) => executor.run(loaded, steps, memory.map(on_host)),
            #[cfg(feature = "cuda")]
            (Running::Cuda(executor), Ready::Cuda(loaded)) => executor.run(loaded, steps, memory),
            (Running::Reference(executor), Ready::Reference(loaded)) => {
                executor.run(loaded, steps, memory.map(on_host))
            }
            _ => Err(Error::invalid("the program was loaded by another device")),
        }
    }
}
