//! What the environment says: the device's kind and size, how it runs, what it writes down, and what it shall break.

use cuda_emulator::machine;
use cuda_emulator::memory::Checks;
use std::path::PathBuf;

/// All that is set by environment. A variable is read once, at the first call of the library.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Compute capability, 80 for 8.0.
    pub(crate) architecture: u32,
    /// Bytes of device memory.
    pub(crate) memory: u64,
    /// Orders streams, blocks and warps.
    pub(crate) seed: u64,
    /// Runs work when it is submitted, not when somebody waits for it.
    pub(crate) eager: bool,
    /// Threads that run blocks.
    pub(crate) workers: usize,
    /// What kernels are checked for.
    pub(crate) checks: Checks,
    /// Whether findings that hardware would go on with fail the launch.
    pub(crate) findings_fail: bool,
    /// Warp instructions after which a launch counts as endless.
    pub(crate) instructions: u64,
    /// Where findings are written down.
    pub(crate) report: Option<PathBuf>,
    /// Where counters are written down.
    pub(crate) counters: Option<PathBuf>,
    /// What shall break.
    pub(crate) faults: Faults,
}

/// What shall break, each counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The allocation for which there is no memory.
    pub(crate) alloc: Option<u64>,
    /// The launch that fails.
    pub(crate) launch: Option<u64>,
    /// The operation at which the device is lost.
    pub(crate) lost: Option<u64>,
    /// The module that cannot be loaded.
    pub(crate) module: Option<u64>,
    /// There is no device at all.
    pub(crate) no_device: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            architecture: 80,
            memory: 4 << 30,
            seed: 0,
            eager: false,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            checks: Checks::default(),
            findings_fail: true,
            instructions: machine::Settings::default().instruction_limit,
            report: None,
            counters: None,
            faults: Faults::default(),
        }
    }
}

/// Takes a value into the settings, or says what would be one.
type Parse = fn(&mut Settings, &str) -> Result<(), &'static str>;

/// Each variable without its prefix, and what it does.
const VARIABLES: &[(&str, Parse)] = &[
    ("CC", |to, value| {
        to.architecture = match value {
            "7.5" => 75,
            "8.0" => 80,
            "9.0" => 90,
            _ => return Err("7.5, 8.0 or 9.0"),
        };
        Ok(())
    }),
    ("MEMORY", |to, value| {
        to.memory =
            bytes(value).filter(|it| (1..=1 << 40).contains(it)).ok_or("bytes up to 1T, as 1073741824 or 1G")?;
        Ok(())
    }),
    ("SEED", |to, value| {
        to.seed = value.parse().map_err(|_| "a number")?;
        Ok(())
    }),
    ("EAGER", |to, value| {
        to.eager = flag(value)?;
        Ok(())
    }),
    ("WORKERS", |to, value| {
        to.workers = value.parse().ok().filter(|it| (1..=1024).contains(it)).ok_or("a number from 1 to 1024")?;
        Ok(())
    }),
    ("CHECKS", |to, value| {
        to.checks = checks(value).ok_or("all, none, races, uninitialised, or several with commas")?;
        Ok(())
    }),
    ("FINDINGS", |to, value| {
        to.findings_fail = match value {
            "fail" => true,
            "warn" => false,
            _ => return Err("fail or warn"),
        };
        Ok(())
    }),
    ("INSTRUCTIONS", |to, value| {
        to.instructions = value.parse().ok().filter(|it| *it > 0).ok_or("a number from 1")?;
        Ok(())
    }),
    ("REPORT", |to, value| {
        to.report = Some(file(value)?);
        Ok(())
    }),
    ("COUNTERS", |to, value| {
        to.counters = Some(file(value)?);
        Ok(())
    }),
    ("FAIL", |to, value| {
        to.faults =
            faults(value).ok_or("alloc:N, launch:N, lost:N, module:N (N from 1), nodevice, or several with commas")?;
        Ok(())
    }),
];

const PREFIX: &str = "CUDA_EMULATOR_";

