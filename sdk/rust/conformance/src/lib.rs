//! A function, an authorizer, two mappings and a filter in one, which use all that the SDK has. The conformance suite holds it to the
//! contracts.

use postern::kv::{self, If};
use postern::{metric, object, AuthorizerEvent, Context, Decision, Error, ErrorKind, Fetch, LiveRequest, LiveResponse, MappingInput};
use postern::{MappingOutput, Request, RequestEdits, Response, ResponseEdits, Result, Span, Statement, Writer};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::time::Duration;

postern::function!(serve);
postern::authorizer!(decide);
postern::mapping!(request: map_order, response: map_created);
postern::filter!(request: filter_order, response: filter_answer);

// An instance keeps its statics.
static CALLS: AtomicU32 = AtomicU32::new(0);
static KEPT: Mutex<String> = Mutex::new(String::new());
static SEEN: Mutex<String> = Mutex::new(String::new()); // by the first half of a filter

fn serve(request: Request) -> Result<Response> {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if request.json()["rawPath"].is_null() {
        return Ok(object! { "echo" => request.json() }.into());
    }
    match request.path() {
        "/order" => {
            let order = object! { "id" => request.path_parameter("id"), "who" => &request.authorizer()["user"] };
            Ok(Response::json(201, order))
        }
        "/calls" => Ok(Response::text(200, CALLS.load(Ordering::Relaxed).to_string())),
        "/echo" => Ok(echo(request)),
        "/ticks" => Ok(ticks()),
        "/world" => world(),
        "/fetch" => fetch(request),
        "/kv" => map(&request),
        "/context" => context(),
        "/error" => Err("no stock".into()),
        "/panic" => panic!("the shelf fell over"),
        "/spin" => spin(),
        "/deep" => Ok(Response::text(200, deep(0).to_string())),
        "/hoard" => hoard(),
        "/keep" => Ok(keep(request.query("value").unwrap_or(""))),
        "/binary" => Ok(Response::new(200).header("content-type", "application/octet-stream").body((0..=255).collect::<Vec<u8>>())),
        "/exit" => std::process::exit(4),
        _ => Ok(Response::new(404)),
    }
}

/// Passes the request's body back, a piece at a time.
fn echo(mut request: Request) -> Response {
    Response::new(200).stream(move |out| {
        io::copy(&mut request.body, out)?;
        Ok(())
    })
}

fn ticks() -> Response {
    Response::new(200).header("content-type", "text/event-stream").cookie("a=b").stream(|out| {
        for i in 0..3 {
            writeln!(out, "tick {i}")?;
            if i < 2 {
                out.flush()?;
            }
        }
        Ok(())
    })
}

/// Shows what the plugin sees of the world.
fn world() -> Result<Response> {
    let config = postern::config()?;
    let missing = matches!(postern::secret("OTHER"), Err(e) if e.kind() == ErrorKind::NotFound);
    let mut random = [0; 8];
    postern::random(&mut random)?;
    postern::info!("looked around");
    Span::start("look").end();
    Span::start("fail").fail("it broke");
    metric::count("looks", 1.0)?;
    let seen = object! {
        "issuer" => &config["issuer"], "secret" => postern::secret("TOKEN")?, "missing" => missing, "color" => postern::env("COLOR"),
        "now" => postern::now().as_millis() as i64, "random" => random.map(|byte| format!("{byte:02x}")).concat(), "trace" => postern::trace_parent(),
    };
    Ok(Response::json(200, seen))
}

/// Passes the request on to the URL in its query, and the answer back.
fn fetch(mut request: Request) -> Result<Response> {
    let sent = request.body.read_all()?;
    let url = request.query("url").unwrap_or("");
    let mut answer = match Fetch::post(url).header("x-from", "conformance").body(sent).send() {
        Ok(answer) => answer,
        Err(e) => return refused(e),
    };
    let body = match answer.body.read_all() {
        Ok(body) => body,
        Err(e) => return refused(e),
    };
    let response = Response::new(answer.status).body(body);
    Ok(match answer.headers.get("x-seen") {
        Some(seen) => response.header("x-seen", seen),
        None => response,
    })
}

fn refused(e: Error) -> Result<Response> {
    match e.kind() {
        ErrorKind::Denied => Ok(Response::text(403, "denied")),
        ErrorKind::Timeout => Ok(Response::text(504, "timeout")),
        _ => Err(e.into()),
    }
}

