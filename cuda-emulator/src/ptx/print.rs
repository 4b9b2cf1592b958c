//! A tree to text.

use std::fmt::{Display, Formatter, Result};

use super::{Function, Initializer, Instruction, Item, Linkage, Module, Operand, Registers, Statement, Variable};

/// Writes items with something between them.
fn join<T: Display>(out: &mut Formatter<'_>, items: &[T], between: &str) -> Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.write_str(between)?;
        }
        item.fmt(out)?;
    }
    Ok(())
}

impl Display for Module {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, ".version {}.{}\n.target ", self.version.0, self.version.1)?;
        join(out, &self.target, ", ")?;
        out.write_str("\n.address_size 64\n\n")?;
        join(out, &self.items, "\n")?;
        out.write_str("\n")
    }
}

impl Display for Item {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Item::Variable(variable) => write!(out, "{variable};"),
            Item::Function(function) => function.fmt(out),
            Item::File(file) => write!(out, ".file {} \"{}\"", file.index, file.name),
        }
    }
}

impl Display for Linkage {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.write_str(match self {
            Linkage::Internal => "",
            Linkage::Visible => ".visible ",
            Linkage::Extern => ".extern ",
            Linkage::Weak => ".weak ",
            Linkage::Common => ".common ",
        })
    }
}

impl Display for Variable {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}.{} ", self.linkage, self.space)?;
        if let Some(align) = self.align {
            write!(out, ".align {align} ")?;
        }
        if self.vector > 1 {
            write!(out, ".v{} ", self.vector)?;
        }
        write!(out, ".{} {}", self.element, self.name)?;
        for dimension in &self.dimensions {
            match dimension {
                Some(size) => write!(out, "[{size}]")?,
                None => out.write_str("[]")?,
            }
        }
        match &self.initializer {
            Some(initializer) => write!(out, " = {initializer}"),
            None => Ok(()),
        }
    }
}

impl Display for Initializer {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Initializer::Value(value) => value.fmt(out),
            Initializer::List(items) => {
                out.write_str("{")?;
                join(out, items, ", ")?;
                out.write_str("}")
            }
        }
    }
}

impl Display for Function {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}{} ", self.linkage, if self.entry { ".entry" } else { ".func" })?;
        if !self.returns.is_empty() {
            out.write_str("(")?;
            join(out, &self.returns, ", ")?;
            out.write_str(") ")?;
        }
        write!(out, "{}(\n\t", self.name)?;
        join(out, &self.parameters, ",\n\t")?;
        out.write_str("\n)\n")?;
        for directive in &self.directives {
            write!(out, ".{} ", directive.name)?;
            join(out, &directive.values, ", ")?;
            out.write_str("\n")?;
        }
        match &self.body {
            None => out.write_str(";\n"),
            Some(body) => {
                out.write_str("{\n")?;
                body.iter().try_for_each(|it| it.fmt(out))?;
                out.write_str("}\n")
            }
        }
    }
}

impl Display for Registers {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, ".reg .{} {}", self.element, self.name)?;
        match self.count {
            Some(count) => write!(out, "<{count}>"),
            None => Ok(()),
        }
    }
}

impl Display for Statement {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Statement::Label(name) => writeln!(out, "{name}:"),
            Statement::Registers(registers) => writeln!(out, "\t{registers};"),
            Statement::Variable(variable) => writeln!(out, "\t{variable};"),
            Statement::Location(it) => writeln!(out, "\t.loc {} {} {}", it.file, it.line, it.column),
            Statement::Instruction(instruction) => writeln!(out, "\t{instruction};"),
            Statement::Block(statements) => {
                out.write_str("\t{\n")?;
                statements.iter().try_for_each(|it| it.fmt(out))?;
                out.write_str("\t}\n")
            }
            Statement::BranchTargets(name, labels) => {
                write!(out, "{name}: .branchtargets ")?;
                join(out, labels, ", ")?;
                out.write_str(";\n")
            }
            Statement::Prototype(name, text) => writeln!(out, "{name}: {text}\n;"),
            Statement::Pragma(text) => writeln!(out, "\t.pragma \"{text}\";"),
        }
    }
}

impl Display for Instruction {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if let Some(guard) = &self.guard {
            write!(out, "@{}{} ", if guard.negated { "!" } else { "" }, guard.register)?;
        }
        write!(out, "{}{}", self.opcode, if self.operands.is_empty() { "" } else { " " })?;
        join(out, &self.operands, ", ")
    }
}

impl Display for Operand {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Operand::Name(name) => out.write_str(name),
            // Negative constants are two's complement: they are written as what they were.
            Operand::Integer(value) => write!(out, "{}", *value as i64),
            Operand::F32(bits) => write!(out, "0f{bits:08X}"),
            Operand::F64(bits) => write!(out, "0d{bits:016X}"),
            Operand::Not(inner) => write!(out, "!{inner}"),
            Operand::Address { base, offset, coordinates } => {
                match &**base {
                    // The base of an address is a plain number, not an expression.
                    Operand::Integer(value) => write!(out, "[{value}")?,
                    other => write!(out, "[{other}")?,
                }
                if *offset != 0 {
                    write!(out, "+{offset}")?;
                }
                if !coordinates.is_empty() {
                    out.write_str(", ")?;
                    join(out, coordinates, ", ")?;
                }
                out.write_str("]")
            }
            Operand::Vector(items) => {
                out.write_str("{")?;
                join(out, items, ", ")?;
                out.write_str("}")
            }
            Operand::Pair(first, second) => write!(out, "{first}|{second}"),
            Operand::Arguments(items) => {
                out.write_str("(")?;
                join(out, items, ", ")?;
                out.write_str(")")
            }
            Operand::Sum(name, offset) => write!(out, "{name}+{offset}"),
            Operand::Generic(name, 0) => write!(out, "generic({name})"),
            Operand::Generic(name, offset) => write!(out, "generic({name})+{offset}"),
            Operand::Nothing => out.write_str("_"),
        }
    }
}
