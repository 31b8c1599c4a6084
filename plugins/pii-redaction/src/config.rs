//! What the definition says beside the plugin.

use crate::json::MAX_NAME;
use crate::scan::Kinds;
use postern::{Result, Value};

pub struct Config {
    pub kinds: Kinds,
    pub fields: Vec<String>, // in lower case
    pub mask: String,
    pub request: bool,
    pub response: bool,
    pub refuse: bool, // what cannot be read
}

impl Config {
    pub fn read() -> Result<Config> {
        Config::of(&postern::config()?)
    }

    fn of(value: &Value) -> Result<Config> {
        let kinds = Kinds { email: true, card: true, iban: true, phone: true };
        let mut config = Config { kinds, fields: Vec::new(), mask: "***".into(), request: false, response: true, refuse: false };
        if !value.is_null() && !matches!(value, Value::Object(_)) {
            return Err("config: it is no object".into());
        }
        for (name, value) in value.members() {
            match name.as_str() {
                "detect" => config.kinds = kinds_of(value)?,
                "fields" => config.fields = texts("fields", value)?.iter().map(|name| name.to_lowercase()).collect(),
                "mask" => {
                    config.mask = value.as_str().filter(|mask| is_mask(mask)).ok_or("config: mask is printable ASCII, without \" and \\")?.into()
                }
                "on" => {
                    let halves = texts("on", value)?;
                    if halves.is_empty() || halves.iter().any(|half| half != "request" && half != "response") {
                        return Err("config: on is a list of request and response".into());
                    }
                    config.request = halves.contains(&"request".to_string());
                    config.response = halves.contains(&"response".to_string());
                }
                "unreadable" => {
                    config.refuse = match value.as_str() {
                        Some("pass") => false,
                        Some("refuse") => true,
                        _ => return Err("config: unreadable is pass or refuse".into()),
                    }
                }
                _ => return Err(format!("config: there is no {name}").into()),
            }
        }
        match config.fields.iter().find(|name| name.len() > MAX_NAME) {
            Some(name) => Err(format!("config: the name of a field is longer than {MAX_NAME} bytes: {name}").into()),
            None => Ok(config),
        }
    }
}

/// Whether a text can stand in strings of JSON as it is.
fn is_mask(mask: &str) -> bool {
    mask.len() <= 64 && mask.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'"' && c != b'\\')
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>> {
    let wrong = || format!("config: {name} is a list of texts").into();
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_string).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

fn kinds_of(value: &Value) -> Result<Kinds> {
    let mut kinds = Kinds::default();
    for kind in texts("detect", value)? {
        match kind.as_str() {
            "email" => kinds.email = true,
            "card" => kinds.card = true,
            "iban" => kinds.iban = true,
            "phone" => kinds.phone = true,
            _ => return Err(format!("config: {kind} cannot be detected; email, card, iban and phone can").into()),
        }
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_an_error() {
        let of = |text: &str| Config::of(&text.parse().unwrap());
        assert!(of(r#"{"detect":[],"fields":["SSN"],"mask":"","on":["request"],"unreadable":"refuse"}"#).is_ok());
        let wrong = [
            r#"{"field":[]}"#,
            r#"{"detect":["ssn"]}"#,
            r#"{"fields":[1]}"#,
            r#"{"mask":"\""}"#,
            r#"{"mask":"é"}"#,
            r#"{"on":[]}"#,
            "[]",
            r#"{"unreadable":1}"#,
        ];
        for text in wrong {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
