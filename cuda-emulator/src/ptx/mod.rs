//! PTX as text and as a syntax tree.
//!
//! The tree says what was written and nothing more: opcodes are words, operands are names and numbers. What they mean is the
//! business of [`lower`](crate::lower). A tree can be changed and printed, which is how mutants are made:
//! the text of a printed tree parses to the same tree but for the lines. Debugging sections, attributes of memory and what pointers
//! point to are not kept.

mod ast;
mod parse;
mod print;
mod token;

pub use ast::{
    Directive, File, Function, Guard, Initializer, Instruction, Item, Linkage, Module, Opcode, Operand, Registers,
    SourceLine, Statement, Variable,
};

pub(crate) use parse::MAX_NESTING;

use crate::Error;

/// Reads a PTX text.
///
/// # Errors
/// Text that is not PTX, of any length and any content: with the line and what was expected there.
pub fn parse(text: &str) -> Result<Module, Error> {
    parse::parse(text)
}

#[cfg(test)]
mod tests;
