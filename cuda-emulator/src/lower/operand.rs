//! Operands: where values come from and go to.

use super::body::Body;
use super::fail::{invalid, short, unsupported};
use super::names::{Callee, Name, Place, special};
use super::types::Type;
use super::{Address, Source, Space, Target};
use crate::Error;
use crate::ptx::Operand;

/// Two results, neither of which need be wanted.
pub(super) type Targets = (Option<Target>, Option<Target>);

impl<'a> Body<'a, '_> {
    fn named(&mut self, name: &str, offset: i64) -> Result<Source, Error> {
        let found = self.names.find(name)?;
        let place = match found {
            Some(Name::Register { register, .. }) if offset == 0 => return Ok(Source::Register(register)),
            Some(Name::Variable(place)) => Some(place),
            Some(_) => return invalid(0, format!("{} is no value", short(name))),
            None => self.context.globals.variables.get(name).copied(),
        };
        if let Some(place) = place {
            let source = place.source(offset);
            return source.map_or_else(|| invalid(0, format!("{}{offset:+} is no address", short(name))), Ok);
        }
        match self.context.globals.functions.get(name) {
            Some(Callee::Function(place)) if offset == 0 => return Ok(Source::Function(*place)),
            Some(_) => return invalid(0, format!("{} has no address", short(name))),
            None => {}
        }
        match special(name) {
            Some(source) if offset == 0 => Ok(source),
            _ if name.starts_with('%') && name.contains('.') => {
                unsupported(0, format!("the register {} is not known to the emulator", short(name)))
            }
            _ => invalid(0, format!("nothing defines {}", short(name))),
        }
    }

    /// A value of a type; the type says what constants mean.
    pub(super) fn source(&mut self, operand: &Operand, ty: Type) -> Result<Source, Error> {
        match operand {
            Operand::Name(name) => self.named(name, 0),
            Operand::Sum(name, offset) => self.named(name, *offset),
            Operand::Not(inner) => match self.predicate(inner)? {
                Source::Register(register) => Ok(Source::NotPredicate(register)),
                _ => invalid(0, format!("`{operand}` negates no register")),
            },
            Operand::Integer(_) | Operand::F32(_) | Operand::F64(_) => ty.constant(operand).map(Source::Constant),
            _ => invalid(0, format!("`{}` is no value", short(&operand.to_string()))),
        }
    }

    /// A predicate: a register, a negated one or a constant.
    pub(super) fn predicate(&mut self, operand: &Operand) -> Result<Source, Error> {
        let name = match operand {
            Operand::Name(name) => name,
            Operand::Not(inner) => match &**inner {
                Operand::Name(name) => name,
                _ => return invalid(0, format!("`{operand}` negates no register")),
            },
            _ => return self.source(operand, Type::PREDICATE),
        };
        match self.names.find(name)? {
            Some(Name::Register { register, width: 1 }) => Ok(match operand {
                Operand::Not(_) => Source::NotPredicate(register),
                _ => Source::Register(register),
            }),
            _ => invalid(0, format!("{} is no predicate", short(name))),
        }
    }

    /// Where a result goes; `None` for `_`.
    pub(super) fn target(&mut self, operand: &Operand) -> Result<Option<Target>, Error> {
        match operand {
            Operand::Nothing => Ok(None),
            Operand::Name(name) => match self.names.find(name)? {
                Some(Name::Register { register, width }) => Ok(Some(Target { register, width })),
                _ => invalid(0, format!("{} is no register", short(name))),
            },
            _ => invalid(0, format!("`{}` is no register", short(&operand.to_string()))),
        }
    }

    /// Where a result goes that somebody must want.
    pub(super) fn wanted(&mut self, operand: &Operand) -> Result<Target, Error> {
        self.target(operand)?.map_or_else(|| invalid(0, "the result goes nowhere"), Ok)
    }

    /// A result of a width or wider.
    pub(super) fn wide(&mut self, operand: &Operand, bits: u8) -> Result<Option<Target>, Error> {
        let target = self.target(operand)?;
        match target {
            Some(target) if target.width < bits => {
                invalid(0, format!("`{operand}` has {} bits of {bits}", target.width))
            }
            _ => Ok(target),
        }
    }

    /// A predicate as a result.
    pub(super) fn flag(&mut self, operand: &Operand) -> Result<Option<Target>, Error> {
        let target = self.target(operand)?;
        match target {
            Some(target) if target.width != 1 => invalid(0, format!("`{operand}` is no predicate")),
            _ => Ok(target),
        }
    }

    /// `a|b` or `a`.
    pub(super) fn pair(&mut self, operand: &Operand) -> Result<Targets, Error> {
        match operand {
            Operand::Pair(first, second) => Ok((self.target(first)?, self.target(second)?)),
            _ => Ok((self.target(operand)?, None)),
        }
    }

    /// `[base+offset]`. A variable's name must be of the space; a generic access may name any.
    pub(super) fn address(&mut self, operand: &Operand, space: Space) -> Result<Address, Error> {
        let Operand::Address { base, offset, coordinates } = operand else {
            return invalid(0, format!("`{}` is no address", short(&operand.to_string())));
        };
        if !coordinates.is_empty() {
            return unsupported(0, "an address with coordinates is not known to the emulator");
        }
        let base = match &**base {
            Operand::Integer(value) => Source::Constant(*value),
            Operand::Name(name) => {
                if let Some(Name::Register { width: 1..=16, .. }) = self.names.find(name)? {
                    return invalid(0, format!("{} is too narrow for an address", short(name)));
                }
                self.named(name, 0)?
            }
            _ => return invalid(0, format!("`{}` is no address", short(&operand.to_string()))),
        };
        let own = match base {
            Source::Symbol(..) => self.place(operand).map(|it| it.space()),
            Source::Shared(_) | Source::DynamicShared(_) => Some(Space::Shared),
            Source::Frame(_) => Some(Space::Local),
            Source::Parameter(_) => Some(Space::Param),
            Source::Register(_) | Source::Constant(_) => None,
            _ => return invalid(0, format!("`{operand}` is no address of memory")),
        };
        match own {
            Some(own) if own != space && space != Space::Generic => {
                invalid(0, format!("`{}` lies in another space", short(&operand.to_string())))
            }
            _ => Ok(Address { space, base, offset: *offset }),
        }
    }

    fn place(&self, operand: &Operand) -> Option<Place> {
        let Operand::Address { base, .. } = operand else { return None };
        let Operand::Name(name) = &**base else { return None };
        self.context.globals.variables.get(name.as_str()).copied()
    }

    /// The operands, if there are as many as the instruction takes.
    pub(super) fn exactly<const N: usize>(operands: &[Operand]) -> Result<&[Operand; N], Error> {
        operands.try_into().or_else(|_| invalid(0, format!("{} operands, it takes {N}", operands.len())))
    }
}

impl Place {
    /// The space that an access to it names.
    pub(super) fn space(self) -> Space {
        match self {
            Place::Symbol { constant: false, .. } => Space::Global,
            Place::Symbol { constant: true, .. } => Space::Const,
            Place::Shared(_) | Place::DynamicShared => Space::Shared,
            Place::Frame { .. } => Space::Local,
            Place::Parameter(_) => Space::Param,
        }
    }
}
