//! Statements.

use super::{Parser, SPACES, TYPES};
use crate::Error;
use crate::ptx::token::Token;
use crate::ptx::{Guard, Instruction, Linkage, Opcode, Operand, Registers, SourceLine, Statement};

impl<'a> Parser<'a> {
    /// Statements up to the brace that closes their block, which is passed.
    pub(super) fn block(&mut self) -> Result<Vec<Statement>, Error> {
        let mut statements = Vec::new();
        while !self.take('}')? {
            self.pay(4)?;
            self.statement(&mut statements)?;
        }
        Ok(statements)
    }

    fn statement(&mut self, out: &mut Vec<Statement>) -> Result<(), Error> {
        match self.token {
            Token::Mark('{') => {
                self.advance()?;
                out.push(Statement::Block(self.nested(Self::block)?));
            }
            Token::Mark('@') => {
                self.advance()?;
                let negated = self.take('!')?;
                let register = self.word("a predicate")?.to_owned();
                let line = self.token_line();
                let name = self.word("an instruction")?;
                out.push(self.instruction(Some(Guard { register, negated }), name, line)?);
            }
            Token::Word(name) => {
                let line = self.token_line();
                self.advance()?;
                if !self.take(':')? {
                    out.push(self.instruction(None, name, line)?);
                } else {
                    out.push(self.labelled(name)?);
                }
            }
            Token::Dotted("reg") => self.registers(out)?,
            Token::Dotted("loc") => {
                self.advance()?;
                out.push(Statement::Location(self.location()?));
            }
            Token::Dotted("pragma") => {
                self.advance()?;
                out.push(Statement::Pragma(self.pragma()?));
            }
            Token::Dotted(word) => {
                let linkage = match word {
                    "extern" => Linkage::Extern,
                    _ if SPACES.contains(&word) => Linkage::Internal,
                    _ => return self.expected("a statement"),
                };
                if linkage == Linkage::Extern {
                    self.advance()?;
                }
                out.extend(self.variables(linkage)?.into_iter().map(Statement::Variable));
            }
            _ => return self.expected("a statement or `}`"),
        }
        Ok(())
    }

    /// What a name and a colon stand in front of: a list of labels, a prototype, or anything else.
    fn labelled(&mut self, name: &str) -> Result<Statement, Error> {
        let name = name.to_owned();
        match self.token {
            Token::Dotted("branchtargets") => {
                self.advance()?;
                let read = |parser: &mut Self| Ok(parser.word("a label")?.to_owned());
                Ok(Statement::BranchTargets(name, self.list(';', read)?))
            }
            Token::Dotted("callprototype" | "calltargets") => {
                let start = self.lexer.start;
                while self.token != Token::Mark(';') {
                    if self.token == Token::End {
                        return self.expected("`;`");
                    }
                    self.advance()?;
                }
                let text = self.lexer.text_since(start).trim_end().to_owned();
                self.advance()?;
                Ok(Statement::Prototype(name, text))
            }
            _ => Ok(Statement::Label(name)),
        }
    }

    /// `.reg .f32 %f<50>, %x;`
    fn registers(&mut self, out: &mut Vec<Statement>) -> Result<(), Error> {
        self.advance()?;
        let element = match self.dotted()? {
            Some(it) if TYPES.contains(&it) => it,
            Some("v2" | "v4") => return self.unsupported("a register that is a vector"),
            _ => return self.expected("a type"),
        };
        loop {
            self.pay(4)?;
            let name = self.word("a register")?.to_owned();
            let mut count = None;
            if self.take('<')? {
                count = Some(self.small("the number of registers")?);
                self.mark('>')?;
            }
            out.push(Statement::Registers(Registers { element: element.to_owned(), name, count }));
            if self.take(';')? {
                return Ok(());
            }
            self.mark(',')?;
        }
    }

    /// `.loc 1 12 3`, perhaps with the function that was inlined there and where it was inlined.
    fn location(&mut self) -> Result<SourceLine, Error> {
        let file = self.small("the number of a file")?;
        let line = self.small("a line")?;
        let column = self.small("a column")?;
        while self.take(',')? {
            match self.word("`function_name` or `inlined_at`")? {
                "function_name" => {
                    self.word("a label")?;
                    self.offset()?;
                }
                "inlined_at" => {
                    for what in ["the number of a file", "a line", "a column"] {
                        self.small(what)?;
                    }
                }
                _ => return self.expected("`function_name` or `inlined_at` before"),
            }
        }
        Ok(SourceLine { file, line, column })
    }

    fn instruction(&mut self, guard: Option<Guard>, name: &str, ptx_line: u32) -> Result<Statement, Error> {
        let mut parts = Vec::new();
        while let Some(part) = self.dotted()? {
            self.pay(1)?;
            parts.push(part.to_owned());
        }
        let opcode = Opcode { name: name.to_owned(), parts };
        let mut operands = Vec::new();
        let read = |parser: &mut Self| {
            if name == "call" && parser.take('(')? {
                return Ok(Operand::Arguments(parser.list(')', Self::operand)?));
            }
            parser.operand()
        };
        if !self.take(';')? {
            operands = self.list(';', read)?;
        }
        Ok(Statement::Instruction(Instruction { guard, opcode, operands, ptx_line }))
    }
}
