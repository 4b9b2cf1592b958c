//! What names mean: variables and functions of the module, and those of a body with its blocks.

use std::collections::HashMap;

use super::fail::{invalid, short, unsupported};
use super::types::Type;
use super::{Register, Source, Special, SystemCall};
use crate::Error;
use crate::ptx::{Registers, Statement};

/// Registers of one function that are used. A warp needs 256 bytes for each; the longest unrolled kernels have some thousands.
const MAX_REGISTERS: u32 = 1 << 16;

/// Where a variable lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In global or constant memory.
    Symbol { index: u32, constant: bool },
    /// In shared memory, at an offset.
    Shared(u32),
    /// The open shared array.
    DynamicShared,
    /// In the frame of the running function.
    Frame { offset: u32, bytes: u32 },
    /// Among a kernel's parameters.
    Parameter(u32),
}

impl Place {
    /// Its address, with bytes added to it. `None` for one that no variable of this space can have.
    pub(super) fn source(self, offset: i64) -> Option<Source> {
        let moved = |from: u32| u32::try_from(i64::from(from).checked_add(offset)?).ok();
        Some(match self {
            Place::Symbol { index, .. } => Source::Symbol(index, offset),
            Place::DynamicShared => Source::DynamicShared(offset),
            Place::Shared(from) => Source::Shared(moved(from)?),
            Place::Frame { offset: from, .. } => Source::Frame(moved(from)?),
            Place::Parameter(from) => Source::Parameter(moved(from)?),
        })
    }
}

/// What a call can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// A function with a body.
    Function(u32),
    /// The device's runtime.
    System(SystemCall),
    /// Declared, and defined nowhere.
    Missing,
}

impl Callee {
    /// What a declaration without a body stands for.
    pub(super) fn declared(name: &str) -> Self {
        match name {
            "vprintf" => Callee::System(SystemCall::Print),
            "__assertfail" => Callee::System(SystemCall::AssertFail),
            "malloc" => Callee::System(SystemCall::Malloc),
            "free" => Callee::System(SystemCall::Free),
            _ => Callee::Missing,
        }
    }
}

/// The names of a module.
#[derive(Debug, Default)]
pub(super) struct Globals<'a> {
    pub(super) variables: HashMap<&'a str, Place>,
    pub(super) functions: HashMap<&'a str, Callee>,
}

/// What a name of a body means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    /// A register.
    Register { register: Register, ty: Type },
    /// A register that has no number yet.
    Single { id: u32, ty: Type },
    /// `%r<50>`: names that begin so and end with a number.
    Family { id: u32, count: u32, ty: Type },
    /// A variable.
    Variable(Place),
    /// A label, by its number in the function.
    Label(u32),
    /// The labels of a `.branchtargets`.
    Targets(&'a [String]),
    /// A `.callprototype` or `.calltargets`.
    Prototype,
}

/// The names of a body. Each block has a level; inner names hide outer ones.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    levels: Vec<HashMap<&'a str, Name<'a>>>,
    members: HashMap<(u32, u32), Register>,
    families: u32,
    /// Registers so far.
    pub(super) registers: u32,
    /// Labels so far.
    pub(super) labels: u32,
}

