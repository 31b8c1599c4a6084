use crate::body::{Body, Content, Writer};
use crate::json::{Object, Value};
use crate::{host, Error, Event, Response, Result};

/// A header's fields in their order: names as they came, and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes a list of pairs; what is none is left out.
    pub(crate) fn of(list: &Value) -> Fields {
        let pair = |pair: &Value| Some((pair[0].as_str()?.to_string(), pair[1].as_str()?.to_string()));
        Fields(list.items().iter().filter_map(pair).collect())
    }
}

/// A request on its way through the gateway, as the first half of a filter sees it.
#[derive(Debug)]
pub struct LiveRequest {
    event: Event,
    /// Header fields.
    pub headers: Fields,
    /// The body, which streams. Who reads of it must give a new one.
    pub body: Body,
}

/// A response on its way back, as the second half of a filter sees it.
#[derive(Debug)]
pub struct LiveResponse {
    event: Event,
    /// Header fields.
    pub headers: Fields,
    /// The body, which streams. Who reads of it must give a new one.
    pub body: Body,
    /// The request as this filter sent it on; its body is empty.
    pub request: LiveRequest,
}

/// What both halves of a filter know.
macro_rules! exchange {
    ($half:ty) => {
        impl $half {
            /// The whole description.
            pub fn json(&self) -> &Value {
                self.event.json()
            }

            /// The request's id, as it is in the log.
            pub fn request_id(&self) -> &str {
                self.context()["requestId"].as_str().unwrap_or("")
            }

            /// Where the request came in, and from whom: `apiId`, `stage`, `routeKey`, `sourceIp` and the others of the contract.
            pub fn context(&self) -> &Value {
                &self.json()["context"]
            }

            /// A parameter of the path, decoded.
            pub fn path_parameter(&self, name: &str) -> Option<&str> {
                self.json()["pathParameters"][name].as_str()
            }

            /// A variable of the stage.
            pub fn stage_variable(&self, name: &str) -> Option<&str> {
                self.json()["stageVariables"][name].as_str()
            }
        }
    };
}

exchange!(LiveRequest);
exchange!(LiveResponse);

impl LiveRequest {
    /// A request of its description and a body, as a test makes it.
    pub fn new(event: Event, body: impl Into<Body>) -> LiveRequest {
        LiveRequest { headers: Fields::of(&event.json()["request"]["headers"]), event, body: body.into() }
    }

    fn part(&self, name: &str) -> &str {
        self.json()["request"][name].as_str().unwrap_or("")
    }

    /// The method, in upper case.
    pub fn method(&self) -> &str {
        self.part("method")
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.part("scheme")
    }

    /// The host that the client asks for.
    pub fn host(&self) -> &str {
        self.part("host")
    }

    /// The path below the stage, undecoded.
    pub fn path(&self) -> &str {
        self.part("path")
    }

    /// The query string, undecoded and without `?`.
    pub fn query(&self) -> &str {
        self.part("query")
    }

    /// `websocket` where the client asks for that, else empty.
    pub fn upgrade(&self) -> &str {
        self.part("upgrade")
    }

    /// The length of the body in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.json()["request"]["length"].as_i64().and_then(|n| u64::try_from(n).ok())
    }
}

impl LiveResponse {
    /// A response of its description and a body, as a test makes it.
    pub fn new(event: Event, body: impl Into<Body>) -> LiveResponse {
        let headers = Fields::of(&event.json()["response"]["headers"]);
        LiveResponse { headers, request: LiveRequest::new(event.clone(), Vec::new()), event, body: body.into() }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.json()["response"]["statusCode"].as_i64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
    }

    /// The length of the body in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.json()["response"]["length"].as_i64().and_then(|n| u64::try_from(n).ok())
    }
}

/// Changes of header fields, in the order in which they are made.
#[derive(Clone, Debug, Default)]
struct HeaderEdits {
    all: Option<Fields>,
    remove: Vec<String>,
    set: Vec<(String, String)>,
    add: Vec<(String, String)>,
}

impl HeaderEdits {
    fn write(&self, out: &mut Object) {
        if let Some(fields) = &self.all {
            out.all_pairs("headers", &fields.0);
        }
        out.texts("removeHeaders", &self.remove);
        out.pairs("setHeaders", &self.set);
        out.pairs("addHeaders", &self.add);
    }
}

