//! Which instruction is it: arithmetic and moves here, the others by topic.

use super::body::Body;
use super::fail::{invalid, unsupported};
use super::types::{Meaning, Type};
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
                Op::ActiveMask { target: self.wanted(target)? }
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
                Some(target) => Op::Move { source: Source::Constant(0), target: self.wide_wanted(target, 64)? },
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
                _ => drop(self.source(operand, Type::B64)?),
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
        let (target, second) = self.pair(results)?;
        if second.is_some() && alu.second.is_none() {
            return invalid(0, "the instruction has one result");
        }
        let mut sources = [Source::Constant(0); 4];
        for (at, (source, operand)) in sources.iter_mut().zip(given).enumerate() {
            *source = self.source(operand, constants(opcode, at))?;
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
            target: self.wide(target, ty.bits)?,
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
                let part = part_width(ty, parts.len())?;
                let source = self.source(whole, ty)?;
                let targets = parts.iter().map(|it| self.wide(it, part)).collect::<Result<_, _>>()?;
                Ok(Op::Unpack { source, part, targets })
            }
            (whole, Operand::Vector(parts)) => {
                let part = part_width(ty, parts.len())?;
                let element = Type { bits: part, meaning: Meaning::Bits };
                let sources = parts.iter().map(|it| self.source(it, element)).collect::<Result<_, _>>()?;
                Ok(Op::Pack { sources, part, target: self.wide_wanted(whole, ty.bits)? })
            }
            (target, source) => {
                let target = self.wide_wanted(target, ty.bits)?;
                let source = if ty == Type::PREDICATE { self.predicate(source)? } else { self.source(source, ty)? };
                Ok(Op::Move { source, target })
            }
        }
    }

    /// A result of a width that somebody must want.
    pub(super) fn wide_wanted(&mut self, operand: &Operand, bits: u8) -> Result<super::Target, Error> {
        self.wide(operand, bits)?.map_or_else(|| invalid(0, "the result goes nowhere"), Ok)
    }
}

/// The width of the parts of a packed value.
fn part_width(ty: Type, parts: usize) -> Result<u8, Error> {
    match (ty.bits, parts) {
        (16 | 32 | 64, 2) => Ok(ty.bits / 2),
        (32 | 64, 4) => Ok(ty.bits / 4),
        (64, 8) => Ok(8),
        _ => invalid(0, format!("{} bits do not fall into {parts} parts", ty.bits)),
    }
}

/// How a constant is read that stands as the source `at` of arithmetic. Integers stay whole: `mad.wide.s32` takes two of 32 bits and
/// one of 64, and each function reads the bits that it needs.
fn constants(opcode: &Opcode, at: usize) -> Type {
    let mut types = opcode.parts.iter().filter_map(|part| Type::named(part));
    let first = types.next().unwrap_or(Type::B64);
    let last = types.next_back().unwrap_or(first);
    // `slct.f32.s32` chooses between floats by an integer; elsewhere the last type is that of the sources.
    let ty = if opcode.name == "slct" && at < 2 { first } else { last };
    match ty.meaning {
        Meaning::Float => ty,
        _ => Type::B64,
    }
}
