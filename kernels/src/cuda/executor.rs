//! A device at work: its memory, and programs that run on it.
//!
//! What a program computes with lies at addresses that stay the same from run to run: the arena, a slot for each extern that
//! comes from the host, and values that are resident anyway. So its launches are recorded once as a CUDA graph, and a run
//! is: copy the feeds into their slots, replay, copy the outputs back. If an address has changed (a variable was set, the
//! arena has grown), the graph is recorded anew; nothing is compiled for that.

use super::compile::Compiler;
use super::driver::{Block, Context, Function, Graph, Pinned, Stream};
use super::launch::{Argument, Failure, Launch};
use super::{Ordinal, devices, prepare};
use crate::program::Place;
use crate::{Array, Base, DType, Error, Memory, Operand, Program};
use std::ffi::c_void;
use std::sync::Arc;

/// What starts anywhere in scratch or staging memory is aligned to this.
const ALIGN: usize = 256;

/// An array in a device's memory. Clones share it until one is written.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    dtype: DType,
    shape: Vec<usize>,
    block: Arc<Block>,
}

/// The prelude's `Failure`.
type Record = [u64; 4];

/// A program whose functions are compiled.
#[derive(Debug)]
pub(crate) struct Loaded {
    ordinal: Ordinal,
    steps: Vec<Ready>,
    externs: Vec<Slot>,
    arena: usize,
    scratch: usize,
    /// How many launches there are up to the last that can fail, and the words of each step's failure.
    guarded: usize,
    failures: Vec<(usize, Failure)>,
    /// Addresses, and what was recorded with them: the guarded launches and the others.
    graphs: Option<(Vec<u64>, Vec<Graph>)>,
}

/// A launch with its function. Arguments are kept as the words that the driver reads.
#[derive(Debug)]
struct Ready {
    function: Function,
    launch: Launch,
    /// The step of the program, for failures.
    step: usize,
}

/// Memory for an extern that comes from the host.
#[derive(Debug)]
struct Slot {
    name: String,
    bytes: usize,
    written: bool,
    /// Whether what it holds before a run matters: somebody reads it, or no write covers it.
    needs_content: bool,
    block: Option<Block>,
    /// All steps' values of an extern that has one for each.
    all: Option<Block>,
}

/// What becomes of an extern's bytes around a run.
enum Transfer<'a> {
    None,
    Back(&'a mut [u8]),
    PerStep,
}

/// Memory and stream of one device.
#[derive(Debug)]
pub(crate) struct Executor {
    ordinal: Ordinal,
    context: Arc<Context>,
    compiler: Arc<Compiler>,
    stream: Stream,
    arena: Block,
    scratch: Block,
    /// The record of the first index out of range of a run.
    failure: Block,
    staging: Pinned,
    /// Copies out of the staging memory, or kernels, may be under way.
    pending: bool,
}

impl Executor {
    pub(crate) fn new(ordinal: Ordinal) -> Result<Executor, Error> {
        let device = devices().get(ordinal.0).ok_or_else(|| Error::device("cuda: the device is not there any more"))?;
        let compiler = Compiler::of(device)?;
        let context = compiler.context().clone();
        context.bind()?;
        Ok(Executor {
            ordinal,
            compiler,
            stream: Stream::new(&context)?,
            arena: Block::new(&context, 0, "the arena")?,
            scratch: Block::new(&context, 0, "scratch")?,
            failure: Block::new(&context, size_of::<Record>(), "failures")?,
            staging: Pinned::new(&context, 0)?,
            context,
            pending: false,
        })
    }

