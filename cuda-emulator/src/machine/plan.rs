//! A launch prepared: what can be known of instructions before they run.

use std::collections::HashMap;

use super::warp::{LOCAL_LIMIT, REGISTER_LIMIT};
use super::{Launch, Settings};
use crate::alu::{Class, Compute, Lanes, WARP};
use crate::lower::{
    Address, BarrierKind, Function, FunctionId, Guard, Op, Parameter, Program, Register, Source, Special, Symbols,
    Target,
};
use crate::memory::SHARED_BASE;
use crate::{Error, ErrorKind};

/// Different constants of a launch that are kept ready for a whole warp; others are spread out when they are used.
const POOL_LIMIT: usize = 1 << 12;

/// Bytes of registers of all blocks of a cooperative launch.
const TOGETHER_LIMIT: u64 = 4 << 30;

/// Where all lanes of a warp find an operand without any work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    /// In a register.
    Register(u32),
    /// In the pool of values that are the same for all warps.
    Pool(u32),
}

/// An instruction as the machine runs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'p> {
    pub(super) guard: Option<Guard>,
    pub(super) class: Class,
    pub(super) flops: u8,
    /// What it takes of a warp's turn.
    pub(super) effort: u8,
    pub(super) kind: Kind<'p>,
}

/// The frequent instructions with their operands found, and all others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'p> {
    /// Arithmetic with one result.
    Alu { compute: Compute, sources: [Operand; 4], target: u32, keep: u64 },
    /// A move.
    Move { source: Operand, target: u32, keep: u64 },
    /// A branch.
    Branch { target: u32 },
    /// Whatever else.
    Other(&'p Op),
    /// Not reachable from the kernel.
    Absent,
}

/// What all workers of a launch read.
#[derive(Debug)]
pub(super) struct Plan<'p> {
    pub(super) program: &'p Program,
    pub(super) launch: &'p Launch,
    pub(super) settings: &'p Settings,
    pub(super) symbols: &'p Symbols,
    pub(super) steps: Vec<Step<'p>>,
    pub(super) pool: Vec<Lanes>,
    pub(super) kernel: &'p Function,
    /// Threads of a block.
    pub(super) threads: u32,
    /// Warps of a block.
    pub(super) warps: u32,
    /// Blocks of the grid.
    pub(super) blocks: u64,
    /// Shared bytes of a block, from [`SHARED_BASE`] on.
    pub(super) shared_bytes: u32,
    /// The address of the open array.
    pub(super) dynamic_shared: u32,
    /// The number of the launch.
    pub(super) number: u32,
}

/// Bits of a value of this width.
pub(super) fn keep(width: u8) -> u64 {
    match width {
        64.. => u64::MAX,
        width => (1 << width) - 1,
    }
}

/// Threads, warps and blocks of a launch that was found right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) threads: u32,
    pub(super) blocks: u64,
    pub(super) dynamic_begin: u32,
    pub(super) shared_bytes: u32,
}

