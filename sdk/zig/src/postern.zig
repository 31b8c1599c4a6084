//! Plugins of Postern in Zig: functions, authorizers, mappings and filters, compiled to WebAssembly.
//!
//! A plugin registers the functions that answer the entries it implements:
//!
//! ```zig
//! const postern = @import("postern");
//!
//! pub const panic = postern.panic;
//! pub const std_options = postern.options;
//!
//! comptime {
//!     postern.exportFunction(hello);
//! }
//!
//! fn hello(r: *postern.Request) !postern.Response {
//!     return r.json(200, .{ .message = r.parameter("name") orelse "nobody" });
//! }
//! ```
//!
//! What it does not register, it does not implement. A plugin stays alive between calls, so its variables keep their values, and takes
//! one call at a time. `call.arena` is memory that lasts until the end of a call. An error fails the call and is for the log: clients
//! never see it.
const std = @import("std");
const abi = @import("abi.zig");
const authorizer = @import("authorizer.zig");
const effects = @import("effects.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");
const filter = @import("filter.zig");
const function = @import("function.zig");
const mapping = @import("mapping.zig");

pub const Answer = filter.Answer;
pub const AuthorizerEvent = authorizer.AuthorizerEvent;
pub const Call = entry.Call;
pub const CallContext = effects.CallContext;
pub const Decision = authorizer.Decision;
pub const Edits = filter.Edits;
/// What host functions fail with.
pub const Error = abi.Error;
pub const Exchange = filter.Exchange;
pub const FetchRequest = effects.FetchRequest;
pub const FetchResponse = effects.FetchResponse;
pub const Field = fields.Field;
pub const Fields = fields.Fields;
pub const Level = effects.Level;
pub const MappingInput = mapping.MappingInput;
pub const MappingOutput = mapping.MappingOutput;
pub const Policy = authorizer.Policy;
pub const Request = function.Request;
pub const Response = function.Response;
pub const Span = effects.Span;
pub const Statement = authorizer.Statement;
pub const Verdict = authorizer.Verdict;

pub const callContext = effects.callContext;
pub const config = effects.config;
pub const env = effects.env;
pub const fail = entry.fail;
pub const fetch = effects.fetch;
pub const kv = effects.kv;
pub const log = effects.log;
pub const metrics = effects.metrics;
pub const now = effects.now;
pub const random = effects.random;
pub const reason = effects.reason;
pub const secret = effects.secret;
pub const traceparent = effects.traceparent;

/// The host of tests, outside of WebAssembly.
pub const testing = abi.testing;

/// For `pub const panic` of a plugin: tells the host of a panic, and ends the instance. The next call gets a new one.
pub const panic = std.debug.FullPanic(panicked);

fn panicked(message: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    abi.report("panic", message);
    @trap();
}

/// For `pub const std_options` of a plugin: std.log writes to the host's log.
pub const options: std.Options = .{ .logFn = effects.logFn };

/// Answers HTTP requests, and calls by name, with serve: fn (r: *Request) !Response.
pub fn exportFunction(comptime serve: anytype) void {
    exportEntry("handle", function.run, serve);
}

/// Asks decide: fn (ev: *AuthorizerEvent) !Decision.
pub fn exportAuthorizer(comptime decide: anytype) void {
    exportEntry("authorize", authorizer.run, decide);
}

/// Has the bodies of requests mapped by map: fn (in: *MappingInput) !MappingOutput.
pub fn exportMapRequest(comptime map: anytype) void {
    exportEntry("map_request", mapping.run, map);
}

/// Has the bodies of responses mapped by map: fn (in: *MappingInput) !MappingOutput.
pub fn exportMapResponse(comptime map: anytype) void {
    exportEntry("map_response", mapping.run, map);
}

/// Shows requests to half: fn (x: *Exchange) !Edits.
pub fn exportFilterRequest(comptime half: anytype) void {
    exportEntry("filter_request", filter.run, half);
}

/// Shows responses to half: fn (x: *Exchange) !Edits. What the first half of an exchange left in variables is there.
pub fn exportFilterResponse(comptime half: anytype) void {
    exportEntry("filter_response", filter.run, half);
}

fn exportEntry(comptime name: []const u8, comptime run: anytype, comptime handler: anytype) void {
    const Entry = struct {
        fn call() callconv(.c) i32 {
            return run(handler);
        }
    };
    if (abi.is_wasm) @export(&Entry.call, .{ .name = name });
}

/// Run an entry as the host does, on what `testing` has: 0 when the call went well.
pub const runFunction = function.run;
pub const runAuthorizer = authorizer.run;
pub const runMapping = mapping.run;
pub const runFilter = filter.run;

fn marker() callconv(.c) void {}

comptime {
    if (abi.is_wasm) @export(&marker, .{ .name = "postern_abi_1" });
}

test {
    _ = @import("test.zig");
    _ = @import("surrogates.zig");
}
