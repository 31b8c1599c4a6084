//! What a plugin sees of the world beside its event.

use crate::entry::text_of;
use crate::json::{self, Value};
use crate::{host, Error, ErrorKind};
use std::time::Duration;

/// The plugin's configuration, the `config:` beside it in the definition. Null where there is none.
pub fn config() -> Result<Value, Error> {
    let text = host::config()?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    json::parse(&text)
}

/// A variable of the plugin's `env:`; `None` where there is none of that name, and outside of a host.
pub fn env(name: &str) -> Option<String> {
    host::env(name).ok().map(text_of)
}

/// A secret that the definition declares for this plugin. One that is not there has [`ErrorKind::NotFound`].
pub fn secret(name: &str) -> Result<String, Error> {
    host::secret(name).map(text_of).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("the plugin declares no secret {name}")),
        _ => e,
    })
}

/// The time since 1970 in UTC.
pub fn now() -> Duration {
    Duration::from_nanos(host::now().max(0) as u64)
}

/// Fills a buffer with bytes that nobody can foresee.
pub fn random(buf: &mut [u8]) -> Result<(), Error> {
    buf.chunks_mut(MAX_RANDOM).try_for_each(host::random)
}

/// How much the host gives at once, in bytes (`spec/abi.md`, "Limits").
const MAX_RANDOM: usize = 65_536;

/// The W3C `traceparent` of this call's span, where it is traced. A fetch does not send it by itself.
pub fn trace_parent() -> Option<String> {
    Some(text_of(host::trace_parent())).filter(|parent| !parent.is_empty())
}

/// What the host tells of this call beside its event. All but the deadline is for functions alone.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// When the call's time is over, since 1970 in UTC.
    pub deadline: Duration,
    /// The id of this call.
    pub request_id: String,
    /// The function's name.
    pub function_name: String,
    /// The function's version; `$LATEST` outside of a store.
    pub function_version: String,
    /// The function's ARN, with the qualifier that the caller gave.
    pub function_arn: String,
    /// What the caller of a function by name told of itself.
    pub client: Value,
}

impl Context {
    /// The context of this call.
    pub fn get() -> Result<Context, Error> {
        let context = json::parse(&host::context()?)?;
        let text = |value: &Value| value.as_str().unwrap_or("").to_string();
        let function = &context["function"];
        Ok(Context {
            deadline: Duration::from_millis(context["deadline"].as_i64().unwrap_or(0).max(0) as u64),
            request_id: text(&context["requestId"]),
            function_name: text(&function["name"]),
            function_version: text(&function["version"]),
            function_arn: text(&function["arn"]),
            client: context["client"].clone(),
        })
    }

    /// How much of the call's time is left.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_sub(now())
    }
}

/// What a line of the log is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For who looks for a fault.
    Debug = -4,
    /// For the record.
    Info = 0,
    /// Something is odd.
    Warn = 4,
    /// Something is broken.
    Error = 8,
}

/// Writes a line to the host's log; outside of a host, to standard error. The macros [`debug!`](crate::debug), [`info!`](crate::info),
/// [`warn!`](crate::warn) and [`error!`](crate::error) format one.
pub fn log(level: Level, line: &str) {
    if !host::log(level as i32, line) {
        eprintln!("{level:?} {line}");
    }
}

/// Logs a line for who looks for a fault: `debug!("{} items", n)`.
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::log($crate::Level::Debug, &format!($($line)+)) }; }

/// Logs a line for the record: `info!("{} items", n)`.
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::log($crate::Level::Info, &format!($($line)+)) }; }

/// Logs that something is odd: `warn!("{} items", n)`.
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::log($crate::Level::Warn, &format!($($line)+)) }; }

/// Logs that something is broken: `error!("{} items", n)`.
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::log($crate::Level::Error, &format!($($line)+)) }; }

/// A part of the call's trace, below the call's own span. It ends when it is dropped.
#[derive(Debug)]
pub struct Span(Option<i32>);

impl Span {
    /// Opens a span.
    pub fn start(name: &str) -> Span {
        Span(Some(host::span_start(name)))
    }

    /// Ends it; dropping it does the same.
    pub fn end(self) {}

    /// Ends it as failed.
    pub fn fail(mut self, error: impl ToString) {
        if let Some(id) = self.0.take() {
            host::span_end(id, &error.to_string());
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            host::span_end(id, "");
        }
    }
}

/// The plugin's own metrics, which the host exports. Names are letters, digits, `_` and `.`, at most 63, a letter first; a plugin has at most
/// 32 of them.
pub mod metric {
    use crate::{host, Error};

    /// Adds to a counter.
    pub fn count(name: &str, amount: f64) -> Result<(), Error> {
        host::metric(0, name, amount)
    }

    /// Sets a gauge.
    pub fn gauge(name: &str, value: f64) -> Result<(), Error> {
        host::metric(1, name, value)
    }

    /// Records in a histogram.
    pub fn record(name: &str, value: f64) -> Result<(), Error> {
        host::metric(2, name, value)
    }
}
