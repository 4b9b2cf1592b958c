//! What the programs that learn from images share: arguments, data, and what they leave behind.

use clap::{Args, Parser};
use std::path::{Path, PathBuf};
use std::{fs, num::NonZeroUsize, process::ExitCode};
use wengert::data::Source;
use wengert::kernels::files;
use wengert::plot::{Panel, curves, image_grid, verdicts};
use wengert::prelude::*;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub(crate) struct Training {
    /// Folder with the data; else WENGERT_DATA, else the cache folder, else a download
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Downloads nothing: without data, the small digits stand in
    #[arg(long)]
    pub(crate) offline: bool,
    /// Times that the whole training set is seen [default: 5, for the small digits 40]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Examples in a step
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Seed of weights, order and dropout
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Goes on from checkpoint.safetensors in the folder of --out
    #[arg(long)]
    resume: bool,
    /// Folder for pictures, weights, checkpoint and history [default: runs/ and the program's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Examples to learn from and examples to be tested on.
pub(crate) struct Data {
    pub(crate) train: Dataset,
    pub(crate) test: Dataset,
    /// Whether these are the small digits, in place of what was asked for.
    pub(crate) small: bool,
}

/// Runs a program; every mistake ends it with one message and exit code 1.
pub(crate) fn start<A: Parser>(run: impl FnOnce(&A) -> Outcome) -> ExitCode {
    // The library warns through `log`: of a build without optimisation, of a loss that is no number.
    env_logger::Builder::new().filter_level(log::LevelFilter::Warn).format_timestamp(None).init();
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version are no mistakes; a wrong argument ends as every other mistake.
            let code = if answer.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return answer.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Training {
    pub(crate) fn device(&self) -> Outcome<Device> {
        let device: Device = self.device.parse()?;
        Ok(self.threads.map_or(device.clone(), |threads| device.threads(threads.get())))
    }

    /// The folder for results, with further `pictures`, which can be written to: better found out before the training than after it.
    pub(crate) fn out(&self, program: &str, pictures: &[&str]) -> Outcome<PathBuf> {
        let out = self.out.clone().unwrap_or_else(|| Path::new("runs").join(program));
        fs::create_dir_all(&out).map_err(|cause| format!("--out {}: {cause}", out.display()))?;
        let own = ["history.csv", "curves.png", "predictions.png", "weights.safetensors", "checkpoint.safetensors"];
        for name in own.iter().chain(pictures) {
            files::check_writable(out.join(name)).map_err(|error| format!("--out: {error}"))?;
        }
        Ok(out)
    }

    /// How to train: validated on the test set, with a checkpoint after every epoch.
    pub(crate) fn plan(&self, data: &Data, batch_size: usize, out: &Path) -> Fit {
        let epochs = self.epochs.unwrap_or(if data.small { 40 } else { 5 });
        let batch_size = self.batch_size.unwrap_or(if data.small { 32 } else { batch_size });
        let checkpoint = out.join("checkpoint.safetensors");
        let fit = Fit::epochs(epochs).batch_size(batch_size).validation(&data.test).checkpoint(&checkpoint);
        if self.resume { fit.resume(&checkpoint) } else { fit }
    }

    /// Trains the model and tests it. Beside the checkpoint it leaves `curves.png`, `predictions.png`, `weights.safetensors`
    /// and `history.csv`.
    pub(crate) fn learn(&self, model: &mut Sequential, data: &Data, fit: Fit, title: &str, out: &Path) -> Outcome {
        model.compile(Adam::default(), CategoricalCrossentropy, [Accuracy])?;
        println!("{}", model.summary()?);
        let history = model.fit(&data.train, fit)?;
        let evaluation = model.evaluate(&data.test)?;

        history.to_csv(out.join("history.csv"))?;
        model.save_weights(out.join("weights.safetensors"))?;
        let column = |name: &str| history.get(name).unwrap_or_default();
        let panels = [
            Panel::new("loss", &[("training", column("loss")), ("test", column("val_loss"))]),
            Panel::new("accuracy", &[("training", column("accuracy")), ("test", column("val_accuracy"))]),
        ];
        if history.epochs() > 0 {
            curves(out.join("curves.png"), title, &panels)?;
        }
        let shown = data.test.take(60.min(data.test.len()))?;
        let probabilities = model.predict(shown.x())?;
        let predictions: Vec<i64> = (0..shown.len())
            .map(|row| Ok(argmax(probabilities.row(row)?.as_slice()?)))
            .collect::<Result<_, Error>>()?;
        let (titles, frames) = verdicts(&shown.labels()?, &predictions, shown.classes());
        image_grid(out.join("predictions.png"), shown.x(), &titles, &frames, 10)?;

        println!("pictures, weights.safetensors, checkpoint.safetensors and history.csv are in {}", out.display());
        println!(
            "test loss {:.4}, test accuracy {:.4}",
            evaluation.loss,
            evaluation.get("accuracy").unwrap_or(f64::NAN)
        );
        Ok(())
    }
}

impl Data {
    /// The data set: from the folder that was named; else from where it is found, or from the network. Where nothing is
    /// found, the small digits.
    pub(crate) fn find(source: Source, training: &Training) -> Outcome<Data> {
        let dir = training.data.as_deref();
        let mut last = String::new();
        let announce = |progress: data::Progress<'_>| {
            if progress.file != last {
                let size = progress.total.map_or(String::new(), |bytes| format!(", {:.1} MB", bytes as f64 / 1e6));
                println!("downloading {}{size}", progress.file);
                last = progress.file.to_owned();
            }
        };
        let found = match dir.is_some() || training.offline {
            true => source.load(dir),
            false => source.load_or_download(None, announce),
        };
        match found {
            Ok((train, test)) => Ok(Data { train, test, small: false }),
            // A folder that was named is meant, and damaged files are a mistake; else the data set is a wish.
            Err(error) if dir.is_some() || !error.is_missing() => Err(error.into()),
            Err(error) => {
                let why = error.to_string();
                let why = why.split(':').next().unwrap_or_default();
                println!("{why}. --data DIR or WENGERT_DATA names the folder of {source}.");
                println!("Without it, the 1,797 small digits that come with the engine are learned.");
                let (train, test) = data::digits()?;
                Ok(Data { train, test, small: true })
            }
        }
    }
}

/// The class of the highest probability, the first of equals.
fn argmax(row: &[f32]) -> i64 {
    let mut best = 0;
    for (class, &probability) in row.iter().enumerate() {
        if probability > row[best] {
            best = class;
        }
    }
    best as i64
}
