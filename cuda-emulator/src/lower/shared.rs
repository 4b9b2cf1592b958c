//! Where shared variables lie.
//!
//! Variables of the module and of functions that are called come first, each at its own offset. A kernel's own variables begin
//! behind those of them that it can reach: two kernels never run in one block, so theirs may overlap, and a kernel has no more
//! shared memory than it would have alone.

use std::collections::HashMap;

use super::fail::{invalid, short};
use super::layout::{Layout, shape};
use super::names::{Callee, Globals, Place};
use crate::Error;
use crate::ptx::{Function, Item, Linkage, Module, Operand, Statement, Variable};

/// Static shared bytes of a kernel: ptxas refuses more, more is to be had only as the open array.
const MAX_STATIC: u64 = 48 << 10;

/// Bytes of the variables that kernels have in common: the window of shared addresses.
const MAX_COMMON: u64 = 1 << 24;

/// What a module has in shared memory.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Alignment of the open array.
    pub(super) dynamic_align: u32,
    /// For each function with a body, in the order of the text.
    pub(super) functions: Vec<Part>,
}

/// What one function has there.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The offsets of its own variables, in the order of the text.
    pub(super) offsets: Vec<u32>,
    /// One past the last byte that it or what it calls uses.
    pub(super) end: u32,
}

/// One past the last byte of each variable of the module, by its offset.
type Ends = HashMap<u32, u64>;

/// What a function refers to.
#[derive(Default)]
struct Uses<'a> {
    /// Its own variables.
    own: Vec<&'a Variable>,
    /// One past the last byte of the module's variables that it names.
    end: u64,
    /// The functions that it calls or takes the number of.
    calls: Vec<u32>,
    /// How many names of functions it has, those without a body too.
    callees: usize,
    /// Whether it calls what a register says.
    indirect: bool,
}

/// Whether a shared variable is the open array: its size is the launch's business.
fn is_open(variable: &Variable) -> bool {
    variable.linkage == Linkage::Extern
}

/// Places all shared variables. Those of the module get their names.
pub(super) fn place<'a>(module: &'a Module, globals: &mut Globals<'a>) -> Result<Shared, Error> {
    let mut common = Layout::default();
    let mut dynamic_align = 1;
    for item in &module.items {
        let Item::Variable(variable) = item else { continue };
        if variable.space != "shared" {
            continue;
        }
        let place = if is_open(variable) {
            dynamic_align = dynamic_align.max(shape(variable)?.align as u32);
            Place::DynamicShared
        } else {
            Place::Shared(add(variable, &mut common, MAX_COMMON)?)
        };
        let known = globals.variables.insert(&variable.name, place);
        if known.is_some_and(|it| it != Place::DynamicShared || place != Place::DynamicShared) {
            return invalid(0, format!("two variables are named {}", short(&variable.name)));
        }
    }
    let ends = ends(module, globals)?;
    let mut functions = Vec::new();
    let mut uses = Vec::new();
    for function in bodies(module) {
        let mut used = Uses::default();
        look(function.body.as_deref().unwrap_or_default(), globals, &ends, &mut used)?;
        let mut part = Part::default();
        for variable in &used.own {
            if is_open(variable) {
                dynamic_align = dynamic_align.max(shape(variable)?.align as u32);
            }
        }
        if !function.entry {
            for variable in used.own.iter().filter(|it| !is_open(it)) {
                part.offsets.push(add(variable, &mut common, MAX_COMMON)?);
                used.end = common.end;
            }
        }
        functions.push(part);
        uses.push(used);
    }
    reach(&mut uses, &bodies(module).map(|it| it.entry).collect::<Vec<_>>());
    for ((part, used), function) in functions.iter_mut().zip(&uses).zip(bodies(module)) {
        let mut layout = Layout { end: used.end, align: 1 };
        if function.entry {
            for variable in used.own.iter().filter(|it| !is_open(it)) {
                part.offsets.push(add(variable, &mut layout, MAX_COMMON)?);
            }
            if layout.end > MAX_STATIC {
                let (name, bytes) = (short(&function.name), layout.end);
                return invalid(0, format!("kernel {name} uses {bytes} bytes of static shared memory of {MAX_STATIC}"));
            }
        }
        part.end = layout.end as u32;
    }
    Ok(Shared { dynamic_align, functions })
}

