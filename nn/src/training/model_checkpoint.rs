//! Checkpoints while a model is trained.

use super::{Callback, Extremum, Flow, Live, Monitor, Plan, Report, State};
use crate::Error;
use std::path::{Path, PathBuf};
use wengert_kernels::files;

/// Writes checkpoints to a file, from which [`Fit::resume`](super::Fit::resume) goes on.
///
/// The path may name numbers in braces: `{epoch}`, `{batch}`, or any number of the report such as `{val_loss}`; `{epoch:3}`
/// fills up with zeros to three digits, `{val_loss:.4}` gives four decimals. A path without them is one file that is
/// replaced, whole, by each checkpoint. The folder must be there. Default: after every epoch.
///
/// A checkpoint that cannot be written ends the training with an error; the file before it stays as it was, and the model
/// keeps what it learned.
///
/// ```
/// use wengert_nn::training::{Fit, ModelCheckpoint};
/// let fit = Fit::epochs(10).callback(ModelCheckpoint::new("runs/last.ckpt").every_batches(100));
/// let fit = Fit::epochs(10).callback(ModelCheckpoint::new("runs/{epoch:3}-{val_loss:.4}.ckpt").save_best_only("val_loss"));
/// ```
#[derive(Clone, Debug)]
pub struct ModelCheckpoint {
    path: PathBuf,
    every: Every,
    monitor: Option<Monitor>,
    weights_only: bool,
}

#[derive(Clone, Copy, Debug)]
enum Every {
    Epochs(usize),
    Batches(usize),
}

impl ModelCheckpoint {
    /// Checkpoints at this path, after every epoch.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> ModelCheckpoint {
        let path = path.as_ref().to_owned();
        ModelCheckpoint { path, every: Every::Epochs(1), monitor: None, weights_only: false }
    }

    /// After the epochs whose number `epochs` divides.
    #[must_use]
    pub fn every(mut self, epochs: usize) -> ModelCheckpoint {
        self.every = Every::Epochs(epochs);
        self
    }

    /// After the batches of each epoch whose number `batches` divides, and not after epochs.
    #[must_use]
    pub fn every_batches(mut self, batches: usize) -> ModelCheckpoint {
        self.every = Every::Batches(batches);
        self
    }

    /// Only where this number is better than ever before, looked at after epochs. One whose name ends in `accuracy` should
    /// grow, any other should fall.
    #[must_use]
    pub fn save_best_only(mut self, name: &str) -> ModelCheckpoint {
        self.monitor = Some(Monitor::new(name));
        self
    }

    /// Whether the number of [`save_best_only`](ModelCheckpoint::save_best_only) should fall or grow.
    #[must_use]
    pub fn mode(mut self, mode: Extremum) -> ModelCheckpoint {
        if let Some(monitor) = &mut self.monitor {
            monitor.mode = mode;
            monitor.forget();
        }
        self
    }

    /// Writes weights only, which [`load_weights`](crate::models::Sequential::load_weights) reads; they are written when this
    /// callback's turn comes after an epoch.
    #[must_use]
    pub fn save_weights_only(mut self, only: bool) -> ModelCheckpoint {
        self.weights_only = only;
        self
    }

    /// Where to write after what was reported, if at all.
    fn due(&mut self, report: &Report<'_>) -> Result<Option<PathBuf>, Error> {
        let due = match (self.every, report.epoch_has_ended()) {
            (Every::Epochs(epochs), true) => report.epoch().is_multiple_of(epochs),
            (Every::Batches(batches), false) => report.batch().is_multiple_of(batches),
            _ => false,
        };
        if !due {
            return Ok(None);
        }
        if let Some(monitor) = &mut self.monitor {
            let value = monitor.value("keeping the best checkpoint", report)?;
            if !monitor.improves(value) {
                return Ok(None);
            }
        }
        fill(&self.path, report).map(Some)
    }
}

