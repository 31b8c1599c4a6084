//! Masks personal data in JSON that comes piece by piece: within strings, and the values of members by their names.
//!
//! What is no JSON passes through it as it is, masked where it looks like a string.

use crate::detect::{self, Found};
use crate::scan::{Kinds, Scanner};

/// How long the name of a member may be to be compared, and how long a number may be to be looked at, in bytes.
pub const MAX_NAME: usize = 128;
/// How deep lists and objects may be inside one another.
const MAX_DEPTH: usize = 1024;

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Number,
    String,
    /// In a string, behind so many bytes of an escape.
    Escape(usize),
}

/// Masks in one body of JSON.
pub struct Json {
    scanner: Scanner,
    kinds: Kinds,
    mask: String, // as a string of JSON
    fields: Vec<String>,
    state: State,
    word: Vec<u8>,       // a name, or a number
    escape: [u8; 6],     // what has come of one
    nested: Vec<bool>,   // of each that is open, whether it is an object
    named: bool,         // whether the next string is a name
    hide: Option<usize>, // while a value is left out: how many were open before it
}

impl Json {
    /// Fields are names in lower case. A mask is plain ASCII, without quotes and backslashes.
    pub fn new(kinds: Kinds, mask: &str, fields: Vec<String>) -> Json {
        Json {
            scanner: Scanner::new(kinds, mask),
            kinds,
            mask: format!("\"{mask}\""),
            fields,
            state: State::Between,
            word: Vec::new(),
            escape: [0; 6],
            nested: Vec::new(),
            named: false,
            hide: None,
        }
    }

    /// Takes the next piece, and writes what is certain. False: it is deeper than can be followed.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> bool {
        let mut at = 0;
        while at < piece.len() {
            match self.state {
                State::String => at += self.string(&piece[at..], out),
                State::Escape(n) => {
                    at += 1;
                    self.escaped(n, piece[at - 1], out);
                }
                State::Number if is_number(piece[at]) => {
                    self.number(piece[at], out);
                    at += 1;
                }
                State::Number => self.end_number(out),
                State::Between => {
                    if !self.between(piece[at], out) {
                        return false;
                    }
                    at += 1;
                }
            }
        }
        true
    }

    /// Writes the rest.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Number => self.end_number(out),
            State::Escape(n) => {
                let raw = self.escape;
                self.plain(&[], out);
                self.scanner.end(out);
                self.write(&raw[..n], out);
            }
            _ => {}
        }
        if self.hide.is_none() {
            self.scanner.end(out);
        }
    }

    /// Writes what is not left out.
    fn write(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.hide.is_none() {
            out.extend_from_slice(bytes);
        }
    }

    /// Takes a byte that is in no string or number.
    fn between(&mut self, c: u8, out: &mut Vec<u8>) -> bool {
        match c {
            b'"' => {
                self.write(b"\"", out);
                self.word.clear();
                self.state = State::String;
            }
            b'-' | b'0'..=b'9' => {
                self.word.clear();
                self.state = State::Number;
                self.number(c, out);
            }
            b'{' | b'[' => {
                self.nested.push(c == b'{');
                self.named = c == b'{';
                self.write(&[c], out);
                return self.nested.len() <= MAX_DEPTH;
            }
            b'}' | b']' | b',' => {
                // A value that is left out ends before what ends its object, or goes on in it.
                if self.hide == Some(self.nested.len()) {
                    self.hide = None;
                }
                if c != b',' {
                    self.nested.pop();
                }
                self.named = c == b',' && self.nested.last() == Some(&true);
                self.write(&[c], out);
            }
            b':' => {
                self.write(b":", out);
                if self.named && self.hide.is_none() && self.is_hidden() {
                    out.extend_from_slice(self.mask.as_bytes());
                    self.hide = Some(self.nested.len());
                }
                self.named = false;
            }
            _ => self.write(&[c], out),
        }
        true
    }

    fn is_hidden(&self) -> bool {
        let name = String::from_utf8_lossy(&self.word).to_lowercase();
        self.fields.contains(&name)
    }

    /// Takes what comes of a string, up to the next byte that does not stand for itself.
    fn string(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        let n = piece.iter().take_while(|c| **c != b'"' && **c != b'\\').count();
        self.plain(&piece[..n], out);
        match piece.get(n) {
            None => return n,
            Some(b'\\') => self.state = State::Escape(1),
            Some(_) => {
                if self.hide.is_none() {
                    self.scanner.end(out);
                }
                self.write(b"\"", out);
                self.state = State::Between;
            }
        }
        self.escape[0] = b'\\';
        n + 1
    }

    /// Takes characters of a string.
    fn plain(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.named && self.word.len() <= MAX_NAME {
            self.word.extend_from_slice(&text[..text.len().min(MAX_NAME + 1 - self.word.len())]);
        }
        if self.hide.is_none() {
            self.scanner.push(text, out);
        }
    }

    /// Takes a byte of an escape, of which n came before. What it stands for is written where that needs none, so that \u0040 is an @.
    fn escaped(&mut self, n: usize, c: u8, out: &mut Vec<u8>) {
        self.escape[n] = c;
        if (n == 1 && c == b'u') || (n > 1 && n < 5) {
            self.state = State::Escape(n + 1);
            return;
        }
        self.state = State::String;
        let raw = self.escape;
        match character(&raw[1..=n]) {
            Some(c) => self.plain(c.encode_utf8(&mut [0; 4]).as_bytes(), out),
            None => {
                if self.hide.is_none() {
                    self.scanner.end(out);
                }
                self.write(&raw[..=n], out);
            }
        }
    }

    fn number(&mut self, c: u8, out: &mut Vec<u8>) {
        self.word.push(c);
        if self.word.len() > MAX_NAME {
            self.write(&self.word, out); // nothing that is looked for is so long
            self.word.clear();
        }
    }

    /// Ends a number. One that is a card's becomes a string.
    fn end_number(&mut self, out: &mut Vec<u8>) {
        self.state = State::Between;
        if self.kinds.card && detect::card(&self.word, true) == Found::Yes(self.word.len()) {
            self.write(self.mask.as_bytes(), out);
        } else {
            self.write(&self.word, out);
        }
    }
}

