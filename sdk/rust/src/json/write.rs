use super::Value;
use std::fmt::{self, Write};

/// Writes JSON without spaces.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        write(&mut out, self);
        f.write_str(&out)
    }
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(i) => write_number(out, i),
        Value::Float(f) if f.is_finite() => write_number(out, f),
        Value::Float(_) => out.push_str("null"),
        Value::String(s) => write_text(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write(out, member);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: impl fmt::Display) {
    let _ = write!(out, "{number}"); // a string takes it all
}

/// Writes a string in quotes.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (i, c) in text.bytes().enumerate() {
        if c >= b' ' && c != b'"' && c != b'\\' {
            continue;
        }
        out.push_str(&text[start..i]); // both ends are ASCII
        start = i + 1;
        match c {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(c));
            }
            _ => {
                let _ = write!(out, "\\u{c:04x}");
            }
        }
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// An object that is written member by member: the head of an answer.
pub(crate) struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object(String::with_capacity(256))
    }

    /// Writes a name, and returns where its value goes.
    pub fn key(&mut self, name: &str) -> &mut String {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write_text(&mut self.0, name);
        self.0.push(':');
        &mut self.0
    }

    pub fn text(&mut self, name: &str, value: &str) {
        write_text(self.key(name), value);
    }

    pub fn number(&mut self, name: &str, value: impl fmt::Display) {
        write_number(self.key(name), value);
    }

    pub fn raw(&mut self, name: &str, value: &str) {
        self.key(name).push_str(value);
    }

    pub fn value(&mut self, name: &str, value: &Value) {
        write(self.key(name), value);
    }

    /// Writes a list of strings, unless it is empty.
    pub fn texts(&mut self, name: &str, list: &[String]) {
        if list.is_empty() {
            return;
        }
        let out = self.key(name);
        for (i, text) in list.iter().enumerate() {
            out.push(if i == 0 { '[' } else { ',' });
            write_text(out, text);
        }
        out.push(']');
    }

    /// Writes names and values as an object, unless there are none.
    pub fn map(&mut self, name: &str, map: &[(String, String)]) {
        if map.is_empty() {
            return;
        }
        let out = self.key(name);
        for (i, (key, value)) in map.iter().enumerate() {
            out.push(if i == 0 { '{' } else { ',' });
            write_text(out, key);
            out.push(':');
            write_text(out, value);
        }
        out.push('}');
    }

    /// Writes names and values as a list of pairs, unless there are none.
    pub fn pairs(&mut self, name: &str, pairs: &[(String, String)]) {
        if !pairs.is_empty() {
            self.all_pairs(name, pairs);
        }
    }

    /// Writes names and values as a list of pairs.
    pub fn all_pairs(&mut self, name: &str, pairs: &[(String, String)]) {
        let out = self.key(name);
        out.push('[');
        for (i, (key, value)) in pairs.iter().enumerate() {
            out.push_str(if i == 0 { "[" } else { ",[" });
            write_text(out, key);
            out.push(',');
            write_text(out, value);
            out.push(']');
        }
        out.push(']');
    }

    pub fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}
