//! Memory: loads, stores, atomics, asynchronous copies, conversions of addresses.

use super::body::Body;
use super::fail::{invalid, short, unsupported};
use super::types::Type;
use super::{AtomicOp, AtomicType, Op, Order, Scope, Source, Space};
use crate::Error;
use crate::ptx::{Opcode, Operand};

/// The qualifiers of an access, in whatever order they stand.
struct Access {
    space: Space,
    /// `.param`: of a kernel or of a frame, as the address says.
    parameter: bool,
    order: Order,
    scope: Scope,
    non_coherent: bool,
    vector: usize,
    ty: Option<Type>,
    /// `.L2::cache_hint`: one operand more.
    policy: bool,
    /// The words that no access in general has: the operation of an atomic.
    words: Vec<String>,
}

/// The state space of this name.
fn space(part: &str) -> Option<Space> {
    Some(match part {
        "global" => Space::Global,
        "shared" | "shared::cta" => Space::Shared,
        "local" => Space::Local,
        "const" => Space::Const,
        "param" | "param::entry" | "param::func" => Space::Param,
        _ => return None,
    })
}

/// The scope of this name.
pub(super) fn scope(part: &str) -> Option<Scope> {
    Some(match part {
        "cta" => Scope::Block,
        "cluster" => Scope::Cluster,
        "gpu" | "gl" => Scope::Device,
        "sys" => Scope::System,
        _ => return None,
    })
}

impl Access {
    fn read(opcode: &Opcode, order: Order) -> Result<Self, Error> {
        let mut access = Access {
            space: Space::Generic,
            parameter: false,
            order,
            scope: Scope::Device,
            non_coherent: false,
            vector: 1,
            ty: None,
            policy: false,
            words: Vec::new(),
        };
        let mut scoped = false;
        for part in &opcode.parts {
            if let Some(space) = space(part) {
                access.space = space;
                access.parameter = space == Space::Param;
            } else if let Some(scope) = scope(part) {
                access.scope = scope;
                scoped = true;
            } else if let Some(ty) = Type::named(part).filter(|_| access.ty.is_none()) {
                access.ty = Some(ty);
            } else {
                match part.as_str() {
                    "weak" => access.order = Order::Weak,
                    "relaxed" => access.order = Order::Relaxed,
                    "volatile" | "mmio" => (access.order, access.scope) = (Order::Relaxed, Scope::System),
                    "acquire" => access.order = Order::Acquire,
                    "release" => access.order = Order::Release,
                    "acq_rel" => access.order = Order::AcquireRelease,
                    "nc" => access.non_coherent = true,
                    "v2" => access.vector = 2,
                    "v4" => access.vector = 4,
                    "v8" => access.vector = 8,
                    "L2::cache_hint" => access.policy = true,
                    "ca" | "cg" | "cs" | "lu" | "cv" | "wb" | "wt" | "unified" => {}
                    hint if hint.starts_with("L1::") || hint.starts_with("L2::") => {}
                    other => access.words.push(other.to_owned()),
                }
            }
        }
        if scoped && access.order == Order::Weak {
            return invalid(0, "a scope stands beside an order");
        }
        Ok(access)
    }

    /// The type, if there is one that memory can have, and nothing unknown beside it.
    fn plain(&self) -> Result<Type, Error> {
        if let Some(word) = self.words.first() {
            return unsupported(0, format!("`.{}` is not known to the emulator", short(word)));
        }
        match self.ty {
            Some(ty) if ty.bits >= 8 => Ok(ty),
            _ => unsupported(0, "an access of this type is not known to the emulator"),
        }
    }

    /// The operands without the policy of caches.
    fn operands<'o>(&self, operands: &'o [Operand], wanted: usize) -> Result<&'o [Operand], Error> {
        let wanted_all = wanted + usize::from(self.policy);
        if operands.len() != wanted_all {
            return invalid(0, format!("{} operands, it takes {wanted_all}", operands.len()));
        }
        Ok(operands.get(..wanted).unwrap_or_default())
    }

    /// The elements of a vector operand, or the one.
    fn elements<'o>(&self, operand: &'o Operand) -> Result<&'o [Operand], Error> {
        let items = match operand {
            Operand::Vector(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        if items.len() != self.vector {
            return invalid(0, format!("{} elements, it takes {}", items.len(), self.vector));
        }
        Ok(items)
    }
}

