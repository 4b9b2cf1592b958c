//! One error for programs that use the whole engine.

use std::fmt;

/// Any error of the engine; the error of the crate that it came from is its [`source`](std::error::Error::source), and that
/// crate's predicates tell kinds apart.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error(transparent)]
    Kernels(#[from] wengert_kernels::Error),
    #[error(transparent)]
    Autograd(#[from] wengert_autograd::Error),
    #[error(transparent)]
    Nn(#[from] wengert_nn::Error),
}

macro_rules! from {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Error {
            fn from(error: $ty) -> Error {
                Error(Box::new(error.into()))
            }
        }
    )*};
}

from!(wengert_kernels::Error, wengert_autograd::Error, wengert_nn::Error);

impl Error {
    /// Whether it is about a data set that is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&*self.0, Inner::Nn(error) if error.is_missing())
    }
}

impl fmt::Debug for Error {
    /// As it is displayed: a `main` that returns it then prints words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
