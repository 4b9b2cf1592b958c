//! The cases on the emulator.

use super::*;
use crate::machine::{DeviceLimits, Launch, Settings, launch};
use crate::memory::Memory;
use crate::{Module, alu};

/// Cases that are loaded as one module.
const TOGETHER: usize = 64;

/// Runs cases; what is wrong, one line a case.
fn run(cases: &[&Case]) -> Vec<String> {
    let (text, names) = module(cases);
    let memory = Memory::new(1 << 30);
    let loaded = match Module::load(&memory, &text, 90) {
        Ok(loaded) => loaded,
        Err(_) if cases.len() > 1 => return cases.iter().flat_map(|case| run(&[case])).collect(),
        Err(error) => return vec![format!("{}: {error}", cases[0].name)],
    };
    let settings = Settings { device: DeviceLimits::of(90), ..Settings::default() };
    let mut wrong = Vec::new();
    for (case, name) in cases.iter().zip(names) {
        let inputs = case.inputs();
        let bytes: Vec<u8> = inputs.iter().flatten().flat_map(|it| it.to_le_bytes()).collect();
        let given = memory.allocate(bytes.len() as u64).unwrap();
        memory.write(given, &bytes).unwrap();
        let mut results = vec![0; inputs.len() * 16];
        let written = memory.allocate(results.len() as u64).unwrap();
        memory.write(written, &results).unwrap();
        let grid = Launch {
            kernel: loaded.kernel(&name).unwrap(),
            grid: [BLOCKS as u32, 1, 1],
            block: [THREADS as u32, 1, 1],
            dynamic_shared: 0,
            parameters: [written.to_le_bytes(), given.to_le_bytes()].concat(),
            cooperative: false,
        };
        let outcome = launch(&memory, &loaded.program, &loaded.symbols, &grid, &settings).unwrap();
        memory.read(written, &mut results).unwrap();
        memory.free(given).unwrap();
        memory.free(written).unwrap();
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, it| sum << 8 | u64::from(*it));
        let outputs: Vec<Output> = results.chunks(16).map(|it| [word(&it[..8]), word(&it[8..])]).collect();
        if let Some(report) = outcome.reports.first() {
            wrong.push(format!("{}: {report}", case.name));
        } else if let Err(mismatch) = case.check(&outputs) {
            wrong.push(mismatch.to_string());
        }
    }
    wrong
}

#[test]
fn every_instruction_gives_what_its_definition_says() {
    let suite = suite();
    let cases: Vec<&Case> = suite.iter().collect();
    let wrong: Vec<String> = cases.chunks(TOGETHER).flat_map(run).collect();
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} cases:\n{shown}", wrong.len(), cases.len());
}

/// A comparison that lets everything through would be none: for each way to compare, a wrong bit is seen.
#[test]
fn wrong_results_are_seen() {
    let suite = suite();
    for name in
        ["add.u32", "setp.lt.s32", "add.f64", "neg.f32", "ex2.approx.f32", "abs.f16x2", "tanh.approx.f16x2", "bar.sync"]
    {
        let case = suite.iter().find(|it| it.name == name).unwrap();
        let inputs = case.inputs();
        assert!(case.check(&vec![[0x5a5a_5a5a; 2]; inputs.len()]).is_err(), "{name}");
        let found = (0..inputs.len()).filter(|thread| {
            let expected = case.expected(*thread, &inputs, &inputs[*thread]);
            expected.iter().all(|it| !it.holds(0x5a5a_5a5a) && !it.holds(0xdead))
        });
        assert!(found.count() > inputs.len() / 2, "{name}");
    }
}

/// No form without a program, and no program of a form that is not there.
#[test]
fn all_arithmetic_has_a_program() {
    let suite = suite();
    let words = |it: &str| it.split(' ').next().unwrap_or_default().to_owned();
    let mut tested: Vec<String> =
        suite.iter().filter(|it| matches!(it.program, Program::Arithmetic { .. })).map(|it| words(&it.name)).collect();
    tested.sort_unstable();
    tested.dedup();
    let missing: Vec<_> =
        alu::forms().into_iter().filter(|it| tested.binary_search(&(*it).to_owned()).is_err()).collect();
    let unknown: Vec<_> = tested.iter().filter(|it| !alu::forms().contains(&it.as_str())).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "no program: {missing:?}; no such form: {unknown:?}");
}

#[test]
fn the_list_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("CONFORMANCE.md");
    let list = list();
    if std::env::var_os("WENGERT_WRITE_CONFORMANCE").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == list, "CONFORMANCE.md is old: run this test once with WENGERT_WRITE_CONFORMANCE=1");
}

/// NVIDIA's assembler takes every program for its own architecture.
#[test]
fn ptxas_takes_every_program() {
    use cuda_emulator_nvrtc::{Compiler, for_tests};
    let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
    let ptxas = compiler.path().ancestors().nth(2).unwrap().join("bin/ptxas");
    assert!(ptxas.exists() || std::env::var_os("CI").is_none(), "{} is not there", ptxas.display());
    if !ptxas.exists() {
        return;
    }
    let suite = suite();
    let mut architectures: Vec<u32> = suite.iter().map(|it| it.architecture).collect();
    architectures.sort_unstable();
    architectures.dedup();
    for architecture in architectures {
        let cases: Vec<&Case> = suite.iter().filter(|it| it.architecture == architecture).collect();
        let path = std::env::temp_dir().join(format!("conformance_{architecture}_{}.ptx", std::process::id()));
        std::fs::write(&path, module(&cases).0).unwrap();
        let mut command = std::process::Command::new(&ptxas);
        // Not a word of optimisation: what counts is that the text is valid.
        command.arg(format!("-arch=sm_{architecture}")).args(["-O0", "-o", "/dev/null"]).arg(&path);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {:.2000}", path.display(), said);
        std::fs::remove_file(path).unwrap();
    }
}
