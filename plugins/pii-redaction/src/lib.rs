//! pii-redaction is a filter that masks personal data in bodies, while they stream: e-mail addresses, numbers of cards, accounts and
//! telephones, and members of JSON by their names.

mod config;
mod detect;
mod json;
mod scan;

use config::Config;
use json::Json;
use postern::{object, Body, Fields, LiveRequest, LiveResponse, RequestEdits, Response, ResponseEdits, Result, Writer};
use scan::Scanner;
use std::io::{Read, Write};

postern::filter!(request: incoming, response: outgoing);

fn incoming(mut request: LiveRequest) -> Result<RequestEdits> {
    let config = Config::read()?;
    let mut edits = RequestEdits::new();
    if config.response {
        // A response that is compressed, or begins in the middle, could not be read.
        for name in ["accept-encoding", "range", "if-range"] {
            edits = edits.remove_header(name);
        }
    }
    if !config.request || request.length() == Some(0) || !request.upgrade().is_empty() {
        return Ok(edits);
    }
    match Format::of(&request.headers) {
        Some(format) => {
            for name in STALE {
                edits = edits.remove_header(name);
            }
            Ok(edits.stream(move |out| mask(format, &config, &mut request.body, out)))
        }
        None if config.refuse => Ok(Response::json(415, object! { "message" => "Unsupported Media Type" }).into()),
        None => Ok(edits),
    }
}

fn outgoing(mut response: LiveResponse) -> Result<ResponseEdits> {
    let config = Config::read()?;
    let empty = matches!(response.status(), 100..=199 | 204 | 304) || response.request.method() == "HEAD" || response.length() == Some(0);
    if !config.response || empty {
        return Ok(ResponseEdits::new());
    }
    match Format::of(&response.headers).filter(|_| response.status() != 206) {
        Some(format) => {
            let edits = STALE.into_iter().fold(ResponseEdits::new(), ResponseEdits::remove_header);
            Ok(edits.stream(move |out| mask(format, &config, &mut response.body, out)))
        }
        None if config.refuse => {
            let only = Fields(vec![("content-type".into(), "application/json".into())]);
            Ok(ResponseEdits::new().status(502).headers(only).body(object! { "message" => "Bad Gateway" }.to_string()))
        }
        None => Ok(ResponseEdits::new()),
    }
}

/// The fields that describe the bytes of a body, which will be others.
const STALE: [&str; 6] = ["etag", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"];

/// What bodies can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl Format {
    /// The format that header fields tell; none where the body cannot be read.
    fn of(headers: &Fields) -> Option<Format> {
        let encoding = headers.get("content-encoding").unwrap_or("identity");
        let content_type = headers.get("content-type")?.to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next()?;
        let charset = parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or("utf-8").trim_matches('"');
        // Of these, all that is looked for has the bytes of ASCII.
        let readable = ["utf-8", "us-ascii", "iso-8859-", "windows-125"].iter().any(|known| charset.starts_with(known));
        if !encoding.eq_ignore_ascii_case("identity") || !readable {
            return None;
        }
        match media_type {
            "application/json" | "application/x-ndjson" | "application/jsonl" => Some(Format::Json),
            _ if media_type.starts_with("application/grpc") => None, // messages with their lengths
            _ if media_type.ends_with("+json") => Some(Format::Json),
            "application/xml" => Some(Format::Text),
            _ if media_type.starts_with("text/") || media_type.ends_with("+xml") => Some(Format::Text),
            _ => None,
        }
    }
}

/// Copies a body, masked. What it takes of memory does not depend on the body's length.
fn mask(format: Format, config: &Config, body: &mut Body, out: &mut Writer) -> Result<()> {
    let mut text = Scanner::new(config.kinds, &config.mask);
    let mut json = Json::new(config.kinds, &config.mask, config.fields.clone());
    let mut piece = [0; 16 << 10];
    let mut masked = Vec::with_capacity(piece.len());
    loop {
        let n = body.read(&mut piece)?;
        masked.clear();
        match format {
            Format::Text if n == 0 => text.end(&mut masked),
            Format::Text => text.push(&piece[..n], &mut masked),
            Format::Json if n == 0 => json.end(&mut masked),
            Format::Json if !json.push(&piece[..n], &mut masked) => return Err("the JSON is too deep".into()),
            Format::Json => {}
        }
        out.write_all(&masked)?;
        if n == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let of = |content_type: &str, encoding: &str| {
            Format::of(&Fields(vec![("Content-Type".into(), content_type.into()), ("content-encoding".into(), encoding.into())]))
        };
        assert_eq!(of("Application/Problem+JSON; charset=\"UTF-8\"", "identity"), Some(Format::Json));
        assert_eq!(of("text/html; charset=iso-8859-1", "identity"), Some(Format::Text));
        for (content_type, encoding) in
            [("text/plain; charset=utf-16", "identity"), ("text/plain", "gzip"), ("image/png", "identity"), ("application/grpc+json", "identity")]
        {
            assert_eq!(of(content_type, encoding), None);
        }
        assert_eq!(Format::of(&Fields::default()), None);
    }
}
