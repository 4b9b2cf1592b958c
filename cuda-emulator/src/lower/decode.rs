//! Which instruction is it: arithmetic and moves here, the others by topic.

use super::body::Body;
use super::fail::{invalid, unsupported};
use super::names::special;
use super::types::{Meaning, Type, Want};
use super::{CarryKind, Op, Source};
use crate::Error;
use crate::alu;
use crate::ptx::{Instruction, Opcode, Operand};

/// Instructions that older devices lack: name, first part if it matters, the least architecture. ptxas refuses them too.
const NEWER: [(&str, Option<&str>, u32); 11] = [
    ("cp", Some("async"), 80),
    ("redux", None, 80),
    ("createpolicy", None, 80),
    ("discard", None, 80),
    ("applypriority", None, 80),
    ("elect", None, 90),
    ("griddepcontrol", None, 90),
    ("setmaxnreg", None, 90),
    ("ldmatrix", None, 75),
    ("match", None, 70),
    ("fence", None, 70),
];

impl<'a> Body<'a, '_> {
    /// Adds what an instruction becomes.
    pub(super) fn decode(&mut self, instruction: &'a Instruction) -> Result<(), Error> {
        let Instruction { opcode, operands, .. } = instruction;
        let newer = NEWER.iter().find(|it| it.0 == opcode.name && it.1.is_none_or(|part| opcode.has(part)));
        self.requires(newer.map_or(0, |it| it.2))?;
        let control = matches!(opcode.name.as_str(), "bra" | "brx" | "call" | "ret" | "exit" | "trap");
        let idx = opcode.name == "brx";
        if control && (!opcode.parts.iter().all(|it| it == "uni" || (idx && it == "idx")) || idx != opcode.has("idx")) {
            return unsupported(0, "the instruction is not known to the emulator");
        }
        let op = match opcode.name.as_str() {
            "mov" => self.mov(opcode, operands)?,
            "ld" | "ldu" => self.load(opcode, operands)?,
            "st" => self.store(opcode, operands)?,
            "atom" | "red" => self.atomic(opcode, operands)?,
            "cp" => self.copy(opcode, operands)?,
            "cvta" => self.convert_address(opcode, operands)?,
            "isspacep" => self.is_space(opcode, operands)?,
            "shfl" => self.shuffle(opcode, operands)?,
            "vote" => self.vote(opcode, operands)?,
            "match" => self.matching(opcode, operands)?,
            "redux" => self.redux(opcode, operands)?,
            "activemask" => {
                let [target] = Self::exactly(operands)?;
                Op::ActiveMask { target: self.wanted(target, Type::B32)? }
            }
            "elect" => self.elect(opcode, operands)?,
            "bar" | "barrier" => self.barrier(opcode, operands)?,
            "membar" | "fence" => self.fence(opcode, operands)?,
            "bra" => self.branch(operands)?,
            "brx" => self.branch_table(operands)?,
            "call" => return self.call(instruction),
            "ret" | "exit" | "trap" => {
                let [] = Self::exactly(operands)?;
                match opcode.name.as_str() {
                    "ret" => Op::Return,
                    "exit" => Op::Exit,
                    _ => Op::Trap,
                }
            }
            "add" | "sub" | "mad" if opcode.has("cc") => self.carry(opcode, operands)?,
            "addc" | "subc" | "madc" => self.carry(opcode, operands)?,
            "prefetch" | "prefetchu" | "discard" | "applypriority" | "nanosleep" | "griddepcontrol" | "pmevent"
            | "brkpt" | "setmaxnreg" => self.hint(operands)?,
            // A policy says how caches should treat data; there are none.
            "createpolicy" => match operands.first() {
                Some(target) => Op::Move { source: Source::Constant(0), target: self.wanted(target, Type::B64)? },
                None => return invalid(0, "the result is missing"),
            },
            "ldmatrix" => self.load_matrix(opcode, operands)?,
            "mma" => self.mma(opcode, operands)?,
            // Hopper's tensor cores, bulk copies and their barriers (wgmma, cp.async.bulk, mbarrier) get arms here.
            _ => self.arithmetic(opcode, operands)?,
        };
        self.push(instruction, op)
    }

    /// Refuses what the target lacks.
    pub(super) fn requires(&self, least: u32) -> Result<(), Error> {
        if self.context.architecture >= least {
            return Ok(());
        }
        invalid(0, format!("the instruction requires .target sm_{least} or higher"))
    }

    /// What has no effect here; its operands must still mean something.
    fn hint(&mut self, operands: &[Operand]) -> Result<Op, Error> {
        for operand in operands {
            match operand {
                Operand::Address { .. } => drop(self.address(operand, super::Space::Generic)?),
                _ => drop(self.source(operand, Type::B64.any())?),
            }
        }
        Ok(Op::Hint)
    }

    fn arithmetic(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let Some(alu) = alu::select(opcode) else {
            return unsupported(0, "the instruction is not known to the emulator");
        };
        let [results, given @ ..] = operands else { return invalid(0, "the result is missing") };
        if given.len() != usize::from(alu.sources) {
            return invalid(0, format!("{} operands, it takes {}", operands.len(), alu.sources + 1));
        }
        let wants = wants(opcode);
        let (target, second) = self.pair(results, wants.target)?;
        if second.is_some() && alu.second.is_none() {
            return invalid(0, "the instruction has one result");
        }
        let mut sources = [Source::Constant(0); 4];
        for ((source, want), operand) in sources.iter_mut().zip(wants.sources).zip(given) {
            // Conversions alone read special registers, as moves do.
            *source = match operand {
                Operand::Name(name) if opcode.name == "cvt" && special(name).is_some() => {
                    self.movable(operand, want)?
                }
                _ => self.source(operand, want)?,
            };
        }
        Ok(Op::Alu { alu, sources, target, second })
    }

    /// `add.cc.u32`, `madc.hi.cc.s64`, ...
    fn carry(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let Some(ty) = opcode.parts.last().and_then(|part| Type::named(part)).filter(|it| matches!(it.bits, 32 | 64))
        else {
            return unsupported(0, "carries are of 32 or 64 bits");
        };
        let kind = match &opcode.name[..3] {
            "add" => CarryKind::Add,
            "sub" => CarryKind::Subtract,
            _ if opcode.has("lo") => CarryKind::MultiplyLow,
            _ if opcode.has("hi") => CarryKind::MultiplyHigh,
            _ => return unsupported(0, "a product with carry is `.lo` or `.hi`"),
        };
        let mut sources = [Source::Constant(0); 3];
        let wanted = if matches!(kind, CarryKind::Add | CarryKind::Subtract) { 2 } else { 3 };
        let [target, given @ ..] = operands else { return invalid(0, "the result is missing") };
        if given.len() != wanted {
            return invalid(0, format!("{} operands, it takes {}", operands.len(), wanted + 1));
        }
        for (source, operand) in sources.iter_mut().zip(given) {
            *source = self.source(operand, ty)?;
        }
        Ok(Op::Carry {
            kind,
            width: ty.bits,
            signed: ty.signed(),
            carry_in: opcode.name.ends_with('c'),
            carry_out: opcode.has("cc"),
            sources,
            target: self.target(target, ty)?,
        })
    }

    fn mov(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let [target, source] = Self::exactly(operands)?;
        let ty = match opcode.parts.as_slice() {
            [part] => Type::named(part),
            _ => None,
        };
        let Some(ty) = ty else { return unsupported(0, "a move of this type is not known to the emulator") };
        match (target, source) {
            (Operand::Vector(_), Operand::Vector(_)) => unsupported(0, "a move of a vector to a vector"),
            (Operand::Vector(parts), whole) => {
                let part = part_type(ty, parts.len())?;
                let source = self.source(whole, ty)?;
                let targets = parts.iter().map(|it| self.target(it, part)).collect::<Result<_, _>>()?;
                Ok(Op::Unpack { source, part: part.bits, targets })
            }
            (whole, Operand::Vector(parts)) => {
                let part = part_type(ty, parts.len())?;
                let sources = parts.iter().map(|it| self.source(it, part)).collect::<Result<_, _>>()?;
                Ok(Op::Pack { sources, part: part.bits, target: self.wanted(whole, ty)? })
            }
            (target, source) => {
                let target = self.wanted(target, ty)?;
                let source = match ty.meaning {
                    Meaning::Predicate | Meaning::Float => self.source(source, ty)?,
                    _ => self.movable(source, ty)?,
                };
                Ok(Op::Move { source, target })
            }
        }
    }
}

