//! What a plugin can do to the world. Texts and values last until the end of the call.
const std = @import("std");
const abi = @import("abi.zig");
const body = @import("body.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");

/// The plugin's configuration, `config:` in the definition, as T; null without one. What T has no fields for is left out.
pub fn config(T: type) !?T {
    const text = try abi.read(entry.allocator(), .config);
    return if (text.len == 0) null else try entry.parseText(T, entry.allocator(), text);
}

/// An environment variable of the plugin; null where it has none of that name.
pub fn env(name: []const u8) ?[]const u8 {
    return abi.read(entry.allocator(), .{ .env = name }) catch null;
}

/// A secret that the definition declares for this plugin, or `error.NotFound`.
pub fn secret(name: []const u8) ![]const u8 {
    return abi.read(entry.allocator(), .{ .secret = name });
}

/// What belongs to this call. All but the deadline are there for functions alone.
pub const CallContext = struct {
    /// Milliseconds since 1970.
    deadline: i64 = 0,
    requestId: []const u8 = "",
    function: struct { name: []const u8 = "", version: []const u8 = "", arn: []const u8 = "" } = .{},
    /// That a caller by name sent.
    client: std.json.Value = .null,

    /// Milliseconds until the deadline; 0 when it has passed.
    pub fn remaining(c: *const CallContext) i64 {
        return @max(0, c.deadline -| @divFloor(now(), std.time.ns_per_ms));
    }
};

pub fn callContext() !CallContext {
    return entry.parseText(CallContext, entry.allocator(), try abi.read(entry.allocator(), .context));
}

/// The W3C traceparent of this call's span; empty when nothing is traced. `fetch` does not send it by itself.
pub fn traceparent() []const u8 {
    return abi.read(entry.allocator(), .traceparent) catch "";
}

/// Why a host function failed last in this call: a text for people.
pub fn reason() []const u8 {
    return abi.read(entry.allocator(), .reason) catch "";
}

/// Nanoseconds since 1970, in UTC.
pub fn now() i64 {
    return abi.now();
}

/// Fills memory with bytes that cannot be foreseen.
pub fn random(p: []u8) void {
    abi.random(p);
}

/// Severities of a line in the host's log.
pub const Level = enum(i32) { debug = -4, info = 0, warn = 4, err = 8 };

/// A line for the host's log. std.log does it too, where a plugin says `pub const std_options = postern.options;`.
pub fn log(level: Level, comptime format: []const u8, args: anytype) void {
    const line = std.fmt.allocPrint(entry.allocator(), format, args) catch format;
    abi.log(@backingInt(level), line);
}

/// Std.log's way to the host's log.
pub fn logFn(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    const prefix = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    log(switch (level) {
        .err => .err,
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, prefix ++ format, args);
}

/// A part of the call's trace.
pub const Span = struct {
    id: i32,

    /// Opens a child of this call's span. What is not ended by the end of the call, the host ends as failed.
    pub fn start(name: []const u8) Span {
        return .{ .id = abi.startSpan(name) };
    }

    /// Ends it; a text says that it failed, and why.
    pub fn end(s: Span, failure: ?[]const u8) void {
        abi.endSpan(s.id, failure orelse "");
    }
};

/// Metrics of the plugin: names of at most 63 letters, digits, `_` and dots, a letter first. `error.Busy` beyond 32 names.
pub const metrics = struct {
    /// Adds to a counter.
    pub fn count(name: []const u8, by: f64) abi.Error!void {
        return abi.metric(0, name, by);
    }
    /// Sets a gauge.
    pub fn gauge(name: []const u8, value: f64) abi.Error!void {
        return abi.metric(1, name, value);
    }
    /// Records in a histogram.
    pub fn record(name: []const u8, value: f64) abi.Error!void {
        return abi.metric(2, name, value);
    }
};

/// An HTTP request to a server outside, which the definition's egress list must allow.
pub const FetchRequest = struct {
    method: []const u8 = "GET",
    url: []const u8,
    headers: []const fields.Field = &.{},
    body: []const u8 = "",
};

/// Its answer. The host closes it at the end of the call at the latest.
pub const FetchResponse = struct {
    status: u16,
    headers: fields.Fields,
    source: *body.Reader,

    /// The first value of a header field, in any case.
    pub fn header(res: *const FetchResponse, name: []const u8) ?[]const u8 {
        return res.headers.header(name);
    }

    pub fn reader(res: *const FetchResponse) *std.Io.Reader {
        return &res.source.interface;
    }

    /// The whole rest of the body: `error.TooLarge` where it has more than max bytes.
    pub fn readAll(res: *const FetchResponse, max: usize) ![]u8 {
        return body.all(entry.allocator(), res.source, max);
    }

    pub fn close(res: *const FetchResponse) void {
        abi.closeFetch(res.source.handle);
    }
};

/// Makes a request, and waits for the head of the response. Redirects are not followed. `error.Denied` where the egress list does not
/// allow it, `error.Timeout`, `error.Failed`, `error.TooLarge`, `error.Busy` (16 are open).
pub fn fetch(req: FetchRequest) !FetchResponse {
    const arena = entry.allocator();
    const meta = try std.json.Stringify.valueAlloc(arena, .{ .method = req.method, .url = req.url, .headers = req.headers }, .{});
    const handle = try abi.fetch(meta, req.body);
    errdefer abi.closeFetch(handle);
    const Head = struct { status: u16 = 0, headers: fields.Fields = .{} };
    const head = try entry.parseText(Head, arena, try abi.read(arena, .{ .fetch = handle }));
    const source = try arena.create(body.Reader);
    source.* = .init(handle, try arena.alloc(u8, 4096));
    return .{ .status = head.status, .headers = head.headers, .source = source };
}

/// The plugin's own small map, which outlives its instances and versions. A key has 1 to 512 bytes of UTF-8, a value at most 64 KiB.
pub const kv = struct {
    pub const Entry = struct { value: []const u8, revision: i64 };

    /// Whatever there is, or nothing.
    pub const any: i64 = -1;

    pub const PutOptions = struct {
        /// Milliseconds after which the entry is gone, rounded up to seconds; 0 keeps it.
        ttl_ms: i64 = 0,
        /// What the entry must have now: `any`, 0 for there being none, or that one; otherwise `error.Conflict`.
        revision: i64 = any,
    };

    /// An entry; null where there is none.
    pub fn get(key: []const u8) !?Entry {
        const value = abi.read(entry.allocator(), .{ .kv = key }) catch |err| return if (err == error.NotFound) null else err;
        return .{ .value = value, .revision = abi.revision() };
    }

    /// Sets an entry, and returns its revision. `error.TooLarge` over the limits.
    pub fn put(key: []const u8, value: []const u8, options: PutOptions) abi.Error!i64 {
        try abi.put(key, value, options.ttl_ms, options.revision);
        return abi.revision();
    }

    /// Removes an entry of that revision; with `any`, also what is not there.
    pub fn delete(key: []const u8, revision: i64) abi.Error!void {
        return abi.delete(key, revision);
    }

    /// Up to 1,000 keys that begin with prefix and come after the key after, sorted by their bytes.
    pub fn keys(prefix: []const u8, after: []const u8) ![]const []const u8 {
        const arena = entry.allocator();
        return entry.parseText([]const []const u8, arena, try abi.read(arena, .{ .keys = .{ .prefix = prefix, .after = after } }));
    }
};
