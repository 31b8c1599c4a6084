use super::Value;
use crate::error::{Error, ErrorKind};
use std::str::FromStr;

/// How deep lists and objects may be inside one another.
pub const MAX_DEPTH: usize = 128;

/// Reads JSON (RFC 8259). Anything else, and what is deeper than [`MAX_DEPTH`], is an error of [`ErrorKind::Json`] that says where.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    // Checked once, so that strings can be taken as they are.
    parse_text(std::str::from_utf8(text).map_err(|e| wrong("UTF-8", e.valid_up_to()))?)
}

fn parse_text(text: &str) -> Result<Value, Error> {
    let mut p = Parser { text, bytes: text.as_bytes(), at: 0, depth: 0 };
    let value = p.value()?;
    match p.next() {
        None => Ok(value),
        Some(_) => Err(wrong("the end", p.at)),
    }
}

impl FromStr for Value {
    type Err = Error;

    fn from_str(text: &str) -> Result<Value, Error> {
        parse_text(text)
    }
}

fn wrong(want: &str, at: usize) -> Error {
    Error::new(ErrorKind::Json, format!("JSON: want {want} at byte {at}"))
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn wrong<T>(&self, want: &str) -> Result<T, Error> {
        Err(wrong(want, self.at))
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Takes a byte, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let there = self.next() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Result<Value, Error> {
        match self.next() {
            Some(b'{') => self.nested(Parser::object),
            Some(b'[') => self.nested(Parser::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.wrong("a value"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Error> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.wrong(word);
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth == MAX_DEPTH {
            return self.wrong("less depth");
        }
        self.at += 1;
        self.depth += 1;
        let value = inside(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Error> {
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            if self.next() != Some(b'"') {
                return self.wrong("a name");
            }
            let name = self.string()?;
            if !self.take(b':') {
                return self.wrong("':'");
            }
            members.push((name, self.value()?));
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return self.wrong("',' or '}'");
            }
        }
    }

    fn array(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.wrong("',' or ']'");
            }
        }
    }

    /// Takes a string, which begins here.
    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut made = String::new();
        loop {
            let start = self.at;
            while matches!(self.byte(), Some(c) if c != b'"' && c != b'\\' && c >= b' ') {
                self.at += 1;
            }
            let part = &self.text[start..self.at]; // both ends are ASCII
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    made.push_str(part);
                    return Ok(made);
                }
                Some(b'\\') => {
                    self.at += 1;
                    made.push_str(part);
                    made.push(self.escape()?);
                }
                _ => return self.wrong("'\"'"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let c = match self.byte() {
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
            _ => return self.wrong("an escape"),
        };
        self.at += 1;
        Ok(c)
    }

    /// Takes what stands behind `\u`; a half of a pair alone becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) || !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let back = self.at;
        self.at += 2;
        let second = self.hex()?;
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = back; // a letter of its own
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|c| char::from(c).to_digit(16));
            match digit {
                Some(digit) => code = code << 4 | digit,
                None => return self.wrong("four hexadecimal digits"),
            }
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut whole = true;
        if self.byte() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if whole {
            if let Ok(i) = text.parse() {
                return Ok(Value::Int(i));
            }
        }
        match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Value::Float(f)),
            _ => self.wrong("a number that fits"),
        }
    }

    fn digits(&mut self) -> Result<(), Error> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return self.wrong("a digit");
        }
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        Ok(())
    }
}
