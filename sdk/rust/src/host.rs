//! The host functions of `spec/abi.md`, made safe. Outside of WebAssembly there is no host: they fail, and what reads gives nothing.

use crate::error::{Error, ErrorKind};

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "postern")]
    extern "C" {
        pub fn meta_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn body_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn config_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn env_read(name: *const u8, name_len: usize, ptr: *mut u8, cap: usize) -> i32;
        pub fn secret_read(name: *const u8, name_len: usize, ptr: *mut u8, cap: usize) -> i32;
        pub fn context_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn reason_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn traceparent_read(ptr: *mut u8, cap: usize) -> i32;
        pub fn meta_write(ptr: *const u8, len: usize) -> i32;
        pub fn body_write(ptr: *const u8, len: usize) -> i32;
        pub fn body_flush() -> i32;
        pub fn error(kind: *const u8, kind_len: usize, text: *const u8, text_len: usize, stack: *const u8, stack_len: usize) -> i32;
        pub fn log(level: i32, ptr: *const u8, len: usize) -> i32;
        pub fn now() -> i64;
        pub fn random(ptr: *mut u8, len: usize) -> i32;
        pub fn fetch(meta: *const u8, meta_len: usize, body: *const u8, body_len: usize) -> i32;
        pub fn fetch_meta_read(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub fn fetch_body_read(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub fn fetch_close(handle: i32) -> i32;
        pub fn span_start(ptr: *const u8, len: usize) -> i32;
        pub fn span_end(id: i32, ptr: *const u8, len: usize) -> i32;
        pub fn kv_get(key: *const u8, key_len: usize, ptr: *mut u8, cap: usize) -> i32;
        pub fn kv_revision() -> i64;
        pub fn kv_put(key: *const u8, key_len: usize, ptr: *const u8, len: usize, ttl: i64, revision: i64) -> i32;
        pub fn kv_delete(key: *const u8, key_len: usize, revision: i64) -> i32;
        pub fn kv_keys(prefix: *const u8, prefix_len: usize, after: *const u8, after_len: usize, ptr: *mut u8, cap: usize) -> i32;
        pub fn metric(kind: i32, name: *const u8, name_len: usize, value: f64) -> i32;
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod imports {
    use super::NO_HOST;

    /// Each is there with the types of its import, and has nobody to ask.
    macro_rules! absent {
        ($($name:ident($($parameter:ty),*) -> $result:ty = $value:expr;)*) => {
            $(pub unsafe fn $name($(_: $parameter),*) -> $result { $value })*
        };
    }

    type Out = *mut u8;
    type In = *const u8;

    absent! {
        meta_read(Out, usize) -> i32 = 0;
        body_read(Out, usize) -> i32 = 0;
        config_read(Out, usize) -> i32 = 0;
        env_read(In, usize, Out, usize) -> i32 = NO_HOST;
        secret_read(In, usize, Out, usize) -> i32 = NO_HOST;
        context_read(Out, usize) -> i32 = NO_HOST;
        reason_read(Out, usize) -> i32 = 0;
        traceparent_read(Out, usize) -> i32 = 0;
        meta_write(In, usize) -> i32 = NO_HOST;
        body_write(In, usize) -> i32 = NO_HOST;
        body_flush() -> i32 = NO_HOST;
        error(In, usize, In, usize, In, usize) -> i32 = NO_HOST;
        log(i32, In, usize) -> i32 = NO_HOST;
        now() -> i64 = 0;
        random(Out, usize) -> i32 = NO_HOST;
        fetch(In, usize, In, usize) -> i32 = NO_HOST;
        fetch_meta_read(i32, Out, usize) -> i32 = NO_HOST;
        fetch_body_read(i32, Out, usize) -> i32 = NO_HOST;
        fetch_close(i32) -> i32 = NO_HOST;
        span_start(In, usize) -> i32 = NO_HOST;
        span_end(i32, In, usize) -> i32 = NO_HOST;
        kv_get(In, usize, Out, usize) -> i32 = NO_HOST;
        kv_revision() -> i64 = 0;
        kv_put(In, usize, In, usize, i64, i64) -> i32 = NO_HOST;
        kv_delete(In, usize, i64) -> i32 = NO_HOST;
        kv_keys(In, usize, In, usize, Out, usize) -> i32 = NO_HOST;
        metric(i32, In, usize, f64) -> i32 = NO_HOST;
    }
}

/// What the functions answer outside of a host; no host does.
const NO_HOST: i32 = i32::MIN;

/// How much a value may have to be read at once: most have less.
const FIRST: usize = 2048;

/// Reads what a host function of the form `(ptr, cap) -> length` gives.
fn value(read: impl Fn(*mut u8, usize) -> i32) -> Result<Vec<u8>, Error> {
    let mut buf = Vec::with_capacity(FIRST);
    loop {
        let n = checked(read(buf.as_mut_ptr(), buf.capacity()))? as usize;
        if n <= buf.capacity() {
            // The host has filled the first n bytes.
            unsafe { buf.set_len(n) };
            return Ok(buf);
        }
        buf = Vec::with_capacity(n);
    }
}

/// Makes an error of a negative result, with the host's reason.
fn checked(result: i32) -> Result<i32, Error> {
    if result >= 0 {
        return Ok(result);
    }
    let kind = match result {
        -1 => ErrorKind::Closed,
        -2 => ErrorKind::NotFound,
        -3 => ErrorKind::TooLarge,
        -4 => ErrorKind::Order,
        -5 => ErrorKind::Denied,
        -6 => ErrorKind::Failed,
        -7 => ErrorKind::Timeout,
        -8 => ErrorKind::Invalid,
        -9 => ErrorKind::Busy,
        -10 => ErrorKind::Conflict,
        NO_HOST => return Err(Error::new(ErrorKind::NoHost, "there is no Postern host outside WebAssembly")),
        _ => ErrorKind::Other,
    };
    let reason = value(|p, n| unsafe { imports::reason_read(p, n) }).unwrap_or_default();
    Err(Error::new(kind, String::from_utf8_lossy(&reason)))
}

pub fn meta() -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::meta_read(p, n) })
}

