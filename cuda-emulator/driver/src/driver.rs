//! The state of the driver: one device, its memory, and what programs made on it.

use crate::capture::Capture;
use crate::code::{Answer, Code};
use crate::context::{Context, Primary};
use crate::counters::Tally;
use crate::event::Event;
use crate::export::Counts;
use crate::graph::{Exec, Graph, Node};
use crate::memory::Blocks;
use crate::module::{Function, Module};
use crate::pool::Pool;
use crate::settings::Settings;
use crate::stream::Stream;
use crate::table::{
    CaptureId, ContextId, EventId, ExecId, FunctionId, GraphId, ModuleId, NodeId, PoolId, StreamId, Table,
};
use cuda_emulator::machine::DeviceLimits;
use cuda_emulator::memory::Memory;
use std::fmt::Arguments;
use std::io::Write as _;

/// All of it.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    /// Why `cuInit` fails, if the environment is wrong.
    pub(crate) refusal: Option<String>,
    pub(crate) initialised: bool,
    pub(crate) limits: DeviceLimits,
    pub(crate) memory: Memory,
    /// The driver's side of what is allocated.
    pub(crate) blocks: Blocks,
    pub(crate) primary: Primary,
    pub(crate) contexts: Table<ContextId, Context>,
    pub(crate) streams: Table<StreamId, Stream>,
    pub(crate) events: Table<EventId, Event>,
    pub(crate) modules: Table<ModuleId, Module>,
    pub(crate) functions: Table<FunctionId, Function>,
    pub(crate) captures: Table<CaptureId, Capture>,
    pub(crate) graphs: Table<GraphId, Graph>,
    pub(crate) nodes: Table<NodeId, Node>,
    pub(crate) execs: Table<ExecId, Exec>,
    pub(crate) pools: Table<PoolId, Pool>,
    /// The device's own pool, and the one in use.
    pub(crate) default_pool: PoolId,
    pub(crate) current_pool: PoolId,
    pub(crate) tally: Tally,
    /// Operations so far, over all streams; a later one has a higher number.
    pub(crate) last_operation: u64,
    /// The device is lost.
    pub(crate) lost: bool,
    random: u64,
}

impl Driver {
    /// A driver as the environment wants it.
    pub(crate) fn from_environment() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        match Settings::read(variables) {
            Ok(settings) => Driver::new(settings),
            Err(refusal) => Driver { refusal: Some(refusal), ..Driver::new(Settings::default()) },
        }
    }

    pub(crate) fn new(settings: Settings) -> Self {
        let mut pools = Table::new();
        let pool = pools.add(Pool::default());
        Driver {
            refusal: None,
            initialised: false,
            limits: DeviceLimits::of(settings.architecture),
            memory: Memory::new(settings.memory),
            blocks: Blocks::default(),
            primary: Primary::default(),
            contexts: Table::new(),
            streams: Table::new(),
            events: Table::new(),
            modules: Table::new(),
            functions: Table::new(),
            captures: Table::new(),
            graphs: Table::new(),
            nodes: Table::new(),
            execs: Table::new(),
            pools,
            default_pool: pool,
            current_pool: pool,
            tally: Tally::default(),
            last_operation: 0,
            lost: false,
            random: settings.seed,
            settings,
        }
    }

    /// `cuInit`.
    pub(crate) fn initialise(&mut self, flags: u32) -> Answer {
        if let Some(refusal) = &self.refusal {
            say(format_args!("{refusal}"));
            return Err(Code::INVALID_VALUE);
        }
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        if self.settings.faults.no_device {
            return Err(Code::NO_DEVICE);
        }
        if !self.initialised && self.settings.counters.is_some() {
            crate::counters::write_at_exit();
        }
        self.initialised = true;
        Ok(())
    }

    /// The code of a device that is gone, if it is.
    pub(crate) fn check_lost(&self) -> Answer {
        if self.lost { Err(Code::DEVICE_UNAVAILABLE) } else { Ok(()) }
    }

    /// Counts an operation, and lets the fault happen that waits for it.
    pub(crate) fn count(&mut self, counts: Counts) -> Answer {
        if counts == Counts::No {
            return Ok(());
        }
        let faults = &self.settings.faults;
        self.tally.operations += 1;
        if Some(self.tally.operations) == faults.lost {
            say(format_args!("operation {}: the device is lost, as CUDA_EMULATOR_FAIL demands", self.tally.operations));
            self.lose();
            return Err(Code::DEVICE_UNAVAILABLE);
        }
        let (so_far, fails, code, what) = match counts {
            Counts::Allocation => (&mut self.tally.allocations, faults.alloc, Code::OUT_OF_MEMORY, "allocation"),
            Counts::Module => (&mut self.tally.modules, faults.module, Code::INVALID_IMAGE, "module"),
            Counts::No | Counts::Operation => return Ok(()),
        };
        *so_far += 1;
        if Some(*so_far) == fails {
            say(format_args!("{what} {so_far} fails, as CUDA_EMULATOR_FAIL demands"));
            return Err(code);
        }
        Ok(())
    }

    /// The device is gone with all work on it.
    fn lose(&mut self) {
        self.lost = true;
        for (_, stream) in self.streams.iter_mut() {
            stream.queue.clear();
        }
        crate::export::host_returned();
    }

    /// A number from 0 to `below - 1`, by the seed.
    pub(crate) fn pick(&mut self, below: usize) -> usize {
        // SplitMix64: a counter, well mixed; equal seeds give equal runs.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % below.max(1) as u64) as usize
    }
}

/// A line on standard error.
pub(crate) fn say(line: Arguments<'_>) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "cuda-emulator: {line}");
}

/// A line on standard error, and the code for it.
pub(crate) fn refuse<T>(code: Code, line: Arguments<'_>) -> Answer<T> {
    say(line);
    Err(code)
}
