//! Operands and constants.

use super::Parser;
use crate::ptx::Operand;
use crate::ptx::token::Token;
use crate::{Error, ErrorKind};

/// Lanes of a warp, as PTX names them.
const WARP_SZ: u64 = 32;

/// Binary operators of constant expressions with how tightly they bind. `|` is not among them: it joins two results.
const OPERATORS: [(char, u8); 8] = [('^', 1), ('&', 2), ('<', 3), ('>', 3), ('+', 4), ('-', 4), ('*', 5), ('/', 5)];

impl<'a> Parser<'a> {
    /// Any operand.
    pub(super) fn operand(&mut self) -> Result<Operand, Error> {
        let first = self.simple()?;
        if !self.take('|')? {
            return Ok(first);
        }
        let second = self.simple()?;
        Ok(Operand::Pair(Box::new(first), Box::new(second)))
    }

    fn simple(&mut self) -> Result<Operand, Error> {
        match self.token {
            Token::Word(_) => self.named(),
            Token::Mark('[') => {
                self.advance()?;
                self.nested(Self::address)
            }
            Token::Mark('{') => {
                self.advance()?;
                self.nested(|parser| parser.list('}', Self::operand)).map(Operand::Vector)
            }
            Token::Mark('!') => {
                self.advance()?;
                Ok(Operand::Not(Box::new(Operand::Name(self.word("a predicate")?.to_owned()))))
            }
            _ => self.constant(),
        }
    }

    /// A name, perhaps with an element (`%tid.x`) or an offset (`tile+64`).
    fn named(&mut self) -> Result<Operand, Error> {
        let word = self.word("a name")?;
        match word {
            "_" => return Ok(Operand::Nothing),
            "WARP_SZ" => return Ok(Operand::Integer(WARP_SZ)),
            _ => {}
        }
        let mut name = word.to_owned();
        if let Some(element) = self.dotted()? {
            name.push('.');
            name.push_str(element);
        }
        Ok(match self.offset()? {
            Some(offset) => Operand::Sum(name, offset),
            None => Operand::Name(name),
        })
    }

    /// What stands between brackets; the first is passed.
    fn address(&mut self) -> Result<Operand, Error> {
        let base = match self.token {
            Token::Word(word) => {
                self.advance()?;
                Operand::Name(word.to_owned())
            }
            Token::Integer(value) => {
                self.advance()?;
                Operand::Integer(value)
            }
            _ => return self.expected("an address"),
        };
        let offset = self.offset()?.unwrap_or(0);
        let coordinates = if self.take(',')? {
            self.list(']', Self::operand)?
        } else {
            self.mark(']')?;
            Vec::new()
        };
        Ok(Operand::Address { base: Box::new(base), offset, coordinates })
    }

    /// `+4`, `+-4`, `-4`, if it is there.
    pub(super) fn offset(&mut self) -> Result<Option<i64>, Error> {
        match self.token {
            Token::Mark('+') => {
                self.advance()?;
                Ok(Some(self.constant_integer()? as i64))
            }
            Token::Mark('-') => Ok(Some(self.constant_integer()? as i64)),
            _ => Ok(None),
        }
    }

    pub(super) fn constant_integer(&mut self) -> Result<u64, Error> {
        let line = self.token_line();
        match self.constant()? {
            Operand::Integer(value) => Ok(value),
            _ => Err(Error::new(ErrorKind::Syntax, line, "expected an integer")),
        }
    }

    /// A constant: an expression of integers, or a float.
    pub(super) fn constant(&mut self) -> Result<Operand, Error> {
        self.expression(0)
    }

    fn expression(&mut self, least: u8) -> Result<Operand, Error> {
        self.nested(|parser| {
            let mut left = parser.primary()?;
            while let Operand::Integer(value) = left {
                let Some((operator, binds)) = parser.operator(least) else { break };
                let line = parser.token_line();
                parser.advance()?;
                if matches!(operator, '<' | '>') {
                    parser.mark(operator)?;
                }
                let Operand::Integer(right) = parser.expression(binds + 1)? else {
                    return Err(Error::new(ErrorKind::Syntax, line, "an expression of floats"));
                };
                left = match combine(operator, value, right) {
                    Some(value) => Operand::Integer(value),
                    None => return Err(Error::new(ErrorKind::Syntax, line, "a constant is divided by zero")),
                };
            }
            Ok(left)
        })
    }

    fn operator(&self, least: u8) -> Option<(char, u8)> {
        let Token::Mark(mark) = self.token else { return None };
        OPERATORS.into_iter().find(|&(operator, binds)| operator == mark && binds >= least)
    }

    fn primary(&mut self) -> Result<Operand, Error> {
        let line = self.token_line();
        let value = match self.token {
            Token::Integer(value) => Operand::Integer(value),
            Token::F32(bits) => Operand::F32(bits),
            Token::F64(bits) => Operand::F64(bits),
            Token::Decimal(digits) => match digits.parse::<f64>() {
                Ok(value) => Operand::F64(value.to_bits()),
                Err(_) => return self.expected("a number"),
            },
            Token::Word("WARP_SZ") => Operand::Integer(WARP_SZ),
            Token::Mark('(') => {
                self.advance()?;
                let inner = self.constant()?;
                self.mark(')')?;
                return Ok(inner);
            }
            Token::Mark(sign @ ('-' | '+' | '~')) => {
                self.advance()?;
                let inner = self.nested(Self::primary)?;
                return match (sign, inner) {
                    ('+', it) => Ok(it),
                    ('-', Operand::Integer(it)) => Ok(Operand::Integer(it.wrapping_neg())),
                    ('-', Operand::F32(it)) => Ok(Operand::F32(it ^ (1 << 31))),
                    ('-', Operand::F64(it)) => Ok(Operand::F64(it ^ (1 << 63))),
                    ('~', Operand::Integer(it)) => Ok(Operand::Integer(!it)),
                    _ => Err(Error::new(ErrorKind::Syntax, line, format!("`{sign}` cannot stand before this"))),
                };
            }
            _ => return self.expected("an operand"),
        };
        self.advance()?;
        Ok(value)
    }
}

/// Integers of constant expressions are signed; sums and products wrap. `None` for a division by zero.
fn combine(operator: char, left: u64, right: u64) -> Option<u64> {
    Some(match operator {
        '+' => left.wrapping_add(right),
        '-' => left.wrapping_sub(right),
        '*' => left.wrapping_mul(right),
        '/' if right == 0 => return None,
        '/' => (left as i64).wrapping_div(right as i64) as u64,
        '<' => u32::try_from(right).ok().and_then(|by| left.checked_shl(by)).unwrap_or(0),
        '>' => (left as i64).wrapping_shr(right.min(63) as u32) as u64,
        '&' => left & right,
        _ => left ^ right,
    })
}
