//! How lowering says no.

use crate::{Error, ErrorKind};

/// What the text means is wrong.
pub(super) fn invalid<T>(line: u32, message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Invalid, line, message))
}

/// The emulator does not know this.
pub(super) fn unsupported<T>(line: u32, message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Unsupported, line, message))
}

/// Names of hostile texts are of any length; messages hold their beginning.
pub(super) fn short(name: &str) -> String {
    name.chars().take(80).collect()
}
