//! A function's body: statement by statement.

use super::fail::{invalid, short, unsupported};
use super::layout::{Layout, shape};
use super::names::{Globals, Name, Names, Place};
use super::shared::Part;
use super::types::Type;
use super::{Code, Function, Guard, Instruction, MAX_FRAME, Op};
use crate::Error;
use crate::ptx::{self, MAX_NESTING, SourceLine, Statement};

/// Targets of all branch tables of a program. Many `brx.idx` may share one long list, and each keeps a copy.
pub(super) const MAX_TABLES: usize = 1 << 20;

/// What a body sees of its module.
#[derive(Clone, Copy)]
pub(super) struct Context<'a, 'p> {
    pub(super) globals: &'p Globals<'a>,
    pub(super) functions: &'p [Function],
    /// The place of this function.
    pub(super) place: usize,
    pub(super) source: &'a ptx::Function,
    /// What the module was compiled for.
    pub(super) architecture: u32,
}

/// What a body became.
pub(super) struct Lowered {
    pub(super) entry: u32,
    pub(super) end: u32,
    pub(super) registers: u32,
}

/// A body on its way.
pub(super) struct Body<'a, 'p> {
    pub(super) context: Context<'a, 'p>,
    pub(super) names: Names<'a>,
    pub(super) frame: &'p mut Layout,
    /// Targets that branch tables may still have.
    pub(super) tables: &'p mut usize,
    code: &'p mut Code,
    shared: std::slice::Iter<'p, u32>,
    /// Where labels are, by their numbers.
    labels: Vec<Option<u32>>,
    /// Branches, whose targets are numbers of labels until the end.
    branches: Vec<u32>,
    location: SourceLine,
    depth: u32,
}

/// Lowers a body behind the code that is there.
pub(super) fn lower<'a, 'p>(
    context: Context<'a, 'p>,
    statements: &'a [Statement],
    shared: &'p Part,
    frame: &'p mut Layout,
    tables: &'p mut usize,
    code: &'p mut Code,
) -> Result<Lowered, Error> {
    let entry = code.instructions.len() as u32;
    let mut body = Body {
        context,
        names: Names::default(),
        frame,
        tables,
        code,
        shared: shared.offsets.iter(),
        labels: Vec::new(),
        branches: Vec::new(),
        location: SourceLine::default(),
        depth: 0,
    };
    body.names.enter(&[])?;
    body.parameters()?;
    body.block(statements)?;
    body.close()?;
    body.patch()?;
    Ok(Lowered { entry, end: body.code.instructions.len() as u32, registers: body.names.registers })
}