    pub(crate) fn load(&mut self, program: &Program) -> Result<Loaded, Error> {
        self.context.bind()?;
        let mut launches: Vec<(usize, Launch)> = Vec::new();
        let mut failures = Vec::new();
        let mut scratch = 0;
        for (number, step) in program.steps.iter().enumerate() {
            let prepared = prepare(step)?;
            scratch = scratch.max(prepared.scratch);
            failures.extend(prepared.failure.map(|failure| (number, failure)));
            launches.extend(prepared.launches.into_iter().map(|launch| (number, launch)));
        }
        let sources: Vec<_> = launches.iter().map(|(_, launch)| launch.source.clone()).collect();
        let functions = self.compiler.functions(&sources)?;
        for ((_, launch), function) in launches.iter().zip(&functions) {
            // More than 48 KiB are given to those who ask.
            if launch.shared > 48 << 10 {
                function.allow_shared(launch.shared)?;
            }
        }
        let externs = program.externs.iter().enumerate().map(|(number, spec)| {
            Ok(Slot {
                name: spec.name.clone(),
                bytes: spec.bytes()?,
                written: spec.written,
                needs_content: needs_content(program, number),
                block: None,
                all: None,
            })
        });
        let guarded = launches.iter().rposition(|(_, launch)| launch.uses_failure()).map_or(0, |last| last + 1);
        let loaded = Loaded {
            ordinal: self.ordinal,
            externs: externs.collect::<Result<_, Error>>()?,
            steps: launches
                .into_iter()
                .zip(functions)
                .map(|((step, launch), function)| Ready { function, launch, step })
                .collect(),
            arena: program.arena,
            scratch,
            guarded,
            failures,
            graphs: None,
        };
        self.reserve(&loaded)?;
        Ok(loaded)
    }

    /// Memory that grows to what a program needs. Others' graphs notice the new addresses.
    fn reserve(&mut self, loaded: &Loaded) -> Result<(), Error> {
        let grow = |block: &mut Block, bytes: usize, what: &str| {
            if block.bytes() < bytes {
                // The old block goes first: both may not fit.
                *block = Block::new(&self.context, 0, what)?;
                *block = Block::new(&self.context, bytes, what)?;
            }
            Ok::<(), Error>(())
        };
        grow(&mut self.arena, loaded.arena, "the arena")?;
        grow(&mut self.scratch, loaded.scratch, "scratch")
    }

    pub(crate) fn upload(&mut self, array: &Array) -> Result<Value, Error> {
        self.context.bind()?;
        let block = Block::new(&self.context, array.bytes().len(), "a value")?;
        self.stream.upload(block.address(), array.bytes())?;
        self.stream.synchronize()?;
        Ok(Value { dtype: array.dtype(), shape: array.shape().to_vec(), block: Arc::new(block) })
    }

    pub(crate) fn download(&mut self, value: &Value) -> Result<Array, Error> {
        self.context.bind()?;
        let mut array = Array::zeros(value.dtype, &value.shape)?;
        self.stream.download(array.bytes_mut()?, value.block.address())?;
        self.stream.synchronize()?;
        Ok(array)
    }

    pub(crate) fn synchronize(&mut self) -> Result<(), Error> {
        self.context.bind()?;
        self.stream.synchronize()?;
        self.pending = false;
        Ok(())
    }

