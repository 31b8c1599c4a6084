//! Functions.
const std = @import("std");
const abi = @import("abi.zig");
const body = @import("body.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");

/// An HTTP request as a function sees it: an event in Lambda's payload format 2.0. What an event does not have is empty; all is, where
/// the function is called by name with something else.
pub const Request = struct {
    call: entry.Call,
    event: Event = .{},

    /// The members of an event, by Lambda's names.
    pub const Event = struct {
        routeKey: []const u8 = "",
        /// With the stage, unless that is $default. Null where this is no HTTP request.
        rawPath: ?[]const u8 = null,
        rawQueryString: []const u8 = "",
        cookies: []const []const u8 = &.{},
        /// Lower-case names; several values are joined by commas.
        headers: fields.Fields = .{},
        queryStringParameters: fields.Fields = .{},
        pathParameters: fields.Fields = .{},
        stageVariables: fields.Fields = .{},
        requestContext: RequestContext = .{},
    };

    pub fn path(r: *const Request) []const u8 {
        return r.event.rawPath orelse "";
    }

    pub fn method(r: *const Request) []const u8 {
        return r.event.requestContext.http.method;
    }

    /// The first value of a header field, in any case.
    pub fn header(r: *const Request, name: []const u8) ?[]const u8 {
        return r.event.headers.header(name);
    }

    /// A parameter of the query, decoded.
    pub fn query(r: *const Request, name: []const u8) ?[]const u8 {
        return r.event.queryStringParameters.get(name);
    }

    /// A parameter of the path, decoded.
    pub fn parameter(r: *const Request, name: []const u8) ?[]const u8 {
        return r.event.pathParameters.get(name);
    }

    /// What an authorizer returned about the caller: a member of its context.
    pub fn caller(r: *const Request, name: []const u8) ?std.json.Value {
        const authorizer = r.event.requestContext.authorizer orelse return null;
        return switch (authorizer.lambda) {
            .object => |object| object.get(name),
            else => null,
        };
    }

    /// An answer in JSON.
    pub fn json(r: *const Request, status: u16, value: anytype) !Response {
        return .{ .status = status, .headers = &json_type, .body = try r.call.json(value) };
    }

    /// The whole answer of a call by name.
    pub fn result(r: *const Request, value: anytype) !Response {
        return .{ .result = try r.call.json(value) };
    }
};

const json_type = [_]fields.Field{.{ .name = "content-type", .value = "application/json" }};
const text_type = [_]fields.Field{.{ .name = "content-type", .value = "text/plain; charset=utf-8" }};

/// Where a request came in, and from whom.
pub const RequestContext = struct {
    accountId: []const u8 = "",
    apiId: []const u8 = "",
    domainName: []const u8 = "",
    requestId: []const u8 = "",
    routeKey: []const u8 = "",
    stage: []const u8 = "",
    /// Milliseconds since 1970.
    timeEpoch: i64 = 0,
    http: Http = .{},
    /// Null when no authorizer stands before the route.
    authorizer: ?struct { lambda: std.json.Value = .null } = null,

    pub const Http = struct {
        method: []const u8 = "",
        path: []const u8 = "",
        protocol: []const u8 = "",
        sourceIp: []const u8 = "",
        userAgent: []const u8 = "",
    };
};

/// A function's answer. `.{}` is an empty 200.
pub const Response = struct {
    status: u16 = 200,
    /// Constants, or from `call.fields`: all that an answer refers to must last longer than the function that returns it.
    headers: []const fields.Field = &.{},
    /// Each becomes a Set-Cookie header: "a=b; HttpOnly".
    cookies: []const []const u8 = &.{},
    body: []const u8 = "",
    /// When set, writes the body in `body`'s stead while the client already reads it. An error after the first bytes cuts it off.
    stream: ?*const fn (r: *Request, w: *std.Io.Writer) anyerror!void = null,
    /// When set, JSON that is the whole answer, as for a call by name.
    result: ?[]const u8 = null,

    /// A body of plain text.
    pub fn text(status: u16, content: []const u8) Response {
        return .{ .status = status, .headers = &text_type, .body = content };
    }

    fn head(res: *const Response, w: *std.json.Stringify) !void {
        try w.beginObject();
        try w.objectField("statusCode");
        try w.write(res.status);
        try fields.writeObject(w, "headers", res.headers);
        try fields.writeMember(w, "cookies", res.cookies);
        try w.endObject();
    }
};

/// The host answers with serve: fn (r: *Request) !Response.
pub fn run(comptime serve: anytype) i32 {
    return entry.run(struct {
        fn handle(call: entry.Call) anyerror!void {
            var r: Request = .{ .call = call };
            // What is no event of Lambda's is a call by name, and JSON all the same.
            if (r.call.parse(Request.Event)) |event| {
                r.event = event;
            } else |err| if (!try entry.isJson(call.arena, call.raw)) return err;
            const res: Response = try serve(&r);
            if (res.result) |result| return abi.writeMeta(result);
            var out: std.Io.Writer.Allocating = .init(call.arena);
            var w: std.json.Stringify = .{ .writer = &out.writer };
            try res.head(&w);
            try abi.writeMeta(out.written());
            try body.send(res.body, res.stream, &r);
        }
    }.handle);
}