/// The type of the parts of a packed value.
fn part_type(ty: Type, parts: usize) -> Result<Type, Error> {
    let bits = match (ty.bits, parts) {
        (16 | 32 | 64, 2) => ty.bits / 2,
        (32 | 64, 4) => ty.bits / 4,
        (64, 8) => 8,
        _ => return invalid(0, format!("{} bits do not fall into {parts} parts", ty.bits)),
    };
    Ok(Type { bits, meaning: Meaning::Bits })
}

/// What arithmetic wants of its operands.
struct Wants {
    target: Want,
    sources: [Want; 4],
}

/// What an opcode wants, by its types. Of opcodes that are not listed anything is taken, and integers stay whole: their functions read
/// the bits that they need.
fn wants(opcode: &Opcode) -> Wants {
    let types: Vec<Type> = opcode.parts.iter().filter_map(|part| Type::named(part)).collect();
    let all = |ty: Type| Wants { target: ty.into(), sources: [ty.into(); 4] };
    let number = Want::from(Type::U32);
    let predicate = Want::from(Type::PREDICATE);
    match (opcode.name.as_str(), types.as_slice()) {
        (
            "add" | "sub" | "mul" | "mad" | "fma" | "div" | "rem" | "abs" | "neg" | "min" | "max" | "and" | "or"
            | "xor" | "not" | "cnot" | "sqrt" | "rcp" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" | "copysign"
            | "brev" | "mul24" | "mad24" | "prmt" | "shf" | "lop3",
            [ty],
        ) => {
            let wide = Want::from(ty.double());
            match opcode.has("wide") {
                true => Wants { target: wide, sources: [(*ty).into(), (*ty).into(), wide, wide] },
                false => all(*ty),
            }
        }
        ("shl" | "shr", [ty]) => Wants { target: (*ty).into(), sources: [(*ty).into(), number, number, number] },
        ("bfe", [ty]) => Wants { target: (*ty).into(), sources: [(*ty).into(), number, number, number] },
        ("bfi", [ty]) => Wants { target: (*ty).into(), sources: [(*ty).into(), (*ty).into(), number, number] },
        ("popc" | "clz" | "bfind", [ty]) => Wants { target: number, ..all(*ty) },
        ("testp", [ty]) => Wants { target: predicate, ..all(*ty) },
        ("setp", [ty]) => Wants { target: predicate, sources: [(*ty).into(), (*ty).into(), predicate, predicate] },
        ("set", [to, from]) => {
            Wants { target: (*to).into(), sources: [(*from).into(), (*from).into(), predicate, predicate] }
        }
        ("selp", [ty]) => Wants { target: (*ty).into(), sources: [(*ty).into(), (*ty).into(), predicate, predicate] },
        ("slct", [ty, by]) => {
            Wants { target: (*ty).into(), sources: [(*ty).into(), (*ty).into(), (*by).into(), number] }
        }
        ("cvt", [to, from]) => Wants { target: to.wider(), sources: [from.wider(); 4] },
        _ => {
            // A constant that is a float takes the width of the last type.
            let ty = types.last().copied().filter(|it| it.meaning == Meaning::Float).unwrap_or(Type::B64);
            Wants { target: ty.any(), sources: [ty.any(); 4] }
        }
    }
}
