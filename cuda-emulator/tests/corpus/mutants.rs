//! Small wrong changes of PTX, made on the syntax tree.

use cuda_emulator::ptx::{Function, Instruction, Item, Module, Opcode, Operand, Statement};
use std::collections::BTreeMap;
use std::fmt;

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A barrier of the block is gone, or takes a warp more or less.
    Barrier,
    /// A fence is gone, or is for the block only; a volatile access is not.
    Fence,
    /// A wait for copies or for the warp is gone, or waits for less; copies are not closed to a group.
    Wait,
    /// What a predicate guards is always or never done.
    Guard,
    /// An address or an index is one off.
    Index,
    /// A shuffle takes another lane; the last lane is no member of what is done together.
    Lanes,
    /// An access is twice as wide.
    Width,
}

impl Class {
    pub(crate) const ALL: [Class; 7] =
        [Class::Barrier, Class::Fence, Class::Wait, Class::Guard, Class::Index, Class::Lanes, Class::Width];
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Class::Barrier => "barrier",
            Class::Fence => "fence",
            Class::Wait => "wait",
            Class::Guard => "guard",
            Class::Index => "index",
            Class::Lanes => "lanes",
            Class::Width => "width",
        })
    }
}

/// What becomes of one instruction.
#[derive(Clone, Debug)]
enum Change {
    Delete,
    Replace(Instruction),
    Append(Instruction),
}

/// A changed module.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) class: Class,
    /// `line 12: bar.sync 0 -> nothing`, where the line is that of the CUDA source; different for each mutant of a module.
    pub(crate) name: String,
    pub(crate) ptx: String,
}

/// All mutants of a module.
pub(crate) fn mutants(module: &Module) -> Vec<Mutant> {
    let mut found = Vec::new();
    let mut names = BTreeMap::<String, usize>::new();
    for (item, function) in module.items.iter().enumerate() {
        let Item::Function(Function { body: Some(body), .. }) = function else { continue };
        let mut sites = Vec::new();
        instructions(body, &mut 0, &mut sites);
        let constants = constants(&sites);
        for (at, (line, instruction)) in sites.iter().enumerate() {
            for (class, change) in changes(instruction, &constants) {
                let mut name = format!("line {line}: {}", describe(instruction, &change));
                let count = names.entry(name.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    name = format!("{name} (the same again, {count})");
                }
                let mut mutant = module.clone();
                if let Some(Item::Function(Function { body: Some(body), .. })) = mutant.items.get_mut(item) {
                    apply(body, &mut at.clone(), &change);
                }
                found.push(Mutant { class, name, ptx: mutant.to_string() });
            }
        }
    }
    found
}

fn describe(instruction: &Instruction, change: &Change) -> String {
    let text = |instruction: &Instruction| {
        let text = instruction.to_string();
        text.trim().trim_end_matches(';').split_whitespace().collect::<Vec<&str>>().join(" ")
    };
    match change {
        Change::Delete => format!("{} -> nothing", text(instruction)),
        Change::Replace(by) => format!("{} -> {}", text(instruction), text(by)),
        Change::Append(then) => format!("{} and {}", text(instruction), text(then)),
    }
}

/// The instructions of a body with their lines in the CUDA source, in the order of the text.
fn instructions<'a>(body: &'a [Statement], line: &mut u32, found: &mut Vec<(u32, &'a Instruction)>) {
    for statement in body {
        match statement {
            Statement::Location(source) => *line = source.line,
            Statement::Instruction(instruction) => found.push((*line, instruction)),
            Statement::Block(inner) => instructions(inner, line, found),
            _ => {}
        }
    }
}

