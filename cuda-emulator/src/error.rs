//! What goes wrong before a kernel runs.

use std::fmt;

/// Why a text is no program, or a request cannot be met. What goes wrong while a kernel runs is a [`Report`](crate::Report).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    line: u32,
    message: String,
}

/// What kind of failure it is; the driver makes its codes from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not PTX.
    Syntax,
    /// The text's PTX version is newer than the device's driver takes.
    UnsupportedVersion,
    /// The text is for a newer device.
    NoBinaryForDevice,
    /// An instruction, space or type that the emulator does not know.
    Unsupported,
    /// Names that nothing defines, types that do not fit, limits exceeded.
    Invalid,
    /// The device has no memory left for the text's variables.
    OutOfMemory,
}

impl Error {
    /// A failure at a line of the PTX text (0: nowhere in particular).
    pub fn new(kind: ErrorKind, line: u32, message: impl Into<String>) -> Self {
        Error { kind, line, message: message.into() }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The line of the PTX text, 0 if none.
    pub fn line(&self) -> u32 {
        self.line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "PTX line {}: ", self.line)?;
        }
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
