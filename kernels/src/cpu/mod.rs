//! The CPU as a device: instruction sets, the thread team, and the loop that runs a loaded program.
//!
//! Each family's `cpu.rs` turns a [`Step`] into a [`Launch`] once, when a program is loaded: layouts are classified, paths
//! chosen, scratch sizes settled. A run then only walks the launches. It allocates nothing and takes no lock.

use crate::resident::Bytes;
use crate::{Buffer, Error, Kernel, Program, Step};
use crate::{conv, custom, gather, gemm, map, pool, random, reduce, softmax};

mod isa;
pub(crate) mod rows;
mod team;

pub(crate) use crate::program::Place;
pub use isa::Isa;
pub(crate) use team::{Team, share};

/// Which instruction set and how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
}

impl Cpu {
    pub(crate) fn detect() -> Cpu {
        Cpu { isa: Isa::detect(), threads: std::thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// A kernel made ready for its operands.
pub(crate) trait Launch: Send + Sync {
    /// Computes. `context` resolves places to memory that [`Program::verify`] and [`Executor::run`] have checked.
    fn run(&self, context: &Context<'_>) -> Result<(), Error>;

    /// Bytes of scratch that each thread needs.
    fn scratch_per_thread(&self) -> usize {
        0
    }

    /// Bytes of scratch that the threads share.
    fn scratch_shared(&self) -> usize {
        0
    }
}

/// What a launch sees of the world while it runs.
pub(crate) struct Context<'a> {
    bases: &'a [*mut u8],
    scratch: &'a Scratch,
    pub(crate) team: &'a Team,
}

// SAFETY: the pointers stand for memory that this run has exclusive use of; launches divide what they write among threads.
unsafe impl Sync for Context<'_> {}

impl<'a> Context<'a> {
    /// A context of these memories without scratch.
    #[cfg(test)]
    pub(crate) fn of(bases: &'a [*mut u8], team: &'a Team) -> Context<'a> {
        const NONE: Scratch = Scratch { start: std::ptr::null_mut(), shared: 0, per_thread: 0 };
        Context { bases, scratch: &NONE, team }
    }
}

impl Context<'_> {
    /// The address of a place. Dereferencing it within the operand's verified extent is sound during the run.
    #[inline]
    pub(crate) fn at<T>(&self, place: Place) -> *mut T {
        self.bases[place.base as usize].wrapping_add(place.offset).cast()
    }

    /// The scratch of one thread; as long as the launch asked for, aligned to 64.
    #[inline]
    pub(crate) fn scratch(&self, thread: usize) -> *mut u8 {
        self.scratch.start.wrapping_add(self.scratch.shared + thread * self.scratch.per_thread)
    }

    /// The scratch that all threads share; as long as the launch asked for, aligned to 64.
    #[inline]
    pub(crate) fn shared_scratch(&self) -> *mut u8 {
        self.scratch.start
    }
}

#[derive(Debug)]
struct Scratch {
    start: *mut u8,
    shared: usize,
    per_thread: usize,
}

/// A program whose kernels are ready.
pub(crate) struct Loaded {
    launches: Vec<Box<dyn Launch>>,
    externs: Vec<ExternSpec>,
    /// Address of each memory during a run: the arena, then the externs.
    bases: Vec<*mut u8>,
    per_step: Vec<(usize, usize)>,
    arena: usize,
    shared: usize,
    per_thread: usize,
    cpu: Cpu,
}

struct ExternSpec {
    name: String,
    bytes: usize,
    /// What the start of the memory must be a multiple of: the size of an element.
    align: usize,
    written: bool,
}

// SAFETY: `bases` is meaningful only inside `Executor::run`, which fills it first.
unsafe impl Send for Loaded {}
// SAFETY: nothing is reachable through a shared reference.
unsafe impl Sync for Loaded {}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loaded({} kernels)", self.launches.len())
    }
}

/// Threads, arena and scratch.
#[derive(Debug)]
pub(crate) struct Executor {
    cpu: Cpu,
    team: Team,
    arena: Buffer,
    scratch: Buffer,
}

impl Executor {
    pub(crate) fn new(cpu: Cpu) -> Result<Executor, Error> {
        Ok(Executor { cpu, team: Team::new(cpu.threads)?, arena: Buffer::zeroed(0)?, scratch: Buffer::zeroed(0)? })
    }

    pub(crate) fn load(&mut self, program: &Program) -> Result<Loaded, Error> {
        let launches = program.steps.iter().map(|step| prepare(step, self.cpu)).collect::<Result<Vec<_>, Error>>()?;
        let widest = |size: fn(&dyn Launch) -> usize| {
            let most = launches.iter().map(|launch| size(&**launch)).max().unwrap_or(0);
            most.checked_next_multiple_of(Buffer::ALIGN).ok_or_else(too_much_scratch)
        };
        let loaded = Loaded {
            bases: vec![std::ptr::null_mut(); program.externs.len() + 1],
            per_step: Vec::with_capacity(program.externs.len()),
            externs: (program.externs.iter())
                .map(|memory| {
                    Ok(ExternSpec {
                        name: memory.name.clone(),
                        bytes: memory.bytes()?,
                        align: memory.dtype.size(),
                        written: memory.written,
                    })
                })
                .collect::<Result<_, Error>>()?,
            arena: program.arena,
            shared: widest(|launch| launch.scratch_shared())?,
            per_thread: widest(|launch| launch.scratch_per_thread())?,
            launches,
            cpu: self.cpu,
        };
        self.reserve(&loaded)?;
        Ok(loaded)
    }

