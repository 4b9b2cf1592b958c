//! Operands: where values come from and go to.

use super::body::Body;
use super::fail::{invalid, short, unsupported};
use super::names::{Callee, Name, Place, special};
use super::types::{Meaning, Type, Want};
use super::{Address, Source, Space, Target};
use crate::Error;
use crate::ptx::Operand;

/// Two results, neither of which need be wanted.
pub(super) type Targets = (Option<Target>, Option<Target>);

/// A register of another type than the instruction's.
fn misfit<T>(name: &str) -> Result<T, Error> {
    invalid(0, format!("the type of {} does not fit", short(name)))
}

impl<'a> Body<'a, '_> {
    fn named(&mut self, name: &str, offset: i64, want: Want) -> Result<Source, Error> {
        let found = self.names.find(name)?;
        let place = match found {
            Some(Name::Register { register, ty }) if offset == 0 && want.takes(ty) => {
                return Ok(Source::Register(register));
            }
            Some(Name::Register { .. }) if offset == 0 => return misfit(name),
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

    /// A value as an instruction wants it. Addresses and special registers must be moved to a register first.
    pub(super) fn source(&mut self, operand: &Operand, want: impl Into<Want>) -> Result<Source, Error> {
        match self.movable(operand, want)? {
            source @ (Source::Register(_) | Source::NotPredicate(_) | Source::Constant(_)) => Ok(source),
            _ => invalid(0, format!("`{}` must be moved to a register first", short(&operand.to_string()))),
        }
    }

    /// A value of any kind.
    pub(super) fn movable(&mut self, operand: &Operand, want: impl Into<Want>) -> Result<Source, Error> {
        let want = want.into();
        match operand {
            Operand::Name(name) => self.named(name, 0, want),
            Operand::Sum(name, offset) => self.named(name, *offset, want),
            Operand::Not(inner) if want.takes(Type::PREDICATE) => match &**inner {
                Operand::Name(name) => match self.named(name, 0, Type::PREDICATE.into())? {
                    Source::Register(register) => Ok(Source::NotPredicate(register)),
                    _ => misfit(name),
                },
                _ => invalid(0, format!("`{operand}` negates no predicate")),
            },
            Operand::Integer(_) | Operand::F32(_) | Operand::F64(_) => want.ty.constant(operand).map(Source::Constant),
            _ => invalid(0, format!("`{}` is no value", short(&operand.to_string()))),
        }
    }

    /// A predicate: a register, a negated one or a constant.
    pub(super) fn predicate(&mut self, operand: &Operand) -> Result<Source, Error> {
        self.source(operand, Type::PREDICATE)
    }

    /// Where a result goes; `None` for `_`.
    pub(super) fn target(&mut self, operand: &Operand, want: impl Into<Want>) -> Result<Option<Target>, Error> {
        match operand {
            Operand::Nothing => Ok(None),
            Operand::Name(name) => match self.names.find(name)? {
                Some(Name::Register { register, ty }) if want.into().takes(ty) => {
                    Ok(Some(Target { register, width: ty.bits }))
                }
                Some(Name::Register { .. }) => misfit(name),
                _ => invalid(0, format!("{} is no register", short(name))),
            },
            _ => invalid(0, format!("`{}` is no register", short(&operand.to_string()))),
        }
    }

    /// Where a result goes that somebody must want.
    pub(super) fn wanted(&mut self, operand: &Operand, want: impl Into<Want>) -> Result<Target, Error> {
        self.target(operand, want)?.map_or_else(|| invalid(0, "the result goes nowhere"), Ok)
    }

    /// A result, perhaps with a predicate beside it: `a|p`.
    pub(super) fn pair(&mut self, operand: &Operand, want: impl Into<Want>) -> Result<Targets, Error> {
        match operand {
            Operand::Pair(first, second) => Ok((self.target(first, want)?, self.target(second, Type::PREDICATE)?)),
            _ => Ok((self.target(operand, want)?, None)),
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
                let narrow = matches!(space, Space::Shared | Space::Local | Space::Const | Space::Param);
                match self.names.find(name)? {
                    Some(Name::Register { ty: Type { bits: 32, meaning }, .. })
                        if narrow && meaning != Meaning::Float =>
                    {
                        self.named(name, 0, Type::B32.into())?
                    }
                    _ => self.named(name, 0, Type::U64.into())?,
                }
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
        let fits = match own {
            Some(Space::Param) => space == Space::Param,
            // What a call takes and gives lies in the frame.
            Some(Space::Local) if space == Space::Param => true,
            Some(own) => own == space || space == Space::Generic,
            // Numbers are addresses of local memory alone.
            None => space == Space::Local || !matches!(base, Source::Constant(_)),
        };
        match fits {
            false => invalid(0, format!("`{}` lies in another space", short(&operand.to_string()))),
            true => Ok(Address { space, base, offset: *offset }),
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
