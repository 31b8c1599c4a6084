//! Filters.
const std = @import("std");
const abi = @import("abi.zig");
const body = @import("body.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");
const function = @import("function.zig");

/// An exchange as a filter sees it, in either half.
pub const Exchange = struct {
    call: entry.Call,
    /// In the second half, as it was sent on.
    request: LiveRequest,
    /// Empty in the first half.
    response: LiveResponse,
    context: Context,
    pathParameters: fields.Fields,
    stageVariables: fields.Fields,
};

const Event = struct {
    request: LiveRequest = .{},
    response: LiveResponse = .{},
    context: Context = .{},
    pathParameters: fields.Fields = .{},
    stageVariables: fields.Fields = .{},
};

/// A request on its way through the gateway.
pub const LiveRequest = struct {
    method: []const u8 = "",
    scheme: []const u8 = "",
    host: []const u8 = "",
    /// Below the stage, undecoded.
    path: []const u8 = "",
    query: []const u8 = "",
    headers: fields.Fields = .{},
    /// Bytes of the body; -1 when unknown.
    length: i64 = -1,
    /// "websocket", or empty.
    upgrade: []const u8 = "",
};

/// A response on its way back.
pub const LiveResponse = struct {
    statusCode: u16 = 0,
    headers: fields.Fields = .{},
    /// Bytes of the body; -1 when unknown.
    length: i64 = -1,
};

/// Where a request came in, and from whom.
pub const Context = struct {
    requestId: []const u8 = "",
    apiId: []const u8 = "",
    stage: []const u8 = "",
    routeKey: []const u8 = "",
    path: []const u8 = "",
    sourceIp: []const u8 = "",
    protocol: []const u8 = "",
    domainName: []const u8 = "",
    /// Milliseconds since 1970.
    timeEpoch: i64 = 0,
};

/// What a filter changes: `.{}` nothing.
pub const Edits = struct {
    /// Of a request; null leaves it.
    method: ?[]const u8 = null,
    path: ?[]const u8 = null,
    host: ?[]const u8 = null,
    query: ?[]const u8 = null,
    /// Of a response; null leaves it.
    status: ?u16 = null,
    /// All fields, in place of those that there are; null leaves them. What follows is made after that, in this order.
    headers: ?[]const fields.Field = null,
    remove: []const []const u8 = &.{},
    set: []const fields.Field = &.{},
    add: []const fields.Field = &.{},
    /// When set, writes the new body, and may read the old one meanwhile. Without it the body passes as it is.
    body: ?*const fn (x: *Exchange, w: *std.Io.Writer) anyerror!void = null,
    /// When set, answers the request, which then goes no further.
    answer: ?Answer = null,

    fn write(e: *const Edits, w: *std.json.Stringify) !void {
        try w.beginObject();
        inline for (.{ .{ "method", e.method }, .{ "path", e.path }, .{ "host", e.host }, .{ "query", e.query }, .{ "statusCode", e.status } }) |part| {
            if (part[1]) |value| {
                try w.objectField(part[0]);
                try w.write(value);
            }
        }
        if (e.headers) |headers| {
            try w.objectField("headers");
            try w.write(headers);
        }
        try fields.writeMember(w, "removeHeaders", e.remove);
        try fields.writeMember(w, "setHeaders", e.set);
        try fields.writeMember(w, "addHeaders", e.add);
        if (e.answer) |answer| {
            try w.objectField("response");
            try w.beginObject();
            try w.objectField("statusCode");
            try w.write(answer.status);
            try fields.writeMember(w, "headers", answer.headers);
            try w.endObject();
        } else if (e.body != null) {
            try w.objectField("body");
            try w.write(true);
        }
        try w.endObject();
    }
};

/// An early answer. A cookie is a field `set-cookie`.
pub const Answer = struct {
    status: u16 = 200,
    headers: []const fields.Field = &.{},
    body: []const u8 = "",
};

/// The host shows exchanges to filter: fn (x: *Exchange) !Edits. What the first half leaves in variables, the second finds.
pub fn run(comptime filter: anytype) i32 {
    return entry.run(struct {
        fn half(call: entry.Call) anyerror!void {
            const event = try call.parse(Event);
            var x: Exchange = .{ .call = call, .request = event.request, .response = event.response, .context = event.context, .pathParameters = event.pathParameters, .stageVariables = event.stageVariables };
            const e: Edits = try filter(&x);
            var text: std.Io.Writer.Allocating = .init(call.arena);
            var w: std.json.Stringify = .{ .writer = &text.writer };
            try e.write(&w);
            try abi.writeMeta(text.written());
            if (e.answer) |answer| return abi.writeBody(answer.body);
            if (e.body) |stream| try body.sendAnnounced(stream, &x);
        }
    }.half);
}