/// Changes the instruction that so many others come before; answers whether it was here.
fn apply(body: &mut Vec<Statement>, before: &mut usize, change: &Change) -> bool {
    for at in 0..body.len() {
        let done = match &mut body[at] {
            Statement::Block(inner) => apply(inner, before, change),
            Statement::Instruction(_) if *before > 0 => {
                *before -= 1;
                false
            }
            Statement::Instruction(instruction) => {
                match change {
                    Change::Delete => drop(body.remove(at)),
                    Change::Replace(by) => *instruction = by.clone(),
                    Change::Append(then) => body.insert(at + 1, Statement::Instruction(then.clone())),
                }
                true
            }
            _ => false,
        };
        if done {
            return true;
        }
    }
    false
}

/// The changes of one instruction.
fn changes(instruction: &Instruction, constants: &BTreeMap<&str, Option<u64>>) -> Vec<(Class, Change)> {
    let mut found = Vec::new();
    let opcode = &instruction.opcode;
    let is = |name: &str, first: &str| opcode.name == name && opcode.parts.first().is_some_and(|part| part == first);
    if is("bar", "warp") || opcode.name == "cp" && (opcode.has("commit_group") || opcode.has("wait_group")) {
        found.push((Class::Wait, Change::Delete));
    } else if ["bar", "barrier"].contains(&&*opcode.name) && !opcode.has("red") {
        found.push((Class::Barrier, Change::Delete));
    } else if ["membar", "fence"].contains(&&*opcode.name) {
        found.push((Class::Fence, Change::Delete));
    }
    if instruction.guard.is_some() {
        found.push((Class::Guard, Change::Replace(Instruction { guard: None, ..instruction.clone() })));
        found.push((Class::Guard, Change::Delete));
    }
    found.extend(shifted(instruction).into_iter().map(|change| (Class::Index, change)));
    if opcode.name == "shfl" {
        found.extend(other_lane(instruction, constants).map(|by| (Class::Lanes, Change::Replace(by))));
    }
    found.extend(weaker(instruction, constants).into_iter().map(|(class, by)| (class, Change::Replace(by))));
    found.extend(wider(instruction).map(|by| (Class::Width, Change::Replace(by))));
    found
}

/// The value of an operand that is a constant, or a register that only ever holds one.
fn constant(operand: &Operand, constants: &BTreeMap<&str, Option<u64>>) -> Option<u64> {
    match operand {
        Operand::Integer(value) => Some(*value),
        Operand::Name(name) => *constants.get(name.as_str())?,
        _ => None,
    }
}

/// The same instruction for fewer threads, or with less order among them.
fn weaker(instruction: &Instruction, constants: &BTreeMap<&str, Option<u64>>) -> Vec<(Class, Instruction)> {
    let Instruction { opcode, operands, .. } = instruction;
    let mut found = Vec::new();
    match opcode.name.as_str() {
        "membar" => {
            let mut block = instruction.clone();
            block.opcode.parts = vec!["cta".into()];
            found.push((Class::Fence, block));
        }
        "ld" | "st" if opcode.has("volatile") => {
            let mut weak = instruction.clone();
            weak.opcode.parts.retain(|part| part != "volatile");
            found.push((Class::Fence, weak));
        }
        "cp" if opcode.has("wait_group") => {
            if let [Operand::Integer(groups)] = operands[..] {
                found.push((Class::Wait, with(instruction, 0, Operand::Integer(groups + 1))));
            }
        }
        "bar" if !opcode.has("warp") => {
            if let [_, Operand::Integer(threads)] = operands[..] {
                let warps = [threads - 32, threads + 32].map(Operand::Integer);
                found.extend(warps.map(|by| (Class::Barrier, with(instruction, 1, by))));
            }
        }
        "bar" | "shfl" | "vote" => {
            let members = operands.last().and_then(|operand| constant(operand, constants));
            if members.is_some_and(|members| members as u32 == u32::MAX) {
                let by = with(instruction, operands.len() - 1, Operand::Integer(0x7fff_ffff));
                found.push((Class::Lanes, by));
            }
        }
        _ => {}
    }
    found
}

/// The instruction with one operand changed.
fn with(instruction: &Instruction, at: usize, operand: Operand) -> Instruction {
    let mut changed = instruction.clone();
    changed.operands[at] = operand;
    changed
}

