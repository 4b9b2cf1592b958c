//! What a launch was found to do, collected from all workers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::Plan;
use crate::memory::Actor;
use crate::{Access, Finding, Place, Report, SourcePlace};

/// Bytes that `printf` may write in one launch, as many as a device keeps for it.
const OUTPUT_LIMIT: usize = 1 << 20;

/// What the workers of a launch share.
#[derive(Debug, Default)]
pub(super) struct Record {
    found: Mutex<Found>,
    stop: AtomicBool,
    spent: AtomicU64,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Found {
    seen: HashSet<(Finding, u32)>,
    reports: Vec<Report>,
    output: String,
}

/// Something wrong, in numbers. It becomes a [`Report`] unless an equal one is there.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) finding: Finding,
    pub(super) actor: Actor,
    pub(super) access: Option<Access>,
    pub(super) other: Option<Actor>,
    pub(super) note: String,
}

impl Record {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a finding, if it is new and there is room; ends the launch if hardware would.
    pub(super) fn report(&self, plan: &Plan<'_>, fault: Fault) {
        let fatal = matches!(fault.finding, Finding::Deadlock | Finding::Endless | Finding::Invalid);
        if fatal || fault.finding.stops_hardware() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let mut found = self.found();
        if !found.seen.insert((fault.finding, fault.actor.pc)) || found.reports.len() >= plan.settings.report_limit {
            return;
        }
        found.reports.push(Report {
            finding: fault.finding,
            place: plan.place(fault.actor),
            access: fault.access,
            other: fault.other.map(|it| plan.place(it)),
            note: fault.note,
        });
    }

    /// Whether the launch is over before its end.
    #[inline]
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts warp instructions; answers how many there were in all.
    pub(super) fn spend(&self, instructions: u64) -> u64 {
        self.spent.fetch_add(instructions, Ordering::Relaxed) + instructions
    }

    /// The next block to be started; the number may be past the last.
    pub(super) fn next_block(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Text that a kernel printed.
    pub(super) fn print(&self, text: &str) {
        let mut found = self.found();
        if found.output.len() + text.len() <= OUTPUT_LIMIT {
            found.output.push_str(text);
        }
    }

    /// Everything found.
    pub(super) fn finish(self) -> (Vec<Report>, String) {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Bytes that a race writes too late are read before anybody has written them: the race is what is to be mended.
        let lines = |it: &Report| {
            let other = it.other.as_ref().map(|it| it.source.ptx_line);
            [Some(it.place.source.ptx_line), other]
        };
        let races = found.reports.iter().filter(|it| it.finding == Finding::Race);
        let raced: HashSet<_> = races.flat_map(lines).flatten().collect();
        let late = |it: &Report| it.finding == Finding::Uninitialised && raced.contains(&it.place.source.ptx_line);
        found.reports.sort_by_key(late);
        (found.reports, found.output)
    }
}

impl Plan<'_> {
    /// A thread at an instruction, in words.
    pub(super) fn place(&self, actor: Actor) -> Place {
        Place {
            kernel: self.kernel.name.clone(),
            instruction: self.program.code.names.get(actor.pc as usize).cloned().unwrap_or_default(),
            source: self.source(actor.pc),
            block: self.block_index(u64::from(actor.block)),
            thread: self.thread_index(actor.thread),
        }
    }

    /// Where an instruction comes from. The compiler gives line 0 to what it moved there itself; the line in front of it says
    /// more than none.
    pub(super) fn source(&self, pc: u32) -> SourcePlace {
        let (code, pc) = (&self.program.code, pc as usize);
        let ptx_line = code.ptx_lines.get(pc).copied().unwrap_or(0);
        let function = self.program.functions.iter().find(|it| (it.entry as usize..it.end as usize).contains(&pc));
        let entry = function.map_or(pc, |it| it.entry as usize);
        let before = code.lines.get(entry..=pc).unwrap_or_default();
        let Some(found) = before.iter().rev().find(|it| it.line > 0) else {
            return SourcePlace { ptx_line, ..SourcePlace::default() };
        };
        let file = self.program.files.iter().find(|it| it.0 == found.file).map_or("", |it| it.1.as_str());
        SourcePlace { file: file.into(), line: found.line, ptx_line }
    }
}
