//! The tokenizer that the text forms share.

use crate::Error;
use std::{fmt, str::FromStr};

/// A place in a text. Blanks before a token are skipped; line ends are tokens.
#[derive(Clone)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r']).len();
    }

    /// Whether nothing but blanks is left on the line.
    pub fn at_line_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty() || self.rest().starts_with('\n')
    }

    /// Skips lines that are blank or hold a comment alone; whether anything follows.
    pub fn next_line(&mut self) -> bool {
        loop {
            self.skip_blanks();
            if self.rest().starts_with('#') {
                self.line();
            }
            if !self.rest().starts_with('\n') {
                return !self.rest().is_empty();
            }
            self.at += 1;
        }
    }

    /// The rest of the line, without its end.
    pub fn line(&mut self) -> &'a str {
        let rest = self.rest();
        let line = rest.split('\n').next().unwrap_or(rest);
        self.at += line.len();
        line
    }

    /// Takes `token` if it is next.
    pub fn eat(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes `token`, which must be next.
    pub fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(format_args!("`{token}`"))) }
    }

    /// The longest run of ASCII letters, digits and `_`, possibly none; of numbers also their signs and points.
    fn run(&mut self, number: bool) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (number && matches!(c, '-' | '+' | '.'));
        let run = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    /// Takes a word, `what` of which must be known to `meaning`.
    pub fn word<T>(&mut self, what: &str, meaning: impl FnOnce(&'a str) -> Option<T>) -> Result<T, Error> {
        self.taken(false, what, meaning)
    }

    /// Takes a number or a word, as [`Cursor::word`].
    pub fn atom<T>(&mut self, what: &str, meaning: impl FnOnce(&'a str) -> Option<T>) -> Result<T, Error> {
        self.taken(true, what, meaning)
    }

    fn taken<T>(&mut self, number: bool, what: &str, meaning: impl FnOnce(&'a str) -> Option<T>) -> Result<T, Error> {
        self.skip_blanks();
        let start = self.at;
        let run = self.run(number);
        meaning(run).ok_or_else(|| {
            self.at = start;
            self.expected(what)
        })
    }

    /// Takes a number that `T` can hold.
    pub fn number<T: FromStr>(&mut self) -> Result<T, Error> {
        self.atom("a number in range", |text| text.parse().ok())
    }

    /// Takes `prefix` and the number behind it: `v12`.
    pub fn numbered<T: FromStr>(&mut self, prefix: &str) -> Result<T, Error> {
        self.word(&format!("`{prefix}` and a number"), |word| word.strip_prefix(prefix)?.parse().ok())
    }

    /// Takes items between `open` and `close`, separated by commas.
    pub fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Cursor<'a>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.eat(close) {
                    break;
                }
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Takes a name: a string, or a word that may have points and slashes inside, as [`name`] writes it.
    pub fn name(&mut self) -> Result<String, Error> {
        self.skip_blanks();
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.string('"');
        }
        let run = &rest[..rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len())];
        if !run.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.expected("a name"));
        }
        self.at += run.len();
        Ok(run.to_owned())
    }

    /// Takes a string between two `quote`s, its escapes undone.
    pub fn string(&mut self, quote: char) -> Result<String, Error> {
        self.skip_blanks();
        let mut escaped = false;
        let end = |c: char| {
            let ends = c == '\n' || (c == quote && !escaped);
            escaped = c == '\\' && !escaped;
            ends
        };
        let inner = self.rest().strip_prefix(quote).and_then(|rest| rest.find(end).map(|len| &rest[..len]));
        match inner {
            Some(inner) if self.rest()[1 + inner.len()..].starts_with(quote) => {
                let string = unescape(inner).ok_or_else(|| self.expected("a string with known escapes"))?;
                self.at += inner.len() + 2;
                Ok(string)
            }
            _ => Err(self.expected("a string")),
        }
    }

    /// Asks that nothing but blanks and line ends is left.
    pub fn end(&mut self) -> Result<(), Error> {
        if self.rest().trim().is_empty() { Ok(()) } else { Err(self.expected("the end")) }
    }

    /// The error that something else is here.
    pub fn expected(&mut self, what: impl fmt::Display) -> Error {
        self.skip_blanks();
        let found = match self.rest().chars().next() {
            None => "the end of the text".into(),
            Some('\n') => "the end of the line".into(),
            Some(first) => {
                let run = self.clone().run(true);
                format!("`{}`", if run.is_empty() { first.to_string() } else { run.chars().take(40).collect() })
            }
        };
        self.error(format_args!("expected {what}, found {found}"))
    }

    /// An error at this place, or the token behind its blanks.
    pub fn error(&self, what: impl fmt::Display) -> Error {
        let mut place = self.clone();
        place.skip_blanks();
        let before = &self.text[..place.at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Error::invalid(format!("line {line}, column {column}: {what}"))
    }
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/')
}

