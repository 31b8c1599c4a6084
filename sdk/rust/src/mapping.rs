use crate::body::Body;
use crate::json::{Object, Value};
use crate::{host, Error, Event, Result};

/// A body that is to be turned into another, and what is around it.
#[derive(Debug)]
pub struct MappingInput {
    event: Event,
    /// The body, which streams.
    pub body: Body,
}

impl MappingInput {
    /// An input of its description and a body, as a test makes it.
    pub fn new(event: Event, body: impl Into<Body>) -> MappingInput {
        MappingInput { event, body: body.into() }
    }

    /// The whole description.
    pub fn json(&self) -> &Value {
        self.event.json()
    }

    /// A parameter of the request, looked for in path, query string and header, in this order.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.path_parameter(name).or_else(|| self.query(name)).or_else(|| self.header(name))
    }

    /// A parameter of the path, decoded.
    pub fn path_parameter(&self, name: &str) -> Option<&str> {
        self.json()["params"]["path"][name].as_str()
    }

    /// A parameter of the query string, decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.json()["params"]["querystring"][name].as_str()
    }

    /// A header of the request. Names are in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.json()["params"]["header"][name].as_str()
    }

    /// Amazon's `$context`: `input.context()["requestId"]`.
    pub fn context(&self) -> &Value {
        &self.json()["context"]
    }

    /// The request's id, as it is in the log.
    pub fn request_id(&self) -> &str {
        self.context()["requestId"].as_str().unwrap_or("")
    }

    /// A variable of the stage.
    pub fn stage_variable(&self, name: &str) -> Option<&str> {
        self.json()["stageVariables"][name].as_str()
    }

    /// The status of the integration's response; `None` in a request mapping.
    pub fn response_status(&self) -> Option<u16> {
        self.json()["response"]["status"].as_i64().and_then(|status| u16::try_from(status).ok())
    }

    /// A header of the integration's response. Names are in lower case.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        self.json()["response"]["headers"][name].as_str()
    }
}

/// The new body, and what else is to be changed. An override replaces every value of its name.
#[derive(Clone, Debug, Default)]
pub struct MappingOutput {
    body: Vec<u8>,
    content_type: Option<String>,
    status: Option<u16>,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    header: Vec<(String, String)>,
    response_header: Vec<(String, String)>,
}

impl MappingOutput {
    /// An empty body, and nothing else changed.
    pub fn new() -> MappingOutput {
        MappingOutput::default()
    }

    /// A body of JSON.
    pub fn json(value: impl Into<Value>) -> MappingOutput {
        MappingOutput::new().body(value.into().to_string()).content_type("application/json")
    }

    /// Sets the new body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> MappingOutput {
        self.body = bytes.into();
        self
    }

    /// Sets the media type of the body.
    pub fn content_type(mut self, media_type: impl Into<String>) -> MappingOutput {
        self.content_type = Some(media_type.into());
        self
    }

    /// Overrides a path parameter of the request to the integration.
    pub fn request_path(mut self, name: impl Into<String>, value: impl Into<String>) -> MappingOutput {
        self.path.push((name.into(), value.into()));
        self
    }

    /// Overrides a query string parameter of the request to the integration.
    pub fn request_query(mut self, name: impl Into<String>, value: impl Into<String>) -> MappingOutput {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Overrides a header of the request to the integration.
    pub fn request_header(mut self, name: impl Into<String>, value: impl Into<String>) -> MappingOutput {
        self.header.push((name.into(), value.into()));
        self
    }

    /// Overrides the status of the response.
    pub fn response_status(mut self, status: u16) -> MappingOutput {
        self.status = Some(status);
        self
    }

    /// Overrides a header of the response.
    pub fn response_header(mut self, name: impl Into<String>, value: impl Into<String>) -> MappingOutput {
        self.response_header.push((name.into(), value.into()));
        self
    }

    /// What is changed beside the body, in JSON, as the host gets it. For tests.
    pub fn head(&self) -> String {
        let mut out = Object::new();
        if let Some(media_type) = &self.content_type {
            out.text("contentType", media_type);
        }
        let mut request = Object::new();
        request.map("path", &self.path);
        request.map("querystring", &self.query);
        request.map("header", &self.header);
        let mut response = Object::new();
        if let Some(status) = self.status {
            response.number("status", status);
        }
        response.map("header", &self.response_header);
        for (name, part) in [("requestOverride", request.end()), ("responseOverride", response.end())] {
            if part != "{}" {
                out.raw(name, &part);
            }
        }
        out.end()
    }

    /// The new body. For tests.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn write(self) -> Result<()> {
        host::write_meta(self.head().as_bytes())?;
        Ok(host::write_body(&self.body)?)
    }
}

pub(crate) fn of_call() -> Result<MappingInput, Error> {
    Ok(MappingInput { event: crate::entry::event()?, body: Body::of_call() })
}
