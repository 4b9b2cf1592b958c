//! A kernel, its device and its launch.

use cuda_emulator::machine::{Launch, Outcome, Settings, launch};
use cuda_emulator::memory::Memory;
use cuda_emulator::{Error, Finding, Module, Report};

/// What stands in front of each kernel's body: `%rd0` is the output, `%r0` the number, `%r1` the thread, `%rd2` the thread's own
/// word of the output, counted over the whole grid.
const PRELUDE: &str = "
    .reg .pred %p<10>; .reg .b16 %h<10>; .reg .b32 %r<60>; .reg .b64 %rd<40>; .reg .f32 %f<20>; .reg .f64 %d<9>;
    ld.param.u64 %rd0, [out];
    ld.param.u32 %r0, [n];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mad.lo.s32 %r2, %r2, %r3, %r1;
    mul.wide.u32 %rd1, %r2, 4;
    add.s64 %rd2, %rd0, %rd1;
";

/// Words of the output.
const WORDS: u64 = 4096;

/// A kernel on a device.
pub(crate) struct Bench {
    pub(crate) memory: Memory,
    pub(crate) module: Module,
    pub(crate) launch: Launch,
    pub(crate) settings: Settings,
    pub(crate) out: u64,
}

/// The text of a module with the kernel `k(out, n)`.
pub(crate) fn text(declarations: &str, body: &str) -> String {
    format!(
        ".version 8.6\n.target sm_90\n.address_size 64\n.file 1 \"hand.cu\"\n{declarations}\n\
         .visible .entry k(.param .u64 out, .param .u32 n)\n{{{PRELUDE}{body}\n    ret;\n}}\n"
    )
}

/// A kernel with nothing around it, for one block of 32 threads.
pub(crate) fn kernel(body: &str) -> Bench {
    module("", body)
}

/// A kernel with variables and functions of its module.
pub(crate) fn module(declarations: &str, body: &str) -> Bench {
    let memory = Memory::new(64 << 20);
    let module = Module::load(&memory, &text(declarations, body), 90).unwrap_or_else(|why| panic!("{why}"));
    let out = memory.allocate(WORDS * 4).unwrap();
    memory.fill(out, 0, 4, WORDS).unwrap();
    let mut parameters = out.to_le_bytes().to_vec();
    parameters.extend(0u32.to_le_bytes());
    let kernel = module.kernel("k").unwrap();
    let launch = Launch { kernel, grid: [1; 3], block: [32, 1, 1], dynamic_shared: 0, parameters, cooperative: false };
    Bench { memory, module, launch, settings: Settings { instruction_limit: 1 << 17, ..Settings::default() }, out }
}

impl Bench {
    pub(crate) fn threads(mut self, threads: u32) -> Self {
        self.launch.block = [threads, 1, 1];
        self
    }

    pub(crate) fn blocks(mut self, blocks: u32) -> Self {
        self.launch.grid = [blocks, 1, 1];
        self
    }

    pub(crate) fn number(mut self, n: u32) -> Self {
        self.launch.parameters.truncate(8);
        self.launch.parameters.extend(n.to_le_bytes());
        self
    }

    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    pub(crate) fn try_run(&self) -> Result<Outcome, Error> {
        launch(&self.memory, &self.module.program, &self.module.symbols, &self.launch, &self.settings)
    }

    /// Runs it, whatever it does wrong.
    pub(crate) fn run(&self) -> Outcome {
        self.try_run().unwrap_or_else(|why| panic!("{why}"))
    }

    /// Runs it; nothing may be reported.
    pub(crate) fn quiet(&self) -> Outcome {
        let outcome = self.run();
        let reports: Vec<String> = outcome.reports.iter().map(ToString::to_string).collect();
        assert!(reports.is_empty(), "{reports:#?}");
        outcome
    }

    /// Runs it; the first that is reported must be this.
    pub(crate) fn finds(&self, finding: Finding) -> Report {
        let outcome = self.run();
        let first = outcome.reports.first().unwrap_or_else(|| panic!("nothing was reported"));
        assert_eq!(first.finding, finding, "{first}");
        first.clone()
    }

    /// The first words of the output.
    pub(crate) fn words(&self, count: usize) -> Vec<u32> {
        let mut bytes = vec![0; count * 4];
        self.memory.read(self.out, &mut bytes).unwrap();
        bytes.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect()
    }

    /// Runs it quietly and gives the first words of the output.
    pub(crate) fn gives(&self, count: usize) -> Vec<u32> {
        self.quiet();
        self.words(count)
    }
}

/// A value for each lane.
pub(crate) fn each(lanes: u32, value: impl Fn(u32) -> u32) -> Vec<u32> {
    (0..lanes).map(value).collect()
}
