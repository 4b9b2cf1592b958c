//! From a syntax tree to what the machine runs: names are resolved, instructions are decoded into typed form, once.
//!
//! `names` knows what names mean, `layout` and `shared` where variables lie, `body` walks over a function, `operand`
//! turns operands into sources and targets, and `decode` knows the instructions: arithmetic comes from [`crate::alu`], the others
//! from `access`, `control`, `warp` and `matrix`. What ptxas refuses is refused here where it would change what runs: constants of
//! another kind than the instruction's, registers narrower than what is loaded, variables in another space than the access's.

mod access;
mod body;
mod control;
mod decode;
mod fail;
mod layout;
mod matrix;
mod names;
mod op;
mod operand;
mod program;
mod shared;
mod types;
mod warp;

#[cfg(test)]
mod tests;

pub use op::{
    AtomicOp, AtomicType, BarrierKind, CarryKind, MatchKind, MatrixType, Op, ReduxOp, ShuffleKind, SystemCall, VoteKind,
};
pub use program::{
    Address, Code, Function, FunctionId, Guard, Instruction, Kernel, Order, Parameter, Program, Register, Scope,
    Source, Space, Special, Symbol, Symbols, Target,
};

use crate::Error;
use crate::ptx::{self, Item};
use fail::invalid;
use layout::Layout;
use names::Globals;

/// Bytes of a kernel's parameters: what PTX 8.1 allows.
const MAX_PARAMETERS: u64 = 32_764;

/// Bytes of one frame: what a thread of a device may have of local memory.
const MAX_FRAME: u64 = 512 << 10;

/// Frames follow one another in local memory, so each is a multiple of this or of the largest alignment in the module.
const FRAME_ALIGN: u64 = 16;

/// Decodes a module: resolves names, numbers registers, lays out variables, frames and parameters.
///
/// # Errors
/// Names that nothing defines, operands that do not fit, instructions that the emulator does not know (with their name and line).
pub fn lower(module: &ptx::Module) -> Result<Program, Error> {
    let Some(architecture) = module.target.iter().find_map(|word| architecture(word)) else {
        return invalid(0, "`.target` names no architecture");
    };
    let mut globals = Globals { functions: layout::functions(module)?, ..Globals::default() };
    let mut symbols = layout::declare(module, &mut globals)?;
    let shared = shared::place(module, &mut globals)?;
    layout::initialise(module, &globals, &mut symbols)?;
    let mut program =
        Program { code: Code::default(), functions: Vec::new(), symbols, files: Vec::new(), architecture };
    let mut frames = Vec::new();
    for item in &module.items {
        match item {
            Item::File(file) => program.files.push((file.index, file.name.clone())),
            Item::Variable(variable) if !matches!(variable.space.as_str(), "global" | "const" | "shared") => {
                let (space, name) = (&variable.space, fail::short(&variable.name));
                return fail::unsupported(0, format!("a variable of the module in `.{space}`: {name}"));
            }
            Item::Function(function) if function.body.is_some() => {
                let (function, frame) = declare(function)?;
                program.functions.push(function);
                frames.push(frame);
            }
            _ => {}
        }
    }
    let bodies = module.items.iter().filter_map(|item| match item {
        Item::Function(function) => function.body.as_deref().map(|body| (function, body)),
        _ => None,
    });
    let mut align = FRAME_ALIGN;
    let mut targets = body::MAX_TABLES;
    for (place, ((source, statements), part)) in bodies.zip(&shared.functions).enumerate() {
        let Some(frame) = frames.get_mut(place) else { continue };
        let context = body::Context { globals: &globals, functions: &program.functions, place, source, architecture };
        let lowered = body::lower(context, statements, part, frame, &mut targets, &mut program.code)?;
        align = align.max(frame.align);
        let Some(function) = program.functions.get_mut(place) else { continue };
        (function.entry, function.end, function.registers) = (lowered.entry, lowered.end, lowered.registers);
        if let Some(kernel) = &mut function.kernel {
            (kernel.static_shared, kernel.dynamic_align) = (part.end, shared.dynamic_align);
        }
    }
    for (function, frame) in program.functions.iter_mut().zip(&frames) {
        function.frame_bytes = frame.end.next_multiple_of(align) as u32;
    }
    Ok(program)
}

/// `sm_90a` as 90.
fn architecture(word: &str) -> Option<u32> {
    let digits = word.strip_prefix("sm_")?.trim_end_matches(['a', 'f']);
    digits.parse().ok().filter(|it| (10..1000).contains(it))
}

/// What is known of a function without its body, and its frame so far.
fn declare(source: &ptx::Function) -> Result<(Function, Layout), Error> {
    let mut function = Function { name: source.name.clone(), ..Function::default() };
    let mut frame = Layout::default();
    if !source.entry {
        function.parameters = layout::parameters(&source.parameters, &mut frame, MAX_FRAME)?;
        function.results = layout::parameters(&source.returns, &mut frame, MAX_FRAME)?;
        return Ok((function, frame));
    }
    let mut parameters = Layout::default();
    function.parameters = layout::parameters(&source.parameters, &mut parameters, MAX_PARAMETERS)?;
    let mut kernel = Kernel { parameter_bytes: parameters.end as u32, dynamic_align: 1, ..Kernel::default() };
    for directive in &source.directives {
        let values = &directive.values;
        let value = |at: usize| values.get(at).copied().unwrap_or(1).min(u64::from(u32::MAX)) as u32;
        match directive.name.as_str() {
            "maxntid" => {
                let threads = values.iter().try_fold(1u64, |all, it| all.checked_mul(*it));
                kernel.max_threads = Some(threads.and_then(|it| it.try_into().ok()).unwrap_or(u32::MAX));
            }
            "reqntid" => kernel.required_threads = Some([value(0), value(1), value(2)]),
            "reqnctapercluster" | "explicitcluster" => kernel.cluster = true,
            _ => {}
        }
    }
    function.kernel = Some(kernel);
    Ok((function, frame))
}