/// What atomics exist: the operation and the types that it takes.
const ATOMICS: [(&str, AtomicOp, &[&str]); 10] = [
    ("exch", AtomicOp::Exchange, &["b32", "b64"]),
    ("cas", AtomicOp::CompareAndSwap, &["b16", "b32", "b64"]),
    ("add", AtomicOp::Add, &["u32", "s32", "u64", "s64", "f16", "f16x2", "bf16", "bf16x2", "f32", "f64"]),
    ("inc", AtomicOp::Increment, &["u32"]),
    ("dec", AtomicOp::Decrement, &["u32"]),
    ("and", AtomicOp::And, &["b32", "b64"]),
    ("or", AtomicOp::Or, &["b32", "b64"]),
    ("xor", AtomicOp::Xor, &["b32", "b64"]),
    ("min", AtomicOp::Min, &["u32", "s32", "u64", "s64", "f16", "f16x2", "bf16", "bf16x2"]),
    ("max", AtomicOp::Max, &["u32", "s32", "u64", "s64", "f16", "f16x2", "bf16", "bf16x2"]),
];

/// The types of atomics.
const ATOMIC_TYPES: [(&str, AtomicType); 13] = [
    ("b16", AtomicType::B16),
    ("b32", AtomicType::B32),
    ("b64", AtomicType::B64),
    ("u32", AtomicType::U32),
    ("u64", AtomicType::U64),
    ("s32", AtomicType::S32),
    ("s64", AtomicType::S64),
    ("f16", AtomicType::F16),
    ("f16x2", AtomicType::F16x2),
    ("bf16", AtomicType::Bf16),
    ("bf16x2", AtomicType::Bf16x2),
    ("f32", AtomicType::F32),
    ("f64", AtomicType::F64),
];

