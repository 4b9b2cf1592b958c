//! Programs that are wrong in ways that no compiler makes: whatever is decoded runs to an end, without a panic.

use cuda_emulator::Module;
use cuda_emulator::machine::{Launch, Settings, launch};
use cuda_emulator::memory::Memory;

const TEXTS: [&str; 6] = [
    include_str!("../ptx/calls_90.ptx"),
    include_str!("../ptx/matrix_80.ptx"),
    include_str!("../ptx/pipeline_80.ptx"),
    include_str!("../ptx/reduce_75.ptx"),
    include_str!("../ptx/reduce_80.ptx"),
    include_str!("../../benches/gemm.ptx"),
];

/// Mutants of each text.
const MUTANTS: u32 = 120;

/// Numbers that look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Another number or register in place of one that a line has.
fn altered(line: &str, numbers: &mut Numbers) -> String {
    let mut words: Vec<String> = line.split_inclusive([' ', ',', '[', ']', '+', ';', '\t']).map(Into::into).collect();
    let at = numbers.below(words.len());
    let Some(word) = words.get_mut(at) else { return line.into() };
    let digits = word.find(|it: char| it.is_ascii_digit());
    if let Some(begin) = digits.filter(|_| !word.contains("0f")) {
        let end = word[begin..].find(|it: char| !it.is_ascii_digit()).map_or(word.len(), |it| begin + it);
        let limit = [4, 40, 70_000, 1 << 33][numbers.below(4)];
        word.replace_range(begin..end, &numbers.below(limit).to_string());
    }
    words.concat()
}

fn mutant(text: &str, numbers: &mut Numbers) -> String {
    let mut lines: Vec<String> = text.lines().map(Into::into).collect();
    for _ in 0..=numbers.below(3) {
        let (one, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
        match numbers.below(6) {
            0 => _ = lines.remove(one),
            1 => lines.insert(other, lines[one].clone()),
            2 => lines.swap(one, other),
            _ => lines[one] = altered(&lines[one], numbers),
        }
    }
    lines.join("\n")
}

#[test]
fn whatever_is_decoded_runs_to_an_end() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let (mut decoded, mut reported) = (0, 0);
    for text in TEXTS {
        for _ in 0..MUTANTS {
            let memory = Memory::new(1 << 20);
            let Ok(module) = Module::load(&memory, &mutant(text, &mut numbers), 90) else { continue };
            decoded += 1;
            let buffer = memory.allocate(1 << 14).unwrap();
            memory.fill(buffer, 0, 4, 1 << 12).unwrap();
            for function in module.program.functions.iter().filter(|it| it.kernel.is_some()) {
                let mut parameters = Vec::new();
                for parameter in &function.parameters {
                    parameters.resize(parameter.offset as usize, 0);
                    let value = if parameter.bytes == 8 { buffer } else { numbers.below(100) as u64 };
                    parameters.extend(&value.to_le_bytes()[..parameter.bytes.min(8) as usize]);
                }
                parameters.resize(function.kernel.as_ref().unwrap().parameter_bytes as usize, 0);
                let request = Launch {
                    kernel: module.kernel(&function.name).unwrap(),
                    grid: [2, 1, 1],
                    block: [48, 1 + numbers.below(2) as u32, 1],
                    dynamic_shared: 1024,
                    parameters,
                    cooperative: numbers.below(4) == 0,
                };
                let (seed, workers) = (numbers.below(1000) as u64, 1 + numbers.below(2));
                let settings = Settings { seed, workers, instruction_limit: 10_000, ..Settings::default() };
                if let Ok(outcome) = launch(&memory, &module.program, &module.symbols, &request, &settings) {
                    reported += usize::from(!outcome.reports.is_empty());
                }
            }
        }
    }
    // Enough of them came as far as to run, and went wrong there.
    assert!(decoded > 300 && reported > 300, "{decoded} decoded, {reported} reported");
}
