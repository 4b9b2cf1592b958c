//! Branches and calls.

use super::body::Body;
use super::fail::{invalid, short, unsupported};
use super::names::{Callee, Name, Place};
use super::types::{Meaning, Type};
use super::{Address, Function, Op, Order, Parameter, Scope, Source, Space, SystemCall};
use crate::Error;
use crate::ptx::{Instruction, Operand};

/// Arguments and results of the functions of the device's runtime, in bytes.
fn runtime(call: SystemCall) -> (&'static [u32], &'static [u32]) {
    match call {
        SystemCall::Print => (&[8, 8], &[4]),
        SystemCall::AssertFail => (&[8, 8, 4, 8, 8], &[]),
        SystemCall::Malloc => (&[8], &[8]),
        SystemCall::Free => (&[8], &[]),
    }
}

impl<'a> Body<'a, '_> {
    /// The number of a label.
    fn label(&mut self, name: &str) -> Result<u32, Error> {
        match self.names.find(name)? {
            Some(Name::Label(number)) => Ok(number),
            _ => invalid(0, format!("no label is named {}", short(name))),
        }
    }

    pub(super) fn branch(&mut self, operands: &[Operand]) -> Result<Op, Error> {
        let [Operand::Name(label)] = Self::exactly(operands)? else { return invalid(0, "a branch goes to a label") };
        Ok(Op::Branch { target: self.label(label)? })
    }

    pub(super) fn branch_table(&mut self, operands: &[Operand]) -> Result<Op, Error> {
        let [index, Operand::Name(list)] = Self::exactly(operands)? else {
            return invalid(0, "a list of labels is missing");
        };
        let index = self.source(index, Type::B32)?;
        let Some(Name::Targets(labels)) = self.names.find(list)? else {
            return invalid(0, format!("no list of labels is named {}", short(list)));
        };
        let Some(left) = self.tables.checked_sub(labels.len()) else {
            return invalid(0, format!("branch tables of more than {} targets", super::body::MAX_TABLES));
        };
        *self.tables = left;
        let targets = labels.iter().map(|it| self.label(it)).collect::<Result<_, _>>()?;
        Ok(Op::BranchTable { index, targets })
    }

    /// `call (results), function, (arguments), prototype`. Values that are no variables of the frame pass through hidden ones.
    pub(super) fn call(&mut self, instruction: &'a Instruction) -> Result<(), Error> {
        let (results, rest) = match instruction.operands.as_slice() {
            [Operand::Arguments(results), rest @ ..] => (results.as_slice(), rest),
            rest => (&[][..], rest),
        };
        let (name, arguments, prototype) = match rest {
            [Operand::Name(name)] => (name, &[][..], None),
            [Operand::Name(name), Operand::Arguments(arguments)] => (name, arguments.as_slice(), None),
            [Operand::Name(name), Operand::Arguments(arguments), prototype] => {
                (name, arguments.as_slice(), Some(prototype))
            }
            _ => return invalid(0, "a call names a function, its arguments and perhaps a prototype"),
        };
        if let Some(prototype) = prototype {
            let known = match prototype {
                Operand::Name(name) => self.names.find(name)?,
                _ => None,
            };
            if !matches!(known, Some(Name::Prototype)) {
                return invalid(0, format!("`{}` is no prototype", short(&prototype.to_string())));
            }
        }
        let callee = match self.names.find(name)? {
            Some(Name::Register { register, ty: Type { bits: 64, .. } }) => {
                return self.indirect(instruction, register, arguments, results);
            }
            Some(_) => return invalid(0, format!("{} is no function", short(name))),
            None => self.context.globals.functions.get(name.as_str()).copied(),
        };
        let (wanted, given) = match callee {
            Some(Callee::Function(place)) => match self.context.functions.get(place as usize) {
                Some(Function { kernel: None, parameters, results, .. }) => {
                    let bytes = |list: &[Parameter]| list.iter().map(|it| it.bytes).collect::<Vec<_>>();
                    (bytes(parameters), bytes(results))
                }
                _ => return invalid(0, format!("{} is a kernel", short(name))),
            },
            Some(Callee::System(call)) => {
                let (wanted, given) = runtime(call);
                (wanted.to_vec(), given.to_vec())
            }
            Some(Callee::Missing) => return invalid(0, format!("{} is declared and defined nowhere", short(name))),
            None => return invalid(0, format!("nothing defines {}", short(name))),
        };
        if (wanted.len(), given.len()) != (arguments.len(), results.len()) {
            let message = format!(
                "{} takes {} arguments and gives {} results, not {} and {}",
                short(name),
                wanted.len(),
                given.len(),
                arguments.len(),
                results.len()
            );
            return invalid(0, message);
        }
        let arguments = self.pass(instruction, arguments, &wanted)?;
        let (results, loads) = self.receive(results, &given)?;
        let op = match callee {
            Some(Callee::System(name)) => Op::SystemCall { name, arguments, results },
            Some(Callee::Function(place)) => Op::Call { function: Source::Function(place), arguments, results },
            _ => return unsupported(0, "the call is not known to the emulator"),
        };
        self.push(instruction, op)?;
        loads.into_iter().try_for_each(|load| self.push(instruction, load))
    }

    /// A call of what a register says. What the callee takes is known when it runs.
    fn indirect(
        &mut self,
        instruction: &'a Instruction,
        register: super::Register,
        arguments: &[Operand],
        results: &[Operand],
    ) -> Result<(), Error> {
        let arguments = self.pass(instruction, arguments, &[])?;
        let (results, loads) = self.receive(results, &[])?;
        self.push(instruction, Op::Call { function: Source::Register(register), arguments, results })?;
        loads.into_iter().try_for_each(|load| self.push(instruction, load))
    }

    /// The variable of the frame that an operand names.
    fn in_frame(&mut self, operand: &Operand) -> Result<Option<Parameter>, Error> {
        let Operand::Name(name) = operand else { return Ok(None) };
        Ok(match self.names.find(name)? {
            Some(Name::Variable(Place::Frame { offset, bytes })) => Some(Parameter { offset, bytes }),
            _ => None,
        })
    }

    /// A hidden variable of the frame for a value in a register.
    fn hidden(&mut self, bytes: u32) -> Result<(Parameter, Type, Address), Error> {
        if !matches!(bytes, 1 | 2 | 4 | 8) {
            return invalid(0, format!("a value of {bytes} bytes does not pass through a register"));
        }
        let offset = self.frame_room(u64::from(bytes), u64::from(bytes))?;
        let ty = Type { bits: bytes as u8 * 8, meaning: Meaning::Bits };
        let address = Address { space: Space::Local, base: Source::Frame(offset), offset: 0 };
        Ok((Parameter { offset, bytes }, ty, address))
    }

    fn fits(operand: &Operand, found: Parameter, wanted: Option<&u32>) -> Result<Parameter, Error> {
        match wanted {
            Some(wanted) if found.bytes != *wanted => {
                invalid(0, format!("`{operand}` has {} bytes, the function takes {wanted}", found.bytes))
            }
            _ => Ok(found),
        }
    }

    fn pass(&mut self, at: &Instruction, operands: &[Operand], wanted: &[u32]) -> Result<Vec<Parameter>, Error> {
        let mut passed = Vec::with_capacity(operands.len());
        for (index, operand) in operands.iter().enumerate() {
            let wanted = wanted.get(index);
            if let Some(found) = self.in_frame(operand)? {
                passed.push(Self::fits(operand, found, wanted)?);
                continue;
            }
            let bytes = match (wanted, operand) {
                (Some(wanted), _) => *wanted,
                (None, Operand::Name(_)) => {
                    self.target(operand, Type::B64.any())?.map_or(0, |it| u32::from(it.width / 8))
                }
                (None, _) => return invalid(0, "the width of an argument is not known"),
            };
            let (parameter, ty, address) = self.hidden(bytes)?;
            let sources = vec![self.source(operand, ty.wider())?];
            let bytes = ty.bytes();
            self.push(at, Op::Store { address, sources, bytes, order: Order::Weak, scope: Scope::Block })?;
            passed.push(parameter);
        }
        Ok(passed)
    }

    fn receive(&mut self, operands: &[Operand], given: &[u32]) -> Result<(Vec<Parameter>, Vec<Op>), Error> {
        let (mut received, mut loads) = (Vec::with_capacity(operands.len()), Vec::new());
        for (index, operand) in operands.iter().enumerate() {
            let given = given.get(index);
            if let Some(found) = self.in_frame(operand)? {
                received.push(Self::fits(operand, found, given)?);
                continue;
            }
            let target = self.target(operand, Type::B64.any())?;
            let bytes = match (given, target) {
                (Some(given), _) => *given,
                (None, Some(target)) => u32::from(target.width / 8),
                (None, None) => return invalid(0, "the width of a result is not known"),
            };
            let (parameter, ty, address) = self.hidden(bytes)?;
            received.push(parameter);
            loads.push(Op::Load {
                address,
                targets: vec![self.target(operand, ty.wider())?],
                bytes: ty.bytes(),
                signed: false,
                order: Order::Weak,
                scope: Scope::Block,
                non_coherent: false,
            });
        }
        Ok((received, loads))
    }
}
