//! For plugins of Postern in Rust: functions, authorizers, mappings and filters, compiled to WebAssembly.
//!
//! A plugin is a `cdylib` that names the functions that answer:
//!
//! ```
//! use postern::{Request, Response, Result};
//!
//! postern::function!(serve);
//!
//! fn serve(request: Request) -> Result<Response> {
//!     let name = request.path_parameter("name").ok_or("there is no name")?;
//!     Ok(Response::text(200, format!("hello, {name}")))
//! }
//! ```
//!
//! | macro | function | contract |
//! |---|---|---|
//! | [`function!`] | `fn(Request) -> Result<Response>` | function |
//! | [`authorizer!`] | `fn(AuthorizerEvent) -> Result<Decision>` | authorizer |
//! | [`mapping!`] | `fn(MappingInput) -> Result<MappingOutput>` | mapping |
//! | [`filter!`] | `fn(LiveRequest) -> Result<RequestEdits>`, `fn(LiveResponse) -> Result<ResponseEdits>` | filter |
//!
//! What a plugin does not name, it does not implement. Errors may be of any type that becomes a `Box<dyn Error>`; they are for the log, and the
//! client sees 500. A plugin stays alive between calls, so statics keep their values, and takes one call at a time. It may panic: the call
//! fails with the panic's text and place in the log, and the next one gets a new instance.
//!
//! Whatever reaches outside goes through the host: [`Fetch`], [`kv`], [`secret`], [`log`], [`Span`], [`now`] and [`random`]. There is no file
//! system and there are no sockets. With the target `wasm32-wasip1` the standard library's clock, environment and output work too.
//!
//! The crate also compiles for other systems, so that the functions can be tested with `cargo test`. There is no host there: logs go to
//! standard error, and what reaches outside fails with [`ErrorKind::NoHost`].

#![warn(missing_docs)]

mod authorizer;
mod body;
#[doc(hidden)]
pub mod entry;
mod error;
mod event;
mod fetch;
mod filter;
mod function;
mod host;
pub mod json;
pub mod kv;
mod mapping;
mod world;

pub use authorizer::{AuthorizerEvent, Decision, Statement};
pub use body::{Body, Writer};
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use fetch::{Fetch, FetchBody, FetchResponse};
pub use filter::{Fields, LiveRequest, LiveResponse, RequestEdits, ResponseEdits};
pub use function::{Request, Response};
pub use json::Value;
pub use mapping::{MappingInput, MappingOutput};
pub use world::{config, env, log, metric, now, random, secret, trace_parent, Context, Level, Span};

/// What a plugin's functions return: any error does.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Exports the function that answers requests, and calls by name: `postern::function!(serve);`
#[macro_export]
macro_rules! function {
    ($serve:path) => {
        $crate::__export!("handle", $crate::entry::handle($serve));
    };
}

/// Exports the function that decides who may pass: `postern::authorizer!(decide);`
#[macro_export]
macro_rules! authorizer {
    ($decide:path) => {
        $crate::__export!("authorize", $crate::entry::authorize($decide));
    };
}

/// Exports the functions that map bodies, either or both: `postern::mapping!(request: to_order, response: from_order);`
#[macro_export]
macro_rules! mapping {
    (request: $request:path $(, response: $response:path)? $(,)?) => {
        $crate::__export!("map_request", $crate::entry::map($request));
        $($crate::__export!("map_response", $crate::entry::map($response));)?
    };
    (response: $response:path $(,)?) => {
        $crate::__export!("map_response", $crate::entry::map($response));
    };
}

/// Exports the halves of a filter, either or both: `postern::filter!(request: ask, response: answer);` Both halves of one exchange run on one
/// instance, with no other exchange's in between.
#[macro_export]
macro_rules! filter {
    (request: $request:path $(, response: $response:path)? $(,)?) => {
        $crate::__export!("filter_request", $crate::entry::filter_request($request));
        $($crate::__export!("filter_response", $crate::entry::filter_response($response));)?
    };
    (response: $response:path $(,)?) => {
        $crate::__export!("filter_response", $crate::entry::filter_response($response));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($name:literal, $call:expr) => {
        const _: () = {
            #[cfg_attr(target_arch = "wasm32", export_name = $name)]
            #[allow(dead_code)]
            extern "C" fn entry() -> i32 {
                $call
            }
        };
    };
}

/// The README's examples, which build.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
