//! The example `mnist` as its user meets it. `cargo test` builds examples; with `--test mnist_example` alone, build it before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};
use wengert::prelude::*;

/// A fresh folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("wengert-mnist-example-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("cache")).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the example in `folder`, where it finds no data of its own.
fn mnist(folder: &Folder, arguments: &[&str]) -> Output {
    let tests = env::current_exe().unwrap();
    let example = tests.ancestors().nth(2).unwrap().join("examples").join(format!("mnist{}", env::consts::EXE_SUFFIX));
    assert!(example.is_file(), "the example is not built: run `cargo build --example mnist`");
    let mut command = Command::new(example);
    command.arg("--offline").args(arguments).current_dir(&folder.0);
    command.env("WENGERT_DATA", "").env("WENGERT_CACHE_DIR", folder.path("cache"));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// All files below `path`.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![] };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The run ends with exit code 1 and a message with these words; it leaves no file in the folder.
#[track_caller]
fn refused(folder: &Folder, arguments: &[&str], words: &[&str]) {
    let before = files(&folder.0);
    let output = mnist(folder, arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("error: ") && !message.contains("panicked"), "{arguments:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{arguments:?}: no `{word}` in: {message}");
    }
    assert_eq!(files(&folder.0), before, "{arguments:?}: something was left behind");
}