impl<'a> Names<'a> {
    /// Enters a block. Its labels may be used before they come; everything else comes first.
    pub(super) fn enter(&mut self, block: &'a [Statement]) -> Result<(), Error> {
        self.levels.push(HashMap::new());
        for statement in block {
            match statement {
                Statement::Label(name) => {
                    self.define(name, Name::Label(self.labels))?;
                    self.labels += 1;
                }
                Statement::BranchTargets(name, labels) => self.define(name, Name::Targets(labels))?,
                Statement::Prototype(name, _) => self.define(name, Name::Prototype)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Leaves a block.
    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    /// Gives a name a meaning in the innermost block.
    pub(super) fn define(&mut self, name: &'a str, meaning: Name<'a>) -> Result<(), Error> {
        let known = self.levels.last_mut().and_then(|level| level.insert(name, meaning));
        if known.is_some() { invalid(0, format!("{} is defined twice in one block", short(name))) } else { Ok(()) }
    }

    /// Declares registers. They get numbers when they are used: a text may declare billions.
    pub(super) fn declare(&mut self, registers: &'a Registers) -> Result<(), Error> {
        let Some(ty) = Type::named(&registers.element) else {
            return unsupported(0, format!("a register of the type `.{}`", registers.element));
        };
        self.families += 1;
        let id = self.families;
        let meaning = match registers.count {
            Some(count) => Name::Family { id, count, ty },
            None => Name::Single { id, ty },
        };
        self.define(&registers.name, meaning)
    }

    /// The register with this number of a family.
    fn member(&mut self, id: u32, index: u32) -> Result<Register, Error> {
        if let Some(register) = self.members.get(&(id, index)) {
            return Ok(*register);
        }
        if self.registers >= MAX_REGISTERS {
            return invalid(0, format!("a function uses more than {MAX_REGISTERS} registers"));
        }
        let register = Register(self.registers);
        self.registers += 1;
        self.members.insert((id, index), register);
        Ok(register)
    }

    /// What a name means, from the innermost block outwards.
    pub(super) fn find(&mut self, name: &str) -> Result<Option<Name<'a>>, Error> {
        // Numbers of registers have at most ten digits, and no zero in front.
        let digits = name.bytes().rev().take(10).take_while(u8::is_ascii_digit).count();
        let mut found = None;
        'levels: for level in self.levels.iter().rev() {
            match level.get(name) {
                Some(Name::Single { id, ty }) => {
                    found = Some((*id, 0, *ty));
                    break;
                }
                Some(Name::Family { .. }) | None => {}
                other => return Ok(other.copied()),
            }
            for at in name.len() - digits..name.len() {
                let (family, index) = name.split_at(at);
                let Some(Name::Family { id, count, ty }) = level.get(family) else { continue };
                let zero = index.len() > 1 && index.starts_with('0');
                if let Some(index) = index.parse().ok().filter(|it| it < count && !zero) {
                    found = Some((*id, index, *ty));
                    break 'levels;
                }
            }
        }
        let Some((id, index, ty)) = found else { return Ok(None) };
        Ok(Some(Name::Register { register: self.member(id, index)?, ty }))
    }
}

/// The special register of this name, as a source. Clusters are of one block.
pub(super) fn special(name: &str) -> Option<Source> {
    let (base, axis) = match name.split_once('.') {
        Some((base, "x")) => (base, Some(0)),
        Some((base, "y")) => (base, Some(1)),
        Some((base, "z")) => (base, Some(2)),
        Some(_) => return None,
        None => (name, None),
    };
    Some(Source::Special(match (base, axis) {
        ("%tid", Some(axis)) => Special::Tid(axis),
        ("%ntid", Some(axis)) => Special::Ntid(axis),
        ("%ctaid" | "%clusterid", Some(axis)) => Special::Ctaid(axis),
        ("%nctaid" | "%nclusterid", Some(axis)) => Special::Nctaid(axis),
        ("%cluster_nctaid", Some(_)) | ("%cluster_nctarank", None) => return Some(Source::Constant(1)),
        ("%cluster_ctaid", Some(_)) => Special::Zero,
        ("%laneid", None) => Special::LaneId,
        ("%warpid", None) => Special::WarpId,
        ("%nwarpid", None) => Special::NwarpId,
        ("%smid", None) => Special::SmId,
        ("%nsmid", None) => Special::NsmId,
        ("%gridid", None) => Special::GridId,
        ("%lanemask_eq", None) => Special::LanemaskEq,
        ("%lanemask_le", None) => Special::LanemaskLe,
        ("%lanemask_lt", None) => Special::LanemaskLt,
        ("%lanemask_ge", None) => Special::LanemaskGe,
        ("%lanemask_gt", None) => Special::LanemaskGt,
        ("%clock", None) => Special::Clock,
        ("%clock64", None) => Special::Clock64,
        ("%globaltimer" | "%globaltimer_lo", None) => Special::GlobalTimer,
        ("%dynamic_smem_size", None) => Special::DynamicSharedSize,
        ("%total_smem_size", None) => Special::TotalSharedSize,
        ("%cluster_ctarank" | "%is_explicit_cluster" | "%current_graph_exec", None) => Special::Zero,
        (name, None) => {
            let number = name.strip_prefix("%envreg").or_else(|| name.strip_prefix("%pm"))?;
            number.parse::<u8>().ok().filter(|it| *it < 32)?;
            Special::Zero
        }
        _ => return None,
    }))
}