/// What a filter changes of a request. The default changes nothing, and so does `()`.
#[derive(Default)]
pub struct RequestEdits {
    parts: Vec<(&'static str, String)>,
    headers: HeaderEdits,
    body: Option<Content>,
    answer: Option<Response>,
}

/// What a filter changes of a response. The default changes nothing, and so does `()`.
#[derive(Default)]
pub struct ResponseEdits {
    status: Option<u16>,
    headers: HeaderEdits,
    body: Option<Content>,
}

/// What both kinds of edits can do.
macro_rules! edits {
    ($edits:ty) => {
        impl $edits {
            /// Changes nothing.
            pub fn new() -> Self {
                Self::default()
            }

            /// Replaces all header fields.
            pub fn headers(mut self, fields: Fields) -> Self {
                self.headers.all = Some(fields);
                self
            }

            /// Removes the fields of a name, in any case. Comes after [`headers`](Self::headers).
            pub fn remove_header(mut self, name: impl Into<String>) -> Self {
                self.headers.remove.push(name.into());
                self
            }

            /// Puts a field in the place of those of its name; a name that is set twice has two. Comes after
            /// [`remove_header`](Self::remove_header).
            pub fn set_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.headers.set.push((name.into(), value.into()));
                self
            }

            /// Adds a field. Comes after [`set_header`](Self::set_header).
            pub fn add_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.headers.add.push((name.into(), value.into()));
                self
            }

            /// Sets the new body. Without one, the body passes as it is.
            pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
                self.body = Some(Content::Bytes(bytes.into()));
                self
            }

            /// Sets what writes the new body, and may read the old one meanwhile. Its error, after the first bytes, cuts the body off.
            pub fn stream(mut self, write: impl FnOnce(&mut Writer) -> Result<()> + 'static) -> Self {
                self.body = Some(Content::Stream(Box::new(write)));
                self
            }
        }

        impl From<()> for $edits {
            fn from(_: ()) -> Self {
                Self::default()
            }
        }
    };
}

edits!(RequestEdits);
edits!(ResponseEdits);

impl RequestEdits {
    /// Replaces the method.
    pub fn method(self, method: impl Into<String>) -> RequestEdits {
        self.part("method", method.into())
    }

    /// Replaces the path, for all that come after. The request is not routed again.
    pub fn path(self, path: impl Into<String>) -> RequestEdits {
        self.part("path", path.into())
    }

    /// Replaces the query string, without `?`.
    pub fn query(self, query: impl Into<String>) -> RequestEdits {
        self.part("query", query.into())
    }

    /// Replaces the host.
    pub fn host(self, host: impl Into<String>) -> RequestEdits {
        self.part("host", host.into())
    }

    /// Answers the request, which then goes no further.
    pub fn answer(mut self, response: Response) -> RequestEdits {
        self.answer = Some(response);
        self
    }

    fn part(mut self, name: &'static str, value: String) -> RequestEdits {
        self.parts.retain(|(key, _)| *key != name);
        self.parts.push((name, value));
        self
    }

    /// What is changed, in JSON, as the host gets it. For tests.
    pub fn head(&self) -> String {
        let mut out = Object::new();
        for (name, value) in &self.parts {
            out.text(name, value);
        }
        self.headers.write(&mut out);
        match &self.answer {
            Some(answer) => {
                let (status, fields) = answer.fields();
                let mut head = Object::new();
                head.number("statusCode", status);
                head.pairs("headers", &fields);
                out.raw("response", &head.end());
            }
            None if self.body.is_some() => out.raw("body", "true"),
            None => {}
        }
        out.end()
    }

    pub(crate) fn write(self) -> Result<()> {
        host::write_meta(self.head().as_bytes())?;
        match self.answer.map(|answer| answer.content).or(self.body) {
            Some(content) => content.write(),
            None => Ok(()),
        }
    }
}

impl From<Response> for RequestEdits {
    fn from(answer: Response) -> RequestEdits {
        RequestEdits::new().answer(answer)
    }
}

impl ResponseEdits {
    /// Replaces the status, by 200 to 599.
    pub fn status(mut self, status: u16) -> ResponseEdits {
        self.status = Some(status);
        self
    }

    /// What is changed, in JSON, as the host gets it. For tests.
    pub fn head(&self) -> String {
        let mut out = Object::new();
        if let Some(status) = self.status {
            out.number("statusCode", status);
        }
        self.headers.write(&mut out);
        if self.body.is_some() {
            out.raw("body", "true");
        }
        out.end()
    }

    pub(crate) fn write(self) -> Result<()> {
        host::write_meta(self.head().as_bytes())?;
        match self.body {
            Some(content) => content.write(),
            None => Ok(()),
        }
    }
}

pub(crate) fn request_of_call() -> Result<LiveRequest, Error> {
    Ok(LiveRequest::new(crate::entry::event()?, Body::of_call()))
}

pub(crate) fn response_of_call() -> Result<LiveResponse, Error> {
    Ok(LiveResponse::new(crate::entry::event()?, Body::of_call()))
}
