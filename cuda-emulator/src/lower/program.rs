//! What the machine runs.

use crate::alu::Alu;
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

/// Bytes that stand for constants; kept apart so that nothing is written twice.
pub type Constants = Vec<u64>;

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

/// Atomic operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum AtomicOp {
    Exchange,
    CompareAndSwap,
    Add,
    Increment,
    Decrement,
    And,
    Or,
    Xor,
    Min,
    Max,
}

/// Types that atomics work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum AtomicType {
    B16,
    B32,
    B64,
    U32,
    U64,
    S32,
    S64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    F32,
    F64,
}

/// `shfl.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ShuffleKind {
    Up,
    Down,
    Butterfly,
    Index,
}

/// `vote.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum VoteKind {
    All,
    Any,
    Uniform,
    Ballot,
}

/// `match.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum MatchKind {
    Any,
    All,
}

/// `redux.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ReduxOp {
    AddU32,
    MinU32,
    MaxU32,
    MinS32,
    MaxS32,
    And,
    Or,
    Xor,
}

/// What a block's barrier does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BarrierKind {
    /// Wait for all.
    Sync,
    /// Say that one is there, and go on.
    Arrive,
    /// Wait for all, and count the predicates that hold.
    Popc {
        /// The predicate.
        predicate: Source,
        /// Where the count goes.
        target: Target,
    },
    /// Wait for all; whether all predicates hold.
    And {
        /// The predicate.
        predicate: Source,
        /// Where it goes.
        target: Target,
    },
    /// Wait for all; whether any predicate holds.
    Or {
        /// The predicate.
        predicate: Source,
        /// Where it goes.
        target: Target,
    },
}

/// What tensor cores multiply; they add in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum MatrixType {
    F16,
    Bf16,
    /// The upper 19 bits of an f32.
    Tf32,
}