impl Callback for ModelCheckpoint {
    fn train_begin(&mut self, _: &Plan, _: &mut Live<'_>) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::invalid(format!("the checkpoint {}: {why}", self.path.display())));
        if let Every::Epochs(0) | Every::Batches(0) = self.every {
            return refuse("it cannot be written after every 0 of anything");
        }
        if self.monitor.is_some() && matches!(self.every, Every::Batches(_)) {
            return refuse("which is the best shows after an epoch, not after a batch");
        }
        if self.weights_only && matches!(self.every, Every::Batches(_)) {
            return refuse("weights alone are written after epochs, not after batches");
        }
        if let Some(monitor) = &mut self.monitor {
            monitor.forget();
        }
        // Found out before the training rather than after its first epoch.
        Ok(files::check_writable(&self.path)?)
    }

    fn epoch_end(&mut self, report: &Report<'_>, model: &mut Live<'_>) -> Result<Flow, Error> {
        if self.weights_only
            && let Some(path) = self.due(report)?
        {
            model.built.save_weights(&path)?;
        }
        Ok(Flow::Continue)
    }

    fn checkpoint(&mut self, report: &Report<'_>) -> Result<Option<PathBuf>, Error> {
        if self.weights_only { Ok(None) } else { self.due(report) }
    }

    fn state(&self) -> State {
        self.monitor.as_ref().map_or_else(State::new, Monitor::state)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        self.monitor.as_mut().map_or(Ok(()), |monitor| monitor.restore(state))
    }
}

/// The path with the report's numbers in place of what stands in braces.
fn fill(path: &Path, report: &Report<'_>) -> Result<PathBuf, Error> {
    let Some(text) = path.to_str() else { return Ok(path.to_owned()) };
    let wrong = |what: &str| Error::invalid(format!("the checkpoint {text}: {what}"));
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').ok_or_else(|| wrong("a brace that is not closed"))?;
        let (name, form) = inside.split_once(':').unwrap_or((inside, ""));
        let number = match name {
            "epoch" => Some(report.epoch() as f64),
            "batch" => Some(report.batch() as f64),
            _ => report.get(name),
        };
        let Some(number) = number else {
            let known: Vec<&str> = report.numbers().map(|(name, _)| name).collect();
            return Err(wrong(&format!("no number `{name}`; there are epoch, batch, {}", known.join(", "))));
        };
        let digits = |form: &str| form.parse::<usize>().ok().filter(|digits| *digits <= 20);
        filled.push_str(before);
        filled.push_str(&match (form, form.strip_prefix('.').map(digits), digits(form)) {
            ("", ..) => number.to_string(),
            (_, Some(Some(decimals)), _) => format!("{number:.decimals$}"),
            (_, None, Some(width)) => format!("{number:0width$}"),
            _ => return Err(wrong(&format!("{{{inside}}} is none of {{{name}}}, {{{name}:3}}, {{{name}:.4}}"))),
        });
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_the_reports_numbers() {
        let plan = Plan { epochs: 9, batches: 5, examples: 50, validation_examples: 0 };
        let names = ["loss".to_owned()];
        let report = Report {
            plan: &plan,
            epoch: 7,
            batch: 5,
            names: &names,
            values: &[0.125],
            examples: 50,
            seconds: 1.0,
            ended: true,
        };
        let fill = |path: &str| fill(Path::new(path), &report);
        assert_eq!(fill("a/{epoch:3}-{batch}-{loss:.2}-{loss}.ckpt").unwrap(), Path::new("a/007-5-0.12-0.125.ckpt"));
        assert_eq!(fill("plain").unwrap(), Path::new("plain"));
        for (path, words) in [
            ("{val_loss}", "there are epoch, batch, loss"),
            ("a{epoch", "not closed"),
            ("{epoch:x}", "{epoch:3}"),
            ("{epoch:.}", "{epoch:.4}"),
            ("{loss:999}", "none of"),
        ] {
            let error = fill(path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
