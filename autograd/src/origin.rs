//! Where the user wrote what a node computes.

use std::{fmt, panic::Location, sync::Arc};

/// A place in the user's program, and the scope (a layer's name, say) in which it was reached.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    location: &'static Location<'static>,
    scope: Option<Arc<str>>,
}

impl Origin {
    /// The place that called the function that calls this, as far up as `#[track_caller]` reaches.
    #[must_use]
    #[track_caller]
    pub fn here() -> Origin {
        Origin { location: Location::caller(), scope: None }
    }

    pub(crate) fn new(location: &'static Location<'static>, scope: Option<Arc<str>>) -> Origin {
        Origin { location, scope }
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The file, as the compiler names it.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.location.file()
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.location.line()
    }

    /// The scope, `dense_1` for example.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.location.column())?;
        match &self.scope {
            Some(scope) => write!(f, " (in {scope})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
