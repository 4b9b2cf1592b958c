//! Instruction conformance: one small program for every instruction and type, with what it must give by an independent
//! computation.
//!
//! A [`Case`] is a kernel of PTX text. Each of its threads reads four numbers of 64 bits, runs the one instruction, and writes two
//! numbers; [`Case::check`] says whether they are right. Nothing here uses the emulator, so that the same programs can run on a real
//! GPU and be compared bit for bit: load [`module`] of some cases, run each with `kernel(out, in)` on [`BLOCKS`] blocks of
//! [`THREADS`] threads, with `out` zeroed, and check.
//!
//! What is expected comes from definitions, not from the emulator's own arithmetic: integers that do not wrap, bits one by one,
//! floats by search among all numbers of a format. `CONFORMANCE.md` lists the forms, how each is compared, and that none is confirmed
//! on hardware yet.

mod exact;
mod floats;
mod form;
mod inputs;
mod integers;
mod kernel;
mod list;
mod programs;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;

use form::{Expect, Form, Kind};
use programs::Special;
use rows::{Reference, Row};

pub use kernel::module;
pub use list::list;

/// Blocks of a case's grid.
pub const BLOCKS: usize = 2;
/// Threads of a block.
pub const THREADS: usize = 128;

/// What a thread reads.
pub type Input = [u64; 4];
/// What a thread writes.
pub type Output = [u64; 2];

/// A program of one instruction.
#[derive(Debug)]
pub struct Case {
    /// The instruction, and what tells cases of one instruction apart: `lop3.b32 0x1a`.
    pub name: String,
    /// The compute capability that the instruction needs, 80 for 8.0.
    pub architecture: u32,
    program: Program,
}

#[derive(Debug)]
enum Program {
    /// Arithmetic on registers. The constant stands for an operand that cannot be a register.
    Arithmetic { form: Form, reference: Reference, constant: Option<u64> },
    /// Anything else.
    Special(Special),
}

/// A thread whose result is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The case.
    pub case: String,
    /// The thread's index in the grid.
    pub thread: usize,
    /// What it read.
    pub input: Input,
    /// What it wrote.
    pub output: Output,
    /// What it should have written.
    pub expected: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { case, thread, input, output, expected } = self;
        write!(out, "{case}, thread {thread}: from {input:#x?} came {output:#x?} and not {expected}")
    }
}

impl std::error::Error for Mismatch {}

/// All cases.
pub fn suite() -> Vec<Case> {
    let rows = rows::COMPARISONS.iter().flatten().chain(rows::ARITHMETIC);
    let arithmetic = rows.flat_map(cases);
    let special = programs::programs().into_iter().map(|special| Case {
        name: special.name.clone(),
        architecture: special.architecture,
        program: Program::Special(special),
    });
    arithmetic.chain(special).collect()
}

/// Truth tables that `lop3` is tried with: constants, single operands, and, or, exclusive or, majority, selection, and odd ones.
const TRUTH_TABLES: [u64; 12] = [0x00, 0xff, 0xf0, 0xcc, 0xaa, 0x80, 0xfe, 0x96, 0xe8, 0xca, 0x1a, 0x57];

fn cases(row: &Row) -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in forms(row.names) {
        let Some(form) = Form::new(&opcode, row.operands) else { continue };
        let architecture = architecture(&form);
        let constants: &[u64] = match form.sources.last().map(|it| it.kind) {
            Some(Kind::Table) => &TRUTH_TABLES,
            _ => &[],
        };
        let case = |name: String, constant| Case {
            name,
            architecture,
            program: Program::Arithmetic { form: form.clone(), reference: row.reference, constant },
        };
        if constants.is_empty() {
            cases.push(case(opcode.clone(), None));
        }
        cases.extend(constants.iter().map(|it| case(format!("{opcode} {it:#04x}"), Some(*it))));
    }
    cases
}

/// All texts that a pattern with choices in braces stands for.
fn forms(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let (choices, rest) = rest.split_once('}').unwrap_or((rest, ""));
    let behind = forms(rest);
    choices.split(',').flat_map(|it| behind.iter().map(move |rest| format!("{before}{it}{rest}"))).collect()
}

/// The compute capability that PTX asks for.
fn architecture(form: &Form) -> u32 {
    let any = |parts: &[&str]| parts.iter().any(|it| form.has(it));
    let bf16 = any(&["bf16", "bf16x2"]);
    let extreme = matches!(form.name.as_str(), "min" | "max");
    // bf16 began with few instructions.
    let early = extreme || matches!(form.name.as_str(), "abs" | "neg" | "fma");
    let early = early
        || form.name == "cvt" && form.has("f32") && !form.has("f16") && form.parts.last().is_some_and(|it| it == "f32");
    match () {
        () if any(&["e4m3x2", "e5m2x2"]) => 89,
        () if any(&["u16x2", "s16x2"]) || extreme && form.has("relu") => 90,
        () if form.has("xorsign") => 86,
        () if form.has("tf32") => {
            if form.has("rna") {
                80
            } else {
                90
            }
        }
        () if bf16 && !early && form.opcode != "cvt.f32.bf16" => 90,
        () if bf16 || any(&["relu", "satfinite"]) => 80,
        () if extreme && any(&["NaN", "f16", "f16x2"]) => 80,
        () if form.name == "cvt" && form.has("f16x2") => 80,
        () => 75,
    }
}

impl Case {
    /// What the threads read: edges of the types, and random bits that are the same every time.
    pub fn inputs(&self) -> Vec<Input> {
        let threads = BLOCKS * THREADS;
        match &self.program {
            Program::Arithmetic { form, constant, .. } => {
                let mut inputs = inputs::inputs(form, threads);
                if let Some(constant) = constant {
                    inputs.iter_mut().for_each(|it| it[form.sources.len() - 1] = *constant);
                }
                inputs
            }
            Program::Special(special) => special.inputs(threads),
        }
    }

    /// Checks what the threads wrote.
    ///
    /// # Errors
    /// The first thread whose result is wrong or is missing.
    pub fn check(&self, outputs: &[Output]) -> Result<(), Mismatch> {
        let inputs = self.inputs();
        for (thread, input) in inputs.iter().enumerate() {
            let expected = self.expected(thread, &inputs, input);
            let output = outputs.get(thread).copied().unwrap_or_default();
            let right = outputs.len() == inputs.len() && expected.iter().zip(output).all(|(it, bits)| it.holds(bits));
            if !right {
                let expected = format!("{expected:x?}");
                return Err(Mismatch { case: self.name.clone(), thread, input: *input, output, expected });
            }
        }
        Ok(())
    }

    fn expected(&self, thread: usize, inputs: &[Input], input: &Input) -> Vec<Expect> {
        match &self.program {
            Program::Arithmetic { form, reference: Reference::One(reference), .. } => vec![reference(form, input)],
            Program::Arithmetic { form, reference: Reference::Several(reference), .. } => reference(form, input),
            Program::Special(special) => (special.expected)(thread, inputs).map(Expect::Bits).to_vec(),
        }
    }
}
