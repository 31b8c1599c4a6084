use crate::filter::Fields;
use crate::json::{self, Object, Value};
use crate::{host, Error};
use std::io::{self, Read};

/// An HTTP request to a server outside.
///
/// ```no_run
/// # fn pay() -> postern::Result<()> {
/// let mut paid = postern::Fetch::post("https://pay.example/charges").header("x-shop", "7").body("sum=12").send()?;
/// if paid.status == 201 {
///     postern::info!("paid: {}", paid.body.read_text()?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fetch {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Fetch {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Fetch {
        Fetch { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Fetch {
        Fetch::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Fetch {
        Fetch::new("POST", url)
    }

    /// Adds a header field.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Fetch {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, of at most 10 MiB.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Fetch {
        self.body = bytes.into();
        self
    }

    /// Sends it, and waits for the head of the response. Redirects are not followed. What the definition's egress list does not allow has
    /// [`ErrorKind::Denied`](crate::ErrorKind), the end of the call's time `Timeout`, and a server that cannot be reached `Failed`.
    pub fn send(&self) -> Result<FetchResponse, Error> {
        let mut meta = Object::new();
        meta.text("method", &self.method);
        meta.text("url", &self.url);
        meta.pairs("headers", &self.headers);
        let body = FetchBody(host::fetch(meta.end().as_bytes(), &self.body)?); // closed if the rest fails
        let head = json::parse(&host::fetch_meta(body.0)?)?;
        let status = head["status"].as_i64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
        Ok(FetchResponse { status, headers: Fields::of(&head["headers"]), body })
    }
}

/// The answer to a [`Fetch`].
#[derive(Debug)]
pub struct FetchResponse {
    /// The status.
    pub status: u16,
    /// Header fields.
    pub headers: Fields,
    /// The body, which streams.
    pub body: FetchBody,
}

/// The body of an answer. Dropping it closes it; of those that are not, a call may have 16.
#[derive(Debug)]
pub struct FetchBody(i32);

impl FetchBody {
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

impl Read for FetchBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(host::fetch_body(self.0, buf)?)
    }
}

impl Drop for FetchBody {
    fn drop(&mut self) {
        host::fetch_close(self.0);
    }
}
