//! What a plugin's functions get and give, without a host: as a plugin's own tests call them.

use postern::{object, AuthorizerEvent, Decision, Error, ErrorKind, Event, Fetch, LiveRequest, LiveResponse, MappingInput, MappingOutput};
use postern::{Request, RequestEdits, Response, ResponseEdits, Result, Statement, Value};
use std::io::{Read, Write};

fn event(text: &str) -> Event {
    Event::parse(text).unwrap()
}

#[test]
fn a_request_reads_as_its_event() {
    let mut request = Request::new(
        event(
            r#"{"version":"2.0","routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"a=b","cookies":["a=1","b=2=3"],"headers":{"accept":"*/*"},
            "queryStringParameters":{"a":"b"},"pathParameters":{"id":"7"},"stageVariables":{"v":"w"},
            "requestContext":{"http":{"method":"GET","sourceIp":"::1"},"requestId":"r","stage":"$default","authorizer":{"lambda":{"user":"demo"}}}}"#,
        ),
        "body",
    );
    assert_eq!((request.method(), request.path(), request.raw_query(), request.route_key()), ("GET", "/orders/7", "a=b", "GET /orders/{id}"));
    assert_eq!((request.header("Accept"), request.header("x"), request.cookie("b"), request.cookie("c")), (Some("*/*"), None, Some("2=3"), None));
    assert_eq!((request.query("a"), request.path_parameter("id"), request.stage_variable("v")), (Some("b"), Some("7"), Some("w")));
    assert_eq!((request.request_id(), request.stage(), request.source_ip()), ("r", "$default", "::1"));
    assert_eq!(request.authorizer()["user"].as_str(), Some("demo"));
    assert_eq!(request.body.read_text().unwrap(), "body");

    let old =
        Request::new(event(r#"{"httpMethod":"POST","path":"/x","requestContext":{"identity":{"sourceIp":"::2"},"authorizer":{"user":"old"}}}"#), "");
    assert_eq!((old.method(), old.path(), old.source_ip(), old.authorizer()["user"].as_str()), ("POST", "/x", "::2", Some("old")));

    let other = Request::new(event("7"), "");
    assert_eq!((other.json().as_i64(), other.path(), other.headers().count()), (Some(7), "", 0));
}

#[test]
fn a_response_is_written_as_a_result() {
    let response = Response::text(200, "x").header("Content-Type", "a/b").cookie("a=1").cookie("b=2");
    assert_eq!(response.head(), r#"{"statusCode":200,"headers":{"Content-Type":"a/b"},"cookies":["a=1","b=2"]}"#);
    assert_eq!(response.into_bytes().unwrap(), b"x");
    assert_eq!(Response::from(()).head(), r#"{"statusCode":200}"#);
    assert_eq!(Response::from(object! { "a" => 1 }).head(), r#"{"a":1}"#);
    let mut request = Request::new(Event::default(), "streams");
    let echo = Response::new(200).stream(move |out| {
        std::io::copy(&mut request.body, out)?;
        Ok(out.flush()?)
    });
    assert_eq!(echo.into_bytes().unwrap(), b"streams");
    assert_eq!(Response::new(200).stream(|_| Err("cut".into())).into_bytes().unwrap_err().to_string(), "cut");
}

#[test]
fn an_authorizer_decides() {
    let asked = AuthorizerEvent::from(event(r#"{"routeArn":"arn:x","identitySource":["a","b"]}"#));
    assert_eq!((asked.route_arn(), asked.identity_source()), ("arn:x", vec!["a", "b"]));
    let old = AuthorizerEvent::from(event(r#"{"methodArn":"arn:y","authorizationToken":"t"}"#));
    assert_eq!((old.route_arn(), old.identity_source()), ("arn:y", vec!["t"]));
    assert_eq!(Decision::deny().json(), r#"{"isAuthorized":false}"#);
    assert_eq!(Decision::allow().context("user", "demo").context("n", 1).json(), r#"{"isAuthorized":true,"context":{"user":"demo","n":1}}"#);
    let policy = Decision::policy("p", [Statement::allow(["arn:a", "arn:b"]), Statement::deny(Vec::<String>::new())]);
    let policy: Value = policy.json().parse().unwrap();
    assert_eq!(policy["principalId"].as_str(), Some("p"));
    assert_eq!(policy["policyDocument"]["Statement"][0]["Resource"][1].as_str(), Some("arn:b"));
    assert_eq!(
        policy["policyDocument"]["Statement"][1],
        object! { "Effect" => "Deny", "Action" => vec!["execute-api:Invoke"], "Resource" => Vec::<String>::new() }
    );
    assert_eq!(Error::unauthorized().to_string(), "Unauthorized");
}

#[test]
fn a_mapping_overrides() {
    let input = MappingInput::new(
        event(
            r#"{"params":{"path":{"id":"path"},"querystring":{"id":"query","q":"query"},"header":{"h":"header"}},"context":{"requestId":"r"},"response":{"status":201,"headers":{"a":"b"}}}"#,
        ),
        "",
    );
    let found = ["id", "q", "h", "none"].map(|name| input.parameter(name));
    assert_eq!(found, [Some("path"), Some("query"), Some("header"), None]);
    assert_eq!((input.request_id(), input.response_status(), input.response_header("a")), ("r", Some(201), Some("b")));
    assert_eq!(MappingOutput::new().head(), "{}");
    let output =
        MappingOutput::json(object! { "a" => 1 }).request_path("id", "8").request_query("q", "1").response_status(202).response_header("x", "y");
    assert_eq!(
        output.head(),
        r#"{"contentType":"application/json","requestOverride":{"path":{"id":"8"},"querystring":{"q":"1"}},"responseOverride":{"status":202,"header":{"x":"y"}}}"#
    );
    assert_eq!(output.bytes(), br#"{"a":1}"#);
}

#[test]
fn a_filter_edits() {
    let request = LiveRequest::new(
        event(
            r#"{"request":{"method":"GET","scheme":"https","host":"h","path":"/p","query":"q","headers":[["A","1"],["a","2"],["bad"]],"length":-1},"context":{"requestId":"r"},"pathParameters":{"id":"7"}}"#,
        ),
        "body",
    );
    assert_eq!(
        (request.method(), request.scheme(), request.host(), request.path(), request.query(), request.upgrade()),
        ("GET", "https", "h", "/p", "q", "")
    );
    assert_eq!((request.headers.get("a"), request.headers.iter().count(), request.length()), (Some("1"), 2, None));
    assert_eq!((request.request_id(), request.path_parameter("id")), ("r", Some("7")));
    assert_eq!(RequestEdits::new().head(), "{}");
    let edits = RequestEdits::new()
        .path("/a")
        .path("/b")
        .query("")
        .headers(request.headers.clone())
        .remove_header("x")
        .set_header("y", "1")
        .add_header("z", "2")
        .body("new");
    assert_eq!(
        edits.head(),
        r#"{"path":"/b","query":"","headers":[["A","1"],["a","2"]],"removeHeaders":["x"],"setHeaders":[["y","1"]],"addHeaders":[["z","2"]],"body":true}"#
    );
    let early = RequestEdits::from(Response::new(403).header("a", "b").cookie("c=d"));
    assert_eq!(early.head(), r#"{"response":{"statusCode":403,"headers":[["a","b"],["set-cookie","c=d"]]}}"#);

    let mut response = LiveResponse::new(event(r#"{"response":{"statusCode":201,"headers":[],"length":4},"request":{"method":"PUT"}}"#), "text");
    assert_eq!((response.status(), response.length(), response.request.method()), (201, Some(4), "PUT"));
    let mut body = String::new();
    response.body.read_to_string(&mut body).unwrap();
    assert_eq!(body, "text");
    assert_eq!(
        ResponseEdits::new().status(202).headers(Default::default()).stream(|_| Ok(())).head(),
        r#"{"statusCode":202,"headers":[],"body":true}"#
    );
}

/// A test of a plugin may call what reaches outside: it fails plainly.
#[test]
fn without_a_host() {
    let kinds = [
        postern::secret("x").unwrap_err().kind(),
        Fetch::get("http://example.com").send().unwrap_err().kind(),
        postern::kv::put("a", "b").unwrap_err().kind(),
        postern::metric::count("n", 1.0).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NoHost; 4]);
    assert_eq!((postern::env("x"), postern::trace_parent(), postern::config().unwrap()), (None, None, Value::Null));
    postern::Span::start("x").fail("y");
    postern::warn!("{} lines", 1);
}

/// The macros take functions whose errors are of any type, and ones named as what they export.
#[test]
fn macros_take_any_function() {
    #[derive(Debug)]
    struct Sold;
    impl std::fmt::Display for Sold {
        fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("sold")
        }
    }
    impl std::error::Error for Sold {}
    fn handle(_: Request) -> Result<(), Sold> {
        Err(Sold)
    }
    fn authorize(_: AuthorizerEvent) -> Result<Decision, String> {
        Err("no".into())
    }
    fn map(_: MappingInput) -> Result<MappingOutput> {
        Err(Sold)?
    }
    fn filter(_: LiveRequest) -> Result<Response, &'static str> {
        Err("no")
    }
    postern::function!(handle);
    postern::authorizer!(authorize);
    postern::mapping!(response: map);
    postern::filter!(request: filter);
    assert_eq!(std::io::Error::from(Error::new(ErrorKind::Closed, "x")).kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(Error::from(std::io::Error::from(Error::new(ErrorKind::Timeout, "x"))).kind(), ErrorKind::Timeout);
}
