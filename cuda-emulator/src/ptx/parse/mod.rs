//! Tokens to a tree: the items of a module. [`body`] has statements, [`operand`] operands and constants.

mod body;
mod operand;

use super::token::{Lexer, Token};
use super::{Directive, File, Function, Initializer, Item, Linkage, Module, Operand, Variable};
use crate::{Error, ErrorKind};

/// Bytes of a text. NVRTC's longest are some megabytes; places in the text are then far from overflowing 32 bits.
const MAX_TEXT: usize = 64 << 20;

/// What a tree may cost: a statement or variable counts 4, an element of a list 1. With some 60 bytes for 1 that is half a gigabyte;
/// a kernel of a million instructions stays below it.
const MAX_COST: u32 = 8 << 20;

/// Depth of blocks, lists and parentheses. Compilers nest a handful; each level is a call of the parser.
pub(crate) const MAX_NESTING: u32 = 48;

/// The types of registers, variables and operations on memory.
const TYPES: [&str; 28] = [
    "pred",
    "b8",
    "b16",
    "b32",
    "b64",
    "b128",
    "u8",
    "u16",
    "u32",
    "u64",
    "s8",
    "s16",
    "s32",
    "s64",
    "f16",
    "f16x2",
    "bf16",
    "bf16x2",
    "tf32",
    "f32",
    "f64",
    "e4m3",
    "e5m2",
    "e4m3x2",
    "e5m2x2",
    "texref",
    "samplerref",
    "surfref",
];

/// Spaces of variables and parameters.
const SPACES: [&str; 6] = ["global", "shared", "const", "local", "param", "reg"];

/// Directives of functions that take no numbers; the others do.
const FLAGS: [&str; 3] = ["noreturn", "explicitcluster", "blocksareclusters"];

/// Directives of functions that take numbers.
const LIMITS: [&str; 8] = [
    "maxntid",
    "reqntid",
    "minnctapersm",
    "maxnctapersm",
    "maxnreg",
    "reqnctapercluster",
    "maxclusterrank",
    "abi_preserve",
];

/// Reads a PTX text.
pub(super) fn parse(text: &str) -> Result<Module, Error> {
    if text.len() > MAX_TEXT {
        let message = format!("a text of {} bytes; the limit is {MAX_TEXT}", text.len());
        return Err(Error::new(ErrorKind::Invalid, 0, message));
    }
    // NVRTC counts the final zero to the text.
    let text = text.trim_end_matches('\0');
    let mut parser = Parser { lexer: Lexer::new(text), token: Token::End, depth: 0, cost: 0 };
    parser.advance()?;
    parser.module()
}

/// The text with the token that comes next.
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    depth: u32,
    cost: u32,
}

impl<'a> Parser<'a> {
    /// The line of the token that comes next.
    fn token_line(&self) -> u32 {
        self.lexer.token_line
    }

    fn advance(&mut self) -> Result<Token<'a>, Error> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn expected<T>(&self, what: &str) -> Result<T, Error> {
        Err(Error::new(ErrorKind::Syntax, self.token_line(), format!("expected {what}, found {}", self.token)))
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, Error> {
        Err(Error::new(ErrorKind::Unsupported, self.token_line(), format!("{what} is not known to the emulator")))
    }

    /// Passes this mark if it comes next.
    fn take(&mut self, mark: char) -> Result<bool, Error> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn mark(&mut self, mark: char) -> Result<(), Error> {
        if self.take(mark)? { Ok(()) } else { self.expected(&format!("`{mark}`")) }
    }