impl Settings {
    /// The settings of these variables, of which others than the emulator's are left alone; empty ones count as unset.
    ///
    /// # Errors
    /// A variable of the emulator that does not exist, or a value that it does not take, in words.
    pub(crate) fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let mut settings = Settings::default();
        for (name, value) in variables {
            let Some(short) = name.strip_prefix(PREFIX).filter(|_| !value.is_empty()) else { continue };
            let Some((_, parse)) = VARIABLES.iter().find(|row| row.0 == short) else {
                let known: Vec<_> = VARIABLES.iter().map(|row| row.0).collect();
                return Err(format!("the variable {name} does not exist; after {PREFIX} come {}", known.join(", ")));
            };
            parse(&mut settings, &value).map_err(|takes| format!("{name}={value}: it takes {takes}"))?;
        }
        Ok(settings)
    }
}

fn flag(value: &str) -> Result<bool, &'static str> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("0 or 1"),
    }
}

fn file(value: &str) -> Result<PathBuf, &'static str> {
    Ok(PathBuf::from(value))
}

fn bytes(value: &str) -> Option<u64> {
    let (digits, shift) = match value.char_indices().last()? {
        (at, 'K') => (value.get(..at)?, 10),
        (at, 'M') => (value.get(..at)?, 20),
        (at, 'G') => (value.get(..at)?, 30),
        (at, 'T') => (value.get(..at)?, 40),
        _ => (value, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn checks(value: &str) -> Option<Checks> {
    let mut checks = Checks { races: false, uninitialised: false };
    for word in value.split(',') {
        match word {
            "all" => checks = Checks { races: true, uninitialised: true },
            "none" if value == "none" => {}
            "races" => checks.races = true,
            "uninitialised" => checks.uninitialised = true,
            _ => return None,
        }
    }
    Some(checks)
}

fn faults(value: &str) -> Option<Faults> {
    let mut faults = Faults::default();
    for word in value.split(',') {
        let Some((what, number)) = word.split_once(':') else {
            faults.no_device |= word == "nodevice";
            if word == "nodevice" {
                continue;
            }
            return None;
        };
        let place = match what {
            "alloc" => &mut faults.alloc,
            "launch" => &mut faults.launch,
            "lost" => &mut faults.lost,
            "module" => &mut faults.module,
            _ => return None,
        };
        *place = Some(number.parse().ok().filter(|it| *it > 0)?);
    }
    Some(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(variables.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn values_are_taken() {
        let settings = read(&[
            ("CUDA_EMULATOR_CC", "9.0"),
            ("CUDA_EMULATOR_MEMORY", "64M"),
            ("CUDA_EMULATOR_CHECKS", "races"),
            ("CUDA_EMULATOR_FAIL", "alloc:3,lost:12,nodevice"),
            ("CUDA_EMULATOR_SEED", ""),
            ("CUDA_HOME", "anything"),
        ])
        .unwrap();
        assert_eq!(settings.architecture, 90);
        assert_eq!(settings.memory, 64 << 20);
        assert_eq!(settings.checks, Checks { races: true, uninitialised: false });
        let faults = Faults { alloc: Some(3), lost: Some(12), no_device: true, ..Faults::default() };
        assert_eq!(settings.faults, faults);
        assert_eq!(settings.seed, 0);
    }

    #[test]
    fn wrong_values_and_names_are_refused() {
        for (name, value) in [
            ("CC", "8.6"),
            ("MEMORY", "0"),
            ("MEMORY", "G"),
            ("MEMORY", "99999999999T"),
            ("SEED", "-1"),
            ("EAGER", "yes"),
            ("WORKERS", "0"),
            ("CHECKS", "none,races"),
            ("CHECKS", "everything"),
            ("FINDINGS", "ignore"),
            ("INSTRUCTIONS", "0"),
            ("FAIL", "alloc"),
            ("FAIL", "alloc:0"),
            ("FAIL", "fire:1"),
            ("COLOUR", "red"),
        ] {
            let name = format!("CUDA_EMULATOR_{name}");
            let message = read(&[(&name, value)]).unwrap_err();
            assert!(message.contains(&name), "{message}");
        }
    }
}
