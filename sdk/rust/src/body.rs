use crate::json::{self, Value};
use crate::{host, Error, Result};
use std::io::{self, Cursor, Read, Write};

/// A body that comes in. It streams: it is read as its sender sends it, and what is read is consumed.
#[derive(Debug)]
pub struct Body(Source);

#[derive(Debug)]
enum Source {
    Host,
    Bytes(Cursor<Vec<u8>>),
}

impl Body {
    /// The body of this call.
    pub(crate) fn of_call() -> Body {
        Body(Source::Host)
    }

    /// All that is left of it.
    pub fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        self.read_to_end(&mut all)?;
        Ok(all)
    }

    /// All that is left of it, as text. What is not UTF-8 is an error.
    pub fn read_text(&mut self) -> Result<String, Error> {
        let mut all = String::new();
        self.read_to_string(&mut all)?;
        Ok(all)
    }

    /// All that is left of it, as JSON.
    pub fn read_json(&mut self) -> Result<Value, Error> {
        json::parse(&self.read_all()?)
    }
}

/// A body that is all there, for tests.
impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(Source::Bytes(Cursor::new(bytes)))
    }
}

/// A body that is all there, for tests.
impl From<&str> for Body {
    fn from(text: &str) -> Body {
        Body::from(text.as_bytes().to_vec())
    }
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Host => Ok(host::read_body(buf)?),
            Source::Bytes(bytes) => bytes.read(buf),
        }
    }
}

/// The body of an answer that streams. A write waits while the reader is slow, and fails with [`ErrorKind::Closed`](crate::ErrorKind)
/// once it has gone. `flush` sends what is written so far, be it little.
#[derive(Debug)]
pub struct Writer(Sink);

#[derive(Debug)]
enum Sink {
    Host,
    Bytes(Vec<u8>),
}

impl Write for Writer {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Sink::Host => host::write_body(part)?,
            Sink::Bytes(bytes) => bytes.extend_from_slice(part),
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {
            Sink::Host => Ok(host::flush_body()?),
            Sink::Bytes(_) => Ok(()),
        }
    }
}

/// What writes a body while it is already read. Its error, after the first bytes, cuts the body off.
pub(crate) type Stream = Box<dyn FnOnce(&mut Writer) -> Result<()>>;

/// A body that goes out.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Stream(Stream),
}

impl Content {
    /// Writes the body to the host.
    pub fn write(self) -> Result<()> {
        match self {
            Content::Bytes(bytes) => Ok(host::write_body(&bytes)?),
            Content::Stream(stream) => stream(&mut Writer(Sink::Host)),
        }
    }

    /// Collects the body, as a test does.
    pub fn collect(self) -> Result<Vec<u8>> {
        match self {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Stream(stream) => {
                let mut writer = Writer(Sink::Bytes(Vec::new()));
                stream(&mut writer)?;
                match writer.0 {
                    Sink::Bytes(bytes) => Ok(bytes),
                    Sink::Host => Ok(Vec::new()),
                }
            }
        }
    }
}
