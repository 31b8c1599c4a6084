//! A filter: it sees each request on its way in and each response on its way out.

use postern::{LiveRequest, LiveResponse, RequestEdits, Response, ResponseEdits, Result};

postern::filter!(request: incoming, response: outgoing);

/// Answers for the host what is not to reach a backend, and tells the backend the request's id.
fn incoming(request: LiveRequest) -> Result<RequestEdits> {
    if request.headers.get("x-blocked").is_some() {
        return Ok(Response::text(403, "blocked").into());
    }
    Ok(RequestEdits::new().set_header("x-request-id", request.request_id()))
}

/// Hides what the backend says of itself. The body passes as it is.
fn outgoing(_: LiveResponse) -> Result<ResponseEdits> {
    Ok(ResponseEdits::new().remove_header("server").remove_header("x-powered-by"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::Event;

    #[test]
    fn blocks() {
        let request = LiveRequest::new(Event::parse(r#"{"request":{"headers":[["X-Blocked","1"]]}}"#).unwrap(), "");
        assert!(incoming(request).unwrap().head().contains("403"));
    }
}
