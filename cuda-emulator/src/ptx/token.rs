//! Text to tokens.

use crate::{Error, ErrorKind};

/// A piece of the text. Words and numbers point into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or the first word of an opcode.
    Word(&'a str),
    /// A word behind a dot, without the dot: a directive, a type, a part of an opcode. May hold `::` and begin with a digit.
    Dotted(&'a str),
    /// An integer of any notation.
    Integer(u64),
    /// `0f3F800000`.
    F32(u32),
    /// `0d3FF0000000000000`.
    F64(u64),
    /// `1.5e3` or `9.0`, as written: a version is no number.
    Decimal(&'a str),
    /// What stands between quotes, escapes as written.
    Text(&'a str),
    /// Anything else, one character.
    Mark(char),
    /// The end of the text.
    End,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A hostile text has words of any length; an error names their beginning.
        let short = |it: &str| it.chars().take(60).collect::<String>();
        match self {
            Token::Word(it) | Token::Decimal(it) => write!(out, "`{}`", short(it)),
            Token::Dotted(it) => write!(out, "`.{}`", short(it)),
            Token::Integer(it) => write!(out, "`{it}`"),
            Token::F32(it) => write!(out, "`0f{it:08X}`"),
            Token::F64(it) => write!(out, "`0d{it:016X}`"),
            Token::Text(it) => write!(out, "\"{}\"", short(it)),
            Token::Mark(it) => write!(out, "`{it}`"),
            Token::End => out.write_str("the end of the text"),
        }
    }
}

/// Walks over the text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// Where the last token began.
    pub(super) start: usize,
    /// The line of the last token.
    pub(super) token_line: u32,
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0, line: 1, start: 0, token_line: 1 }
    }

    /// The text from a place up to the last token.
    pub(super) fn text_since(&self, start: usize) -> &'a str {
        self.text.get(start..self.start).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        self.at += rest.iter().position(|&it| !keep(it)).unwrap_or(rest.len());
        self.since(start)
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Syntax, self.token_line, message)
    }

    /// Passes a piece that may hold line ends.
    fn pass(&mut self, bytes: usize) {
        let passed = self.text.as_bytes().get(self.at..self.at + bytes).unwrap_or_default();
        self.line = self.line.saturating_add(passed.iter().filter(|&&it| it == b'\n').count() as u32);
        self.at += passed.len();
    }

    fn skip_blank(&mut self) -> Result<(), Error> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, _) => self.pass(1),
                (b'/', b'/') => {
                    self.take_while(|it| it != b'\n');
                }
                (b'/', b'*') => {
                    let rest = self.text.get(self.at + 2..).unwrap_or_default();
                    let Some(length) = rest.find("*/") else {
                        self.token_line = self.line;
                        return Err(self.error("a comment has no end"));
                    };
                    self.pass(length + 4);
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Error> {
        self.skip_blank()?;
        (self.start, self.token_line) = (self.at, self.line);
        let Some(first) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else { return Ok(Token::End) };
        match first {
            '0'..='9' => self.number(),
            'a'..='z' | 'A'..='Z' | '_' | '$' => Ok(Token::Word(self.take_while(in_word))),
            '%' if in_word(self.peek(1)) => {
                let start = self.at;
                self.at += 1;
                self.take_while(in_word);
                Ok(Token::Word(self.since(start)))
            }
            '.' if in_word(self.peek(1)) => {
                self.at += 1;
                let start = self.at;
                self.take_while(in_word);
                while self.peek(0) == b':' && self.peek(1) == b':' && in_word(self.peek(2)) {
                    self.at += 2;
                    self.take_while(in_word);
                }
                Ok(Token::Dotted(self.since(start)))
            }
            '"' => self.quoted(),
            ' '..='~' => {
                self.at += 1;
                Ok(Token::Mark(first))
            }
            other => Err(self.error(format!("the character {other:?} has no place in PTX"))),
        }
    }

    fn quoted(&mut self) -> Result<Token<'a>, Error> {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let mut escaped = false;
        for (at, byte) in rest.bytes().enumerate() {
            match byte {
                b'"' if !escaped => {
                    self.pass(at + 2);
                    return Ok(Token::Text(rest.get(..at).unwrap_or_default()));
                }
                _ => escaped = byte == b'\\' && !escaped,
            }
        }
        Err(self.error("a text in quotes has no end"))
    }

    fn number(&mut self) -> Result<Token<'a>, Error> {
        let (start, second) = (self.at, self.peek(1).to_ascii_lowercase());
        let radix = match (self.peek(0), second) {
            (b'0', b'f' | b'd') => {
                self.at += 2;
                let digits = self.take_while(in_word);
                let wanted = if second == b'f' { 8 } else { 16 };
                let hexadecimal = digits.len() == wanted && digits.bytes().all(|it| it.is_ascii_hexdigit());
                return match u64::from_str_radix(digits, 16) {
                    Ok(bits) if hexadecimal && wanted == 8 => Ok(Token::F32(bits as u32)),
                    Ok(bits) if hexadecimal => Ok(Token::F64(bits)),
                    _ => Err(self.error(format!("a constant `0{}` has {wanted} hexadecimal digits", second as char))),
                };
            }
            (b'0', b'x') => 16,
            (b'0', b'b') => 2,
            (b'0', b'0'..=b'9') => 8,
            _ => 10,
        };
        if matches!(radix, 16 | 2) {
            self.at += 2;
            let digits = self.take_while(in_word);
            return self.integer(digits, radix);
        }
        self.take_while(|it| it.is_ascii_digit());
        let mut decimal = false;
        if self.peek(0) == b'.' && !self.peek(1).is_ascii_alphabetic() {
            decimal = true;
            self.at += 1;
            self.take_while(|it| it.is_ascii_digit());
        }
        if self.peek(0).eq_ignore_ascii_case(&b'e') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                decimal = true;
                self.at += 1 + sign;
                self.take_while(|it| it.is_ascii_digit());
            }
        }
        if decimal {
            return Ok(Token::Decimal(self.since(start)));
        }
        self.take_while(in_word);
        self.integer(self.since(start), radix)
    }

    fn integer(&self, digits: &str, radix: u32) -> Result<Token<'a>, Error> {
        let digits = digits.strip_suffix(['U', 'u']).unwrap_or(digits);
        let value = u64::from_str_radix(digits, radix);
        value.map(Token::Integer).map_err(|error| self.error(format!("no integer of 64 bits: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| lexer.next().ok().filter(|it| *it != Token::End)).collect()
    }

    #[test]
    fn numbers_of_every_notation() {
        let found = all("0 12 0x1fU 0b101 017 0f3F800000 0d3FF0000000000000 1.5 2e-3 9.0 4294967295u");
        let wanted = [
            Token::Integer(0),
            Token::Integer(12),
            Token::Integer(31),
            Token::Integer(5),
            Token::Integer(15),
            Token::F32(0x3f80_0000),
            Token::F64(0x3ff0_0000_0000_0000),
            Token::Decimal("1.5"),
            Token::Decimal("2e-3"),
            Token::Decimal("9.0"),
            Token::Integer(4_294_967_295),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn words_dots_and_comments() {
        let found = all("ld.global.L2::128B %r1, [%rd2+-4]; // end\n/* a\nb */ $L: %tid.x a%b");
        let wanted = [
            Token::Word("ld"),
            Token::Dotted("global"),
            Token::Dotted("L2::128B"),
            Token::Word("%r1"),
            Token::Mark(','),
            Token::Mark('['),
            Token::Word("%rd2"),
            Token::Mark('+'),
            Token::Mark('-'),
            Token::Integer(4),
            Token::Mark(']'),
            Token::Mark(';'),
            Token::Word("$L"),
            Token::Mark(':'),
            Token::Word("%tid"),
            Token::Dotted("x"),
            Token::Word("a"),
            Token::Word("%b"),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, part) in [
            ("\n\n/* open", 3, "comment"),
            ("\n\"open", 2, "quotes"),
            ("0f12", 1, "8 hexadecimal"),
            ("0d12345678", 1, "16 hexadecimal"),
            ("99999999999999999999", 1, "64 bits"),
            ("0xg", 1, "64 bits"),
            ("\n\u{e9}", 2, "no place"),
            ("\u{0}", 1, "no place"),
        ] {
            let error = Lexer::new(text).next().expect_err(text);
            assert_eq!(error.line(), line, "{text}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