/// Works on the plugin's map as the query says.
fn map(request: &Request) -> Result<Response> {
    let argument = |name| request.query(name).unwrap_or("");
    let key = argument("key");
    let revision: Option<i64> = request.query("revision").map(str::parse).transpose()?;
    let done = match argument("op") {
        "get" => kv::get(key).map(|entry| match entry {
            Some(entry) => Response::new(200).header("x-revision", entry.revision.to_string()).body(entry.value),
            None => Response::new(404),
        }),
        "put" => {
            let ttl = request.query("ttl").map(str::parse).transpose()?.map(Duration::from_secs);
            let there = match revision {
                None => If::Any,
                Some(0) => If::Absent,
                Some(revision) => If::Revision(revision),
            };
            kv::put_if(key, argument("value"), ttl, there).map(|revision| Response::new(200).header("x-revision", revision.to_string()))
        }
        "delete" => match revision {
            None => kv::delete(key),
            Some(revision) => kv::delete_if(key, revision),
        }
        .map(|_| Response::new(204)),
        "keys" => kv::keys(argument("prefix")).map(|keys| Response::json(200, keys)),
        _ => Ok(Response::new(400)),
    };
    match done {
        Err(e) if e.kind() == ErrorKind::Conflict => Ok(Response::new(409)),
        Err(e) if e.kind() == ErrorKind::TooLarge => Ok(Response::new(413)),
        other => Ok(other?),
    }
}

fn context() -> Result<Response> {
    let context = Context::get()?;
    let remaining = context.remaining() > Duration::ZERO;
    Ok(Response::json(
        200,
        object! {
            "function" => context.function_name, "version" => context.function_version, "requestId" => context.request_id, "remaining" => remaining,
        },
    ))
}

fn spin() -> ! {
    loop {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls itself without end. The loads before and after keep the compiler from making a loop of it.
#[allow(unconditional_recursion)]
#[inline(never)]
fn deep(n: u32) -> u32 {
    CALLS.fetch_add(n, Ordering::Relaxed);
    deep(n.wrapping_add(1)) ^ CALLS.load(Ordering::Relaxed)
}

fn hoard() -> ! {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        pieces.push(vec![b'x'; 1 << 20]);
        CALLS.store(pieces.len() as u32, Ordering::Relaxed);
    }
}

/// Keeps a value for the next call, and answers the one before.
fn keep(value: &str) -> Response {
    let mut kept = KEPT.lock().unwrap();
    Response::text(200, std::mem::replace(&mut *kept, value.to_string()))
}

fn decide(event: AuthorizerEvent) -> Result<Decision, Error> {
    match event.header("authorization") {
        None | Some("") => Err(Error::unauthorized()),
        Some("Bearer demo") => Ok(Decision::allow().context("user", "demo")),
        Some("Bearer policy") => Ok(Decision::policy("p", [Statement::allow([event.route_arn()])])),
        Some(_) => Ok(Decision::deny()),
    }
}

fn map_order(mut input: MappingInput) -> Result<MappingOutput> {
    let order = input.body.read_json()?;
    let sku = order["item"].as_str().ok_or("the order has no item")?.to_uppercase();
    let output = MappingOutput::json(object! { "sku" => sku });
    Ok(match input.path_parameter("id") {
        Some(id) => output.request_path("id", id),
        None => output,
    })
}

fn map_created(input: MappingInput) -> Result<MappingOutput> {
    let status = input.response_status().ok_or("there is no response")?;
    Ok(MappingOutput::new().response_status(status + 1).response_header("x-mapped", "yes"))
}

fn filter_order(mut request: LiveRequest) -> Result<RequestEdits> {
    *SEEN.lock().unwrap() = format!("{} {} {}", request.method(), request.path(), request.request_id());
    match request.path() {
        "/early" => return Ok(Response::new(403).cookie("a=b").body("no").into()),
        "/as-it-is" => return Ok(().into()),
        "/panic" => panic!("the shelf fell over"),
        _ => {}
    }
    let edits = RequestEdits::new().method("PUT").path("/new").query("").host("other.example").remove_header("x-old");
    let edits = edits.set_header("x-param", request.path_parameter("id").unwrap_or("")).add_header("x-a", "1").add_header("x-a", "2");
    Ok(edits.stream(move |out| upper(&mut request.body, out)))
}

fn filter_answer(mut response: LiveResponse) -> Result<ResponseEdits> {
    let edits = ResponseEdits::new()
        .status(response.status() + 1)
        .set_header("x-seen", SEEN.lock().unwrap().as_str())
        .set_header("x-type", response.headers.get("content-type").unwrap_or(""))
        .set_header("x-sent", response.request.method());
    Ok(edits.stream(move |out| upper(&mut response.body, out)))
}

/// Passes a body on in capitals, a piece at a time.
fn upper(body: &mut impl Read, out: &mut Writer) -> Result<()> {
    let mut piece = [0; 4096];
    loop {
        let n = body.read(&mut piece)?;
        if n == 0 {
            return Ok(());
        }
        piece[..n].make_ascii_uppercase();
        out.write_all(&piece[..n])?;
    }
}
