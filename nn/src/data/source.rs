//! The published data sets by name.

use super::{Dataset, cifar10, fashion_mnist, mnist};
use crate::Error;
use std::{fmt, path::Path, str::FromStr};

/// A published data set: what a program's argument names.
///
/// ```
/// use wengert_nn::data::Source;
///
/// let source: Source = "fashion-mnist".parse()?;
/// assert_eq!((source, source.to_string()), (Source::FashionMnist, String::from("Fashion-MNIST")));
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// [`mnist`](mnist()).
    Mnist,
    /// [`fashion_mnist`].
    FashionMnist,
    /// [`cifar10`](cifar10()).
    Cifar10,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 3] = [Source::Mnist, Source::FashionMnist, Source::Cifar10];

    /// Training set and test set from files on disk: `dir`, then the folders in which [`mnist`](mnist()) looks. The network is
    /// never asked.
    ///
    /// # Errors
    /// As [`mnist`](mnist()).
    pub fn load(self, dir: Option<&Path>) -> Result<(Dataset, Dataset), Error> {
        match self {
            Source::Mnist => mnist(dir),
            Source::FashionMnist => fashion_mnist(dir),
            Source::Cifar10 => cifar10(dir),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Mnist => "MNIST",
            Source::FashionMnist => "Fashion-MNIST",
            Source::Cifar10 => "CIFAR-10",
        })
    }
}

impl FromStr for Source {
    type Err = Error;

    /// By its name, without regard to case and dashes; `fashion` will do.
    fn from_str(name: &str) -> Result<Source, Error> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
        match plain(name).as_str() {
            "fashion" => Ok(Source::FashionMnist),
            other => Source::ALL.into_iter().find(|source| plain(&source.to_string()) == other).ok_or_else(|| {
                Error::invalid(format!("`{name}` is no data set; known are mnist, fashion-mnist and cifar10"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_is_known_by_its_names() {
        for (name, source) in [
            ("mnist", Source::Mnist),
            ("MNIST", Source::Mnist),
            ("fashion", Source::FashionMnist),
            ("fashion_mnist", Source::FashionMnist),
            ("cifar10", Source::Cifar10),
            ("CIFAR-10", Source::Cifar10),
        ] {
            assert_eq!(name.parse::<Source>().unwrap(), source);
        }
        let error = "cifar100".parse::<Source>().unwrap_err().to_string();
        assert!(error.contains("`cifar100`") && error.contains("known are mnist"), "{error}");
        for source in Source::ALL {
            let error = source.load(Some(Path::new("no/such/folder")));
            // Somebody may keep the data where they are always found.
            assert!(error.is_ok() || error.unwrap_err().to_string().contains(&source.to_string()));
        }
    }
}