/// Bytes of an element, from the last part that is a type.
fn element(opcode: &Opcode) -> Option<i64> {
    opcode.parts.iter().rev().find_map(|part| match part.trim_start_matches(['b', 'u', 's', 'f']) {
        "8" => Some(1),
        "16" => Some(2),
        "32" => Some(4),
        "64" => Some(8),
        _ => None,
    })
}

/// Addresses an access further up or down, sums of 32 bits one more or less. Parameters are no indices.
fn shifted(instruction: &Instruction) -> Vec<Change> {
    let opcode = &instruction.opcode;
    let accesses = ["ld", "st", "atom", "red", "cp"].contains(&&*opcode.name) && !opcode.has("param");
    let mut found = Vec::new();
    for (at, operand) in instruction.operands.iter().enumerate().filter(|_| accesses) {
        let Operand::Address { base, offset, coordinates } = operand else { continue };
        // The size of an asynchronous copy is its third operand.
        let bytes = match (opcode.name.as_str(), instruction.operands.get(2)) {
            ("cp", Some(Operand::Integer(bytes))) => Some(*bytes as i64),
            _ => element(opcode),
        };
        for step in bytes.into_iter().flat_map(|bytes| [bytes, -bytes]) {
            let moved =
                Operand::Address { base: base.clone(), offset: offset + step, coordinates: coordinates.clone() };
            found.push(Change::Replace(with(instruction, at, moved)));
        }
    }
    let wide = opcode.parts.last().is_some_and(|part| ["s32", "u32", "b32"].contains(&&**part));
    if !wide || !(opcode.name == "add" || opcode.name == "mad" && opcode.has("lo")) {
        return found;
    }
    for step in [1_u64, u64::MAX] {
        found.push(match (&instruction.operands[..], opcode.name.as_str()) {
            ([.., Operand::Integer(value)], "add") => {
                let changed = Operand::Integer(value.wrapping_add(step));
                Change::Replace(with(instruction, instruction.operands.len() - 1, changed))
            }
            _ => {
                let result = instruction.operands[0].clone();
                let add = Opcode { name: "add".into(), parts: vec!["s32".into()] };
                let operands = vec![result.clone(), result, Operand::Integer(step)];
                Change::Append(Instruction { opcode: add, operands, ..instruction.clone() })
            }
        });
    }
    found
}

/// The registers that only ever hold one constant.
fn constants<'a>(sites: &[(u32, &'a Instruction)]) -> BTreeMap<&'a str, Option<u64>> {
    let mut found = BTreeMap::new();
    for (_, instruction) in sites {
        let Some(Operand::Name(target)) = instruction.operands.first() else { continue };
        let value = match instruction.operands.get(1) {
            Some(Operand::Integer(value)) if instruction.opcode.name == "mov" => Some(*value),
            _ => None,
        };
        found.entry(target.as_str()).and_modify(|it| *it = None).or_insert(value);
    }
    found
}

/// A shuffle along one lane further. A butterfly with half the distance: one with another odd bit may still meet all lanes.
fn other_lane(instruction: &Instruction, constants: &BTreeMap<&str, Option<u64>>) -> Option<Instruction> {
    let lane = constant(instruction.operands.get(2)?, constants)?;
    let lane = if instruction.opcode.has("bfly") { lane / 2 } else { lane + 1 };
    Some(with(instruction, 2, Operand::Integer(lane)))
}

