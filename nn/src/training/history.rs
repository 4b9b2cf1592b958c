//! What training measured.

use crate::Error;
use std::{fmt, ops::Index, path::Path};

/// A column for each number, a row for each epoch: `loss`, metrics, `val_loss`, ..., `seconds`, `samples_per_second`.
///
/// ```
/// # use wengert_nn::training::History;
/// let history = History::default();
/// assert_eq!(history.get("loss"), None);
/// assert!(history["loss"].is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    columns: Vec<(String, Vec<f64>)>,
}

impl History {
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> History {
        History { columns: names.into_iter().map(|name| (name.to_owned(), vec![])).collect() }
    }

    pub(crate) fn push(&mut self, values: impl IntoIterator<Item = f64>) {
        self.columns.iter_mut().zip(values).for_each(|((_, column), value)| column.push(value));
    }

    /// How many epochs were run.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The column of that name, a number for each epoch.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|(own, _)| own == name).map(|(_, column)| column.as_slice())
    }

    /// The number of the last epoch.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.last().copied()
    }

    /// Writes a table with a header and a line for each epoch, in one piece or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn to_csv(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(wengert_kernels::files::write_atomic(path, |file| {
            writeln!(file, "epoch,{}", self.names().collect::<Vec<_>>().join(","))?;
            (0..self.epochs()).try_for_each(|epoch| {
                let row: Vec<String> = self.columns.iter().map(|(_, column)| column[epoch].to_string()).collect();
                writeln!(file, "{},{}", epoch + 1, row.join(","))
            })
        })?)
    }
}

impl Index<&str> for History {
    type Output = [f64];

    /// The column of that name; empty if there is none.
    fn index(&self, name: &str) -> &[f64] {
        self.get(name).unwrap_or_default()
    }
}

impl fmt::Display for History {
    /// The last epoch in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.epochs())?;
        for (name, column) in &self.columns {
            if let Some(value) = column.last() {
                write!(f, " - {name}: {value:.4}")?;
            }
        }
        Ok(())
    }
}
