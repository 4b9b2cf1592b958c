//! Learns handwritten digits: MNIST if it is found, else the 1,797 small digits that come with the engine.
//! xtask-run: --epochs 2
//!
//!     cargo run --release --example mnist
//!     cargo run --release --example mnist -- --data DIR --epochs 10 --out runs/mnist

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use clap::{Parser, ValueEnum};
use std::{fs, num::NonZeroUsize, path::PathBuf, process::ExitCode};
use wengert::plot::{Panel, curves, image_grid, verdicts};
use wengert::prelude::*;

/// Trains a network on handwritten digits and shows what it learned.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder with the data (mnist/train-images-idx3-ubyte and so on); else WENGERT_DATA, else the cache folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The network
    #[arg(long, value_enum, default_value = "mlp")]
    model: Model,
    /// Times that the whole training set is seen [default: 5, for the small digits 40]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Examples in a step [default: 128, for the small digits 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Seed of weights, order and dropout
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where to compute: auto, cpu
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Folder for curves.png, digits.png, weights.safetensors and history.csv
    #[arg(long, value_name = "DIR", default_value = "runs/mnist")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    /// 512, 512, 10: dense layers
    Mlp,
}

fn main() -> ExitCode {
    // The library warns through `log`: of a build without optimisation, of a loss that is no number.
    env_logger::Builder::new().filter_level(log::LevelFilter::Warn).format_timestamp(None).init();
    let arguments = match Arguments::try_parse() {
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

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut device: Device = arguments.device.parse()?;
    if let Some(threads) = arguments.threads {
        device = device.threads(threads.get());
    }
    let out = &arguments.out;
    // Found out before the training rather than after it.
    fs::create_dir_all(out).map_err(|cause| format!("--out {}: {cause}", out.display()))?;

    let mut small = false;
    let (train, test) = match data::mnist(arguments.data.as_deref()) {
        Ok(found) => found,
        // A folder that was named is meant; without one, MNIST is a wish.
        Err(error) if arguments.data.is_some() || !error.is_data() => return Err(error.into()),
        Err(_) => {
            small = true;
            println!(
                "MNIST was not found (--data DIR or WENGERT_DATA names its folder): learning the 1,797 embedded 8x8 digits."
            );
            data::digits()?
        }
    };
    let epochs = arguments.epochs.unwrap_or(if small { 40 } else { 5 });
    let batch_size = arguments.batch_size.unwrap_or(if small { 32 } else { 128 });
    println!("{} digits to learn from, {} to be tested on; {device}", train.len(), test.len());

    let mut model = match arguments.model {
        Model::Mlp => Sequential::new()
            .add(Flatten)
            .add(Dense::new(512).activation(Relu))
            .add(Dense::new(512).activation(Relu))
            .add(Dense::new(10).activation(Softmax)),
    };
    model = model.device(device).seed(arguments.seed).input(train.example_shape());
    model.compile(Adam::default(), CategoricalCrossentropy, [Accuracy])?;
    println!("{}", model.summary()?);

    let history = model.fit(&train, Fit::epochs(epochs).batch_size(batch_size).validation(&test))?;
    let evaluation = model.evaluate(&test)?;

    history.to_csv(out.join("history.csv"))?;
    model.save_weights(out.join("weights.safetensors"))?;
    let column = |name: &str| history.get(name).unwrap_or_default();
    let panels = [
        Panel::new("loss", &[("training", column("loss")), ("test", column("val_loss"))]),
        Panel::new("accuracy", &[("training", column("accuracy")), ("test", column("val_accuracy"))]),
    ];
    if epochs > 0 {
        curves(out.join("curves.png"), "Handwritten digits", &panels)?;
    }
    let shown = test.take(60.min(test.len()))?;
    let probabilities = model.predict(shown.x())?;
    let predictions: Vec<i64> =
        (0..shown.len()).map(|row| Ok(argmax(probabilities.row(row)?.as_slice()?))).collect::<Result<_, Error>>()?;
    let (titles, frames) = verdicts(&shown.labels()?, &predictions);
    image_grid(out.join("digits.png"), shown.x(), &titles, &frames, 10)?;

    println!("curves.png, digits.png, weights.safetensors and history.csv are in {}", out.display());
    println!("test loss {:.4}, test accuracy {:.4}", evaluation.loss, evaluation.get("accuracy").unwrap_or(f64::NAN));
    Ok(())
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