fn is_number(c: u8) -> bool {
    c.is_ascii_digit() || b"+-.eE".contains(&c)
}

/// The character of an escape without its backslash, where a string may hold it as it is.
fn character(escape: &[u8]) -> Option<char> {
    let c = match escape {
        [b'/'] => '/',
        [b'u', code @ ..] => char::from_u32(u32::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?)?,
        _ => return None,
    };
    Some(c).filter(|c| *c >= ' ' && *c != '"' && *c != '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(pieces: &[&[u8]]) -> String {
        let kinds = Kinds { email: true, card: true, iban: true, phone: true };
        let mut json = Json::new(kinds, "***", vec!["password".into(), "größe".into()]);
        let mut out = Vec::new();
        for piece in pieces {
            assert!(json.push(piece, &mut out));
        }
        json.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wherever_a_piece_ends() {
        let cases = [
            (r#"{"a": "bob@example.com", "b": [4111111111111111, 12, -1.5e+3]}"#, r#"{"a": "***", "b": ["***", 12, -1.5e+3]}"#),
            (r#"{"a":"x\nbob\u0040example.com\"y\\z"}"#, r#"{"a":"x\n***\"y\\z"}"#),
            (r#"{"Password" : {"a":["}"],"password":1}, "b":1}"#, r#"{"Password" :"***", "b":1}"#),
            (
                r#"[{"password":"a\"b"},{"\u0070assword":null},"password",{"x":"password"}]"#,
                r#"[{"password":"***"},{"password":"***"},"password",{"x":"password"}]"#,
            ),
            (r#"{"Größe":1,"bob@example.com":2,"\u00fc\ud83d\ude00":"\ud800"}"#, r#"{"Größe":"***","***":2,"ü\ud83d\ude00":"\ud800"}"#),
            ("{\"a\":1}\n{\"password\":true}\n4111111111111111", "{\"a\":1}\n{\"password\":\"***\"}\n\"***\""),
            (r#"{"a":"\u00"#, r#"{"a":"\u00"#),
            ("]}{:,\"", "]}{:,\""),
        ];
        for (text, want) in cases {
            assert_eq!(mask(&[text.as_bytes()]), want);
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(mask(&bytes), want);
            for i in 0..text.len() {
                assert_eq!(mask(&[&text.as_bytes()[..i], &text.as_bytes()[i..]]), want, "{text} at {i}");
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut json = Json::new(Kinds::default(), "***", vec![]);
        assert!(json.push("[".repeat(MAX_DEPTH).as_bytes(), &mut Vec::new()));
        assert!(!json.push(b"[", &mut Vec::new()));
    }
}
