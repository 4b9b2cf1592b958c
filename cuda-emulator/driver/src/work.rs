//! What streams and graphs do: kernels, copies, fills, calls of the host; and how it runs.

use crate::code::{Answer, Code};
use crate::driver::{Driver, refuse, say};
use crate::ffi::{Host, HostFunction, StreamCallback};
use crate::table::{EventId, FunctionId, GraphId, StreamId};
use cuda_emulator::machine::{self, Launch};
use cuda_emulator::memory::Trouble;
use cuda_emulator::{Finding, Report};
use std::io::Write as _;

/// One piece of work.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// A launch.
    Kernel(Kernel),
    /// A copy of bytes.
    Copy(Transfer),
    /// A pattern written many times.
    Fill(Fill),
    /// A function of the host.
    Call(Call),
    /// An event happens.
    Record(EventId),
    /// Waits for an event; of graphs only, in streams it is an `Empty` that comes after a point.
    Wait(EventId),
    /// Another graph; of graphs only, and opened when they are instantiated.
    Child(GraphId),
    /// Memory is given back.
    Free(u64),
    /// Nothing, but in its place.
    Empty,
}

/// A launch with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) function: FunctionId,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) cooperative: bool,
    pub(crate) parameters: Vec<u8>,
}

/// A copy of `depth` slices of `height` rows of `width` bytes.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Side,
    pub(crate) target: Side,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) depth: usize,
}

/// One end of a copy.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) place: Place,
    /// Bytes from row to row.
    pub(crate) pitch: usize,
    /// Bytes from slice to slice.
    pub(crate) slice: usize,
}

/// Where bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The device's memory, or page-locked memory that it reaches.
    Device(u64),
    /// The program's memory.
    Host(Host),
    /// A copy of the program's memory, made when the work was submitted.
    Staged(Vec<u8>),
}

/// `height` rows of `width` elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    pub(crate) target: u64,
    pub(crate) pitch: usize,
    pub(crate) value: u32,
    /// Bytes of an element: 1, 2, 4.
    pub(crate) element: u32,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A function of the host with what it is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// `cuLaunchHostFunc`.
    Function(HostFunction, Host),
    /// `cuStreamAddCallback`.
    Callback(StreamCallback, Host),
}

impl Call {
    /// Calls it, on a thread of its own.
    pub(crate) fn run(self, stream: StreamId) {
        crate::context::Threads::enter_host_function();
        match self {
            // SAFETY: who submitted the function vouches for it and its argument until it has been called.
            Call::Function(function, data) => unsafe { function(data.0) },
            // SAFETY: as above.
            Call::Callback(function, data) => unsafe { function(stream.0, Code::SUCCESS.0, data.0) },
        }
    }
}

impl Task {
    /// Bytes of pageable memory that it holds.
    pub(crate) fn staged(&self) -> usize {
        match self {
            Task::Copy(Transfer { source: Side { place: Place::Staged(bytes), .. }, .. }) => bytes.len(),
            _ => 0,
        }
    }
}

impl Side {
    /// Bytes from the first to the last that a copy of this shape touches; `None` if no memory is so large.
    pub(crate) fn span(&self, width: usize, height: usize, depth: usize) -> Option<usize> {
        let rows = self.pitch.checked_mul(height.checked_sub(1)?)?;
        let slices = self.slice.checked_mul(depth.checked_sub(1)?)?;
        rows.checked_add(slices)?.checked_add(width).filter(|it| *it <= isize::MAX as usize)
    }
}

/// Bytes that pass through the emulator's hands at once.
const BUFFER: usize = 1 << 20;

impl Transfer {
    /// Bytes copied.
    fn bytes(&self) -> usize {
        self.width.saturating_mul(self.height).saturating_mul(self.depth)
    }

