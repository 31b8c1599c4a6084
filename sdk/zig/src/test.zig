const std = @import("std");
const postern = @import("postern.zig");
const testing = postern.testing;
const expectEqualStrings = std.testing.expectEqualStrings;
const expectEqual = std.testing.expectEqual;

fn serve(r: *postern.Request) !postern.Response {
    if (r.event.rawPath == null) return r.result(.{ .echo = try r.call.parse(std.json.Value) });
    if (std.mem.eql(u8, r.path(), "/error")) return postern.fail("no stock");
    if (std.mem.eql(u8, r.path(), "/stream")) return .{ .cookies = &.{"a=b"}, .stream = echo };
    const user = if (r.caller("user")) |v| v.string else "nobody";
    const body = try r.call.readAll(20);
    return .text(201, try r.call.print("{s} {s} {s} {s} {s}", .{ r.method(), r.path(), r.header("X-Name") orelse "", user, body }));
}

fn echo(r: *postern.Request, w: *std.Io.Writer) !void {
    _ = try r.call.reader().streamRemaining(w);
    try w.flush();
}

test "a function" {
    testing.begin(
        \\{"rawPath":"/\u0061","headers":{"x-name":"N","x-null":null},"cookies":null,"requestContext":{"http":{"method":"PUT"},"authorizer":{"lambda":{"user":"\ud83d\ude00"}}},"other":[{}]}
    , "body in pieces");
    // A null where a list may be is no event of Lambda's, and so a call by name.
    try expectEqual(0, postern.runFunction(serve));
    try expectEqual(0, testing.written.len);
    testing.begin(
        \\{"rawPath":"/\u0061","headers":{"x-name":"N","x-null":null},"requestContext":{"http":{"method":"PUT"},"authorizer":{"lambda":{"user":"\ud83d\ude00"}}},"other":[{}]}
    , "body in pieces");
    try expectEqual(0, postern.runFunction(serve));
    try expectEqualStrings("PUT /a N 😀 body in pieces", testing.written.text());
    try expectEqualStrings("{\"statusCode\":201,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"}}", testing.meta.text());
}

test "a function by name" {
    for ([_][]const u8{ "7", "\"x\"", "null", "[1.5,{\"a\":null}]", "{\"headers\":5}" }) |event| {
        testing.begin(event, "");
        try expectEqual(0, postern.runFunction(serve));
        var want: [100]u8 = undefined;
        try expectEqualStrings(try std.fmt.bufPrint(&want, "{{\"echo\":{s}}}", .{event}), testing.meta.text());
    }
    for ([_][]const u8{ "", "{", "{\"a\"", "\"\xff\"", "1 2" }) |event| {
        testing.begin(event, "");
        try expectEqual(1, postern.runFunction(serve));
        try expectEqual(0, testing.meta.len);
    }
}

test "a stream" {
    testing.begin("{\"rawPath\":\"/stream\"}", "piece by piece");
    try expectEqual(0, postern.runFunction(serve));
    try expectEqualStrings("piece by piece", testing.written.text());
    try expectEqualStrings("{\"statusCode\":200,\"cookies\":[\"a=b\"]}", testing.meta.text());
}

test "errors" {
    testing.begin("{\"rawPath\":\"/error\"}", "");
    try expectEqual(1, postern.runFunction(serve));
    try expectEqualStrings("Error: no stock", testing.failure.text());
    testing.begin("{\"rawPath\":\"/\"}", "more than twenty bytes of it");
    try expectEqual(1, postern.runFunction(serve));
    try expectEqualStrings("Error: TooLarge: because", testing.failure.text());
}

fn decide(ev: *postern.AuthorizerEvent) !postern.Decision {
    const token = ev.header("Authorization") orelse return error.Unauthorized;
    if (std.mem.eql(u8, token, "a")) return ev.allow(.{ .user = "\"demo\"", .n = 1 });
    return ev.decideArn(.Deny, "p", ev.arn());
}

