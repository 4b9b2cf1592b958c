//! From a syntax tree to what the machine runs: names are resolved, instructions are decoded into typed form, once.

mod program;

pub use program::{
    Address, AtomicOp, AtomicType, BarrierKind, CarryKind, Code, Constants, Function, FunctionId, Guard, Instruction,
    Kernel, MatchKind, Op, Order, Parameter, Program, ReduxOp, Register, Scope, ShuffleKind, Source, Space, Special,
    Symbol, Symbols, SystemCall, Target, VoteKind,
};

use crate::{Error, ptx};

/// Decodes a module: resolves names, numbers registers, lays out variables, frames and parameters.
///
/// # Errors
/// Names that nothing defines, operands that do not fit, instructions that the emulator does not know (with their name and line).
pub fn lower(module: &ptx::Module) -> Result<Program, Error> {
    let _ = module;
    Err(Error::new(crate::ErrorKind::Unsupported, 0, "nothing is decoded"))
}
