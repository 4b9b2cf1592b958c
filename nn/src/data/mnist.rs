//! MNIST and Fashion-MNIST, from files on disk.

use super::{
    Dataset,
    find::{Home, known_folders},
    idx,
};
use crate::Error;
use std::path::{Path, PathBuf};
use wengert_kernels::{Array, DType};

const SIDE: usize = 28;
const CLASSES: usize = 10;

/// A set in the files of MNIST.
pub(super) struct Set {
    pub(super) home: Home,
    classes: [&'static str; CLASSES],
}

pub(super) const MNIST: Set = Set {
    home: Home {
        title: "MNIST",
        folders: &["mnist"],
        inside: None,
        files: "the four files",
        url: "http://yann.lecun.com/exdb/mnist",
    },
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

pub(super) const FASHION: Set = Set {
    home: Home {
        title: "Fashion-MNIST",
        folders: &["fashion", "fashion-mnist"],
        inside: None,
        files: "the four files",
        url: "https://github.com/zalandoresearch/fashion-mnist",
    },
    classes: ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"],
};

/// The MNIST digits for training and testing: `(train, test)`, with 60,000 and 10,000 examples.
///
/// `x` is `f32` of shape `[n, 28, 28]`, from 0 (paper) to 1 (ink), and stays in bytes in memory; `y` is `i64` of shape `[n]`,
/// from 0 to 9.
///
/// The files `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, each also with `.gz` at its end (which takes the feature
/// `data`), are looked for in the folder `mnist` of these, in this order:
/// 1. `dir`,
/// 2. the environment variable `WENGERT_DATA`,
/// 3. the cache: `WENGERT_CACHE_DIR`, or else the folder `wengert` of the user's cache directory.
///
/// They may also lie directly in `dir`, and in any folder that itself has the name `mnist`.
///
/// Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.
///
/// # Errors
/// When the files are not found: the message lists where they were looked for. When they are damaged, hold other shapes or
/// labels, or images and labels differ in number.
///
/// ```no_run
/// let (train, test) = wengert_nn::data::mnist(None)?;
/// assert_eq!(train.shape(), [60_000, 28, 28]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn mnist(dir: Option<&Path>) -> Result<(Dataset, Dataset), Error> {
    MNIST.load(dir, &known_folders())
}

/// Fashion-MNIST: ten kinds of clothes in the form of [`mnist`], looked for in the folders `fashion` and `fashion-mnist`.
///
/// Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
/// algorithms", 2017.
///
/// # Errors
/// As [`mnist`].
pub fn fashion_mnist(dir: Option<&Path>) -> Result<(Dataset, Dataset), Error> {
    FASHION.load(dir, &known_folders())
}

impl Set {
    pub(super) fn load(&self, dir: Option<&Path>, known: &[PathBuf]) -> Result<(Dataset, Dataset), Error> {
        let sign = file("train", "images-idx3");
        let has = |folder: &Path| find(folder, &sign).is_some();
        let folder = self.home.find(dir, known, &format!("{sign} (or .gz)"), has)?;
        Ok((self.part(&folder, "train")?, self.part(&folder, "t10k")?))
    }

