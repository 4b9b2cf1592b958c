//! JSON (RFC 8259), as much of it as the headers of files need.
//!
//! The reader is strict, for its texts come from anywhere: nothing may stand twice in an object, nesting and the number of
//! values are bounded. Counts are exact to the last bit, as numbers that pass through `f64` are not. The same value is
//! always written as the same text.

use std::collections::BTreeMap;

/// How deep arrays and objects may lie in one another. A header needs three levels; each takes some of the stack.
const DEPTH: usize = 16;
/// How many values a text may have. Twice as many as describe all the arrays that fit into the longest header.
const VALUES: usize = 1 << 21;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Json {
    #[default]
    Null,
    Bool(bool),
    Count(u64),
    /// A number that is no count, as it is written. No file of this crate has one.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a text; the error says what is wrong and at which byte.
    pub(super) fn parse(text: &str) -> Result<Json, String> {
        let mut reader = Reader { text, at: 0, values: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("more text after its end")) }
    }

    pub(crate) fn object(entries: Vec<(&str, Json)>) -> Json {
        Json::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// What an object has under this key; null if there is none or this is no object.
    pub(crate) fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(entries) => entries.get(key).unwrap_or(&Json::Null),
            _ => &Json::Null,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Json::Bool(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_count(&self) -> Option<u64> {
        if let Json::Count(count) = self { Some(*count) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Json]> {
        if let Json::Array(items) = self { Some(items) } else { None }
    }

    /// An array of counts.
    pub(super) fn as_counts(&self) -> Option<Vec<usize>> {
        self.as_array()?.iter().map(|item| usize::try_from(item.as_count()?).ok()).collect()
    }

    /// Writes the value to the end of `out`, objects in the order of their keys.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Count(count) => out.push_str(&count.to_string()),
            Json::Number(number) => out.push_str(number),
            Json::Text(text) => quote(text, out),
            Json::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (n, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if n > 0 { "," } else { "" });
                    quote(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(count: u64) -> Json {
        Json::Count(count)
    }
}

impl From<usize> for Json {
    fn from(count: usize) -> Json {
        Json::Count(count as u64)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<&[usize]> for Json {
    fn from(counts: &[usize]) -> Json {
        Json::Array(counts.iter().map(|&count| count.into()).collect())
    }
}

/// Writes a string with its quotes.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("byte {} of its JSON: {what}", self.at)
    }

    /// The next byte, which stays.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes one byte if it is this one.
    fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte, with space around it, or fails.
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        self.space();
        if !self.eat(byte) {
            return Err(self.unexpected(&format!("`{}` is missing", char::from(byte))));
        }
        self.space();
        Ok(())
    }

    /// An error at a place where something else should stand.
    fn unexpected(&self, what: &str) -> String {
        self.wrong(if self.at < self.text.len() { what } else { "the text ends too early" })
    }

    /// The value that begins here or after space, at this depth.
    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.values += 1;
        if depth > DEPTH {
            return Err(self.wrong(&format!("nested deeper than {DEPTH} levels")));
        }
        if self.values > VALUES {
            return Err(self.wrong(&format!("more than {VALUES} values")));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.expect(b'{')?;
        let mut entries = BTreeMap::new();
        if self.eat(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.space();
            let key = self.string()?;
            if entries.contains_key(&key) {
                return Err(self.wrong(&format!("a second {key:?}")));
            }
            self.expect(b':')?;
            entries.insert(key, self.value(depth + 1)?);
            self.space();
            if !self.eat(b',') {
                self.expect(b'}')?;
                return Ok(Json::Object(entries));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.expect(b'[')?;
        let mut items = vec![];
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if !self.eat(b',') {
                self.expect(b']')?;
                return Ok(Json::Array(items));
            }
        }
    }

    fn word(&mut self) -> Result<Json, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("no value begins so"))
    }

    /// Takes digits and says how many.
    fn digits(&mut self) -> Result<usize, String> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(self.at - start) } else { Err(self.unexpected("a digit is missing")) }
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && zero {
            return Err(self.wrong("a number begins with 0"));
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        Ok(number.parse().map_or_else(|_| Json::Number(number.to_owned()), Json::Count))
    }

    /// The string that begins here.
    fn string(&mut self) -> Result<String, String> {
        if !self.eat(b'"') {
            return Err(self.unexpected("`\"` is missing"));
        }
        let mut out = String::new();
        loop {
            // All up to the next byte that has a meaning. Such bytes are ASCII, so both ends are borders of characters.
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            if self.eat(b'"') {
                return Ok(out);
            }
            if !self.eat(b'\\') {
                return Err(self.unexpected("a control character in a string"));
            }
            out.push(self.escape()?);
        }
    }

    /// The character that is written after a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("no escape begins so")),
        };
        self.at += 1;
        Ok(c)
    }

    /// Four hexadecimal digits, or twice four where one UTF-16 unit does not make a character.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.unit()?;
        let mut code = first;
        if (0xD800..0xDC00).contains(&first) && self.eat(b'\\') && self.eat(b'u') {
            let second = self.unit()?;
            let low = (0xDC00..0xE000).contains(&second);
            code = if low { 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00) } else { first };
        }
        char::from_u32(code).ok_or_else(|| self.wrong("half of a surrogate pair"))
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).filter(|all| all.bytes().all(|c| c.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected("four hexadecimal digits are missing"))?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(value: &Json) -> String {
        let mut text = String::new();
        value.write(&mut text);
        assert_eq!(Json::parse(&text).unwrap(), *value, "{text}");
        text
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = Json::object(vec![
            ("z", u64::MAX.into()),
            ("a", Json::Array(vec![true.into(), false.into(), Json::Null, 0usize.into()])),
            ("shape", [3usize, 2].as_slice().into()),
            ("empty", Json::object(vec![("", Json::Array(vec![]))])),
        ]);
        let text = "{\"a\":[true,false,null,0],\"empty\":{\"\":[]},\"shape\":[3,2],\"z\":18446744073709551615}";
        assert_eq!(round(&value), text);
        let all: String = (0..=0x2FFF).chain([0xFFFF, 0x10000, 0x1F600, 0x10FFFF]).filter_map(char::from_u32).collect();
        round(&Json::Text(all));
    }

    #[test]
    fn another_parser_judges_the_same() {
        // Everything that some bytes of JSON can be mutated to: what one parser takes, the other takes for the same value.
        let seed =
            r#" {"a":[1,-2,3.5e+1,1E3,0,-0.5,true,false,null],"b":{"\u00e9\ud83d\ude00\n\/":"x\\y"}, "cé":"" } "#;
        let alphabet: Vec<char> = "0123456789-+.eE[]{}:,\"\\/ubntf \n\t\u{c}\u{1}adlrse".chars().collect();
        let mut state = 1u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut text: Vec<char> = seed.chars().collect();
            for _ in 0..=below(2) {
                let at = below(text.len());
                match below(3) {
                    0 => text[at] = alphabet[below(alphabet.len())],
                    1 => text.insert(at, alphabet[below(alphabet.len())]),
                    _ => drop(text.remove(at)),
                }
            }
            let text: String = text.into_iter().collect();
            match (Json::parse(&text), serde_json::from_str::<serde_json::Value>(&text)) {
                (Ok(own), Ok(other)) => {
                    taken += 1;
                    assert!(same(&own, &other), "{text}: {own:?}, {other:?}");
                }
                (Err(_), Err(_)) => refused += 1,
                // The two things in which this one is stricter or laxer: keys, and sizes of numbers that it never reads.
                (Err(own), Ok(_)) => assert!(own.contains("a second"), "{text}: {own}"),
                (Ok(_), Err(other)) => assert!(other.to_string().contains("number out of range"), "{text}: {other}"),
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
    }

    fn same(own: &Json, other: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (own, other) {
            (Json::Null, Value::Null) => true,
            (Json::Bool(a), Value::Bool(b)) => a == b,
            (Json::Count(a), Value::Number(b)) => b.as_u64() == Some(*a),
            // The other one does not round to the nearest float unless it is asked to.
            (Json::Number(a), Value::Number(b)) => {
                let (a, b) = (a.parse::<f64>().unwrap(), b.as_f64().filter(|_| !b.is_u64()).unwrap());
                (a - b).abs() <= 1e-15 * b.abs()
            }
            (Json::Text(a), Value::String(b)) => a == b,
            (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Json::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((a, x), (b, y))| a == b && same(x, y))
            }
            _ => false,
        }
    }

    #[test]
    fn texts_that_would_take_stack_or_memory_are_refused() {
        // semantics 6.7
        let error = |text: &str| Json::parse(text).unwrap_err();
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            assert!(error(&open.repeat(1 << 20)).contains("deeper than 16"), "{open}");
            let deep = |n: usize| format!("{}0{}", open.repeat(n), close.repeat(n));
            assert!(Json::parse(&deep(DEPTH)).is_ok() && Json::parse(&deep(DEPTH + 1)).is_err(), "{open}");
        }
        assert!(error(&format!("[{}0]", "0,".repeat(VALUES))).contains("values"));
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (text, words) in [
            ("", "byte 0 of its JSON: the text ends too early"),
            ("{\"a\":1", "ends too early"),
            ("{\"a\":1,\"a\":2}", "byte 10 of its JSON: a second \"a\""),
            ("{\"a\":1,\"\\u0061\":2}", "a second \"a\""),
            ("{\"a\" 1}", "byte 5 of its JSON: `:` is missing"),
            ("[1 2]", "`]` is missing"),
            ("[1,]", "no value begins so"),
            ("{,}", "`\"` is missing"),
            ("01", "begins with 0"),
            ("1.", "the text ends too early"),
            ("-x", "a digit is missing"),
            ("1 1", "more text after its end"),
            ("\"\\ud800\"", "surrogate"),
            ("\"\\ud800\\u0041\"", "surrogate"),
            ("\"\\udc00\"", "surrogate"),
            ("\"\\u+123\"", "hexadecimal"),
            ("\"\\u00é\"", "hexadecimal"),
            ("\"\\x\"", "escape"),
            ("\"\n\"", "control character"),
            ("NaN", "no value begins so"),
        ] {
            let error = Json::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(Json::parse("9007199254740993").unwrap().as_count(), Some((1 << 53) + 1));
        for text in ["18446744073709551616", "-0", "1.0", "1e999", "-1E-7"] {
            assert_eq!(Json::parse(text).unwrap(), Json::Number(text.to_owned()));
            assert_eq!(round(&Json::Number(text.to_owned())), text);
        }
    }
}
