//! How much of what can be wrong is seen: every mutant of the right kernels is run, and must be reported or give wrong numbers.
//! Those that do neither stand in `tests/survivors.txt`, each with its reason.

use crate::bench::{Bench, Case, Failure, Sizes, settings};
use crate::cases::CASES;
use crate::mutants::{Class, Mutant, mutants};
use cuda_emulator::machine::Settings;
use cuda_emulator::ptx;
use cuda_emulator_nvrtc::{Compiler, for_tests};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Seeds of schedules that a mutant must survive.
const SEEDS: u64 = 8;
/// The compute capability whose PTX is changed.
const ARCHITECTURE: u32 = 80;
/// A mutant may take so many times the instructions of its original, and so many on top, before it counts as endless.
const LIMIT: (u64, u64) = (10, 20_000);
/// What must be caught of all that is not equivalent.
const WANTED: f64 = 0.95;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Reported,
    /// The numbers differ.
    Wrong,
    /// The launch was refused.
    Refused,
    Survived,
    /// It is no PTX, which would be a fault of the test.
    Invalid,
}

/// Runs a program with a seed.
fn run(case: &Case, ptx: &str, seed: u64, limit: u64) -> Result<Bench, Fate> {
    let settings = Settings { instruction_limit: limit, report_limit: 1, ..settings(ARCHITECTURE, seed, 1) };
    let mut bench = Bench::new(ptx, settings, Sizes::Few).map_err(|_| Fate::Invalid)?;
    match (case.run)(&mut bench) {
        Ok(()) => Ok(bench),
        Err(Failure::Reported(_)) => Err(Fate::Reported),
        Err(Failure::Refused(_)) => Err(Fate::Refused),
        Err(Failure::Host(_) | Failure::Wrong(_)) => Err(Fate::Wrong),
    }
}

fn fate(case: &Case, ptx: &str, limit: u64) -> Fate {
    (0..SEEDS).find_map(|seed| run(case, ptx, seed, limit).err()).unwrap_or(Fate::Survived)
}

/// A mutant to be run.
struct Job {
    case: &'static Case,
    mutant: Mutant,
    limit: u64,
}

impl Job {
    /// As the list of survivors has it.
    fn key(&self) -> String {
        format!("{} | {} | {}", self.case.name, self.mutant.class, self.mutant.name)
    }
}

fn jobs(compiler: &Compiler) -> Vec<Job> {
    let of = |case: &'static Case| {
        let module = ptx::parse(&case.ptx(compiler, ARCHITECTURE)).unwrap();
        let original = run(case, &module.to_string(), 0, u64::MAX);
        let cost = original.unwrap_or_else(|fate| panic!("{}: {fate:?}", case.name)).counters.warp_instructions;
        let limit = cost * LIMIT.0 + LIMIT.1;
        mutants(&module).into_iter().map(move |mutant| Job { case, mutant, limit })
    };
    CASES.iter().flat_map(of).collect()
}

/// The fates of all, found side by side.
fn fates(jobs: &[Job]) -> Vec<Fate> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || jobs.get(next.fetch_add(1, Ordering::Relaxed));
        let mut found = Vec::new();
        while let Some(job) = take() {
            found.push((std::ptr::from_ref(job) as usize, fate(job.case, &job.mutant.ptx, job.limit)));
        }
        found
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<(usize, Fate)> = thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        started.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    found.sort_unstable();
    found.into_iter().map(|(_, fate)| fate).collect()
}

/// The mutants that are known to survive: `kernel | class | mutant | reason`. A reason begins with `equivalent:`, where no run can
/// tell the mutant from the original, or with `unseen:`.
fn known(list: &str) -> BTreeMap<String, bool> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (mutant, reason) = line.rsplit_once(" | ").unwrap_or_else(|| panic!("no reason: {line}"));
        let equivalent = reason.starts_with("equivalent: ");
        assert!(equivalent || reason.starts_with("unseen: "), "{line}");
        (mutant.to_owned(), equivalent)
    });
    parsed.collect()
}

/// Counts of a row of the table.
#[derive(Clone, Copy, Default)]
struct Row {
    reported: usize,
    wrong: usize,
    refused: usize,
    equivalent: usize,
    unseen: usize,
}

impl Row {
    fn add(&mut self, fate: Fate, equivalent: bool) {
        match fate {
            Fate::Reported => self.reported += 1,
            Fate::Wrong => self.wrong += 1,
            Fate::Refused => self.refused += 1,
            _ if equivalent => self.equivalent += 1,
            _ => self.unseen += 1,
        }
    }

    /// Of all that are not equivalent.
    fn share(&self) -> f64 {
        let caught = self.reported + self.wrong + self.refused;
        caught as f64 / (caught + self.unseen).max(1) as f64
    }

    fn line(&self, name: &str) -> String {
        let Row { reported, wrong, refused, equivalent, unseen } = *self;
        let all = reported + wrong + refused + equivalent + unseen;
        let share = 100.0 * self.share();
        format!("{name:<16}{all:>9}{reported:>10}{wrong:>8}{refused:>9}{equivalent:>12}{unseen:>8}{share:>9.1}\n")
    }
}

#[test]
fn nearly_all_mutants_are_caught() {
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let known = known(include_str!("../survivors.txt"));
    let jobs = jobs(&compiler);
    let fates = fates(&jobs);
    let (mut kernels, mut classes) = (BTreeMap::<&str, Row>::new(), BTreeMap::<Class, Row>::new());
    let mut whole = Row::default();
    let mut faults = Vec::new();
    for (job, fate) in jobs.iter().zip(fates) {
        let (case, class, key) = (job.case, job.mutant.class, job.key());
        let listed = known.get(&key);
        match (fate, listed) {
            (Fate::Invalid, _) => faults.push(format!("no PTX: {key}")),
            (Fate::Survived, None) => faults.push(format!("survives and is not listed: {key}")),
            (Fate::Survived, Some(_)) | (_, None) => {}
            (_, Some(_)) => faults.push(format!("listed but caught now: {key}")),
        }
        for row in [kernels.entry(case.name).or_default(), classes.entry(class).or_default(), &mut whole] {
            row.add(fate, listed == Some(&true));
        }
    }
    let made: BTreeSet<String> = jobs.iter().map(Job::key).collect();
    let never = known.keys().filter(|key| !made.contains(*key));
    faults.extend(never.map(|key| format!("listed but never made: {key}")));
    let heading = format!(
        "{:<16}{:>9}{:>10}{:>8}{:>9}{:>12}{:>8}{:>9}\n",
        "", "mutants", "reported", "wrong", "refused", "equivalent", "unseen", "caught %"
    );
    let kernels: String = kernels.iter().map(|(name, row)| row.line(name)).collect();
    let classes: String =
        Class::ALL.iter().filter_map(|class| Some(classes.get(class)?.line(&class.to_string()))).collect();
    // Past the test harness: the figures are wanted of every run.
    let table = format!("{heading}{kernels}{heading}{classes}{}", whole.line("all"));
    writeln!(std::io::stdout(), "{table}").unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(whole.share() >= WANTED, "{:.3}", whole.share());
}
