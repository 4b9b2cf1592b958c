//! What an instruction does.

use super::program::{Address, Order, Parameter, Scope, Source, Space, Target};
use crate::alu::Alu;

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
