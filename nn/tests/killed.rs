//! Processes that are killed while they train, and disks that are full: the last checkpoint is whole, and a training that
//! goes on from it ends with the bits of one that was never disturbed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, its child answers by printing"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use wengert_autograd::Device;
use wengert_kernels::Philox;
use wengert_nn::prelude::*;

/// Tells this test binary that it was started to train, with checkpoints at this path.
const CHILD: &str = "WENGERT_TEST_CHECKPOINT";

/// A fresh folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("wengert-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// What is in it.
    fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn model() -> Sequential {
    let mut model = Sequential::new().device(Device::cpu().threads(1)).seed(7).add(Flatten);
    model = model.add(Dense::new(64).activation(Relu)).add(Dropout::new(0.2)).add(Dense::new(10).activation(Softmax));
    model.compile(Adam::new(0.003), CategoricalCrossentropy, [Accuracy]).unwrap();
    model
}

fn fit() -> Fit {
    let falling = LearningRateSchedule::new(|_, rate| rate * 0.9);
    let fit = Fit::epochs(4).batch_size(50).verbose(0).validation_split(0.1).callback(falling);
    fit.callback(EarlyStopping::on("val_loss").patience(2))
}

/// Trains to the end, with checkpoints at `to` as often as can be, from the one at `from`; gives all bits that came out.
fn trained(from: Option<&Path>, to: Option<&Path>) -> Vec<u8> {
    let (train, _) = data::digits().unwrap();
    let mut fit = fit();
    if let Some(path) = to {
        fit = fit.callback(ModelCheckpoint::new(path).every_batches(1));
    }
    if let Some(path) = from {
        fit = fit.resume(path);
    }
    let mut model = model();
    let history = model.fit(&train, fit).unwrap();
    let numbers = ["loss", "val_loss"].into_iter().flat_map(|name| &history[name]).flat_map(|loss| loss.to_le_bytes());
    numbers.chain(model.get_weights().unwrap().iter().flat_map(|weight| weight.bytes().to_vec())).collect()
}

/// This test binary, told to run one test with checkpoints at `path`.
fn child(mut command: Command, test: &str, path: &Path) -> Child {
    command.args(["--exact", test, "--nocapture"]).env(CHILD, path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_killed_process_leaves_a_checkpoint_from_which_the_same_bits_come() {
    // semantics 9.17, semantics 9.15
    if let Some(path) = env::var_os(CHILD).map(PathBuf::from) {
        trained(Some(&path).filter(|path| path.exists()).map(PathBuf::as_path), Some(&path));
        return;
    }
    let folder = Folder::new("killed");
    let path = folder.0.join("last.ckpt");
    let whole = trained(None, None);
    let start = || {
        let test = "a_killed_process_leaves_a_checkpoint_from_which_the_same_bits_come";
        child(Command::new(env::current_exe().unwrap()), test, &path)
    };
    let mut moments = Philox::new(1, 0);
    let (mut killed, mut with_checkpoint, mut half_written, mut started) = (0, 0, 0, 0);
    while killed < 20 {
        started += 1;
        assert!(started < 200, "{killed} of {started} processes were killed before they came to their end");
        let mut process = start();
        let changed = || fs::metadata(&path).and_then(|data| data.modified()).ok();
        let (before, begin) = (changed(), Instant::now());
        // It takes a while to start; what is to be disturbed is the writing.
        while changed() == before && begin.elapsed() < Duration::from_secs(20) && process.try_wait().unwrap().is_none()
        {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(rand_below(&mut moments, 40_000)));
        if process.try_wait().unwrap().is_some() {
            // It was faster and came to the end: from the beginning again.
            let _ = fs::remove_file(&path);
            continue;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        killed += 1;
        half_written += usize::from(folder.names().iter().any(|name| name.ends_with(".tmp")));
        if path.exists() {
            with_checkpoint += 1;
            assert!(trained(Some(&path), None) == whole, "after kill {killed} other bits come out");
        }
    }
    println!("{killed} killed: {with_checkpoint} with a checkpoint, {half_written} with a half-written file");
    assert!(with_checkpoint >= 10, "{with_checkpoint} checkpoints of {killed}");
    let output = start().wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(trained(Some(&path), None) == whole);
    assert_eq!(folder.names(), ["last.ckpt"], "of {half_written} half-written files some were left");
}

fn rand_below(random: &mut Philox, n: u64) -> u64 {
    use rand_core::Rng;
    random.next_u64() % n
}

/// A limit for the size of files is what a test may set anywhere; a write beyond it fails as on a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_the_last_checkpoint_and_the_model() {
    // semantics 9.17, semantics 6.8
    if let Some(path) = env::var_os(CHILD).map(PathBuf::from) {
        let (train, _) = data::digits().unwrap();
        let mut model = model();
        let last = ModelCheckpoint::new(&path).every_batches(10);
        let error = model.fit(&train, fit().resume(&path).callback(last)).unwrap_err();
        assert!(error.is_io() && error.to_string().contains("cannot write"), "{error}");
        let history = model.fit(&train, Fit::epochs(1).verbose(0)).unwrap();
        assert!(history["loss"][0] < 1.0, "the model keeps what it learned: {history}");
        println!("refused: {error}");
        return;
    }
    let folder = Folder::new("full");
    let path = folder.0.join("last.ckpt");
    let (train, _) = data::digits().unwrap();
    let whole = trained(None, None);
    model().fit(&train, fit().callback(ModelCheckpoint::new(&path).every(3))).unwrap();
    let before = fs::read(&path).unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]).arg(env::current_exe().unwrap());
    let output =
        child(limited, "a_full_disk_keeps_the_last_checkpoint_and_the_model", &path).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("refused: "), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(&path).unwrap() == before, "the checkpoint is another one");
    assert_eq!(folder.names(), ["last.ckpt"]);
    assert!(trained(Some(&path), None) == whole);
}