/// What an instruction does. Tensor cores' instructions are kinds of their own as they come.
#[derive(Clone, Debug)]
pub enum Op {
    /// Arithmetic; unused sources are constants 0.
    Alu {
        /// What is computed.
        alu: Alu,
        /// Where from.
        sources: [Source; 4],
        /// Where to; `None` for `_`.
        target: Option<Target>,
        /// The second result.
        second: Option<Target>,
    },
    /// Arithmetic with the carry flag, of 32 or 64 bits: `a + b [+ carry]`, `a - b [- borrow]`, `lo or hi(a * b) + c [+ carry]`.
    Carry {
        /// How `a` and `b` meet.
        kind: CarryKind,
        /// 32 or 64.
        width: u8,
        /// Whether products and carries are of signed numbers (matters for the high half of products).
        signed: bool,
        /// Adds the flag in.
        carry_in: bool,
        /// Writes the flag.
        carry_out: bool,
        /// Where from; sums leave the third constant 0.
        sources: [Source; 3],
        /// Where to.
        target: Option<Target>,
    },
    /// A move, of special registers and addresses too.
    Move {
        /// Where from.
        source: Source,
        /// Where to.
        target: Target,
    },
    /// `mov.b64 %rd, {%r1, %r2}`: parts of equal width, the lowest first.
    Pack {
        /// The parts.
        sources: Vec<Source>,
        /// Bits of a part.
        part: u8,
        /// Where to.
        target: Target,
    },
    /// `mov.b64 {%r1, %r2}, %rd`.
    Unpack {
        /// The whole.
        source: Source,
        /// Bits of a part.
        part: u8,
        /// Where to, the lowest first; `None` for `_`.
        targets: Vec<Option<Target>>,
    },
    /// `cvta`: between a space's addresses and generic ones.
    ConvertAddress {
        /// Where from.
        source: Source,
        /// The space.
        space: Space,
        /// Towards generic, or (`cvta.to`) away from it.
        to_generic: bool,
        /// Where to.
        target: Target,
    },
    /// `isspacep`.
    IsSpace {
        /// A generic address.
        source: Source,
        /// The space.
        space: Space,
        /// A predicate.
        target: Target,
    },
    /// A load of one to eight elements that lie side by side.
    Load {
        /// Where they lie.
        address: Address,
        /// Where they go; `None` for `_`.
        targets: Vec<Option<Target>>,
        /// Bytes of an element: 1, 2, 4, 8.
        bytes: u8,
        /// Whether narrow elements are extended by their sign.
        signed: bool,
        /// What order it brings.
        order: Order,
        /// Its scope.
        scope: Scope,
        /// `ld.global.nc`: nobody may write these bytes while the kernel runs.
        non_coherent: bool,
    },
    /// A store of one to eight elements.
    Store {
        /// Where they go.
        address: Address,
        /// The elements.
        sources: Vec<Source>,
        /// Bytes of an element.
        bytes: u8,
        /// What order it brings.
        order: Order,
        /// Its scope.
        scope: Scope,
    },
    /// `atom` and, without a target, `red`. Vectors (`.v2.f32`) have several sources and targets.
    Atomic {
        /// What is done.
        op: AtomicOp,
        /// On what.
        ty: AtomicType,
        /// Where.
        address: Address,
        /// Operands, one an element.
        sources: Vec<Source>,
        /// The new value of a compare-and-swap.
        swap: Option<Source>,
        /// Where the old values go; empty for `red`.
        targets: Vec<Option<Target>>,
        /// What order it brings.
        order: Order,
        /// Its scope.
        scope: Scope,
    },
    /// `cp.async`: 4, 8 or 16 bytes from global to shared memory, some time before the group is waited for.
    AsyncCopy {
        /// Where to.
        shared: Address,
        /// Where from.
        global: Address,
        /// Bytes written.
        bytes: u8,
        /// Bytes read; the rest is zero. `None`: all.
        read: Option<Source>,
        /// A predicate that holds where nothing is read and zeros are written.
        ignore: Option<Source>,
    },
    /// `cp.async.commit_group`.
    AsyncCommit,
    /// `cp.async.wait_group n`; `None` for `wait_all`.
    AsyncWait {
        /// How many of the last groups may be under way still.
        pending: Option<u32>,
    },
    /// `shfl.sync`.
    Shuffle {
        /// Which.
        kind: ShuffleKind,
        /// `value`, `lane`, `clamp and segment mask`, `members`.
        sources: [Source; 4],
        /// The value.
        target: Option<Target>,
        /// Whether the source lane was in range.
        valid: Option<Target>,
    },
    /// `vote.sync`.
    Vote {
        /// Which.
        kind: VoteKind,
        /// A predicate.
        predicate: Source,
        /// The members.
        members: Source,
        /// Where to.
        target: Option<Target>,
    },
    /// `match.sync`.
    Match {
        /// Which.
        kind: MatchKind,
        /// The value, of 32 or 64 bits.
        value: Source,
        /// The members.
        members: Source,
        /// The mask of lanes that match.
        target: Option<Target>,
        /// Whether all do, for `All`.
        valid: Option<Target>,
    },
    /// `redux.sync`.
    Redux {
        /// Which.
        op: ReduxOp,
        /// The value.
        value: Source,
        /// The members.
        members: Source,
        /// Where to.
        target: Option<Target>,
    },
    /// `activemask`.
    ActiveMask {
        /// Where to.
        target: Target,
    },
    /// `elect.sync`: the lowest member leads.
    Elect {
        /// The members.
        members: Source,
        /// The leader's lane.
        target: Option<Target>,
        /// Whether this lane is the leader.
        leader: Option<Target>,
    },
    /// `bar`, `barrier`.
    Barrier {
        /// Which of 16.
        id: Source,
        /// How many threads; `None`: all of the block.
        threads: Option<Source>,
        /// What it does.
        kind: BarrierKind,
        /// Whether all threads of the warp must come together.
        aligned: bool,
    },
    /// `bar.warp.sync`.
    WarpBarrier {
        /// The members.
        members: Source,
    },
    /// `membar`, `fence`.
    Fence {
        /// Its order.
        order: Order,
        /// Its scope.
        scope: Scope,
    },
    /// `bra`.
    Branch {
        /// Where to.
        target: u32,
    },
    /// `brx.idx`.
    BranchTable {
        /// Which of the targets.
        index: Source,
        /// The targets.
        targets: Vec<u32>,
    },
    /// A call. Arguments and results lie in the caller's frame.
    Call {
        /// A [`Source::Function`], or what an indirect call takes from a register.
        function: Source,
        /// Arguments in the caller's frame, in the callee's order.
        arguments: Vec<Parameter>,
        /// Results in the caller's frame.
        results: Vec<Parameter>,
    },
    /// `vprintf`, `__assertfail` and other calls that the device's runtime answers.
    SystemCall {
        /// Its name.
        name: SystemCall,
        /// Arguments in the caller's frame.
        arguments: Vec<Parameter>,
        /// Results in the caller's frame.
        results: Vec<Parameter>,
    },
    /// `ret`; of a kernel, the end of the thread.
    Return,
    /// `exit`.
    Exit,
    /// `trap`.
    Trap,
    /// `ldmatrix`: one, two or four matrices of 8 by 8 elements of 16 bits. Lane `8 i + r` gives the address of row `r` of matrix
    /// `i` (16 bytes, aligned; addresses of further lanes do not count). Target `i` of lane `l` gets the elements `2 (l % 4)` (low half)
    /// and `2 (l % 4) + 1` of row `l / 4` of matrix `i`; transposed, of column `l / 4`.
    LoadMatrix {
        /// Where this lane's row lies, in shared memory.
        address: Address,
        /// One for each matrix, of 32 bits.
        targets: Vec<Target>,
        /// `.trans`.
        transpose: bool,
    },
    /// `mma.sync`: `d = a b + c` of a warp, `a` of 16 by `k`, `b` of `k` by 8, `c` and `d` of 16 by 8 in f32.
    ///
    /// With `g = l / 4` and `t = l % 4` of lane `l`, and `p` elements in a register (two of 16 bits, the lower index in the low half; one of
    /// tf32), register `i` of `a` holds row `g + 8 (i % 2)`, columns `p t ..` plus `4 p (i / 2)`; register `i` of `b` holds column `g`, rows
    /// `p t ..` plus `4 p i`; register `i` of `c` and `d` holds row `g + 8 (i / 2)`, column `2 t + i % 2`.
    Mma {
        /// What is multiplied.
        ty: MatrixType,
        /// The inner size: 4, 8 or 16.
        k: u8,
        /// `16 k / (32 p)` registers.
        a: Vec<Source>,
        /// `8 k / (32 p)` registers.
        b: Vec<Source>,
        /// Four registers.
        c: [Source; 4],
        /// Four registers.
        d: [Target; 4],
    },
    /// `nanosleep`, `prefetch`, `discard`, `applypriority`, `griddepcontrol`, `pmevent`, `brkpt`: nothing to see. A warp that sleeps lets others go first.
    Hint,
}

/// How the operands of a [`Op::Carry`] meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CarryKind {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// The low half of `a * b`, plus `c`.
    MultiplyLow,
    /// The high half of `a * b`, plus `c`.
    MultiplyHigh,
}

/// Functions that the device's runtime has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SystemCall {
    /// `vprintf(format, arguments)`.
    Print,
    /// `__assertfail(message, file, line, function, char size)`.
    AssertFail,
    /// `malloc(bytes)`: answers null, as a device whose heap is full.
    Malloc,
    /// `free(address)`.
    Free,
}