test "an authorizer" {
    testing.begin("{\"headers\":{}}", "");
    try expectEqual(1, postern.runAuthorizer(decide));
    try expectEqualStrings("Error: Unauthorized", testing.failure.text());
    testing.begin("{\"headers\":{\"authorization\":\"a\"},\"identitySource\":\"x\"}", "");
    try expectEqual(0, postern.runAuthorizer(decide));
    try expectEqualStrings("{\"isAuthorized\":true,\"context\":{\"user\":\"\\\"demo\\\"\",\"n\":1}}", testing.meta.text());
    testing.begin("{\"headers\":{\"authorization\":\"b\"},\"methodArn\":\"arn:x\",\"identitySource\":[\"x\"]}", "");
    try expectEqual(0, postern.runAuthorizer(decide));
    try expectEqualStrings(
        \\{"principalId":"p","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["execute-api:Invoke"],"Resource":["arn:x"]}]}}
    , testing.meta.text());
}

fn map(in: *postern.MappingInput) !postern.MappingOutput {
    const order = try in.call.readJson(struct { item: []const u8 }, 1000);
    return .{ .body = order.item, .content_type = "text/plain", .response_status = 201, .request_query = try in.call.fields(&.{.{ .name = "q", .value = in.parameter("id").? }}) };
}

test "a mapping" {
    testing.begin("{\"params\":{\"path\":{},\"header\":{\"id\":\"7\"}}}", "{\"item\":\"pen\",\"x\":1}");
    try expectEqual(0, postern.runMapping(map));
    try expectEqualStrings("pen", testing.written.text());
    try expectEqualStrings("{\"contentType\":\"text/plain\",\"requestOverride\":{\"querystring\":{\"q\":\"7\"}},\"responseOverride\":{\"status\":201}}", testing.meta.text());
    testing.begin("{}", "{\"item\":");
    try expectEqual(1, postern.runMapping(map));
}

fn filter(x: *postern.Exchange) !postern.Edits {
    if (x.request.headers.header("x-blocked") != null) return .{ .answer = .{ .status = 403, .body = "no" } };
    return .{ .query = "", .headers = &.{}, .remove = &.{"a"}, .set = try x.call.fields(&.{.{ .name = "b", .value = x.context.requestId }}), .body = copy };
}

fn copy(x: *postern.Exchange, w: *std.Io.Writer) !void {
    _ = try x.call.reader().streamRemaining(w);
}

test "a filter" {
    testing.begin("{\"request\":{\"headers\":[[\"X-Blocked\",\"1\"]]}}", "");
    try expectEqual(0, postern.runFilter(filter));
    try expectEqualStrings("{\"response\":{\"statusCode\":403}}", testing.meta.text());
    try expectEqualStrings("no", testing.written.text());
    testing.begin("{\"request\":{\"headers\":[]},\"context\":{\"requestId\":\"r\"}}", "a body");
    try expectEqual(0, postern.runFilter(filter));
    try expectEqualStrings("{\"query\":\"\",\"headers\":[],\"removeHeaders\":[\"a\"],\"setHeaders\":[[\"b\",\"r\"]],\"body\":true}", testing.meta.text());
    try expectEqualStrings("a body", testing.written.text());
}

test "effects" {
    testing.begin("{}", "answer");
    testing.value = "{\"status\":202,\"headers\":[[\"X-Seen\",\"yes\"]],\"deadline\":1767225600500,\"function\":{\"name\":\"f\"}}";
    const res = try postern.fetch(.{ .url = "https://a.example/" });
    try expectEqual(202, res.status);
    try expectEqualStrings("yes", res.header("x-seen").?);
    try expectEqualStrings("answer", try res.readAll(100));
    const context = try postern.callContext();
    try expectEqual(500, context.remaining());
    try expectEqualStrings("f", context.function.name);
    try expectEqual(null, postern.env("OTHER"));
    try std.testing.expectError(error.NotFound, postern.secret("OTHER"));
    try std.testing.expectError(error.Conflict, postern.kv.put("k", "v", .{ .revision = 0 }));
    try expectEqual(3, try postern.kv.put("k", "v", .{ .ttl_ms = 1000 }));
    try expectEqual(202, (try postern.config(struct { status: u16 })).?.status);
    testing.value = "";
    try expectEqual(null, try postern.config(struct { status: u16 }));
}
