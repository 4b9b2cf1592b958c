//! Showing how training goes.

use super::{Callback, Flow, Live, Plan, Report};
use crate::Error;
use std::io::Write;

/// Shows a line for each epoch: loss, metrics, seconds, samples a second.
///
/// Without a writer the lines go to the [`log`] at level info, for a library does not print.
///
/// With the feature `progress`, `Progress::bar` shows a bar for each epoch where standard error is a terminal, and
/// writes a line an epoch there where it is not.
///
/// ```
/// use wengert_nn::training::{Fit, Progress};
/// let fit = Fit::epochs(10).verbose(0).callback(Progress::to(std::io::stdout()));
/// ```
pub struct Progress(Target);

enum Target {
    Log,
    Writer(Box<dyn Write + Send>),
    #[cfg(feature = "progress")]
    Bar(indicatif::ProgressBar),
}

impl Progress {
    /// Lines in the log.
    #[must_use]
    pub fn log() -> Progress {
        Progress(Target::Log)
    }

    /// Lines to a writer.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Progress {
        Progress(Target::Writer(Box::new(writer)))
    }

    /// A bar for each epoch on standard error; lines if that is not a terminal.
    #[cfg(feature = "progress")]
    #[must_use]
    pub fn bar() -> Progress {
        use std::io::IsTerminal;
        if std::io::stderr().is_terminal() {
            Progress(Target::Bar(indicatif::ProgressBar::new(0)))
        } else {
            Progress::to(std::io::stderr())
        }
    }

    /// What `verbose(1)` shows: a bar with the feature `progress`, lines in the log without it.
    #[must_use]
    pub(crate) fn usual() -> Progress {
        #[cfg(feature = "progress")]
        return Progress::bar();
        #[cfg(not(feature = "progress"))]
        Progress::log()
    }

    fn say(&mut self, line: &str) {
        match &mut self.0 {
            Target::Log => log::info!("{line}"),
            // Training is worth more than the line about it.
            Target::Writer(writer) => drop(writeln!(writer, "{line}").and_then(|()| writer.flush())),
            #[cfg(feature = "progress")]
            Target::Bar(bar) => bar.suspend(|| drop(writeln!(std::io::stderr(), "{line}"))),
        }
    }
}

fn numbers(report: &Report<'_>) -> String {
    report.numbers().map(|(name, value)| format!(" - {name}: {value:.4}")).collect()
}

impl Callback for Progress {
    fn train_begin(&mut self, plan: &Plan, _: &mut Live<'_>) -> Result<(), Error> {
        let Plan { examples, validation_examples, .. } = plan;
        let validate = match validation_examples {
            0 => String::new(),
            count => format!(", validate on {count} samples"),
        };
        #[cfg(feature = "progress")]
        if let Target::Bar(bar) = &self.0 {
            let style = indicatif::ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {eta}{msg}");
            bar.set_style(style.map_err(|why| Error::invalid(why.to_string()))?.progress_chars("=>-"));
            bar.set_length(plan.examples as u64);
        }
        self.say(&format!("Train on {examples} samples{validate}"));
        Ok(())
    }

    fn batch_end(&mut self, report: &Report<'_>) {
        #[cfg(feature = "progress")]
        if let Target::Bar(bar) = &self.0 {
            // Drawn ten times a second at most, whatever the number of batches.
            bar.set_position(report.examples as u64);
            if report.batch() % 16 == 1 || report.batch() == report.plan().batches {
                bar.set_prefix(format!("Epoch {}/{}", report.epoch(), report.plan().epochs));
                bar.set_message(format!(" - {:.0} samples/s{}", report.samples_per_second(), numbers(report)));
            }
        }
        let _ = report;
    }

    fn epoch_end(&mut self, report: &Report<'_>, _: &mut Live<'_>) -> Result<Flow, Error> {
        self.say(&format!(
            "Epoch {}/{} - {:.2} s - {:.0} samples/s{}",
            report.epoch(),
            report.plan().epochs,
            report.seconds(),
            report.samples_per_second(),
            numbers(report)
        ));
        #[cfg(feature = "progress")]
        if let Target::Bar(bar) = &self.0 {
            bar.reset();
        }
        Ok(Flow::Continue)
    }

    fn train_end(&mut self, _: &mut Live<'_>) -> Result<(), Error> {
        #[cfg(feature = "progress")]
        if let Target::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
        Ok(())
    }
}
