//! A launch from its check to its end.

use std::sync::Arc;

use super::check::check;
use super::plan::Plan;
use super::record::Record;
use super::schedule::Worker;
use super::{Counters, Launch, Outcome, Settings};
use crate::Error;
use crate::lower::{Program, Symbols};
use crate::memory::{LaunchOrder, Memory};

/// Runs a launch to its end. What goes wrong in the kernel stands in the outcome.
///
/// # Errors
/// A configuration that a device refuses: no threads, more than 1024 of them, too much shared memory, a grid that is
/// too large, parameters of the wrong size, a cooperative launch that does not fit.
pub fn launch(
    memory: &Memory,
    program: &Program,
    symbols: &Symbols,
    launch: &Launch,
    settings: &Settings,
) -> Result<Outcome, Error> {
    let extent = check(program, launch, settings)?;
    let plan = Plan::new(program, symbols, launch, settings, extent, memory.begin_launch())?;
    let record = Record::default();
    let order = Arc::new(LaunchOrder::default());
    let workers = settings.workers.max(1).min(usize::try_from(plan.blocks).unwrap_or(usize::MAX));
    let run = |index: usize| Worker::new(&plan, &record, memory, &order, index).run(workers, index);
    let mut counters = Counters::default();
    if workers == 1 {
        counters = run(0);
    } else {
        let run = &run;
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..workers).map(|index| scope.spawn(move || run(index))).collect();
            for worker in started {
                match worker.join() {
                    Ok(counted) => counters.add(&counted),
                    // A mistake of the emulator is not to be taken for a good run.
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
    }
    let (reports, output) = record.finish();
    Ok(Outcome { reports, output, counters })
}