/// A load of more than there is room for, a store of more than there is, a copy of the next size.
fn wider(instruction: &Instruction) -> Option<Instruction> {
    let opcode = &instruction.opcode;
    if opcode.name == "cp" && opcode.has("ca") {
        let Some(Operand::Integer(bytes @ (4 | 8))) = instruction.operands.get(2) else { return None };
        return Some(with(instruction, 2, Operand::Integer(bytes * 2)));
    }
    let at = match &*opcode.name {
        "ld" => 0,
        "st" => 1,
        _ => return None,
    };
    // The language has vectors of at most four elements and of at most 16 bytes.
    let (now, next) = match (opcode.has("v2"), opcode.has("v4")) {
        (false, false) => (1, 2),
        (true, false) => (2, 4),
        _ => return None,
    };
    if opcode.has("param") || opcode.has("volatile") || element(opcode)? * next > 16 {
        return None;
    }
    let operand = instruction.operands.get(at)?;
    let elements = match operand {
        Operand::Vector(elements) => elements.clone(),
        one => vec![one.clone()],
    };
    let more = if at == 0 { vec![Operand::Nothing; elements.len()] } else { elements.clone() };
    let mut by = with(instruction, at, Operand::Vector([elements, more].concat()));
    if now == 1 {
        let place = by.opcode.parts.len() - 1;
        by.opcode.parts.insert(place, "v2".into());
    } else {
        by.opcode.parts.iter_mut().filter(|part| *part == "v2").for_each(|part| *part = "v4".into());
    }
    Some(by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cuda_emulator::ptx;

    const TEXT: &str = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n\
        .reg .pred %p<2>;\n.reg .b32 %r<9>;\n.reg .f32 %f<3>;\n.reg .b64 %rd<3>;\n\
        .loc 1 7 1\nbar.sync 0;\n@%p1 bra $L;\nmembar.gl;\n\
        { bar.warp.sync -1; ld.global.f32 %f1, [%rd1+4]; }\n\
        .loc 1 9 1\nst.shared.v2.f32 [%r1], {%f1, %f2};\nadd.s32 %r1, %r2, 4;\nmad.lo.s32 %r1, %r2, %r3, %r4;\n\
        mov.u32 %r5, 8;\nshfl.sync.bfly.b32 %r1|%p1, %r2, %r5, 31, -1;\ncp.async.ca.shared.global [%r1], [%rd1], 4, %r2;\n\
        cp.async.wait_group 1;\n$L:\nret;\n}\n";

    #[test]
    fn every_change_is_made_once_and_is_ptx() {
        let module = ptx::parse(TEXT).unwrap();
        let all = mutants(&module);
        let of = |class| all.iter().filter(move |mutant| mutant.class == class).map(|mutant| mutant.name.as_str());
        assert_eq!(of(Class::Barrier).collect::<Vec<_>>(), ["line 7: bar.sync 0 -> nothing"]);
        assert_eq!(
            of(Class::Fence).collect::<Vec<_>>(),
            ["line 7: membar.gl -> nothing", "line 7: membar.gl -> membar.cta"]
        );
        assert_eq!(of(Class::Wait).count(), 3);
        assert_eq!(
            of(Class::Guard).collect::<Vec<_>>(),
            ["line 7: @%p1 bra $L -> bra $L", "line 7: @%p1 bra $L -> nothing"]
        );
        // Two each of the load, the store, both sides of the copy, and both sums.
        assert_eq!(of(Class::Index).count(), 12);
        assert!(of(Class::Index).any(|name| name == "line 9: add.s32 %r1, %r2, 4 -> add.s32 %r1, %r2, 5"));
        let shuffle = "shfl.sync.bfly.b32 %r1|%p1, %r2,";
        let lanes = [
            "line 7: bar.warp.sync -1 -> bar.warp.sync 2147483647".to_owned(),
            format!("line 9: {shuffle} %r5, 31, -1 -> {shuffle} 4, 31, -1"),
            format!("line 9: {shuffle} %r5, 31, -1 -> {shuffle} %r5, 31, 2147483647"),
        ];
        assert_eq!(of(Class::Lanes).collect::<Vec<_>>(), lanes);
        assert_eq!(of(Class::Width).count(), 3);
        let text = module.to_string();
        for mutant in &all {
            assert_ne!(mutant.ptx, text, "{}", mutant.name);
            let again = ptx::parse(&mutant.ptx).unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
            assert_eq!(again.to_string(), mutant.ptx);
        }
        assert_eq!(all.iter().map(|mutant| &mutant.name).collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
