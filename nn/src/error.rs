//! The crate's error.

use std::fmt;

/// What went wrong in this crate: a message fit for a person, and predicates for a program.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
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
    Missing,
    Data,
    OutOfMemory,
    Io,
    Graph,
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
    invalid, is_invalid, Invalid, "an argument that makes no sense.";
    shape, is_shape, Shape, "a shape that does not fit.";
    dtype, is_dtype, DType, "a dtype that does not fit.";
    missing, is_missing, Missing, "a data set that is not there.";
    data, is_data, Data, "data that are damaged or out of range.";
    out_of_memory, is_out_of_memory, OutOfMemory, "memory that could not be had.";
    io, is_io, Io, "a file that could not be read or written.";
    graph, is_graph, Graph, "a graph that could not be built, compiled or run.";
}

impl Error {
    fn new(kind: Kind, message: String, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error(Box::new(Inner { kind, message, source }))
    }

    /// The same error with what it is about in front of its message.
    pub(crate) fn context(mut self, what: &str) -> Error {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// An input or output error on `what` (a path, usually), with its cause.
    #[must_use]
    pub fn from_io(what: impl fmt::Display, cause: std::io::Error) -> Error {
        Error::new(Kind::Io, format!("{what}: {cause}"), Some(Box::new(cause)))
    }
}

impl From<wengert_kernels::Error> for Error {
    fn from(cause: wengert_kernels::Error) -> Error {
        let kind = if cause.is_shape() {
            Kind::Shape
        } else if cause.is_dtype() {
            Kind::DType
        } else if cause.is_out_of_memory() {
            Kind::OutOfMemory
        } else if cause.is_io() {
            Kind::Io
        } else {
            Kind::Invalid
        };
        Error::new(kind, cause.to_string(), Some(Box::new(cause)))
    }
}

impl From<wengert_autograd::Error> for Error {
    fn from(cause: wengert_autograd::Error) -> Error {
        Error::new(Kind::Graph, cause.to_string(), Some(Box::new(cause)))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {})", self.0.kind, self.0.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_of_the_kernels_keeps_its_kind_its_words_and_its_place_in_the_chain() {
        let error = Error::from(wengert_kernels::Error::shape("3 is not 4"));
        assert!(error.is_shape() && !error.is_data());
        assert_eq!(error.to_string(), "3 is not 4");
        assert!(error.source().unwrap().is::<wengert_kernels::Error>());
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