pub fn config() -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::config_read(p, n) })
}

pub fn context() -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::context_read(p, n) })
}

pub fn trace_parent() -> Vec<u8> {
    value(|p, n| unsafe { imports::traceparent_read(p, n) }).unwrap_or_default()
}

pub fn env(name: &str) -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::env_read(name.as_ptr(), name.len(), p, n) })
}

pub fn secret(name: &str) -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::secret_read(name.as_ptr(), name.len(), p, n) })
}

pub fn read_body(buf: &mut [u8]) -> Result<usize, Error> {
    if buf.is_empty() {
        return Ok(0);
    }
    checked(unsafe { imports::body_read(buf.as_mut_ptr(), buf.len()) }).map(|n| n as usize)
}

pub fn write_meta(meta: &[u8]) -> Result<(), Error> {
    checked(unsafe { imports::meta_write(meta.as_ptr(), meta.len()) }).map(drop)
}

pub fn write_body(part: &[u8]) -> Result<(), Error> {
    checked(unsafe { imports::body_write(part.as_ptr(), part.len()) }).map(drop)
}

pub fn flush_body() -> Result<(), Error> {
    checked(unsafe { imports::body_flush() }).map(drop)
}

pub fn report(kind: &str, text: &str, stack: &str) {
    unsafe { imports::error(kind.as_ptr(), kind.len(), text.as_ptr(), text.len(), stack.as_ptr(), stack.len()) };
}

/// Reports whether there is a host that took the line.
pub fn log(level: i32, line: &str) -> bool {
    unsafe { imports::log(level, line.as_ptr(), line.len()) >= 0 }
}

pub fn now() -> i64 {
    unsafe { imports::now() }
}

pub fn random(buf: &mut [u8]) -> Result<(), Error> {
    checked(unsafe { imports::random(buf.as_mut_ptr(), buf.len()) }).map(drop)
}

pub fn fetch(meta: &[u8], body: &[u8]) -> Result<i32, Error> {
    checked(unsafe { imports::fetch(meta.as_ptr(), meta.len(), body.as_ptr(), body.len()) })
}

pub fn fetch_meta(handle: i32) -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::fetch_meta_read(handle, p, n) })
}

pub fn fetch_body(handle: i32, buf: &mut [u8]) -> Result<usize, Error> {
    if buf.is_empty() {
        return Ok(0);
    }
    checked(unsafe { imports::fetch_body_read(handle, buf.as_mut_ptr(), buf.len()) }).map(|n| n as usize)
}

pub fn fetch_close(handle: i32) {
    unsafe { imports::fetch_close(handle) };
}

/// Without a place for one more span there is none: 0.
pub fn span_start(name: &str) -> i32 {
    unsafe { imports::span_start(name.as_ptr(), name.len()) }.max(0)
}

pub fn span_end(id: i32, error: &str) {
    unsafe { imports::span_end(id, error.as_ptr(), error.len()) };
}

pub fn kv_get(key: &str) -> Result<(Vec<u8>, i64), Error> {
    let found = value(|p, n| unsafe { imports::kv_get(key.as_ptr(), key.len(), p, n) })?;
    Ok((found, unsafe { imports::kv_revision() }))
}

pub fn kv_put(key: &str, data: &[u8], ttl: i64, revision: i64) -> Result<i64, Error> {
    checked(unsafe { imports::kv_put(key.as_ptr(), key.len(), data.as_ptr(), data.len(), ttl, revision) })?;
    Ok(unsafe { imports::kv_revision() })
}

pub fn kv_delete(key: &str, revision: i64) -> Result<(), Error> {
    checked(unsafe { imports::kv_delete(key.as_ptr(), key.len(), revision) }).map(drop)
}

pub fn kv_keys(prefix: &str, after: &str) -> Result<Vec<u8>, Error> {
    value(|p, n| unsafe { imports::kv_keys(prefix.as_ptr(), prefix.len(), after.as_ptr(), after.len(), p, n) })
}

pub fn metric(kind: i32, name: &str, amount: f64) -> Result<(), Error> {
    checked(unsafe { imports::metric(kind, name.as_ptr(), name.len(), amount) }).map(drop)
}