    pub(crate) fn run<'a>(
        &mut self,
        loaded: &mut Loaded,
        steps: usize,
        memory: impl Iterator<Item = Memory<'a>>,
    ) -> Result<(), Error> {
        if loaded.ordinal != self.ordinal {
            return Err(Error::invalid("the program was loaded by another device"));
        }
        self.context.bind()?;
        self.reserve(loaded)?;
        let mut bases = vec![self.arena.address(); loaded.externs.len() + 1];
        let mut transfers = Vec::with_capacity(loaded.externs.len());
        self.begin_staging(loaded)?;
        let mut staged = 0;
        for memory in memory {
            let number = transfers.len();
            let slot = loaded.externs.get_mut(number);
            let slot = slot.ok_or_else(|| Error::invalid("more memory than the program has externs"))?;
            let (address, transfer) = self.place(slot, memory, steps, &mut staged)?;
            bases[number + 1] = address;
            transfers.push(transfer);
        }
        if transfers.len() != loaded.externs.len() {
            let (wanted, given) = (loaded.externs.len(), transfers.len());
            return Err(Error::invalid(format!("the program has {wanted} externs, got memory for {given}")));
        }
        if loaded.guarded > 0 {
            self.stream.zero(self.failure.address(), self.failure.bytes())?;
        }
        self.pending = true;
        let ran = (0..steps).try_for_each(|step| {
            for (slot, _) in loaded.externs.iter().zip(&transfers).filter(|(_, it)| matches!(it, Transfer::PerStep)) {
                if let (Some(block), Some(all)) = (&slot.block, &slot.all) {
                    self.stream.copy(block.address(), all.address() + (step * slot.bytes) as u64, slot.bytes)?;
                }
            }
            self.step(loaded, &bases)
        });
        match ran {
            Err(why) if why.is_index() => self.finish(loaded, transfers, true).and(Err(why)),
            ran => ran.and_then(|()| self.finish(loaded, transfers, false)),
        }
    }

    /// Makes room for all that travels to the device in this run, once nothing of an earlier run travels any more.
    fn begin_staging(&mut self, loaded: &Loaded) -> Result<(), Error> {
        if self.pending {
            self.stream.synchronize()?;
            self.pending = false;
        }
        let bytes = loaded.externs.iter().map(|slot| slot.bytes.next_multiple_of(ALIGN)).sum::<usize>();
        if self.staging.bytes() < bytes {
            self.staging = Pinned::new(&self.context, 0)?;
            self.staging = Pinned::new(&self.context, bytes)?;
        }
        Ok(())
    }

    /// Where an extern lies in this run. What comes from the host is sent on its way.
    fn place<'a>(
        &mut self,
        slot: &mut Slot,
        memory: Memory<'a>,
        steps: usize,
        staged: &mut usize,
    ) -> Result<(u64, Transfer<'a>), Error> {
        let refuse = |given: usize| {
            let access = if slot.written { "writable " } else { "" };
            Error::invalid(format!("extern `{}` needs {} {access}bytes, got {given}", slot.name, slot.bytes))
        };
        match memory {
            Memory::Read(bytes) if bytes.len() == slot.bytes && !slot.written => {
                self.send(slot, bytes, staged).map(|address| (address, Transfer::None))
            }
            Memory::Write(bytes) if bytes.len() == slot.bytes => {
                let content: &[u8] = if slot.needs_content { bytes } else { &[] };
                self.send(slot, content, staged).map(|address| (address, Transfer::Back(bytes)))
            }
            Memory::PerStep(bytes) if Some(bytes.len()) == slot.bytes.checked_mul(steps) && !slot.written => {
                if slot.all.as_ref().is_none_or(|all| all.bytes() < bytes.len()) {
                    slot.all = None;
                    slot.all = Some(Block::new(&self.context, bytes.len(), "the feeds of several steps")?);
                }
                let all = slot.all.as_ref().map_or(0, Block::address);
                // Pageable memory: the driver has read it when the call returns.
                self.stream.upload(all, bytes)?;
                self.send(slot, &[], staged).map(|address| (address, Transfer::PerStep))
            }
            Memory::Keep(resident) if !slot.written => match resident.as_cuda() {
                Some(value) if value.block.bytes() == slot.bytes => Ok((value.block.address(), Transfer::None)),
                other => Err(refuse(other.map_or(0, |value| value.block.bytes()))),
            },
            Memory::Update(resident) => match resident.as_cuda_mut() {
                Some(value) if value.block.bytes() == slot.bytes => Ok((self.own(value)?, Transfer::None)),
                other => Err(refuse(other.map_or(0, |value| value.block.bytes()))),
            },
            Memory::Read(bytes) | Memory::PerStep(bytes) => Err(refuse(bytes.len())),
            Memory::Write(bytes) => Err(refuse(bytes.len())),
            Memory::Keep(_) => Err(refuse(0)),
        }
    }

    /// The slot's address; `bytes`, if there are any, are on their way to it.
    fn send(&mut self, slot: &mut Slot, bytes: &[u8], staged: &mut usize) -> Result<u64, Error> {
        let block = match &mut slot.block {
            Some(block) => block,
            none => none.insert(Block::new(&self.context, slot.bytes, &format!("`{}`", slot.name))?),
        };
        let staging = self.staging.as_mut().get_mut(*staged..).and_then(|rest| rest.get_mut(..bytes.len()));
        let staging = staging.ok_or_else(|| Error::device("cuda: the staging memory is too small"))?;
        staging.copy_from_slice(bytes);
        self.stream.upload(block.address(), staging)?;
        *staged += bytes.len().next_multiple_of(ALIGN);
        Ok(block.address())
    }

    /// The address of a value that nobody else sees: a shared one is copied first.
    fn own(&self, value: &mut Value) -> Result<u64, Error> {
        if Arc::get_mut(&mut value.block).is_none() {
            let copy = Block::new(&self.context, value.block.bytes(), "a value")?;
            self.stream.copy(copy.address(), value.block.address(), copy.bytes())?;
            value.block = Arc::new(copy);
        }
        Ok(value.block.address())
    }

    /// Enqueues all launches, as the graphs of an earlier run if the addresses are the same. Launches after the last one that
    /// can fail wait until it is known that none did: so a failing run changes no variable.
    fn step(&self, loaded: &mut Loaded, bases: &[u64]) -> Result<(), Error> {
        let mut key = bases.to_vec();
        key.push(self.scratch.address());
        if loaded.graphs.as_ref().is_none_or(|(known, _)| *known != key) {
            let (guarded, others) = loaded.steps.split_at(loaded.guarded);
            let parts = [guarded, others].into_iter().filter(|part| !part.is_empty());
            let capture =
                |part: &[Ready]| self.stream.capture(|| part.iter().try_for_each(|ready| self.launch(ready, bases)));
            loaded.graphs = Some((key, parts.map(capture).collect::<Result<_, _>>()?));
        }
        let graphs = loaded.graphs.as_ref().map_or(&[][..], |(_, graphs)| graphs);
        for (number, graph) in graphs.iter().enumerate() {
            self.stream.replay(graph)?;
            if number == 0 && loaded.guarded > 0 {
                self.refuse_failure(loaded)?;
            }
        }
        Ok(())
    }

    /// Waits for the launches that can fail, and says which index was out of range.
    fn refuse_failure(&self, loaded: &Loaded) -> Result<(), Error> {
        let mut record: Record = [0; 4];
        self.stream.download(bytemuck::cast_slice_mut(&mut record), self.failure.address())?;
        self.stream.synchronize()?;
        let [element, index, step, _] = record;
        if element == 0 {
            return Ok(());
        }
        match loaded.failures.iter().find(|(number, _)| *number as u64 == step) {
            Some((_, failure)) => Err((failure.explain)(index as i64, failure.axis, failure.size)),
            None => Err(Error::device("cuda: a step failed that cannot")),
        }
    }

    fn launch(&self, ready: &Ready, bases: &[u64]) -> Result<(), Error> {
        let Launch { grid, block, shared, arguments, .. } = &ready.launch;
        let word = |argument: &Argument| match argument {
            Argument::Place(place) => place.address(bases),
            Argument::Scratch(offset) => self.scratch.address() + *offset as u64,
            Argument::Failure => self.failure.address(),
            Argument::Step => ready.step as u64,
            Argument::I64(value) => *value as u64,
            // Structures hold no structures.
            Argument::Words(_) => 0,
        };
        let mut words: Vec<Vec<u64>> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Words(members) => members.iter().map(word).collect(),
                other => vec![word(other)],
            })
            .collect();
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|words| words.as_mut_ptr().cast()).collect();
        self.stream.launch(&ready.function, *grid, *block, *shared, &mut pointers)
    }

    /// Brings outputs back; of a run that `failed` only what had a value before it, and has that of the last whole step.
    fn finish(&mut self, loaded: &Loaded, transfers: Vec<Transfer<'_>>, failed: bool) -> Result<(), Error> {
        let mut wait = false;
        for (slot, transfer) in loaded.externs.iter().zip(transfers) {
            if let (Transfer::Back(bytes), Some(block)) = (transfer, &slot.block)
                && (slot.needs_content || !failed)
            {
                self.stream.download(bytes, block.address())?;
                wait = true;
            }
        }
        if wait {
            self.stream.synchronize()?;
            self.pending = false;
        }
        Ok(())
    }
}

/// Whether what an extern holds before a run can be seen: somebody reads it, or no output covers it whole.
fn needs_content(program: &Program, number: usize) -> bool {
    let base = Base::Extern(number as u32);
    let len = program.externs[number].len;
    let covers =
        |operand: &Operand| operand.offset == 0 && operand.layout.is_contiguous() && operand.layout.len() == len;
    let mut covered = false;
    for step in &program.steps {
        if !covered && step.inputs.iter().any(|operand| operand.base == base) {
            return true;
        }
        covered |= step.outputs.iter().any(|operand| operand.base == base && covers(operand));
    }
    !covered
}

impl Place {
    /// The place's address, given those of the arena and the externs.
    fn address(self, bases: &[u64]) -> u64 {
        bases[self.base as usize] + self.offset as u64
    }
}
