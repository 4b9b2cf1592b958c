//! What lanes of a warp and threads of a block do together.

use super::access::scope;
use super::body::Body;
use super::fail::{invalid, unsupported};
use super::types::Type;
use super::{BarrierKind, MatchKind, Op, Order, ReduxOp, Scope, ShuffleKind, VoteKind};
use crate::Error;
use crate::ptx::{Opcode, Operand};

impl<'a> Body<'a, '_> {
    /// The parts of an opcode as words.
    fn parts(opcode: &Opcode) -> Vec<&str> {
        opcode.parts.iter().map(String::as_str).collect()
    }

    pub(super) fn shuffle(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let kind = match Self::parts(opcode).as_slice() {
            ["sync", "up", "b32"] => ShuffleKind::Up,
            ["sync", "down", "b32"] => ShuffleKind::Down,
            ["sync", "bfly", "b32"] => ShuffleKind::Butterfly,
            ["sync", "idx", "b32"] => ShuffleKind::Index,
            _ => return unsupported(0, "the instruction is not known to the emulator"),
        };
        let [results, value, lane, clamp, members] = Self::exactly(operands)?;
        let (target, valid) = self.pair(results, Type::B32)?;
        let mut source = |operand| self.source(operand, Type::B32);
        let sources = [source(value)?, source(lane)?, source(clamp)?, source(members)?];
        Ok(Op::Shuffle { kind, sources, target, valid })
    }

    pub(super) fn vote(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let kind = match Self::parts(opcode).as_slice() {
            ["sync", "all", "pred"] => VoteKind::All,
            ["sync", "any", "pred"] => VoteKind::Any,
            ["sync", "uni", "pred"] => VoteKind::Uniform,
            ["sync", "ballot", "b32"] => VoteKind::Ballot,
            _ => return unsupported(0, "the instruction is not known to the emulator"),
        };
        let [target, predicate, members] = Self::exactly(operands)?;
        let target = if kind == VoteKind::Ballot {
            self.target(target, Type::B32)?
        } else {
            self.target(target, Type::PREDICATE)?
        };
        let predicate = self.predicate(predicate)?;
        Ok(Op::Vote { kind, predicate, members: self.source(members, Type::B32)?, target })
    }

    pub(super) fn matching(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let (kind, ty) = match Self::parts(opcode).as_slice() {
            ["any", "sync", "b32"] => (MatchKind::Any, Type::B32),
            ["any", "sync", "b64"] => (MatchKind::Any, Type::B64),
            ["all", "sync", "b32"] => (MatchKind::All, Type::B32),
            ["all", "sync", "b64"] => (MatchKind::All, Type::B64),
            _ => return unsupported(0, "the instruction is not known to the emulator"),
        };
        let [results, value, members] = Self::exactly(operands)?;
        let (target, valid) = self.pair(results, Type::B32)?;
        if valid.is_some() && kind == MatchKind::Any {
            return invalid(0, "the instruction has one result");
        }
        let value = self.source(value, ty)?;
        Ok(Op::Match { kind, value, members: self.source(members, Type::B32)?, target, valid })
    }

    pub(super) fn redux(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let op = match Self::parts(opcode).as_slice() {
            // A sum that wraps is the same for both signs.
            ["sync", "add", "u32" | "s32"] => ReduxOp::AddU32,
            ["sync", "min", "u32"] => ReduxOp::MinU32,
            ["sync", "max", "u32"] => ReduxOp::MaxU32,
            ["sync", "min", "s32"] => ReduxOp::MinS32,
            ["sync", "max", "s32"] => ReduxOp::MaxS32,
            ["sync", "and", "b32"] => ReduxOp::And,
            ["sync", "or", "b32"] => ReduxOp::Or,
            ["sync", "xor", "b32"] => ReduxOp::Xor,
            _ => return unsupported(0, "the instruction is not known to the emulator"),
        };
        let [target, value, members] = Self::exactly(operands)?;
        let target = self.target(target, Type::B32)?;
        let value = self.source(value, Type::B32)?;
        Ok(Op::Redux { op, value, members: self.source(members, Type::B32)?, target })
    }

    pub(super) fn elect(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let ["sync"] = Self::parts(opcode).as_slice() else {
            return unsupported(0, "the instruction is not known to the emulator");
        };
        let [results, members] = Self::exactly(operands)?;
        let (target, leader) = self.pair(results, Type::B32)?;
        Ok(Op::Elect { members: self.source(members, Type::B32)?, target, leader })
    }

    /// `bar.sync`, `barrier.cta.red.popc.aligned.u32`, `bar.warp.sync`, ...
    pub(super) fn barrier(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let mut parts = Self::parts(opcode);
        if parts == ["warp", "sync"] && opcode.name == "bar" {
            let [members] = Self::exactly(operands)?;
            return Ok(Op::WarpBarrier { members: self.source(members, Type::B32)? });
        }
        let aligned = opcode.name == "bar" || opcode.has("aligned");
        parts.retain(|it| !matches!(*it, "aligned" | "cta"));
        let reduces = parts.first() == Some(&"red");
        let (given, predicate) = match (reduces, operands) {
            (true, [target, given @ .., predicate]) => (given, Some((target, self.predicate(predicate)?))),
            (true, _) => return invalid(0, "operands are missing"),
            (false, given) => (given, None),
        };
        let kind = match (parts.as_slice(), predicate) {
            (["sync"], None) => BarrierKind::Sync,
            (["arrive"], None) if given.len() == 2 => BarrierKind::Arrive,
            (["arrive"], None) => return invalid(0, "who arrives says how many are waited for"),
            (["red", "popc", "u32"], Some((target, predicate))) => {
                BarrierKind::Popc { predicate, target: self.wanted(target, Type::B32)? }
            }
            (["red", "and", "pred"], Some((target, predicate))) => {
                BarrierKind::And { predicate, target: self.wanted(target, Type::PREDICATE)? }
            }
            (["red", "or", "pred"], Some((target, predicate))) => {
                BarrierKind::Or { predicate, target: self.wanted(target, Type::PREDICATE)? }
            }
            _ => return unsupported(0, "this barrier is not known to the emulator"),
        };
        let (id, threads) = match given {
            [id] => (id, None),
            [id, threads] => (id, Some(self.source(threads, Type::B32)?)),
            _ => return invalid(0, format!("{} operands do not fit", operands.len())),
        };
        Ok(Op::Barrier { id: self.source(id, Type::B32)?, threads, kind, aligned })
    }

    /// `membar.gl`, `fence.acq_rel.gpu`, `fence.proxy.async`, ...
    pub(super) fn fence(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let parts = Self::parts(opcode);
        // Other ways to memory than plain accesses are in order here anyway.
        if matches!(parts.first(), Some(&("proxy" | "mbarrier_init"))) {
            return Ok(Op::Hint);
        }
        let [] = Self::exactly(operands)?;
        let mut order = if opcode.name == "membar" { Order::Sequential } else { Order::AcquireRelease };
        let mut reach = None;
        for part in parts {
            match (part, scope(part)) {
                (_, Some(scope)) => reach = Some(scope),
                ("sc", _) => order = Order::Sequential,
                ("acq_rel", _) => order = Order::AcquireRelease,
                ("acquire", _) => order = Order::Acquire,
                ("release", _) => order = Order::Release,
                (part, _) if part.starts_with("sync_restrict::") => {}
                _ => return unsupported(0, "this fence is not known to the emulator"),
            }
        }
        match reach {
            Some(scope) => Ok(Op::Fence { order, scope }),
            None if opcode.name == "fence" => Ok(Op::Fence { order, scope: Scope::System }),
            None => unsupported(0, "this fence is not known to the emulator"),
        }
    }
}