impl<'a> Body<'a, '_> {
    fn parameters(&mut self) -> Result<(), Error> {
        let Some(function) = self.context.functions.get(self.context.place) else { return Ok(()) };
        let source = self.context.source;
        let variables = source.parameters.iter().zip(&function.parameters);
        for (variable, lies) in variables.chain(source.returns.iter().zip(&function.results)) {
            let place = if source.entry {
                Place::Parameter(lies.offset)
            } else {
                Place::Frame { offset: lies.offset, bytes: lies.bytes }
            };
            self.names.define(&variable.name, Name::Variable(place))?;
        }
        Ok(())
    }

    fn block(&mut self, statements: &'a [Statement]) -> Result<(), Error> {
        if self.depth > MAX_NESTING {
            return invalid(0, format!("blocks nest deeper than {MAX_NESTING}"));
        }
        self.depth += 1;
        self.names.enter(statements)?;
        self.labels.resize(self.names.labels as usize, None);
        for statement in statements {
            match statement {
                Statement::Label(name) => {
                    let here = self.code.instructions.len() as u32;
                    let Some(Name::Label(number)) = self.names.find(name)? else { continue };
                    if let Some(label) = self.labels.get_mut(number as usize) {
                        *label = Some(here);
                    }
                }
                Statement::Registers(registers) => self.names.declare(registers)?,
                Statement::Variable(variable) => self.variable(variable)?,
                Statement::Location(location) => self.location = *location,
                Statement::Block(inner) => self.block(inner)?,
                Statement::Instruction(instruction) => self.instruction(instruction)?,
                Statement::BranchTargets(..) | Statement::Prototype(..) | Statement::Pragma(_) => {}
            }
        }
        self.names.leave();
        self.depth -= 1;
        Ok(())
    }

    /// Room in the frame.
    pub(super) fn frame_room(&mut self, bytes: u64, align: u64) -> Result<u32, Error> {
        match self.frame.add(super::layout::Shape { bytes, align }, MAX_FRAME) {
            Some(offset) => Ok(offset),
            None => invalid(0, format!("{} needs more than {MAX_FRAME} bytes of local memory", self.name())),
        }
    }

    fn name(&self) -> String {
        short(&self.context.source.name)
    }

    fn variable(&mut self, variable: &'a ptx::Variable) -> Result<(), Error> {
        let name = short(&variable.name);
        if variable.initializer.is_some() {
            return unsupported(0, format!("a variable of a function that begins with a value: {name}"));
        }
        let place = match variable.space.as_str() {
            "local" | "param" => {
                let shape = shape(variable)?;
                Place::Frame { offset: self.frame_room(shape.bytes, shape.align)?, bytes: shape.bytes as u32 }
            }
            "shared" if variable.linkage == ptx::Linkage::Extern => Place::DynamicShared,
            "shared" => match self.shared.next() {
                Some(offset) => Place::Shared(*offset),
                None => return invalid(0, format!("the shared variable {name} has no place")),
            },
            space => return unsupported(0, format!("a variable of a function in `.{space}`: {name}")),
        };
        self.names.define(&variable.name, Name::Variable(place))
    }

    /// Decodes one instruction; errors that know no line get its own.
    fn instruction(&mut self, instruction: &'a ptx::Instruction) -> Result<(), Error> {
        self.decode(instruction).map_err(|error| match error.line() {
            0 => {
                let opcode = short(&instruction.opcode.to_string());
                Error::new(error.kind(), instruction.ptx_line, format!("`{opcode}`: {error}"))
            }
            _ => error,
        })
    }

    /// The predicate in front of an instruction.
    pub(super) fn guard(&mut self, instruction: &ptx::Instruction) -> Result<Option<Guard>, Error> {
        let Some(guard) = &instruction.guard else { return Ok(None) };
        match self.names.find(&guard.register)? {
            Some(Name::Register { register, ty: Type::PREDICATE }) => {
                Ok(Some(Guard { register, negated: guard.negated }))
            }
            _ => invalid(0, format!("{} is no predicate", short(&guard.register))),
        }
    }

    /// Adds an instruction to the code.
    pub(super) fn push(&mut self, source: &ptx::Instruction, op: Op) -> Result<(), Error> {
        let guard = self.guard(source)?;
        let here = self.code.instructions.len() as u32;
        if matches!(op, Op::Branch { .. } | Op::BranchTable { .. }) {
            self.branches.push(here);
        }
        self.code.instructions.push(Instruction { guard, op });
        self.code.lines.push(self.location);
        self.code.ptx_lines.push(source.ptx_line);
        self.code.names.push(source.opcode.to_string());
        Ok(())
    }

    /// Adds a return where control could run out of the body, at its last instruction or at a label behind it.
    fn close(&mut self) -> Result<(), Error> {
        let end = self.code.instructions.len() as u32;
        let last = self.code.instructions.last().filter(|it| it.guard.is_none()).map(|it| &it.op);
        let ends = matches!(last, Some(Op::Return | Op::Exit | Op::Branch { .. } | Op::BranchTable { .. }));
        if ends && !self.labels.contains(&Some(end)) {
            return Ok(());
        }
        let opcode = ptx::Opcode { name: "ret".to_owned(), parts: Vec::new() };
        let line = self.code.ptx_lines.last().copied().unwrap_or(0);
        self.push(&ptx::Instruction { guard: None, opcode, operands: Vec::new(), ptx_line: line }, Op::Return)
    }

    /// Labels become places.
    fn patch(&mut self) -> Result<(), Error> {
        for at in &self.branches {
            let line = self.code.ptx_lines.get(*at as usize).copied().unwrap_or(0);
            let Some(instruction) = self.code.instructions.get_mut(*at as usize) else { continue };
            let targets = match &mut instruction.op {
                Op::Branch { target } => std::slice::from_mut(target),
                Op::BranchTable { targets, .. } => targets.as_mut_slice(),
                _ => continue,
            };
            for target in targets {
                match self.labels.get(*target as usize) {
                    Some(Some(place)) => *target = *place,
                    _ => return invalid(line, "a label without a place"),
                }
            }
        }
        Ok(())
    }
}