impl<'a> Body<'a, '_> {
    /// The address of an access; one to parameters goes to a frame but for a kernel's own.
    fn accessed(&mut self, access: &Access, operand: &Operand) -> Result<super::Address, Error> {
        if !access.parameter {
            return self.address(operand, access.space);
        }
        let mut address = self.address(operand, Space::Param)?;
        address.space = match address.base {
            Source::Parameter(_) => Space::Param,
            Source::Frame(_) => Space::Local,
            Source::Register(_) if self.context.source.entry => Space::Param,
            Source::Register(_) => Space::Local,
            _ => return invalid(0, format!("`{}` is no parameter", short(&operand.to_string()))),
        };
        Ok(address)
    }

    pub(super) fn load(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let access = Access::read(opcode, Order::Weak)?;
        let ty = access.plain()?;
        let [target, address] = access.operands(operands, 2)? else { return invalid(0, "two operands") };
        let address = self.accessed(&access, address)?;
        let elements = access.elements(target)?.iter();
        let targets = elements.map(|it| self.target(it, ty.wider())).collect::<Result<_, _>>()?;
        Ok(Op::Load {
            address,
            targets,
            bytes: ty.bytes(),
            signed: ty.signed(),
            order: access.order,
            scope: access.scope,
            non_coherent: access.non_coherent,
        })
    }

    pub(super) fn store(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let access = Access::read(opcode, Order::Weak)?;
        let ty = access.plain()?;
        let [address, source] = access.operands(operands, 2)? else { return invalid(0, "two operands") };
        let address = self.accessed(&access, address)?;
        if matches!(address.space, Space::Param | Space::Const) {
            return invalid(0, "constants and parameters of kernels cannot be written");
        }
        let elements = access.elements(source)?.iter();
        let sources = elements.map(|it| self.source(it, ty.wider())).collect::<Result<_, _>>()?;
        Ok(Op::Store { address, sources, bytes: ty.bytes(), order: access.order, scope: access.scope })
    }

    pub(super) fn atomic(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let mut access = Access::read(opcode, Order::Relaxed)?;
        access.words.retain(|it| it != "noftz");
        let known = match access.words.as_slice() {
            [word] => ATOMICS.iter().find(|it| it.0 == word),
            _ => None,
        };
        let named = opcode.parts.iter().rev().find_map(|part| ATOMIC_TYPES.iter().find(|it| it.0 == part));
        let (Some(&(_, op, types)), Some(&(name, atomic)), Some(ty)) = (known, named, access.ty) else {
            return unsupported(0, "this atomic is not known to the emulator");
        };
        if !types.contains(&name) {
            return unsupported(0, format!("an atomic of this operation on `.{name}`"));
        }
        let returns = opcode.name == "atom";
        let swaps = op == AtomicOp::CompareAndSwap;
        let given = access.operands(operands, 2 + usize::from(returns) + usize::from(swaps))?;
        let (target, given) = match given {
            [target, given @ ..] if returns => (Some(target), given),
            given => (None, given),
        };
        let [address, value, rest @ ..] = given else { return invalid(0, "operands are missing") };
        let address = self.accessed(&access, address)?;
        if !matches!(address.space, Space::Generic | Space::Global | Space::Shared) {
            return invalid(0, "atomics are for global and shared memory");
        }
        let targets = match target {
            None => Vec::new(),
            Some(Operand::Nothing) => vec![None; access.vector],
            Some(target) => access.elements(target)?.iter().map(|it| self.target(it, ty)).collect::<Result<_, _>>()?,
        };
        let sources = access.elements(value)?.iter().map(|it| self.source(it, ty)).collect::<Result<_, _>>()?;
        let swap = rest.first().map(|it| self.source(it, ty)).transpose()?;
        Ok(Op::Atomic { op, ty: atomic, address, sources, swap, targets, order: access.order, scope: access.scope })
    }

    /// `cp.async` with its groups.
    pub(super) fn copy(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let parts: Vec<&str> = opcode.parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["async", "commit_group"] => {
                let [] = Self::exactly(operands)?;
                return Ok(Op::AsyncCommit);
            }
            ["async", "wait_all"] => {
                let [] = Self::exactly(operands)?;
                return Ok(Op::AsyncWait { pending: None });
            }
            ["async", "wait_group"] => {
                let [Operand::Integer(pending)] = Self::exactly(operands)? else {
                    return invalid(0, "the number of groups is a constant");
                };
                return Ok(Op::AsyncWait { pending: Some((*pending).min(u64::from(u32::MAX)) as u32) });
            }
            ["async", "ca" | "cg", "shared" | "shared::cta", "global", hints @ ..]
                if hints.iter().all(|it| it.starts_with("L2::")) => {}
            _ => return unsupported(0, "this copy is not known to the emulator"),
        }
        let [shared, global, size, rest @ ..] = operands else { return invalid(0, "operands are missing") };
        let rest = match rest {
            [rest @ .., _] if opcode.has("L2::cache_hint") => rest,
            rest => rest,
        };
        let bytes = match size {
            Operand::Integer(bytes @ (4 | 8 | 16)) if *bytes == 16 || opcode.has("ca") => *bytes as u8,
            _ => return invalid(0, "`cp.async.ca` copies 4, 8 or 16 bytes, `cp.async.cg` 16"),
        };
        let (mut read, mut ignore) = (None, None);
        match rest {
            [] => {}
            [only] if self.is_predicate(only)? => ignore = Some(self.predicate(only)?),
            [only] => read = Some(self.source(only, Type::B32)?),
            _ => return invalid(0, format!("{} operands are too many", operands.len())),
        }
        Ok(Op::AsyncCopy {
            shared: self.address(shared, Space::Shared)?,
            global: self.address(global, Space::Global)?,
            bytes,
            read,
            ignore,
        })
    }

    fn is_predicate(&mut self, operand: &Operand) -> Result<bool, Error> {
        Ok(match operand {
            Operand::Not(_) => true,
            Operand::Name(_) => self.target(operand, Type::B32.any())?.is_some_and(|it| it.width == 1),
            _ => false,
        })
    }

    /// The space that a conversion or a test is about. A function's parameters lie in its frame.
    fn converted(&self, opcode: &Opcode, source: Source) -> Result<Space, Error> {
        match opcode.parts.iter().find_map(|part| space(part)) {
            Some(Space::Param) if matches!(source, Source::Frame(_)) || !self.context.source.entry => Ok(Space::Local),
            Some(space) => Ok(space),
            None => unsupported(0, "the state space is not known to the emulator"),
        }
    }

    pub(super) fn convert_address(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let [target, source] = Self::exactly(operands)?;
        let to_generic = !opcode.has("to");
        let source = if to_generic { self.movable(source, Type::U64)? } else { self.source(source, Type::U64)? };
        let space = self.converted(opcode, source)?;
        if opcode.parts.len() != 3 - usize::from(to_generic) || !opcode.has("u64") {
            return unsupported(0, "an address has 64 bits, and one space");
        }
        Ok(Op::ConvertAddress { source, space, to_generic, target: self.wanted(target, Type::U64)? })
    }

    pub(super) fn is_space(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let [target, source] = Self::exactly(operands)?;
        let source = self.source(source, Type::B64.any())?;
        let space = self.converted(opcode, source)?;
        Ok(Op::IsSpace { source, space, target: self.wanted(target, Type::PREDICATE)? })
    }
}
