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
        let tree = ptx::parse(text)?;
        if tree.version > NEWEST_PTX {
            let ((major, minor), (most, least)) = (tree.version, NEWEST_PTX);
            let message = format!("PTX {major}.{minor}; the device's driver takes at most {most}.{least}");
            return Err(Error::new(ErrorKind::UnsupportedVersion, 0, message));
        }
        // `sm_90a` is for the very device, `sm_100f` for its family: both only for the one number here.
        let specific = tree.target.iter().any(|it| it.starts_with("sm_") && it.ends_with(['a', 'f']));
        let program = crate::lower::lower(&tree)?;
        let wanted = program.architecture;
        if wanted > architecture || specific && wanted != architecture {
            let message = format!("the text is for {}; the device is sm_{architecture}", tree.target.join(", "));
            return Err(Error::new(ErrorKind::NoBinaryForDevice, 0, message));
        }
        let symbols = place(memory, &program)?;
        Ok(Module { program, symbols })
    }

    /// Gives the memory of the variables back.
    pub fn unload(self, memory: &Memory) {
        free(memory, &self.symbols);
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

/// Bytes of all variables of a module. They are filled when it is loaded, so a text must not ask for any number of them.
const MOST_BYTES: u64 = 256 << 20;

/// Bytes that are zeroed at a time.
const FILL: u32 = 4;

/// Gives each variable its place, with what it begins with.
fn place(memory: &Memory, program: &Program) -> Result<Symbols, Error> {
    let mut placed = Symbols::new();
    let done = allocate(memory, program, &mut placed).and_then(|()| initialise(memory, program, &placed));
    match done {
        Ok(()) => Ok(placed),
        Err(error) => {
            free(memory, &placed);
            Err(error)
        }
    }
}

fn free(memory: &Memory, symbols: &Symbols) {
    for address in symbols {
        // They were allocated when the module was loaded, and nobody else frees them.
        let freed = memory.free(*address);
        debug_assert!(freed.is_ok(), "a variable was freed by somebody else");
    }
}

fn allocate(memory: &Memory, program: &Program, placed: &mut Symbols) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, 0, message));
    let bytes = program.symbols.iter().fold(0u64, |sum, it| sum.saturating_add(it.bytes));
    if bytes > MOST_BYTES {
        return refuse(format!("{bytes} bytes of variables; a module has at most {MOST_BYTES}"));
    }
    for symbol in &program.symbols {
        if symbol.external {
            return refuse(format!("{} is declared, and no module defines it", symbol.name));
        }
        // Allocations begin at multiples of 256, which is the largest alignment that PTX has for variables in practice.
        let address =
            if symbol.constant { memory.allocate_read_only(symbol.bytes) } else { memory.allocate(symbol.bytes) };
        let Ok(address) = address else {
            let message = format!("no memory is left for the {} bytes of {}", symbol.bytes, symbol.name);
            return Err(Error::new(ErrorKind::OutOfMemory, 0, message));
        };
        placed.push(address);
        if symbol.align > 1 && address % symbol.align != 0 {
            return refuse(format!("{} has an alignment of {}; there is none beyond 256", symbol.name, symbol.align));
        }
    }
    Ok(())
}

fn initialise(memory: &Memory, program: &Program, placed: &Symbols) -> Result<(), Error> {
    for (symbol, address) in program.symbols.iter().zip(placed) {
        let broken = |_| Error::new(ErrorKind::Invalid, 0, format!("{} begins with bytes that it lacks", symbol.name));
        // Variables without a beginning are zero.
        memory.fill(*address, 0, FILL, symbol.bytes / u64::from(FILL)).map_err(broken)?;
        let rest = symbol.bytes % u64::from(FILL);
        memory.fill(address + symbol.bytes - rest, 0, 1, rest).map_err(broken)?;
        memory.write(*address, &symbol.data).map_err(broken)?;
        for (at, other, offset) in &symbol.relocations {
            let value = placed.get(*other as usize).copied().unwrap_or(0).wrapping_add_signed(*offset);
            memory.write(address.saturating_add(*at), &value.to_le_bytes()).map_err(broken)?;
        }
    }
    Ok(())
}