    /// Takes the source's bytes now, so that the program may change them.
    pub(crate) fn stage(&mut self) -> Answer {
        let Place::Host(host) = self.source.place else { return Ok(()) };
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.bytes()).map_err(|_| Code::OUT_OF_MEMORY)?;
        bytes.resize(self.bytes(), 0);
        for (row, target) in bytes.chunks_exact_mut(self.width.max(1)).enumerate() {
            let (slice, row) = (row / self.height.max(1), row % self.height.max(1));
            host.load(slice * self.source.slice + row * self.source.pitch, target);
        }
        let (pitch, slice) = (self.width, self.width * self.height);
        self.source = Side { place: Place::Staged(bytes), pitch, slice };
        Ok(())
    }

    /// Runs `each(offset in the source, offset in the target, bytes)` for rows, or for all at once where they are dense.
    fn rows(&self, mut each: impl FnMut(usize, usize, usize) -> Answer) -> Answer {
        let (width, height, depth) = (self.width, self.height, self.depth);
        let dense = |side: &Side| (height <= 1 || side.pitch == width) && (depth <= 1 || side.slice == width * height);
        if dense(&self.source) && dense(&self.target) {
            return each(0, 0, self.bytes());
        }
        for slice in 0..depth {
            for row in 0..height {
                let offset = |side: &Side| slice * side.slice + row * side.pitch;
                each(offset(&self.source), offset(&self.target), width)?;
            }
        }
        Ok(())
    }
}

impl Driver {
    /// Runs a piece of work.
    pub(crate) fn run(&mut self, operation: crate::stream::Operation) -> Answer {
        match operation.task {
            Task::Kernel(kernel) => self.run_kernel(&kernel),
            Task::Copy(transfer) => self.run_copy(&transfer),
            Task::Fill(fill) => self.run_fill(fill),
            Task::Record(event) => {
                self.event_happens(event, operation.number);
                Ok(())
            }
            Task::Free(address) => {
                self.release(address);
                Ok(())
            }
            Task::Call(_) | Task::Wait(_) | Task::Child(_) | Task::Empty => Ok(()),
        }
    }

    fn run_copy(&mut self, copy: &Transfer) -> Answer {
        let bytes = copy.bytes() as u64;
        match (&copy.source.place, &copy.target.place) {
            (Place::Device(source), Place::Device(target)) => {
                let host = |address| self.blocks.find(address).is_some_and(|block| block.host);
                // Page-locked memory is reached like the device's, but it lies on the other side of the bus.
                *match (host(*source), host(*target)) {
                    (true, false) => &mut self.tally.host_to_device,
                    (false, true) => &mut self.tally.device_to_host,
                    _ => &mut self.tally.device_to_device,
                } += bytes;
                let memory = &self.memory;
                copy.rows(|from, to, bytes| reach(memory.copy(target + to as u64, source + from as u64, bytes as u64)))
            }
            (Place::Staged(source), Place::Device(target)) => {
                self.tally.host_to_device += bytes;
                let memory = &self.memory;
                copy.rows(|from, to, bytes| {
                    let source = source.get(from..from + bytes).ok_or(Code::UNKNOWN)?;
                    reach(memory.write(target + to as u64, source))
                })
            }
            (Place::Host(source), Place::Device(target)) => {
                self.tally.host_to_device += bytes;
                let memory = &self.memory;
                let mut buffer = Vec::new();
                copy.rows(|from, to, bytes| {
                    pieces(bytes, |at, some| {
                        buffer.resize(some, 0);
                        source.load(from + at, &mut buffer);
                        reach(memory.write(target + (to + at) as u64, &buffer))
                    })
                })
            }
            (Place::Device(source), Place::Host(target)) => {
                self.tally.device_to_host += bytes;
                let memory = &self.memory;
                let mut unwritten = 0;
                let mut buffer = Vec::new();
                copy.rows(|from, to, bytes| {
                    pieces(bytes, |at, some| {
                        buffer.resize(some, 0);
                        unwritten += reach(memory.read(source + (from + at) as u64, &mut buffer))?;
                        target.store(to + at, &buffer);
                        Ok(())
                    })
                })?;
                self.warn_of_unwritten(unwritten, *source);
                Ok(())
            }
            (Place::Host(source), Place::Host(target)) => {
                let mut buffer = Vec::new();
                copy.rows(|from, to, bytes| {
                    pieces(bytes, |at, some| {
                        buffer.resize(some, 0);
                        source.load(from + at, &mut buffer);
                        target.store(to + at, &buffer);
                        Ok(())
                    })
                })
            }
            (Place::Staged(source), Place::Host(target)) => copy.rows(|from, to, bytes| {
                target.store(to, source.get(from..from + bytes).ok_or(Code::UNKNOWN)?);
                Ok(())
            }),
            (_, Place::Staged(_)) => Err(Code::UNKNOWN),
        }
    }

    /// Bytes that nobody wrote came to the host: allowed (whole buffers with padding do it), but worth a word at first.
    fn warn_of_unwritten(&mut self, bytes: u64, address: u64) {
        if bytes > 0 && self.settings.checks.uninitialised {
            self.tally.unwritten_copied += 1;
            if self.tally.unwritten_copied <= 4 {
                say(format_args!("a copy from {address:#x} to the host holds {bytes} bytes that nobody has written"));
            }
        }
    }