impl<'p> Plan<'p> {
    /// Prepares the kernel and the functions that it can call.
    pub(super) fn new(
        program: &'p Program,
        symbols: &'p Symbols,
        launch: &'p Launch,
        settings: &'p Settings,
        extent: Extent,
        number: u32,
    ) -> Result<Self, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, 0, message);
        let FunctionId(place) = launch.kernel;
        let kernel = program.functions.get(place as usize).ok_or_else(|| invalid("there is no such kernel".into()))?;
        let count = program.code.instructions.len();
        let absent = Step { guard: None, class: Class::Control, flops: 0, effort: 1, kind: Kind::Absent };
        let mut plan = Plan {
            program,
            launch,
            settings,
            symbols,
            steps: vec![absent; count],
            pool: Vec::new(),
            kernel,
            threads: extent.threads,
            warps: extent.threads.div_ceil(WARP as u32),
            blocks: extent.blocks,
            shared_bytes: extent.shared_bytes,
            dynamic_shared: SHARED_BASE.saturating_add(extent.dynamic_begin),
            number,
        };
        let mut pool = Pool::default();
        plan.prepare(kernel, &mut pool)?;
        let range = |it: &Function| program.code.instructions.get(it.entry as usize..it.end as usize);
        let calls =
            |it: &Function| range(it).is_some_and(|all| all.iter().any(|one| matches!(one.op, Op::Call { .. })));
        if calls(kernel) {
            for function in program.functions.iter().filter(|it| it.kernel.is_none()) {
                plan.prepare(function, &mut pool)?;
            }
        }
        plan.pool = pool.values;
        let bytes = (plan.blocks.saturating_mul(u64::from(plan.warps) * u64::from(kernel.registers)))
            .saturating_mul(size_of::<Lanes>() as u64);
        if launch.cooperative && bytes > TOGETHER_LIMIT {
            return Err(invalid(format!("{}: its blocks do not fit the emulator's memory together", kernel.name)));
        }
        Ok(plan)
    }

    /// Prepares a function's instructions, and makes sure of what running them takes for granted.
    fn prepare(&mut self, function: &'p Function, pool: &mut Pool) -> Result<(), Error> {
        let code = &self.program.code;
        let broken = |what: &str| Error::new(ErrorKind::Invalid, 0, format!("{}: {what}", function.name));
        let range = function.entry as usize..function.end as usize;
        let body = code.instructions.get(range.clone()).ok_or_else(|| broken("its code is missing"))?;
        let ends =
            |op: &Op| matches!(op, Op::Return | Op::Exit | Op::Trap | Op::Branch { .. } | Op::BranchTable { .. });
        if !body.last().is_some_and(|last| last.guard.is_none() && ends(&last.op)) {
            return Err(broken("its code runs past its end"));
        }
        if function.registers as usize > REGISTER_LIMIT || u64::from(function.frame_bytes) > LOCAL_LIMIT {
            return Err(broken("it has too many registers or too large a frame"));
        }
        let mut parameters =
            function.results.iter().chain(function.parameters.iter().filter(|_| function.kernel.is_none()));
        if parameters.any(|it| !inside(function, it)) {
            return Err(broken("a parameter lies out of its frame"));
        }
        for (pc, instruction) in range.zip(body) {
            let known = Known { function, pc: pc as u32 };
            let guard = instruction.guard.map_or(Ok(()), |it| known.register(it.register));
            guard.and_then(|()| known.op(&instruction.op)).map_err(|what| {
                let name = code.names.get(pc).map_or("", String::as_str);
                let line = code.ptx_lines.get(pc).copied().unwrap_or(0);
                Error::new(ErrorKind::Invalid, line, format!("{}, `{name}`: {what}", function.name))
            })?;
            let (class, flops, effort) = cost(&instruction.op);
            let kind = self.kind(&instruction.op, pool);
            if let Some(step) = self.steps.get_mut(pc) {
                *step = Step { guard: instruction.guard, class, flops, effort, kind };
            }
        }
        Ok(())
    }

    fn kind(&self, op: &'p Op, pool: &mut Pool) -> Kind<'p> {
        let mut operand = |source: &Source| match source {
            Source::Register(register) => Some(Operand::Register(register.0)),
            source => pool.place(self.uniform(source)?),
        };
        let found = match op {
            Op::Alu { alu, sources: [a, b, c, d], target: Some(target), second: None } => (|| {
                let sources = [operand(a)?, operand(b)?, operand(c)?, operand(d)?];
                let (compute, target, keep) = (alu.compute, target.register.0, keep(target.width));
                Some(Kind::Alu { compute, sources, target, keep })
            })(),
            Op::Move { source, target } => operand(source).map(|source| {
                let keep = keep(target.width);
                Kind::Move { source, target: target.register.0, keep }
            }),
            Op::Branch { target } => Some(Kind::Branch { target: *target }),
            _ => None,
        };
        found.unwrap_or(Kind::Other(op))
    }

    /// What a source is if it is the same for all threads of the launch.
    pub(super) fn uniform(&self, source: &Source) -> Option<u64> {
        let extent = |all: [u32; 3], axis: u8| all.get(usize::from(axis)).map_or(1, |it| u64::from(*it));
        Some(match *source {
            Source::Constant(bits) => bits,
            Source::Symbol(at, offset) => self.symbols.get(at as usize)?.wrapping_add_signed(offset),
            Source::Shared(offset) => u64::from(SHARED_BASE) + u64::from(offset),
            Source::DynamicShared(offset) => u64::from(self.dynamic_shared).wrapping_add_signed(offset),
            Source::Parameter(offset) => u64::from(offset),
            Source::Function(place) => u64::from(place) + 1,
            Source::Special(special) => match special {
                Special::Ntid(axis) => extent(self.launch.block, axis),
                Special::Nctaid(axis) => extent(self.launch.grid, axis),
                Special::NwarpId => u64::from(self.warps),
                Special::NsmId => u64::from(self.settings.device.multiprocessors),
                Special::GridId => u64::from(self.number),
                Special::DynamicSharedSize => u64::from(self.launch.dynamic_shared),
                Special::TotalSharedSize => u64::from(self.shared_bytes),
                Special::Zero => 0,
                _ => return None,
            },
            Source::Register(_) | Source::NotPredicate(_) | Source::Frame(_) => return None,
        })
    }

    /// The index in the grid of the block with this linear index.
    pub(super) fn block_index(&self, linear: u64) -> [u32; 3] {
        spread(linear, self.launch.grid)
    }

    /// The index in the block of the thread with this linear index.
    pub(super) fn thread_index(&self, linear: u32) -> [u32; 3] {
        spread(u64::from(linear), self.launch.block)
    }
}