fn bodies(module: &Module) -> impl Iterator<Item = &Function> {
    module.items.iter().filter_map(|item| match item {
        Item::Function(function) if function.body.is_some() => Some(function),
        _ => None,
    })
}

fn add(variable: &Variable, layout: &mut Layout, limit: u64) -> Result<u32, Error> {
    match layout.add(shape(variable)?, limit) {
        Some(offset) => Ok(offset),
        None => invalid(0, format!("shared variables of more than {limit} bytes: {}", short(&variable.name))),
    }
}

fn ends(module: &Module, globals: &Globals<'_>) -> Result<Ends, Error> {
    let mut found = HashMap::new();
    for item in &module.items {
        let Item::Variable(variable) = item else { continue };
        if let Some(Place::Shared(offset)) = globals.variables.get(variable.name.as_str()) {
            let end = found.entry(*offset).or_insert(0);
            *end = u64::max(*end, u64::from(*offset) + shape(variable)?.bytes);
        }
    }
    Ok(found)
}

/// Collects what statements refer to. An inner name that hides one of the module makes the answer larger, never smaller.
fn look<'a>(statements: &'a [Statement], globals: &Globals<'_>, ends: &Ends, uses: &mut Uses<'a>) -> Result<(), Error> {
    for statement in statements {
        match statement {
            Statement::Block(inner) => look(inner, globals, ends, uses)?,
            Statement::Variable(variable) if variable.space == "shared" => uses.own.push(variable),
            Statement::Instruction(instruction) => {
                let before = uses.callees;
                instruction.operands.iter().for_each(|operand| names(operand, globals, ends, uses));
                uses.indirect |= instruction.opcode.name == "call" && uses.callees == before;
            }
            _ => {}
        }
    }
    Ok(())
}

fn names(operand: &Operand, globals: &Globals<'_>, ends: &Ends, uses: &mut Uses<'_>) {
    let name = match operand {
        Operand::Name(name) | Operand::Sum(name, _) => name.as_str(),
        Operand::Address { base, .. } => match &**base {
            Operand::Name(name) => name.as_str(),
            _ => return,
        },
        Operand::Vector(items) | Operand::Arguments(items) => {
            return items.iter().for_each(|it| names(it, globals, ends, uses));
        }
        _ => return,
    };
    if name.starts_with('%') {
        return;
    }
    if let Some(Place::Shared(offset)) = globals.variables.get(name) {
        uses.end = uses.end.max(ends.get(offset).copied().unwrap_or(0));
    } else if let Some(callee) = globals.functions.get(name) {
        uses.callees += 1;
        if let Callee::Function(place) = callee {
            uses.calls.push(*place);
        }
    }
}

/// Spreads each function's end to those that call it, the largest first, so that each function is visited once.
fn reach(uses: &mut [Uses<'_>], entries: &[bool]) {
    // One more node stands for what registers call: any function.
    let any = uses.len();
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); any + 1];
    let mut order: Vec<(u64, usize)> = Vec::with_capacity(any);
    for (place, used) in uses.iter().enumerate() {
        for called in &used.calls {
            if let Some(list) = callers.get_mut(*called as usize) {
                list.push(place);
            }
        }
        if let (true, Some(list)) = (used.indirect, callers.get_mut(any)) {
            list.push(place);
        }
        if let (Some(false), Some(list)) = (entries.get(place), callers.get_mut(place)) {
            list.push(any);
        }
        order.push((used.end, place));
    }
    order.sort_unstable_by(|a, b| b.cmp(a));
    let mut seen = vec![false; any + 1];
    for (end, start) in order {
        let mut open = vec![start];
        while let Some(place) = open.pop() {
            match seen.get_mut(place) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            if let Some(used) = uses.get_mut(place) {
                used.end = end;
            }
            open.extend(callers.get(place).into_iter().flatten());
        }
    }
}
