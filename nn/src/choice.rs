//! Things that are chosen by value or by name.

use crate::Error;

/// What can be chosen by its name: a row for each in a table.
pub(crate) type Named<T> = (&'static str, fn() -> T);

/// The row of `table` called `name`.
///
/// # Errors
/// Lists the names that are there.
pub(crate) fn by_name<T>(what: &str, table: &[Named<T>], name: &str) -> Result<T, Error> {
    let known = || table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    match table.iter().find(|(own, _)| *own == name) {
        Some((_, make)) => Ok(make()),
        None => Err(Error::invalid(format!("there is no {what} `{name}`; known are {}", known()))),
    }
}

/// A value, or a name that may not be known: what builders take where a name will do.
///
/// A wrong name shows when the layer is applied, as every error of building does.
#[derive(Clone, Debug)]
pub struct Choice<T>(pub(crate) Result<T, String>);

impl<T> From<T> for Choice<T> {
    fn from(value: T) -> Choice<T> {
        Choice(Ok(value))
    }
}

macro_rules! choose_by_name {
    ($type:ty, $what:literal, $table:expr) => {
        impl std::str::FromStr for $type {
            type Err = crate::Error;

            fn from_str(name: &str) -> Result<$type, crate::Error> {
                crate::choice::by_name($what, $table, name)
            }
        }

        impl From<&str> for crate::choice::Choice<$type> {
            fn from(name: &str) -> Self {
                crate::choice::Choice(name.parse().map_err(|error: crate::Error| error.to_string()))
            }
        }
    };
}
pub(crate) use choose_by_name;