    fn run_fill(&mut self, fill: Fill) -> Answer {
        let row = fill.width as u64;
        if fill.pitch as u64 == row * u64::from(fill.element) {
            return reach(self.memory.fill(fill.target, fill.value, fill.element, row * fill.height as u64));
        }
        for at in 0..fill.height {
            reach(self.memory.fill(fill.target + (at * fill.pitch) as u64, fill.value, fill.element, row))?;
        }
        Ok(())
    }

    fn run_kernel(&mut self, kernel: &Kernel) -> Answer {
        self.tally.launches += 1;
        let number = self.tally.launches;
        if Some(number) == self.settings.faults.launch {
            return refuse(Code::LAUNCH_FAILED, format_args!("launch {number} fails, as CUDA_EMULATOR_FAIL demands"));
        }
        let function = self.functions.get(kernel.function)?;
        let module = &self.modules.get(function.module)?.code;
        let launch = Launch {
            kernel: function.id,
            grid: kernel.grid,
            block: kernel.block,
            dynamic_shared: kernel.shared,
            parameters: kernel.parameters.clone(),
            cooperative: kernel.cooperative,
        };
        let settings = machine::Settings {
            seed: self.settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number),
            workers: self.settings.workers,
            checks: self.settings.checks,
            instruction_limit: self.settings.instructions,
            device: self.limits,
            ..machine::Settings::default()
        };
        let outcome = match machine::launch(&self.memory, &module.program, &module.symbols, &launch, &settings) {
            Ok(outcome) => outcome,
            Err(error) => return refuse(Code::LAUNCH_FAILED, format_args!("kernel {}: {error}", function.name)),
        };
        let name = function.name.clone();
        self.tally.kernel(name, &outcome.counters);
        if !outcome.output.is_empty() {
            // Nobody can be told that standard output is closed.
            let _ = std::io::stdout().lock().write_all(outcome.output.as_bytes());
        }
        self.judge(&outcome.reports)
    }

    /// Writes reports down, and answers with the code that a device would have, or that stands for what a device would not see.
    fn judge(&mut self, reports: &[Report]) -> Answer {
        for report in reports {
            say(format_args!("{report}"));
        }
        if let Some(path) = &self.settings.report
            && !reports.is_empty()
        {
            let lines: String = reports.iter().map(|report| format!("{report}\n")).collect();
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            if let Err(error) = file.and_then(|mut file| file.write_all(lines.as_bytes())) {
                say(format_args!("{}: {error}", path.display()));
            }
        }
        self.tally.findings += reports.len() as u64;
        let stops = reports.iter().find_map(device_code);
        match stops {
            Some(code) => Err(code),
            None if !reports.is_empty() && self.settings.findings_fail => Err(Code::LAUNCH_FAILED),
            None => Ok(()),
        }
    }
}

/// The code with which a device stops at a finding, if it does.
fn device_code(report: &Report) -> Option<Code> {
    match report.finding {
        Finding::OutOfBounds | Finding::UseAfterFree | Finding::ReadOnly => Some(Code::ILLEGAL_ADDRESS),
        Finding::Misaligned => Some(Code::MISALIGNED_ADDRESS),
        Finding::Trap if report.place.instruction.starts_with("call") => Some(Code::ASSERT),
        Finding::Trap => Some(Code::LAUNCH_FAILED),
        // A device would hang; its watchdog says so.
        Finding::Deadlock | Finding::Endless => Some(Code::LAUNCH_TIMEOUT),
        Finding::Invalid => Some(Code::ILLEGAL_INSTRUCTION),
        _ => None,
    }
}

/// What memory says of a copy, as a code; in words on standard error.
fn reach<T>(result: Result<T, Trouble>) -> Answer<T> {
    result.or_else(|trouble| {
        refuse(Code::ILLEGAL_ADDRESS, format_args!("a copy or fill: {}: {}", trouble.finding, trouble.note))
    })
}

/// Splits bytes into pieces of a buffer's size.
fn pieces(bytes: usize, mut each: impl FnMut(usize, usize) -> Answer) -> Answer {
    let mut at = 0;
    while at < bytes {
        let some = (bytes - at).min(BUFFER);
        each(at, some)?;
        at += some;
    }
    Ok(())
}