fn spread(linear: u64, [x, y, _]: [u32; 3]) -> [u32; 3] {
    let (x, y) = (u64::from(x.max(1)), u64::from(y.max(1)));
    [(linear % x) as u32, (linear / x % y) as u32, (linear / x / y) as u32]
}

/// Whether a parameter lies in its function's frame.
fn inside(function: &Function, parameter: &Parameter) -> bool {
    u64::from(parameter.offset) + u64::from(parameter.bytes) <= u64::from(function.frame_bytes)
}

/// Values that are the same for all warps, spread over the lanes, each once.
#[derive(Debug, Default)]
struct Pool {
    values: Vec<Lanes>,
    places: HashMap<u64, u32>,
}

impl Pool {
    fn place(&mut self, value: u64) -> Option<Operand> {
        if let Some(place) = self.places.get(&value) {
            return Some(Operand::Pool(*place));
        }
        if self.values.len() >= POOL_LIMIT {
            return None;
        }
        let place = self.values.len() as u32;
        self.values.push([value; WARP]);
        self.places.insert(value, place);
        Some(Operand::Pool(place))
    }
}

/// Class, floating-point operations and effort of an instruction.
fn cost(op: &Op) -> (Class, u8, u8) {
    match op {
        Op::Alu { alu, .. } => (alu.class, alu.flops, 1),
        Op::Carry { .. } | Op::Move { .. } | Op::Pack { .. } | Op::Unpack { .. } => (Class::Integer, 0, 1),
        Op::ConvertAddress { .. } | Op::IsSpace { .. } => (Class::Integer, 0, 1),
        Op::Load { .. } | Op::Store { .. } => (Class::Memory, 0, 4),
        Op::AsyncCopy { .. } => (Class::Memory, 0, 4),
        Op::Atomic { .. } => (Class::Memory, 0, 16),
        Op::LoadMatrix { .. } => (Class::Memory, 0, 4),
        // 16 by 8 by k products and sums over 32 lanes.
        Op::Mma { k, .. } => (Class::Matrix, k.saturating_mul(8), 4),
        Op::AsyncCommit | Op::AsyncWait { .. } => (Class::Sync, 0, 8),
        Op::Shuffle { .. } | Op::Vote { .. } | Op::Match { .. } | Op::Redux { .. } => (Class::Sync, 0, 1),
        Op::ActiveMask { .. } | Op::Elect { .. } => (Class::Sync, 0, 1),
        Op::Barrier { .. } | Op::WarpBarrier { .. } | Op::Fence { .. } => (Class::Sync, 0, 16),
        Op::Branch { .. } | Op::BranchTable { .. } | Op::Call { .. } | Op::SystemCall { .. } => (Class::Control, 0, 1),
        Op::Return | Op::Exit | Op::Trap => (Class::Control, 0, 1),
        Op::Hint => (Class::Control, 0, 64),
    }
}

/// An instruction's function, to check that what it names exists. The text was checked when it was decoded; this keeps a
/// program made by hand, or a mistake in the decoder, from doing worse than an error.
struct Known<'p> {
    function: &'p Function,
    pc: u32,
}