    fn word(&mut self, what: &str) -> Result<&'a str, Error> {
        let Token::Word(word) = self.token else { return self.expected(what) };
        self.advance()?;
        Ok(word)
    }

    fn integer(&mut self, what: &str) -> Result<u64, Error> {
        let Token::Integer(value) = self.token else { return self.expected(what) };
        self.advance()?;
        Ok(value)
    }

    fn small(&mut self, what: &str) -> Result<u32, Error> {
        let line = self.token_line();
        let value = self.integer(what)?;
        value.try_into().map_err(|_| Error::new(ErrorKind::Syntax, line, format!("{value} is too large for {what}")))
    }

    fn dotted(&mut self) -> Result<Option<&'a str>, Error> {
        let Token::Dotted(word) = self.token else { return Ok(None) };
        self.advance()?;
        Ok(Some(word))
    }

    /// Counts what the tree costs.
    fn pay(&mut self, cost: u32) -> Result<(), Error> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost <= MAX_COST {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, self.token_line(), "the text holds more than the emulator takes"))
    }

    /// Runs `read` one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_NESTING {
            let message = format!("blocks, lists and parentheses nest deeper than {MAX_NESTING}");
            return Err(Error::new(ErrorKind::Syntax, self.token_line(), message));
        }
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// `read` separated by commas, up to the mark that closes the list, which is passed.
    fn list<T>(&mut self, close: char, mut read: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        if self.take(close)? {
            return Ok(items);
        }
        loop {
            self.pay(1)?;
            items.push(read(self)?);
            if self.take(close)? {
                return Ok(items);
            }
            if !self.take(',')? {
                return self.expected(&format!("`,` or `{close}`"));
            }
        }
    }

    fn module(&mut self) -> Result<Module, Error> {
        let mut module = Module { version: (0, 0), target: Vec::new(), items: Vec::new() };
        if self.token != Token::Dotted("version") {
            return self.expected("`.version`");
        }
        while self.token != Token::End {
            self.pay(4)?;
            let Token::Dotted(word) = self.token else { return self.expected("a directive of a module") };
            match word {
                "version" => {
                    self.advance()?;
                    module.version = self.version()?;
                }
                "target" => {
                    self.advance()?;
                    module.target.push(self.word("a target")?.to_owned());
                    while self.take(',')? {
                        self.pay(1)?;
                        module.target.push(self.word("a target")?.to_owned());
                    }
                }
                "address_size" => {
                    self.advance()?;
                    if self.integer("the size of an address")? != 64 {
                        return self.unsupported("an address size other than 64");
                    }
                }
                "file" => module.items.push(Item::File(self.file()?)),
                "section" => self.section()?,
                "pragma" => {
                    self.advance()?;
                    self.pragma()?;
                }
                _ => self.definition(&mut module.items)?,
            }
        }
        if module.target.is_empty() {
            return self.expected("`.target`");
        }
        Ok(module)
    }

    fn version(&mut self) -> Result<(u32, u32), Error> {
        let Token::Decimal(version) = self.token else { return self.expected("a version such as 9.0") };
        let parts = version.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
        let Some((Ok(major), Ok(minor))) = parts else { return self.expected("a version such as 9.0") };
        self.advance()?;
        Ok((major, minor))
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let Token::Text(text) = self.token else { return self.expected("a text in quotes") };
        self.advance()?;
        Ok(text)
    }

    /// `.file 1 "gemm.cu"`, perhaps with time and size.
    fn file(&mut self) -> Result<File, Error> {
        self.advance()?;
        let index = self.small("the number of a file")?;
        let name = self.text()?.to_owned();
        while self.take(',')? {
            self.integer("the time or size of a file")?;
        }
        Ok(File { index, name })
    }

    /// Debugging information, which says nothing to a machine.
    fn section(&mut self) -> Result<(), Error> {
        self.advance()?;
        if self.dotted()?.is_none() {
            self.word("the name of a section")?;
        }
        self.mark('{')?;
        while !self.take('}')? {
            if self.token == Token::End {
                return self.expected("`}`");
            }
            self.advance()?;
        }
        Ok(())
    }

    fn pragma(&mut self) -> Result<String, Error> {
        let mut text = self.text()?.to_owned();
        while self.take(',')? {
            text.push_str("\", \"");
            text.push_str(self.text()?);
        }
        self.mark(';')?;
        Ok(text)
    }

    /// A variable or a function, with its linkage in front.
    fn definition(&mut self, items: &mut Vec<Item>) -> Result<(), Error> {
        let mut linkage = Linkage::Internal;
        loop {
            let Token::Dotted(word) = self.token else { return self.expected("a variable or a function") };
            let found = match word {
                "visible" => Linkage::Visible,
                "extern" => Linkage::Extern,
                "weak" => Linkage::Weak,
                "common" => Linkage::Common,
                "entry" | "func" => {
                    self.advance()?;
                    items.push(Item::Function(self.function(linkage, word == "entry")?));
                    return Ok(());
                }
                "alias" => return self.unsupported("`.alias`"),
                _ if SPACES.contains(&word) => {
                    let variables = self.variables(linkage)?;
                    items.extend(variables.into_iter().map(Item::Variable));
                    return Ok(());
                }
                _ => return self.expected("a variable or a function"),
            };
            linkage = found;
            self.advance()?;
        }
    }

    fn function(&mut self, linkage: Linkage, entry: bool) -> Result<Function, Error> {
        self.attributes()?;
        let returns = self.parameters()?;
        let mut directives = Vec::new();
        if self.token == Token::Dotted("noreturn") {
            self.directives(&mut directives)?;
        }
        let name = self.word("the name of a function")?.to_owned();
        let parameters = self.parameters()?;
        self.directives(&mut directives)?;
        let body = if self.take(';')? {
            None
        } else {
            self.mark('{')?;
            Some(self.nested(Self::block)?)
        };
        Ok(Function { linkage, entry, name, returns, parameters, directives, body })
    }

    fn directives(&mut self, directives: &mut Vec<Directive>) -> Result<(), Error> {
        while let Token::Dotted(name) = self.token {
            let mut values = Vec::new();
            if name == "pragma" {
                self.advance()?;
                self.pragma()?;
                continue;
            } else if LIMITS.contains(&name) {
                self.advance()?;
                values.push(self.integer("the number of a directive")?);
                while self.take(',')? {
                    self.pay(1)?;
                    values.push(self.integer("the number of a directive")?);
                }
            } else if FLAGS.contains(&name) {
                self.advance()?;
            } else {
                return self.unsupported(&format!("the directive `.{name}`"));
            }
            directives.push(Directive { name: name.to_owned(), values });
        }
        Ok(())
    }

    /// `.attribute(..)`, which tells where memory is managed; here all of it can be reached from everywhere.
    fn attributes(&mut self) -> Result<(), Error> {
        while self.token == Token::Dotted("attribute") {
            self.advance()?;
            self.mark('(')?;
            let mut open = 1;
            while open > 0 {
                match self.advance()? {
                    Token::Mark('(') => open += 1,
                    Token::Mark(')') => open -= 1,
                    Token::End => return self.expected("`)`"),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The parameters of a function, or its results; neither need be there.
    fn parameters(&mut self) -> Result<Vec<Variable>, Error> {
        if !self.take('(')? {
            return Ok(Vec::new());
        }
        self.list(')', |parser| {
            let mut variable = parser.declaration(Linkage::Internal)?;
            parser.declarator(&mut variable)?;
            Ok(variable)
        })
    }

    /// One declaration, which may name several variables.
    fn variables(&mut self, linkage: Linkage) -> Result<Vec<Variable>, Error> {
        let declaration = self.declaration(linkage)?;
        let mut variables = Vec::new();
        loop {
            let mut variable = declaration.clone();
            self.declarator(&mut variable)?;
            if self.take('=')? {
                variable.initializer = Some(self.initializer()?);
            }
            variables.push(variable);
            if self.take(';')? {
                return Ok(variables);
            }
            self.mark(',')?;
        }
    }

    /// Space, alignment and type; the name follows.
    fn declaration(&mut self, linkage: Linkage) -> Result<Variable, Error> {
        let space = match self.token {
            Token::Dotted(word) if SPACES.contains(&word) => word.to_owned(),
            _ => return self.expected("a state space"),
        };
        self.advance()?;
        let mut variable = Variable {
            linkage,
            space,
            align: None,
            element: String::new(),
            vector: 1,
            name: String::new(),
            dimensions: Vec::new(),
            initializer: None,
        };
        loop {
            self.attributes()?;
            match self.token {
                Token::Dotted("align") => {
                    self.advance()?;
                    variable.align = Some(self.integer("an alignment")?);
                }
                Token::Dotted("ptr") => {
                    // What a pointer points to helps an optimiser; it says nothing of the parameter itself.
                    self.advance()?;
                    if matches!(self.token, Token::Dotted(word) if word != "align") {
                        self.advance()?;
                    }
                    if self.token == Token::Dotted("align") {
                        self.advance()?;
                        self.integer("an alignment")?;
                    }
                }
                Token::Dotted("v2") => {
                    self.advance()?;
                    variable.vector = 2;
                }
                Token::Dotted("v4") => {
                    self.advance()?;
                    variable.vector = 4;
                }
                Token::Dotted(word) if TYPES.contains(&word) && variable.element.is_empty() => {
                    self.advance()?;
                    word.clone_into(&mut variable.element);
                }
                Token::Word(_) if !variable.element.is_empty() => return Ok(variable),
                _ if variable.element.is_empty() => return self.expected("a type"),
                _ => return self.expected("a name"),
            }
        }
    }

    /// A name and its dimensions.
    fn declarator(&mut self, variable: &mut Variable) -> Result<(), Error> {
        self.pay(4)?;
        variable.name = self.word("a name")?.to_owned();
        while self.take('[')? {
            if variable.dimensions.len() >= MAX_NESTING as usize {
                return self.unsupported("an array of so many dimensions");
            }
            let size = if self.token == Token::Mark(']') { None } else { Some(self.constant_integer()?) };
            variable.dimensions.push(size);
            self.mark(']')?;
        }
        Ok(())
    }

    fn initializer(&mut self) -> Result<Initializer, Error> {
        if self.take('{')? {
            return self.nested(|parser| parser.list('}', Self::initializer)).map(Initializer::List);
        }
        let Token::Word(name) = self.token else {
            let value = self.constant()?;
            if self.token == Token::Mark('(') {
                return self.unsupported("an initialiser with a mask");
            }
            return Ok(Initializer::Value(value));
        };
        self.advance()?;
        if name == "generic" && self.take('(')? {
            let inner = self.word("the name of a variable")?.to_owned();
            let offset = self.offset()?.unwrap_or(0);
            self.mark(')')?;
            let outer = self.offset()?.unwrap_or(0);
            return Ok(Initializer::Value(Operand::Generic(inner, offset.wrapping_add(outer))));
        }
        let name = name.to_owned();
        Ok(Initializer::Value(match self.offset()? {
            Some(offset) => Operand::Sum(name, offset),
            None => Operand::Name(name),
        }))
    }
}