#[test]
fn wrong_arguments_end_with_exit_code_1_and_name_the_argument() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "").unwrap();
    let (file, below) = (folder.path("file"), folder.path("file/below"));
    let (file, below) = (file.to_str().unwrap(), below.to_str().unwrap());
    let cases: [(&[&str], &[&str]); 11] = [
        (&["--epochs", "many"], &["'many'", "--epochs"]),
        (&["--epochs", "-1"], &["'-1'"]),
        (&["--seed", "1.5"], &["'1.5'", "--seed"]),
        (&["--speed"], &["'--speed'"]),
        (&["--batch-size", "0"], &["batch size is 0"]),
        (&["--threads", "0"], &["'0'", "--threads"]),
        (&["--model", "nope"], &["'nope'", "--model", "mlp"]),
        (&["--device", "cuda:9"], &["`cuda:9`", "cpu"]),
        (&["--data", "/nonexistent"], &["/nonexistent", "train-images-idx3-ubyte"]),
        (&["--out", file], &["--out", file]),
        (&["--out", below], &["--out", below]),
    ];
    for (arguments, words) in cases {
        refused(&folder, arguments, words);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = Folder::new();
    for (flag, words) in [("--help", "--batch-size <N>"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = mnist(&folder, &[flag]);
        assert!(output.status.success() && text(&output.stdout).contains(words), "{flag}: {output:?}");
    }
}

/// An IDX file of bytes that announces `sizes`.
fn idx(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let sizes = [&[0x800 + sizes.len() as u32], sizes].concat();
    [sizes.iter().flat_map(|size| size.to_be_bytes()).collect(), elements.to_vec()].concat()
}

#[test]
fn damaged_data_end_with_exit_code_1_and_name_the_file() {
    // semantics 6.7
    let folder = Folder::new();
    let dir = folder.path("data/mnist");
    fs::create_dir_all(&dir).unwrap();
    let good = |n: u32| (idx(&[n, 28, 28], &vec![7; n as usize * 784]), idx(&[n], &vec![3; n as usize]));
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
    let reset = || {
        for (part, n) in [("train", 5), ("t10k", 3)] {
            let (images, labels) = good(n);
            write(&format!("{part}-images-idx3-ubyte"), &images);
            write(&format!("{part}-labels-idx1-ubyte"), &labels);
        }
    };
    let (images, labels) = good(5);
    let (image_file, label_file) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    let cases: [(&str, Vec<u8>, &str); 10] = [
        (image_file, vec![], "ends in the middle"),
        (image_file, images[..9].to_vec(), "ends in the middle"),
        (image_file, images[..images.len() - 1].to_vec(), "cut off"),
        (image_file, [&images[..], b"x"].concat(), "more bytes"),
        (image_file, idx(&[u32::MAX, 28, 28], &[0; 100]), "more than the file can hold"),
        (image_file, idx(&[u32::MAX; 3], &[0; 100]), "more elements than memory"),
        (image_file, b"\x7fELF and so on".to_vec(), "not an IDX file"),
        (image_file, idx(&[5, 28, 27], &[0; 5 * 28 * 27]), "[5, 28, 27]"),
        (label_file, idx(&[4], &[0; 4]), "4 labels"),
        (label_file, [&labels[..labels.len() - 1], &[10]].concat(), "row 4 has label 10"),
    ];
    let data = folder.path("data");
    for (file, bytes, words) in cases {
        reset();
        write(file, &bytes);
        refused(&folder, &["--data", data.to_str().unwrap()], &[file, words]);
    }
    reset();
    fs::remove_file(dir.join("t10k-labels-idx1-ubyte")).unwrap();
    refused(&folder, &["--data", data.to_str().unwrap()], &["t10k-labels-idx1-ubyte", "missing"]);
}

#[test]
fn what_cannot_be_written_ends_with_exit_code_1_and_leaves_no_half_file() {
    // semantics 6.8
    let folder = Folder::new();
    for blocked in ["history.csv", "weights.safetensors", "curves.png", "predictions.png", "checkpoint.safetensors"] {
        let out = folder.path(&format!("without-{blocked}"));
        // A folder is where the file should be.
        fs::create_dir_all(out.join(blocked).join("taken")).unwrap();
        let output = mnist(&folder, &["--epochs", "1", "--out", out.to_str().unwrap()]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{blocked}: {message}");
        assert!(message.contains(blocked) && !message.contains("panicked"), "{blocked}: {message}");
        assert!(!text(&output.stdout).contains("Total params"), "{blocked}: it was noticed after the training");
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(files(&out).iter().find(|path| hidden(path)), None);
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_noticed_before_the_training() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let out = folder.path("read-only");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere.
    if fs::write(out.join("probe"), "").is_err() {
        refused(&folder, &["--out", out.to_str().unwrap()], &["--out", "read-only", "cannot write"]);
    }
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_run_without_mnist_learns_the_small_digits_and_writes_five_files() {
    let folder = Folder::new();
    let output = mnist(&folder, &["--epochs", "3", "--out", "here/and/there", "--threads", "2"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert!(out.contains("MNIST was not found") && out.contains("512"), "{out}");
    let last = out.lines().last().unwrap();
    let numbers = last.strip_prefix("test loss ").and_then(|rest| rest.split_once(", test accuracy "));
    let (loss, accuracy): (f64, f64) = numbers.map(|(l, a)| (l.parse().unwrap(), a.parse().unwrap())).expect(last);
    assert!(loss.is_finite() && accuracy > 0.5, "{last}");

    let at = |name: &str| folder.path("here/and/there").join(name);
    assert_eq!(files(&folder.path("here")).len(), 5);
    for picture in ["curves.png", "predictions.png"] {
        assert!(fs::read(at(picture)).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"), "{picture}");
    }
    let history = fs::read_to_string(at("history.csv")).unwrap();
    assert!(history.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,") && history.lines().count() == 4);

    // The weights are those that were tested.
    let (_, test) = data::digits().unwrap();
    let mut model = Sequential::new()
        .input([8, 8])
        .add(Flatten)
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(10).activation(Softmax));
    model.compile(Adam::default(), CategoricalCrossentropy, [Accuracy]).unwrap();
    model.load_weights(at("weights.safetensors")).unwrap();
    let evaluation = model.evaluate(&test).unwrap();
    let own = format!("test loss {:.4}, test accuracy {:.4}", evaluation.loss, evaluation.get("accuracy").unwrap());
    assert_eq!(own, last);
}
