//! request-id is a filter that gives each request an id, which the backend and the client get to see.

use postern::{LiveRequest, LiveResponse, RequestEdits, ResponseEdits, Result, Value};
use std::fmt::Write;

postern::filter!(request: incoming, response: outgoing);

/// Takes the client's id where it looks sound, and makes one where it does not.
fn incoming(request: LiveRequest) -> Result<RequestEdits> {
    let config = Config::read()?;
    let id = match request.headers.get(&config.header) {
        Some(id) if config.trust && config.is_sound(id) => id.to_string(),
        _ => config.format.make()?,
    };
    Ok(RequestEdits::new().set_header(config.header, id))
}

/// Tells the client the id that was sent on.
fn outgoing(response: LiveResponse) -> Result<ResponseEdits> {
    let config = Config::read()?;
    Ok(match response.request.headers.get(&config.header) {
        Some(id) if config.response => ResponseEdits::new().set_header(config.header.as_str(), id),
        _ => ResponseEdits::new(),
    })
}

struct Config {
    header: String,
    trust: bool,
    format: Format,
    max_length: usize,
    response: bool,
}

impl Config {
    fn read() -> Result<Config> {
        Config::of(&postern::config()?)
    }

    fn of(value: &Value) -> Result<Config> {
        let mut config = Config { header: "x-request-id".into(), trust: true, format: Format::Uuid, max_length: 128, response: true };
        if !value.is_null() && !matches!(value, Value::Object(_)) {
            return Err("config: it is no object".into());
        }
        for (name, value) in value.members() {
            match name.as_str() {
                "header" => config.header = value.as_str().filter(|name| !name.is_empty()).ok_or("config: header is a name")?.to_string(),
                "trust" => config.trust = value.as_bool().ok_or("config: trust is true or false")?,
                "format" => config.format = Format::of(value).ok_or("config: format is uuid, uuidv7 or hex")?,
                "maxLength" => config.max_length = length_of(value).ok_or("config: maxLength is a number from 1 to 1024")?,
                "response" => config.response = value.as_bool().ok_or("config: response is true or false")?,
                _ => return Err(format!("config: there is no {name}").into()),
            }
        }
        Ok(config)
    }

    /// Whether an id can stand in a log, a shell and a URL, and mean nothing there.
    fn is_sound(&self, id: &str) -> bool {
        (1..=self.max_length).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.:/+=".contains(&c))
    }
}

fn length_of(value: &Value) -> Option<usize> {
    value.as_i64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=1024).contains(n))
}

/// What an id that is made here looks like.
enum Format {
    Uuid,
    UuidV7,
    Hex,
}

impl Format {
    fn of(value: &Value) -> Option<Format> {
        match value.as_str()? {
            "uuid" => Some(Format::Uuid),
            "uuidv7" => Some(Format::UuidV7),
            "hex" => Some(Format::Hex),
            _ => None,
        }
    }

    fn make(&self) -> Result<String> {
        let mut id = [0; 16];
        postern::random(&mut id)?;
        match self {
            Format::Uuid => Ok(uuid(id, 4)),
            Format::UuidV7 => {
                id[..6].copy_from_slice(&(postern::now().as_millis() as u64).to_be_bytes()[2..]); // RFC 9562, section 5.7
                Ok(uuid(id, 7))
            }
            Format::Hex => Ok(hex(&id)),
        }
    }
}

/// Writes a UUID of 16 bytes, with its version and variant (RFC 9562, section 4).
fn uuid(mut id: [u8; 16], version: u8) -> String {
    id[6] = id[6] & 0x0f | version << 4;
    id[8] = id[8] & 0x3f | 0x80;
    let mut text = hex(&id);
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(36), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a string takes it all
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_version_and_variant() {
        assert_eq!(uuid([0xff; 16], 4), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16], 7), "00000000-0000-7000-8000-000000000000");
    }

    #[test]
    fn sound_ids() {
        let config = Config::of(&Value::Null).unwrap();
        assert!(config.is_sound("01-ab_C.d:e/f+g="));
        for id in ["", "a b", "a\"b", "a\r\nb", "é", "<x>", "$(id)", &"a".repeat(129)] {
            assert!(!config.is_sound(id), "{id}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        let of = |text: &str| Config::of(&text.parse().unwrap());
        assert!(of(r#"{"header":"x","trust":false,"format":"hex","maxLength":1,"response":false}"#).is_ok());
        for text in [r#"{"format":"ulid"}"#, r#"{"trusted":false}"#, r#"{"trust":"no"}"#, r#"{"maxLength":0}"#, r#"{"header":""}"#, "1"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
