//! What the macros export calls: it reads the event, has the plugin's function answer, and writes the answer, or reports why not.

use crate::{authorizer, filter, function, host, mapping};
use crate::{
    AuthorizerEvent, Decision, Error, Event, LiveRequest, LiveResponse, MappingInput, MappingOutput, Request, RequestEdits, Response, ResponseEdits,
    Result,
};
use std::error::Error as StdError;
use std::sync::Once;

/// What a plugin's functions may fail with: any error, a text, or a box of one.
pub trait Failure: Into<Box<dyn StdError>> {}

impl<E: Into<Box<dyn StdError>>> Failure for E {}

/// Answers `handle`.
pub fn handle<R: Into<Response>, E: Failure>(serve: impl FnOnce(Request) -> Result<R, E>) -> i32 {
    run(function::of_call, serve, |answer| answer.into().write())
}

/// Answers `authorize`.
pub fn authorize<E: Failure>(decide: impl FnOnce(AuthorizerEvent) -> Result<Decision, E>) -> i32 {
    run(|| event().map(AuthorizerEvent::from), decide, authorizer::Decision::write)
}

/// Answers `map_request` and `map_response`.
pub fn map<E: Failure>(map: impl FnOnce(MappingInput) -> Result<MappingOutput, E>) -> i32 {
    run(mapping::of_call, map, MappingOutput::write)
}

/// Answers `filter_request`.
pub fn filter_request<R: Into<RequestEdits>, E: Failure>(edit: impl FnOnce(LiveRequest) -> Result<R, E>) -> i32 {
    run(filter::request_of_call, edit, |edits| edits.into().write())
}

/// Answers `filter_response`.
pub fn filter_response<R: Into<ResponseEdits>, E: Failure>(edit: impl FnOnce(LiveResponse) -> Result<R, E>) -> i32 {
    run(filter::response_of_call, edit, |edits| edits.into().write())
}

/// The text of bytes; what is not UTF-8 is replaced.
pub(crate) fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// The event of this call.
pub(crate) fn event() -> Result<Event, Error> {
    Event::parse(text_of(host::meta()?))
}

fn run<In, Out, E: Failure>(
    read: impl FnOnce() -> Result<In, Error>,
    answer: impl FnOnce(In) -> Result<Out, E>,
    write: impl FnOnce(Out) -> Result<()>,
) -> i32 {
    prepare();
    let input = match read() {
        Ok(input) => input,
        Err(e) => return fail("Error", Box::new(e)),
    };
    match answer(input) {
        Ok(out) => write(out).map_or_else(|e| fail("Error", e), |_| 0),
        Err(e) => fail(name_of::<E>(), e.into()),
    }
}

/// Reports an error with its causes, and returns what the entry must.
fn fail(name: &str, e: Box<dyn StdError>) -> i32 {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    host::report(name, &text, "");
    1
}

/// Names an error by its type where that says something: `shop::OutOfStock`.
fn name_of<E>() -> &'static str {
    let name = std::any::type_name::<E>();
    let general = ["&", "alloc::", "core::", "std::", "postern::"];
    if general.iter().any(|prefix| name.starts_with(prefix)) {
        return "Error";
    }
    name
}

static PREPARED: Once = Once::new();

/// Readies the instance in its first call.
fn prepare() {
    PREPARED.call_once(|| {
        construct();
        // A panic ends the instance; before that, the host gets to know what it said, and where.
        std::panic::set_hook(Box::new(|panic| {
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            host::report("panic", text.unwrap_or("of another type than text"), &at);
        }));
    });
}

/// Runs the constructors of linked C code. Unless a module calls this function itself, the linker takes it for a program that runs once,
/// and has every export run the constructors and destructors around each call.
#[cfg(target_arch = "wasm32")]
fn construct() {
    extern "C" {
        fn __wasm_call_ctors();
    }
    unsafe { __wasm_call_ctors() };
}

#[cfg(not(target_arch = "wasm32"))]
fn construct() {}

/// The marker: this module speaks version 1 of the ABI.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
extern "C" fn postern_abi_1() {}