/// A name as [`Cursor::name`] reads it: a string, unless it can stand alone.
pub fn name(name: &str) -> String {
    let alone = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_name_part);
    if alone { name.to_owned() } else { format!("\"{}\"", escape(name, Some('"'))) }
}

/// `text` with backslashes, control characters and `quote` escaped as in Rust, so that it stays on its line.
pub fn escape(text: &str, quote: Option<char>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || c.is_control() || Some(c) == quote {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// What `escape` made, undone; `None` for an escape it does not make.
pub fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        match after.next()? {
            'n' => plain.push('\n'),
            'r' => plain.push('\r'),
            't' => plain.push('\t'),
            c @ ('\\' | '"' | '\'') => plain.push(c),
            'u' => {
                let (code, behind) = after.as_str().strip_prefix('{')?.split_once('}')?;
                plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                after = behind.chars();
            }
            _ => return None,
        }
        rest = after.as_str();
    }
    plain.push_str(rest);
    Some(plain)
}

/// Shared by the tests of parsers: `text` with a few bytes or characters changed at random, still UTF-8.
#[cfg(test)]
pub fn mutated(text: &[u8], state: &mut u64) -> Vec<u8> {
    let mut next = |bound: usize| {
        // An odd multiplier and the high bits: enough for places and bytes.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % bound.max(1)
    };
    let mut bytes = text.to_vec();
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        let len = next(6).min(bytes.len() - at);
        match next(5) {
            0 => drop(bytes.drain(at..at + len)),
            1 => bytes.truncate(at),
            2 => {
                let from = next(bytes.len());
                let piece = bytes[from..(from + next(30)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let words: [&[u8]; 6] =
                    [b"18446744073709551615", b"-9223372036854775808", b"{", b"%", b"0", b"\xc3\xa9"];
                bytes.splice(at..at + len, words[next(words.len())].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = next(128) as u8;
                }
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_round_trip() {
        for text in ["", "plain", "a\"b\\c\n\r\t\0\u{7f}\u{85}", "π ∂ 😀", "\\u{41}", "'"] {
            let escaped = escape(text, Some('"'));
            assert!(!escaped.contains('\n'));
            assert_eq!(unescape(&escaped).as_deref(), Some(text));
            assert_eq!(Cursor::new(&format!(" \"{escaped}\"")).string('"').unwrap(), text);
        }
        assert_eq!(unescape("\\q"), None);
        assert_eq!(unescape("\\u{110000}"), None);
        assert_eq!(unescape("\\"), None);
    }

    #[test]
    fn errors_name_the_place() {
        let mut cursor = Cursor::new("# comment\n\n  é word");
        assert!(cursor.next_line());
        assert!(cursor.eat("é"));
        assert_eq!(
            cursor.number::<u8>().unwrap_err().to_string(),
            "line 3, column 5: expected a number in range, found `word`"
        );
        cursor.word("a word", Some).unwrap();
        assert_eq!(
            cursor.expect(",").unwrap_err().to_string(),
            "line 3, column 9: expected `,`, found the end of the text"
        );
        assert!(Cursor::new("\"open").string('"').is_err());
        assert!(Cursor::new("\"open\n\"").string('"').is_err());
    }
}
