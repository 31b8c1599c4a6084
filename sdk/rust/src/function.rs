use crate::body::{Body, Content, Writer};
use crate::json::{Object, Value};
use crate::{Error, Event, Result};
use std::ops::Deref;

/// A request, or a call by name, as a function sees it. It reads as its [`Event`]: `request.header("accept")`.
#[derive(Debug)]
pub struct Request {
    event: Event,
    /// The request's body, which streams from the client.
    pub body: Body,
}

impl Request {
    /// A request of an event and a body, as a test makes it.
    pub fn new(event: Event, body: impl Into<Body>) -> Request {
        Request { event, body: body.into() }
    }
}

impl Deref for Request {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

/// A function's answer.
///
/// ```
/// # use postern::{object, Response};
/// let made = Response::json(201, object! { "id" => 7 }).header("location", "/orders/7").cookie("seen=1; HttpOnly");
/// # assert_eq!(made.head(), r#"{"statusCode":201,"headers":{"content-type":"application/json","location":"/orders/7"},"cookies":["seen=1; HttpOnly"]}"#);
/// ```
pub struct Response {
    pub(crate) head: Head,
    pub(crate) content: Content,
}

pub(crate) enum Head {
    Http { status: u16, headers: Vec<(String, String)>, cookies: Vec<String> },
    Value(Value),
}

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Response {
        Response { head: Head::Http { status, headers: Vec::new(), cookies: Vec::new() }, content: Content::Bytes(Vec::new()) }
    }

    /// Plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Response {
        Response::new(status).header("content-type", "text/plain; charset=utf-8").body(text.into())
    }

    /// JSON.
    pub fn json(status: u16, value: impl Into<Value>) -> Response {
        Response::new(status).header("content-type", "application/json").body(value.into().to_string())
    }

    /// The result of a call by name, which is any JSON. [`Value`] itself may be returned for it.
    pub fn value(value: impl Into<Value>) -> Response {
        Response { head: Head::Value(value.into()), content: Content::Bytes(Vec::new()) }
    }

    /// Sets a header, whose name may be in any case. A value that it had is replaced.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        if let Head::Http { headers, .. } = &mut self.head {
            let name = name.into();
            headers.retain(|(key, _)| !key.eq_ignore_ascii_case(&name));
            headers.push((name, value.into()));
        }
        self
    }

    /// Adds a `Set-Cookie` header: `"name=value; HttpOnly"`.
    pub fn cookie(mut self, cookie: impl Into<String>) -> Response {
        if let Head::Http { cookies, .. } = &mut self.head {
            cookies.push(cookie.into());
        }
        self
    }

    /// Sets the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Response {
        self.content = Content::Bytes(bytes.into());
        self
    }

    /// Sets what writes the body while the client already reads it. Its error, after the first bytes, cuts the answer off.
    pub fn stream(mut self, write: impl FnOnce(&mut Writer) -> Result<()> + 'static) -> Response {
        self.content = Content::Stream(Box::new(write));
        self
    }

    /// The status and the headers in JSON, or the value, as the host gets it. For tests.
    pub fn head(&self) -> String {
        let (status, headers, cookies) = match &self.head {
            Head::Value(value) => return value.to_string(),
            Head::Http { status, headers, cookies } => (status, headers, cookies),
        };
        let mut out = Object::new();
        out.number("statusCode", status);
        out.map("headers", headers);
        out.texts("cookies", cookies);
        out.end()
    }

    /// The whole body, for tests: what streams is run.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        self.content.collect()
    }

    /// All header fields with the cookies among them, as an early answer of a filter has them.
    pub(crate) fn fields(&self) -> (u16, Vec<(String, String)>) {
        match &self.head {
            Head::Value(_) => (200, Vec::new()),
            Head::Http { status, headers, cookies } => {
                let cookies = cookies.iter().map(|cookie| ("set-cookie".to_string(), cookie.clone()));
                (*status, headers.iter().cloned().chain(cookies).collect())
            }
        }
    }

    pub(crate) fn write(self) -> Result<()> {
        crate::host::write_meta(self.head().as_bytes())?;
        match (&self.head, &self.content) {
            (Head::Value(_), Content::Bytes(none)) if none.is_empty() => Ok(()), // the value is all
            _ => self.content.write(),
        }
    }
}

/// A value is the result of a call by name.
impl From<Value> for Response {
    fn from(value: Value) -> Response {
        Response::value(value)
    }
}

/// Nothing is an empty 200.
impl From<()> for Response {
    fn from(_: ()) -> Response {
        Response::new(200)
    }
}

pub(crate) fn of_call() -> Result<Request, Error> {
    Ok(Request { event: crate::entry::event()?, body: Body::of_call() })
}