impl Known<'_> {
    fn register(&self, register: Register) -> Result<(), &'static str> {
        if register.0 < self.function.registers { Ok(()) } else { Err("a register that its function does not have") }
    }

    fn source(&self, source: &Source) -> Result<(), &'static str> {
        match source {
            Source::Register(register) | Source::NotPredicate(register) => self.register(*register),
            _ => Ok(()),
        }
    }

    fn sources<'s>(&self, sources: impl IntoIterator<Item = &'s Source>) -> Result<(), &'static str> {
        sources.into_iter().try_for_each(|it| self.source(it))
    }

    fn targets<'s>(&self, targets: impl IntoIterator<Item = &'s Option<Target>>) -> Result<(), &'static str> {
        targets.into_iter().flatten().try_for_each(|it| self.register(it.register))
    }

    fn jump(&self, target: u32) -> Result<(), &'static str> {
        let inside = (self.function.entry..self.function.end).contains(&target);
        if inside { Ok(()) } else { Err("a branch out of its function") }
    }

    fn address(&self, address: &Address) -> Result<(), &'static str> {
        self.source(&address.base)
    }

    fn op(&self, op: &Op) -> Result<(), &'static str> {
        match op {
            Op::Alu { sources, target, second, .. } => {
                self.sources(sources)?;
                self.targets([target, second])
            }
            Op::Carry { sources, target, .. } => {
                self.sources(sources)?;
                self.targets([target])
            }
            Op::Move { source, target }
            | Op::ConvertAddress { source, target, .. }
            | Op::IsSpace { source, target, .. } => {
                self.source(source)?;
                self.register(target.register)
            }
            Op::Pack { sources, target, .. } => {
                self.sources(sources)?;
                self.register(target.register)
            }
            Op::Unpack { source, targets, .. } => {
                self.source(source)?;
                self.targets(targets)
            }
            Op::Load { address, targets, .. } => {
                self.address(address)?;
                self.targets(targets)
            }
            Op::Store { address, sources, .. } => {
                self.address(address)?;
                self.sources(sources)
            }
            Op::Atomic { address, sources, swap, targets, .. } => {
                self.address(address)?;
                self.sources(sources.iter().chain(swap))?;
                self.targets(targets)
            }
            Op::AsyncCopy { shared, global, read, ignore, .. } => {
                self.address(shared)?;
                self.address(global)?;
                self.sources(read.iter().chain(ignore))
            }
            Op::Shuffle { sources, target, valid, .. } => {
                self.sources(sources)?;
                self.targets([target, valid])
            }
            Op::Vote { predicate: value, members, target, .. } | Op::Redux { value, members, target, .. } => {
                self.sources([value, members])?;
                self.targets([target])
            }
            Op::Match { value, members, target, valid, .. } => {
                self.sources([value, members])?;
                self.targets([target, valid])
            }
            Op::LoadMatrix { address, targets, .. } => {
                self.address(address)?;
                targets.iter().try_for_each(|it| self.register(it.register))
            }
            Op::Mma { a, b, c, d, .. } => {
                self.sources(a.iter().chain(b).chain(c))?;
                d.iter().try_for_each(|it| self.register(it.register))
            }
            Op::ActiveMask { target } => self.register(target.register),
            Op::Elect { members, target, leader } => {
                self.source(members)?;
                self.targets([target, leader])
            }
            Op::Barrier { id, threads, kind, .. } => {
                self.sources([id].into_iter().chain(threads))?;
                match kind {
                    BarrierKind::Sync | BarrierKind::Arrive => Ok(()),
                    BarrierKind::Popc { predicate, target }
                    | BarrierKind::And { predicate, target }
                    | BarrierKind::Or { predicate, target } => {
                        self.source(predicate)?;
                        self.register(target.register)
                    }
                }
            }
            Op::WarpBarrier { members } => self.source(members),
            Op::Branch { target } => self.jump(*target),
            Op::BranchTable { index, targets } => {
                self.source(index)?;
                targets.iter().try_for_each(|it| self.jump(*it))
            }
            Op::Call { arguments, results, .. } | Op::SystemCall { arguments, results, .. }
                if arguments.iter().chain(results).any(|it| !inside(self.function, it)) =>
            {
                Err("an argument or a result out of its frame")
            }
            Op::Call { function, .. } => {
                // A call comes back to the instruction behind it.
                if self.pc + 1 >= self.function.end {
                    return Err("a call at the end of its function");
                }
                self.source(function)
            }
            Op::AsyncCommit | Op::AsyncWait { .. } | Op::Fence { .. } | Op::SystemCall { .. } => Ok(()),
            Op::Return | Op::Exit | Op::Trap | Op::Hint => Ok(()),
        }
    }
}
