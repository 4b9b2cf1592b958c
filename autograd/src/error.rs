//! The crate's error.

use crate::Origin;
use std::{fmt, sync::Arc};

/// What went wrong while building, compiling or running a graph: a message fit for a person, and predicates for a program.
///
/// Cloning is cheap: a poisoned tensor and everything computed from it carry one error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Inner {
    kind: Kind,
    message: String,
    origin: Option<Origin>,
    source: Option<wengert_kernels::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Build,
    Gradient,
    Feed,
    Run,
    NonFinite,
    Text,
}

macro_rules! predicates {
    ($($is:ident $kind:ident $doc:literal;)*) => {
        impl Error {$(
            #[doc = concat!("Whether ", $doc)]
            #[must_use]
            pub fn $is(&self) -> bool {
                self.0.kind == Kind::$kind
            }
        )*}
    };
}

predicates! {
    is_build Build "an op was given operands that it does not take.";
    is_gradient Gradient "a gradient was asked for that does not exist.";
    is_feed Feed "a value given to a call is missing or does not fit.";
    is_run Run "a compiled function failed while it ran, or could not be loaded.";
    is_non_finite NonFinite "the NaN trap found a value that is not finite.";
    is_text Text "a text form could not be read.";
}

impl Error {
    fn new(kind: Kind, message: String, origin: Option<Origin>) -> Error {
        Error(Arc::new(Inner { kind, message, origin, source: None }))
    }

    /// An error about what the user wrote at `origin`; the place ends the message.
    pub(crate) fn build(message: impl fmt::Display, origin: &Origin) -> Error {
        Error::new(Kind::Build, format!("{message}\n  at {origin}"), Some(origin.clone()))
    }

    pub(crate) fn gradient(message: impl fmt::Display, origin: &Origin) -> Error {
        Error::new(Kind::Gradient, format!("{message}\n  at {origin}"), Some(origin.clone()))
    }

    pub(crate) fn feed(message: impl Into<String>) -> Error {
        Error::new(Kind::Feed, message.into(), None)
    }

    pub(crate) fn run(message: impl Into<String>) -> Error {
        Error::new(Kind::Run, message.into(), None)
    }

    pub(crate) fn non_finite(message: impl fmt::Display, origin: &Origin) -> Error {
        Error::new(Kind::NonFinite, format!("{message}\n  at {origin}"), Some(origin.clone()))
    }

    pub(crate) fn text(message: impl Into<String>) -> Error {
        Error::new(Kind::Text, message.into(), None)
    }

    /// The place in the user's program that the error is about, if there is one.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }
}

impl From<wengert_kernels::Error> for Error {
    fn from(source: wengert_kernels::Error) -> Error {
        Error(Arc::new(Inner { kind: Kind::Run, message: source.to_string(), origin: None, source: Some(source) }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {})", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
