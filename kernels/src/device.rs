//! Devices: where programs run.

use crate::{Array, Error, Resident, cpu, reference};
use std::{fmt, str::FromStr};

/// Where programs run. A device is a description; [`Device::executor`] brings its threads and memory to life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cpu(cpu::Cpu),
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

    /// The fastest device of this machine.
    #[must_use]
    pub fn best() -> Device {
        Device::cpu()
    }

    /// The same device with this many threads (at least one).
    #[must_use]
    pub fn threads(self, threads: usize) -> Device {
        match self.0 {
            Kind::Cpu(cpu) => Device(Kind::Cpu(cpu::Cpu { threads: threads.max(1), ..cpu })),
            Kind::Reference => self,
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
            Kind::Reference => Ok(self),
        }
    }

    /// The threads and scratch memory that run loaded programs.
    ///
    /// # Errors
    /// When a thread cannot be started, or more than 1024 are asked for: every thread takes part in every kernel.
    pub fn executor(&self) -> Result<Executor, Error> {
        Ok(Executor(match &self.0 {
            Kind::Cpu(cpu) if cpu.threads > 1024 => {
                return Err(Error::invalid(format!("{} threads are asked for, 1024 are the most", cpu.threads)));
            }
            Kind::Cpu(cpu) => Running::Cpu(cpu::Executor::new(*cpu)?),
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
            Kind::Reference => f.write_str("reference"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu` or `reference`.
    fn from_str(name: &str) -> Result<Device, Error> {
        match name {
            "auto" => Ok(Device::best()),
            "cpu" => Ok(Device::cpu()),
            "reference" => Ok(Device::reference()),
            _ => Err(Error::invalid(format!("there is no device `{name}`; known are auto, cpu, reference"))),
        }
    }
}

/// A device at work: its threads, its scratch memory.
#[derive(Debug)]
pub struct Executor(Running);

#[derive(Debug)]
enum Running {
    Cpu(cpu::Executor),
    Reference(reference::Executor),
}

/// A program made ready for one device.
#[derive(Debug)]
pub struct Loaded(Ready);

#[derive(Debug)]
enum Ready {
    Cpu(cpu::Loaded),
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
            Running::Reference(executor) => Ready::Reference(executor.load(program)?),
        }))
    }

    /// Brings an array to the memory of the device.
    ///
    /// # Errors
    /// When that memory is not to be had.
    pub fn upload(&mut self, array: Array) -> Result<Resident, Error> {
        match &self.0 {
            Running::Cpu(_) | Running::Reference(_) => Ok(Resident::host(array)),
        }
    }

    /// The array that lies in the memory of the device.
    ///
    /// # Errors
    /// When it was uploaded to another device, or the host has no memory for it.
    pub fn download(&mut self, resident: &Resident) -> Result<Array, Error> {
        match &self.0 {
            Running::Cpu(_) | Running::Reference(_) => resident
                .as_host()
                .cloned()
                .ok_or_else(|| Error::invalid("the array lies in the memory of another device")),
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
        let memory = memory.map(Memory::on_host);
        match (&mut self.0, &mut loaded.0) {
            (Running::Cpu(executor), Ready::Cpu(loaded)) => executor.run(loaded, steps, memory),
            (Running::Reference(executor), Ready::Reference(loaded)) => executor.run(loaded, steps, memory),
            _ => Err(Error::invalid("the program was loaded by another device")),
        }
    }
}
