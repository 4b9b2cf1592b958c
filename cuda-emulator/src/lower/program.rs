//! What the machine runs.

use super::op::Op;
use crate::ptx::SourceLine;

/// A module with everything decoded. Instructions of all its functions stand in one list, so a place in it, a pc, says all.
#[derive(Clone, Debug)]
pub struct Program {
    /// The instructions of all functions.
    pub code: Code,
    /// Kernels and functions.
    pub functions: Vec<Function>,
    /// Variables of the module: global and constant. Their addresses are known once they are in a device's memory.
    pub symbols: Vec<Symbol>,
    /// Source files by their `.file` number.
    pub files: Vec<(u32, String)>,
    /// `.target sm_80` as 80.
    pub architecture: u32,
}

/// Instructions with what reports say of them.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// What runs.
    pub instructions: Vec<Instruction>,
    /// Where each comes from.
    pub lines: Vec<SourceLine>,
    /// Its line of the PTX text.
    pub ptx_lines: Vec<u32>,
    /// Its opcode as written.
    pub names: Vec<String>,
}

/// The place of a function in [`Program::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u32);

/// A kernel or a function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first instruction.
    pub entry: u32,
    /// One past its last instruction. The last is always a `Return`, an `Exit` or a jump.
    pub end: u32,
    /// Registers that a lane needs for it, predicates included.
    pub registers: u32,
    /// Bytes of its frame in local memory: `.local` variables, `.param` variables of the calls it makes, and, for a function,
    /// its own parameters and results. Offsets in it are what [`Source::Frame`] and addresses in `Space::Local` of
    /// variables are.
    pub frame_bytes: u32,
    /// Where its parameters lie: of a kernel in parameter space, of a function in its frame.
    pub parameters: Vec<Parameter>,
    /// Where a function's results lie in its frame.
    pub results: Vec<Parameter>,
    /// What a launch needs to know, if it is a kernel.
    pub kernel: Option<Kernel>,
}

/// What only kernels have.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// Bytes of all parameters.
    pub parameter_bytes: u32,
    /// Bytes of static shared variables, its own and those of the functions that it may call. Offsets of shared variables
    /// are fixed for the module, from 0; the machine adds where shared memory begins.
    pub static_shared: u32,
    /// Alignment of the open array `extern .shared s[]`, which begins at the next such multiple after the static ones.
    pub dynamic_align: u32,
    /// `.maxntid`, as threads of a block.
    pub max_threads: Option<u32>,
    /// `.reqntid`.
    pub required_threads: Option<[u32; 3]>,
    /// `.reqnctapercluster` or explicit cluster dimensions: asked for, not run yet.
    pub cluster: bool,
}

/// Where a parameter lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Its offset.
    pub offset: u32,
    /// Its size in bytes.
    pub bytes: u32,
}

/// A variable of the module in global or constant space.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Whether kernels may only read it.
    pub constant: bool,
    /// Whether it is defined here; a variable `.extern .global` is not.
    pub external: bool,
    /// Its alignment.
    pub align: u64,
    /// Its first bytes; the rest, up to `bytes`, is zero.
    pub data: Vec<u8>,
    /// Its size.
    pub bytes: u64,
    /// Places in `data` that take the address of another variable: (offset in data, its place in the list, offset added).
    pub relocations: Vec<(u64, u32, i64)>,
}

/// The addresses of a program's symbols on a device, in the order of [`Program::symbols`].
pub type Symbols = Vec<u64>;

/// A register of a lane, numbered within its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register(pub u32);

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// A register.
    Register(Register),
    /// `!p`.
    NotPredicate(Register),
    /// A constant, already in the bits of its type.
    Constant(u64),
    /// The address of a global or constant variable, plus bytes.
    Symbol(u32, i64),
    /// The address in shared space of a shared variable, given as its offset from the begin of the static ones.
    Shared(u32),
    /// The address in shared space of the open array, plus bytes.
    DynamicShared(i64),
    /// The address in local space of a variable of the running function, given as its offset in the frame.
    Frame(u32),
    /// The address in parameter space of a kernel's parameter.
    Parameter(u32),
    /// The number that stands for a function: its place in [`Program::functions`], which is held here, plus 1.
    Function(u32),
    /// A special register.
    Special(Special),
}

/// Where a value goes. The machine zeroes the bits above `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The register.
    pub register: Register,
    /// Its width in bits: 1, 8, 16, 32 or 64.
    pub width: u8,
}

/// The predicate in front of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The register.
    pub register: Register,
    /// Run where it is false.
    pub negated: bool,
}

/// A decoded instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The lanes that run it.
    pub guard: Option<Guard>,
    /// What it does.
    pub op: Op,
}

/// State spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Any of the others, told by the address.
    Generic,
    /// Memory of the device.
    Global,
    /// Memory of the block.
    Shared,
    /// Memory of the thread.
    Local,
    /// Constant memory.
    Const,
    /// Parameters of a kernel.
    Param,
}

/// How far a fence or an atomic is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The block.
    Block,
    /// The cluster.
    Cluster,
    /// The device.
    Device,
    /// All devices and the host.
    System,
}

/// What order an access brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Weak: no order, and racing it is wrong.
    Weak,
    /// `.relaxed` and `.volatile`: strong but orders nothing by itself.
    Relaxed,
    /// `.acquire`.
    Acquire,
    /// `.release`.
    Release,
    /// `.acq_rel`.
    AcquireRelease,
    /// `.sc`, of fences.
    Sequential,
}

/// `[base + offset]` in a space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Address {
    /// The space.
    pub space: Space,
    /// What the offset is added to.
    pub base: Source,
    /// Bytes.
    pub offset: i64,
}

/// Special registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own: %tid.x, %laneid, ...")]
pub enum Special {
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    LaneId,
    WarpId,
    NwarpId,
    SmId,
    NsmId,
    GridId,
    LanemaskEq,
    LanemaskLe,
    LanemaskLt,
    LanemaskGe,
    LanemaskGt,
    Clock,
    Clock64,
    GlobalTimer,
    DynamicSharedSize,
    TotalSharedSize,
    /// `%envreg0` and other registers that read as zero here.
    Zero,
}