    fn part(&self, folder: &Path, part: &str) -> Result<Dataset, Error> {
        let path = |kind| {
            let name = file(part, kind);
            find(folder, &name).ok_or_else(|| self.home.lacks(&folder.join(name)))
        };
        let (images, labels) = (path("images-idx3")?, path("labels-idx1")?);
        let (x, y) = (read(&images, &[SIDE, SIDE])?, read(&labels, &[])?);
        if x.shape()[0] != y.shape()[0] {
            return Err(Error::data(format!(
                "{} has {} images, but {} has {} labels",
                images.display(),
                x.shape()[0],
                labels.display(),
                y.shape()[0]
            )));
        }
        let y = y.as_slice::<u8>()?;
        if let Some(row) = y.iter().position(|&label| usize::from(label) >= CLASSES) {
            return Err(Error::data(format!(
                "{}: row {row} has label {}, and labels run from 0 to 9",
                labels.display(),
                y[row]
            )));
        }
        let y: Vec<i64> = y.iter().map(|&label| label.into()).collect();
        Dataset::new(x, Array::new(&[y.len()], &y)?)?.with_classes(self.classes).scaled(255.0)
    }
}

fn file(part: &str, kind: &str) -> String {
    format!("{part}-{kind}-ubyte")
}

/// The file of this name, plain or gzipped.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

/// The bytes in an IDX file, which are to have shape `[n, ...row]`.
fn read(path: &Path, row: &[usize]) -> Result<Array, Error> {
    let array = idx::read(path)?;
    if array.dtype() != DType::U8 || array.shape().get(1..) != Some(row) {
        return Err(Error::data(format!(
            "{}: expected u8 of shape [n{}], found {} of shape {:?}",
            path.display(),
            row.iter().map(|size| format!(", {size}")).collect::<String>(),
            array.dtype(),
            array.shape()
        )));
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;
    use std::{env, fs};

    /// Writes a set of three and two images, the first pixel of each its number.
    fn write(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (part, n) in [("train", 3), ("t10k", 2)] {
            let pixels: Vec<u8> = (0..n * 784).map(|i| if i % 784 == 0 { (i / 784) as u8 } else { 255 }).collect();
            let labels: Vec<u8> = (0..n as u8).map(|row| 9 - row).collect();
            idx::write(folder.join(file(part, "images-idx3")), &Array::new(&[n, 28, 28], &pixels).unwrap()).unwrap();
            idx::write(folder.join(file(part, "labels-idx1")), &Array::new(&[n], &labels).unwrap()).unwrap();
        }
    }

    fn replace(folder: &Path, name: &str, array: Array) -> String {
        write(folder);
        idx::write(folder.join(name), &array).unwrap();
        let error = MNIST.load(Some(folder), &[]).unwrap_err();
        assert!(error.is_data() && error.to_string().contains(name), "{error}");
        error.to_string()
    }

    #[test]
    fn a_set_is_found_in_its_folder_or_in_the_folder_named() {
        let folder = Folder::new();
        write(&folder.path("mnist"));
        let (root, own) = (folder.path(""), folder.path("mnist"));
        for (dir, known) in
            [(Some(&root), vec![]), (Some(&own), vec![]), (None, vec![root.clone()]), (None, vec![own.clone()])]
        {
            let (train, test) = MNIST.load(dir.map(PathBuf::as_path), &known).unwrap();
            assert_eq!((train.x().shape(), test.x().shape()), (&[3, 28, 28][..], &[2, 28, 28][..]));
            assert_eq!(train.labels().unwrap(), [9, 8, 7]);
            assert_eq!(train.x().to_vec::<f32>().unwrap()[784..786], [1.0 / 255.0, 1.0]);
            assert_eq!(train.classes().unwrap()[3], "3");
        }
        assert!(FASHION.load(None, std::slice::from_ref(&own)).is_err(), "digits are not taken for clothes");
        write(&folder.path("fashion-mnist"));
        assert_eq!(FASHION.load(None, &[root]).unwrap().0.classes().unwrap()[9], "ankle boot");
    }

    #[test]
    fn what_is_missing_is_named_with_every_folder_searched() {
        let folder = Folder::new();
        let error = MNIST.load(Some(&folder.path("here")), &[folder.path("there")]).unwrap_err();
        for part in ["here", "here/mnist", "there/mnist", "train-images-idx3-ubyte", "WENGERT_DATA", "yann.lecun.com"] {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
        write(&folder.path("mnist"));
        fs::remove_file(folder.path("mnist/t10k-labels-idx1-ubyte")).unwrap();
        let error = MNIST.load(Some(&folder.path("")), &[]).unwrap_err();
        assert!(error.to_string().contains("mnist/t10k-labels-idx1-ubyte: the file is missing"), "{error}");
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let folder = Folder::new();
        let zeros = |shape: &[usize]| Array::zeros(DType::U8, shape).unwrap();
        let images = "train-images-idx3-ubyte";
        assert!(
            replace(&folder.path("a"), images, zeros(&[3, 8, 8])).contains("[n, 28, 28], found u8 of shape [3, 8, 8]")
        );
        assert!(replace(&folder.path("b"), images, zeros(&[4, 28, 28])).contains("4 images"));
        let labels = "t10k-labels-idx1-ubyte";
        assert!(replace(&folder.path("c"), labels, zeros(&[2, 1])).contains("shape [n], found"));
        let ten = Array::new(&[2], &[0u8, 10]).unwrap();
        assert!(replace(&folder.path("d"), labels, ten).contains("row 1 has label 10"));
    }

    /// On the real files, wherever somebody keeps them.
    #[test]
    fn the_real_set_is_the_published_one() {
        let Some(dir) = env::var_os("WENGERT_DATA").map(PathBuf::from) else { return };
        if !dir.join("mnist").is_dir() {
            return;
        }
        let (train, test) = mnist(Some(&dir)).unwrap();
        assert_eq!((train.len(), test.len()), (60_000, 10_000));
        assert_eq!(train.class_counts(10).unwrap(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
        assert_eq!(train.labels().unwrap()[42], 7);
        let x = train.x().as_slice::<f32>().unwrap();
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / x.len() as f64;
        assert!((mean - 0.1307).abs() < 5e-5 && (variance.sqrt() - 0.3081).abs() < 5e-5, "{mean} {}", variance.sqrt());
    }
}
