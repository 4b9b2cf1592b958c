//! Arithmetic: pure functions over the 32 lanes of a warp.
//!
//! A lane's register is 64 bits; a narrower value stands in its low bits, the bits above are zero after every write. A
//! function reads only the bits that its type has, so it need not trust them. Predicates are 0 and 1.
//!
//! Every form of arithmetic stands in one table, by its opcode's text. Where PTX leaves a result open, it is this:
//!
//! - A division by zero gives all ones, its remainder too; `MIN / -1` wraps.
//! - NaN is the canonical one: 0x7fffffff, 0x7ff8000000000000, 0x7fff, of `abs` and `neg` too. Payloads are lost.
//! - `.ftz` makes zero of a result that is subnormal after it has been rounded.
//! - `.sat` and `.relu` make +0 of -0.
//! - Approximate functions are rounded to nearest from f64.

mod approximate;
mod bits;
mod compare;
mod convert;
mod float;
mod half;
mod integer;
mod lanes;
mod round;
mod sign;
mod table;

use std::sync::LazyLock;

use crate::ptx::Opcode;
use table::Table;

/// Lanes of a warp.
pub const WARP: usize = 32;

/// One register of a warp.
pub type Lanes = [u64; WARP];

/// The work of one arithmetic instruction on all lanes. It is computed for inactive lanes too (their results are dropped), so
/// it must be defined for every input.
pub type Compute = fn(sources: [&Lanes; 4], result: &mut Lanes);

/// An instruction that reads up to four registers and writes one or two.
#[derive(Clone, Copy, Debug)]
pub struct Alu {
    /// How many sources it reads.
    pub sources: u8,
    /// Its result.
    pub compute: Compute,
    /// A second result: the complement of `setp`, written `p|q`.
    pub second: Option<Compute>,
    /// What it counts as.
    pub class: Class,
    /// Floating-point operations a lane: 2 for `fma`.
    pub flops: u8,
}

/// Classes of instructions, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Integer arithmetic, logic, comparisons, moves.
    Integer,
    /// Arithmetic on f16 and bf16.
    Half,
    /// Arithmetic on f32.
    Single,
    /// Arithmetic on f64.
    Double,
    /// Approximate functions: ex2, lg2, sin, cos, rcp, rsqrt, sqrt, tanh.
    Special,
    /// Conversions.
    Convert,
    /// Loads, stores, atomics.
    Memory,
    /// Branches, calls, returns.
    Control,
    /// Barriers, fences, shuffles, votes.
    Sync,
    /// Tensor cores.
    Matrix,
}

/// Every form there is, each with its function, by the opcode's text. Forms that only devices beyond 9.0 have are not there.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for rows in [
        integer::rows,
        bits::rows,
        float::rows,
        sign::rows,
        half::rows,
        approximate::rows,
        compare::rows,
        convert::rows,
    ] {
        rows(&mut table);
    }
    table
});

/// The arithmetic of an opcode, or `None` if it is no arithmetic or an unknown form of it. Constants that select a function
/// (the table of `lop3`, the mode of `prmt`) are ordinary sources.
pub fn select(opcode: &Opcode) -> Option<Alu> {
    TABLE.get(&opcode.to_string())
}

/// The opcodes of all forms that [`select`] knows, in alphabetical order.
pub fn forms() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE.names().collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;
