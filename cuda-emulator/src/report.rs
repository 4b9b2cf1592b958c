//! What a launch is found to do wrong.

use std::fmt;

/// One finding, with all that is needed to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub finding: Finding,
    /// Who did it.
    pub place: Place,
    /// The bytes it is about, if it is about memory.
    pub access: Option<Access>,
    /// The other side of a race, or where the bytes were freed, ...
    pub other: Option<Place>,
    /// What a sentence more explains: the allocation nearby, the barrier waited for, ...
    pub note: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// Bytes that belong to no allocation, variable or parameter.
    OutOfBounds,
    /// An address that is no multiple of the access's size.
    Misaligned,
    /// Bytes of an allocation that was freed.
    UseAfterFree,
    /// A write to constant memory or to read-only bytes.
    ReadOnly,
    /// Bytes read that nobody wrote.
    Uninitialised,
    /// Two accesses, one of them a write, that nothing orders.
    Race,
    /// Threads of one warp at different barriers, or some that ended before it.
    DivergentBarrier,
    /// Nobody can go on.
    Deadlock,
    /// A warp-wide instruction whose mask names threads that do not take part, or not the thread itself.
    BadMask,
    /// More instructions than the launch may take: an endless loop.
    Endless,
    /// `trap`, or a failed assertion.
    Trap,
    /// Something that the machine has no answer for: a division by zero is none, a jump out of a table is.
    Invalid,
}

impl Finding {
    /// Whether hardware would report an illegal or misaligned address rather than go on with wrong numbers.
    pub fn stops_hardware(self) -> bool {
        matches!(
            self,
            Finding::OutOfBounds | Finding::Misaligned | Finding::UseAfterFree | Finding::ReadOnly | Finding::Trap
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Finding::OutOfBounds => "out of bounds",
            Finding::Misaligned => "misaligned access",
            Finding::UseAfterFree => "use after free",
            Finding::ReadOnly => "write to read-only memory",
            Finding::Uninitialised => "uninitialised read",
            Finding::Race => "race",
            Finding::DivergentBarrier => "divergent barrier",
            Finding::Deadlock => "deadlock",
            Finding::BadMask => "bad warp mask",
            Finding::Endless => "too many instructions",
            Finding::Trap => "trap",
            Finding::Invalid => "invalid instruction",
        })
    }
}

/// A thread at an instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The kernel.
    pub kernel: String,
    /// The opcode as written.
    pub instruction: String,
    /// Where the instruction comes from.
    pub source: SourcePlace,
    /// The block's index in the grid.
    pub block: [u32; 3],
    /// The thread's index in the block.
    pub thread: [u32; 3],
}

/// A line of the CUDA source and of the PTX text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePlace {
    /// The CUDA source file; empty if the PTX does not say.
    pub file: String,
    /// Its line; 0 if the PTX does not say.
    pub line: u32,
    /// The line of the PTX text.
    pub ptx_line: u32,
}

/// Bytes in a state space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `global`, `shared`, `local`, `const` or `param`.
    pub space: &'static str,
    /// The address in that space.
    pub address: u64,
    /// How many bytes.
    pub bytes: u32,
    /// Whether it writes.
    pub write: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.finding)?;
        if let Some(access) = &self.access {
            let verb = if access.write { "write" } else { "read" };
            write!(out, ": {verb} of {} bytes at {} {:#x}", access.bytes, access.space, access.address)?;
        }
        write!(out, " by {}", self.place)?;
        if let Some(other) = &self.other {
            write!(out, "; the other is {other}")?;
        }
        if !self.note.is_empty() {
            write!(out, "; {}", self.note)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([bx, by, bz], [tx, ty, tz]) = (self.block, self.thread);
        write!(out, "kernel {}, block ({bx}, {by}, {bz}), thread ({tx}, {ty}, {tz}), ", self.kernel)?;
        write!(out, "`{}` at {}", self.instruction, self.source)
    }
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "{}:{} (PTX line {})", self.file, self.line, self.ptx_line)
        } else {
            write!(out, "PTX line {}", self.ptx_line)
        }
    }
}
