//! The host functions of spec/abi.md. Elsewhere than in WebAssembly a host of this file's own stands in, so that `zig build test` can
//! run handlers: see `testing`.
const std = @import("std");
const builtin = @import("builtin");

pub const is_wasm = builtin.cpu.arch.isWasm();
const host = if (is_wasm) imports else testing;

/// Where memory of a call comes from.
pub const backing: std.mem.Allocator = if (is_wasm) std.heap.wasm_allocator else std.heap.page_allocator;

const imports = struct {
    extern "postern" fn meta_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn body_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn config_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn env_read(name: [*]const u8, name_len: usize, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn secret_read(name: [*]const u8, name_len: usize, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn context_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn reason_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn traceparent_read(ptr: [*]u8, cap: usize) i32;
    extern "postern" fn meta_write(ptr: [*]const u8, len: usize) i32;
    extern "postern" fn body_write(ptr: [*]const u8, len: usize) i32;
    extern "postern" fn body_flush() i32;
    extern "postern" fn @"error"(kind: [*]const u8, kind_len: usize, text: [*]const u8, text_len: usize, stack: [*]const u8, stack_len: usize) i32;
    extern "postern" fn log(level: i32, ptr: [*]const u8, len: usize) i32;
    extern "postern" fn now() i64;
    extern "postern" fn random(ptr: [*]u8, len: usize) i32;
    extern "postern" fn fetch(meta: [*]const u8, meta_len: usize, body: [*]const u8, body_len: usize) i32;
    extern "postern" fn fetch_meta_read(handle: i32, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn fetch_body_read(handle: i32, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn fetch_close(handle: i32) i32;
    extern "postern" fn span_start(name: [*]const u8, len: usize) i32;
    extern "postern" fn span_end(id: i32, text: [*]const u8, len: usize) i32;
    extern "postern" fn kv_get(key: [*]const u8, key_len: usize, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn kv_revision() i64;
    extern "postern" fn kv_put(key: [*]const u8, key_len: usize, ptr: [*]const u8, len: usize, ttl_ms: i64, revision_of: i64) i32;
    extern "postern" fn kv_delete(key: [*]const u8, key_len: usize, revision: i64) i32;
    extern "postern" fn kv_keys(prefix: [*]const u8, prefix_len: usize, after: [*]const u8, after_len: usize, ptr: [*]u8, cap: usize) i32;
    extern "postern" fn metric(kind: i32, name: [*]const u8, len: usize, value: f64) i32;
};

/// The host outside of WebAssembly: what a test says is read, and what was written is kept. A call uses one, so tests run one by one.
pub const testing = struct {
    /// What the next call reads: its event, its body, and the value of everything else that is read.
    pub var event: []const u8 = "{}";
    pub var body: []const u8 = "";
    pub var value: []const u8 = "";
    /// What was written: meta, body, and "type: message" of an error. They grow within fixed_buffers.
    pub var meta: Written = .{};
    pub var written: Written = .{};
    pub var failure: Written = .{};

    pub const Written = struct {
        buffer: [64 << 10]u8 = undefined,
        len: usize = 0,

        pub fn text(w: *const Written) []const u8 {
            return w.buffer[0..w.len];
        }

        fn add(w: *Written, data: []const u8) void {
            const n = @min(data.len, w.buffer.len - w.len);
            @memcpy(w.buffer[w.len..][0..n], data[0..n]);
            w.len += n;
        }
    };

    /// Begins a test: of this event and body.
    pub fn begin(with_event: []const u8, with_body: []const u8) void {
        event = with_event;
        body = with_body;
        meta.len = 0;
        written.len = 0;
        failure.len = 0;
    }

    fn give(v: []const u8, ptr: [*]u8, cap: usize) i32 {
        const n = @min(v.len, cap);
        @memcpy(ptr[0..n], v[0..n]);
        return @intCast(v.len);
    }

    fn meta_read(ptr: [*]u8, cap: usize) i32 {
        return give(event, ptr, cap);
    }
    fn body_read(ptr: [*]u8, cap: usize) i32 {
        const n = @min(body.len, @min(cap, 7)); // bodies come in pieces
        defer body = body[n..];
        return give(body[0..n], ptr, cap);
    }
    fn config_read(ptr: [*]u8, cap: usize) i32 {
        return give(value, ptr, cap);
    }
    fn env_read(name: [*]const u8, name_len: usize, ptr: [*]u8, cap: usize) i32 {
        return if (std.mem.eql(u8, name[0..name_len], "OTHER")) -2 else give(value, ptr, cap);
    }
    const secret_read = env_read;
    const context_read = config_read;
    fn reason_read(ptr: [*]u8, cap: usize) i32 {
        return give("because", ptr, cap);
    }
    const traceparent_read = config_read;
    fn meta_write(ptr: [*]const u8, len: usize) i32 {
        meta.add(ptr[0..len]);
        return 0;
    }
    fn body_write(ptr: [*]const u8, len: usize) i32 {
        written.add(ptr[0..len]);
        return 0;
    }
    fn body_flush() i32 {
        return 0;
    }
    fn @"error"(kind: [*]const u8, kind_len: usize, text: [*]const u8, text_len: usize, _: [*]const u8, _: usize) i32 {
        failure.len = 0;
        failure.add(kind[0..kind_len]);
        failure.add(": ");
        failure.add(text[0..text_len]);
        return 0;
    }
    fn log(_: i32, _: [*]const u8, _: usize) i32 {
        return 0;
    }
    fn now() i64 {
        return 1767225600000000000;
    }
    fn random(ptr: [*]u8, len: usize) i32 {
        @memset(ptr[0..len], 7);
        return 0;
    }
    fn fetch(_: [*]const u8, _: usize, _: [*]const u8, _: usize) i32 {
        return 1;
    }
    fn fetch_meta_read(_: i32, ptr: [*]u8, cap: usize) i32 {
        return give(value, ptr, cap);
    }
    fn fetch_body_read(_: i32, ptr: [*]u8, cap: usize) i32 {
        return body_read(ptr, cap);
    }
    fn fetch_close(_: i32) i32 {
        return 0;
    }
    fn span_start(_: [*]const u8, _: usize) i32 {
        return 1;
    }
    fn span_end(_: i32, _: [*]const u8, _: usize) i32 {
        return 0;
    }
    fn kv_get(_: [*]const u8, _: usize, ptr: [*]u8, cap: usize) i32 {
        return give(value, ptr, cap);
    }
    fn kv_revision() i64 {
        return 3;
    }
    fn kv_put(_: [*]const u8, _: usize, _: [*]const u8, _: usize, _: i64, want: i64) i32 {
        return if (want == 0) -10 else 0;
    }
    fn kv_delete(_: [*]const u8, _: usize, _: i64) i32 {
        return 0;
    }
    fn kv_keys(_: [*]const u8, _: usize, _: [*]const u8, _: usize, ptr: [*]u8, cap: usize) i32 {
        return give(value, ptr, cap);
    }
    fn metric(_: i32, _: [*]const u8, _: usize, _: f64) i32 {
        return 0;
    }
};

/// What host functions fail with. `reason` has a text for people.
pub const Error = error{
    /// Nobody reads the output on, or the input is gone with its sender.
    Closed,
    /// No such variable, secret, response, span or entry.
    NotFound,
    /// Over a limit of size.
    TooLarge,
    /// Not now: meta after a body, a body that was not announced.
    Order,
    /// The plugin may not.
    Denied,
    /// The other end could not be reached, or broke off.
    Failed,
    /// The time of the call is over.
    Timeout,
    /// An argument makes no sense.
    Invalid,
    /// Too many are open.
    Busy,
    /// The entry of the map has another revision.
    Conflict,
};

/// The result of a host function: 0 or more, or an error.
pub fn check(result: i32) Error!usize {
    return switch (result) {
        0...std.math.maxInt(i32) => @intCast(result),
        -1 => error.Closed,
        -2 => error.NotFound,
        -3 => error.TooLarge,
        -4 => error.Order,
        -5 => error.Denied,
        -7 => error.Timeout,
        -8 => error.Invalid,
        -9 => error.Busy,
        -10 => error.Conflict,
        else => error.Failed,
    };
}

/// Names one of the host's values.
pub const Value = union(enum) {
    meta,
    config,
    context,
    reason,
    traceparent,
    env: []const u8,
    secret: []const u8,
    fetch: i32,
    kv: []const u8,
    keys: struct { prefix: []const u8, after: []const u8 },

    fn from(v: Value, p: []u8) i32 {
        return switch (v) {
            .meta => host.meta_read(p.ptr, p.len),
            .config => host.config_read(p.ptr, p.len),
            .context => host.context_read(p.ptr, p.len),
            .reason => host.reason_read(p.ptr, p.len),
            .traceparent => host.traceparent_read(p.ptr, p.len),
            .env => |name| host.env_read(name.ptr, name.len, p.ptr, p.len),
            .secret => |name| host.secret_read(name.ptr, name.len, p.ptr, p.len),
            .fetch => |handle| host.fetch_meta_read(handle, p.ptr, p.len),
            .kv => |key| host.kv_get(key.ptr, key.len, p.ptr, p.len),
            .keys => |k| host.kv_keys(k.prefix.ptr, k.prefix.len, k.after.ptr, k.after.len, p.ptr, p.len),
        };
    }
};

/// Reads a value. The first try has room for most.
pub fn read(gpa: std.mem.Allocator, what: Value) (Error || error{OutOfMemory})![]u8 {
    var buffer = try gpa.alloc(u8, 1024);
    while (true) {
        const n = try check(what.from(buffer));
        if (n <= buffer.len) return buffer[0..n];
        buffer = try gpa.alloc(u8, n);
    }
}

pub fn readBody(p: []u8) Error!usize {
    return check(host.body_read(p.ptr, p.len));
}

pub fn writeMeta(p: []const u8) Error!void {
    _ = try check(host.meta_write(p.ptr, p.len));
}

pub fn writeBody(p: []const u8) Error!void {
    _ = try check(host.body_write(p.ptr, p.len));
}

pub fn flushBody() Error!void {
    _ = try check(host.body_flush());
}

pub fn report(kind: []const u8, text: []const u8) void {
    _ = host.@"error"(kind.ptr, kind.len, text.ptr, text.len, "", 0);
}

pub fn log(level: i32, line: []const u8) void {
    _ = host.log(level, line.ptr, line.len);
}

pub fn now() i64 {
    return host.now();
}

pub fn random(p: []u8) void {
    var rest = p;
    while (rest.len > 0) {
        const n = @min(rest.len, 65536);
        _ = host.random(rest.ptr, n);
        rest = rest[n..];
    }
}

pub fn fetch(meta: []const u8, body: []const u8) Error!i32 {
    return @intCast(try check(host.fetch(meta.ptr, meta.len, body.ptr, body.len)));
}

pub fn readFetch(handle: i32, p: []u8) Error!usize {
    return check(host.fetch_body_read(handle, p.ptr, p.len));
}

pub fn closeFetch(handle: i32) void {
    _ = host.fetch_close(handle);
}

pub fn startSpan(name: []const u8) i32 {
    return host.span_start(name.ptr, name.len);
}

pub fn endSpan(id: i32, text: []const u8) void {
    _ = host.span_end(id, text.ptr, text.len);
}

pub fn revision() i64 {
    return host.kv_revision();
}

pub fn put(key: []const u8, value: []const u8, ttl_ms: i64, of_revision: i64) Error!void {
    _ = try check(host.kv_put(key.ptr, key.len, value.ptr, value.len, ttl_ms, of_revision));
}

pub fn delete(key: []const u8, of_revision: i64) Error!void {
    _ = try check(host.kv_delete(key.ptr, key.len, of_revision));
}

pub fn metric(kind: i32, name: []const u8, value: f64) Error!void {
    _ = try check(host.metric(kind, name.ptr, name.len, value));
}