    fn reserve(&mut self, loaded: &Loaded) -> Result<(), Error> {
        let grow = |buffer: &mut Buffer, bytes: usize| {
            if buffer.as_ref().len() < bytes {
                *buffer = Buffer::zeroed(bytes)?;
            }
            Ok::<(), Error>(())
        };
        grow(&mut self.arena, loaded.arena)?;
        let scratch = loaded.per_thread.checked_mul(self.cpu.threads).and_then(|own| own.checked_add(loaded.shared));
        grow(&mut self.scratch, scratch.ok_or_else(too_much_scratch)?)
    }

    pub(crate) fn run<'a>(
        &mut self,
        loaded: &mut Loaded,
        steps: usize,
        memory: impl Iterator<Item = Bytes<'a>>,
    ) -> Result<(), Error> {
        if loaded.cpu != self.cpu {
            return Err(Error::invalid("the program was loaded by another device"));
        }
        self.reserve(loaded)?;
        loaded.bases[0] = self.arena.as_mut().as_mut_ptr();
        loaded.per_step.clear();
        let mut given = 0;
        for memory in memory {
            let spec =
                loaded.externs.get(given).ok_or_else(|| Error::invalid("more memory than the program has externs"))?;
            let (start, len, writable, times) = match memory {
                Bytes::Read(bytes) => (bytes.as_ptr().cast_mut(), bytes.len(), false, 1),
                Bytes::Write(bytes) => (bytes.as_mut_ptr(), bytes.len(), true, 1),
                Bytes::PerStep(bytes) => {
                    loaded.per_step.push((given + 1, spec.bytes));
                    (bytes.as_ptr().cast_mut(), bytes.len(), false, steps)
                }
            };
            if Some(len) != spec.bytes.checked_mul(times) || (spec.written && !writable) {
                let access = if spec.written { "writable " } else { "" };
                return Err(Error::invalid(format!(
                    "extern `{}` needs {times} x {} {access}bytes, got {len}",
                    spec.name, spec.bytes
                )));
            }
            if !start.addr().is_multiple_of(spec.align) && len > 0 {
                let (name, align) = (&spec.name, spec.align);
                return Err(Error::invalid(format!("the memory of extern `{name}` is not aligned to {align} bytes")));
            }
            loaded.bases[given + 1] = start;
            given += 1;
        }
        if given != loaded.externs.len() {
            return Err(Error::invalid(format!(
                "the program has {} externs, got memory for {given}",
                loaded.externs.len()
            )));
        }
        let scratch =
            Scratch { start: self.scratch.as_mut().as_mut_ptr(), shared: loaded.shared, per_thread: loaded.per_thread };
        for step in 0..steps {
            if step > 0 {
                for &(base, bytes) in &loaded.per_step {
                    loaded.bases[base] = loaded.bases[base].wrapping_add(bytes);
                }
            }
            let context = Context { bases: &loaded.bases, scratch: &scratch, team: &self.team };
            for launch in &loaded.launches {
                launch.run(&context)?;
            }
        }
        Ok(())
    }
}

fn too_much_scratch() -> Error {
    Error::out_of_memory("a kernel needs more scratch than memory can be")
}

/// The one place where a kernel family is chosen on the CPU.
fn prepare(step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    match &step.kernel {
        Kernel::Map(map) => map::cpu::prepare(map, step, cpu),
        Kernel::Reduce(reduce) => reduce::cpu::prepare(reduce, step, cpu),
        Kernel::Gemm(gemm) => gemm::cpu::prepare(gemm, step, cpu),
        Kernel::Conv(conv) => conv::cpu::prepare(conv, step, cpu),
        Kernel::Pool(pool) => pool::cpu::prepare(pool, step, cpu),
        Kernel::Softmax(softmax) => softmax::cpu::prepare(softmax, step, cpu),
        Kernel::Gather(gather) => gather::cpu::prepare_gather(gather, step, cpu),
        Kernel::ScatterAdd(scatter) => gather::cpu::prepare_scatter_add(scatter, step, cpu),
        Kernel::Random(random) => random::cpu::prepare(random, step, cpu),
        Kernel::Custom(custom) => custom::cpu::prepare(custom, step),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Device, Program};

    /// Memory and scratch whose bytes cannot be counted are refused by whoever would have to count them.
    #[test]
    fn what_is_larger_than_memory_is_an_error() {
        // semantics 6.7
        let index = "4611686018427387904";
        for text in [
            "program arena=0\nextern 0 \"x\" f32[18446744073709551615]".to_owned(),
            "program arena=9223372036854775807".to_owned(),
            format!(
                "program arena=8\nextern 0 \"i\" u8[1]\n\
                 %0: gather{{axis=1}} (arena@0 u8[0, 4], extern0@0 u8[{index}]/[0]) -> (arena@0 u8[0, {index}])"
            ),
        ] {
            let program: Program = text.parse().unwrap();
            program.verify().unwrap();
            for device in [Device::cpu(), Device::reference()] {
                let loaded = device.executor().unwrap().load(&program);
                // The reference has no scratch, and asks for the externs' bytes when it runs.
                assert!(loaded.is_err() || (device == Device::reference() && program.arena < 9), "{device}: {text}");
            }
        }
    }
}
