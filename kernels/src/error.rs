//! The crate's error.

use std::fmt;

/// What went wrong in this crate: a message fit for a person, and predicates for a program.
// By hand: all else waits for this crate, and this crate would wait for the derive macro.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
enum Kind {
    Invalid,
    Shape,
    DType,
    Index,
    OutOfMemory,
    Io,
    Device,
}

macro_rules! kinds {
    ($($make:ident, $is:ident, $kind:ident, $doc:literal;)*) => {
        impl Error {$(
            #[doc = concat!("An error of this kind: ", $doc)]
            #[must_use]
            pub fn $make(message: impl Into<String>) -> Error {
                Error::new(Kind::$kind, message.into(), None)
            }
            #[doc = concat!("Whether this is ", $doc)]
            #[must_use]
            pub fn $is(&self) -> bool {
                self.0.kind == Kind::$kind
            }
        )*}
    };
}

kinds! {
    invalid, is_invalid, Invalid, "an argument or a text that makes no sense.";
    shape, is_shape, Shape, "a shape that does not fit.";
    dtype, is_dtype, DType, "a dtype that does not fit.";
    index, is_index, Index, "an index out of range.";
    out_of_memory, is_out_of_memory, OutOfMemory, "memory that could not be had.";
    io, is_io, Io, "a file that could not be read or written.";
    device, is_device, Device, "a device that is not there, or that failed.";
}

impl Error {
    fn new(kind: Kind, message: String, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error(Box::new(Inner { kind, message, source }))
    }

    /// An input or output error on `what` (a path, usually), with its cause.
    #[must_use]
    pub fn from_io(what: impl fmt::Display, cause: std::io::Error) -> Error {
        Error::new(Kind::Io, format!("{what}: {cause}"), Some(Box::new(cause)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {})", self.0.kind, self.0.message)
    }
}
