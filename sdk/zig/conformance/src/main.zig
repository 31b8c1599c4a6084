//! A function, an authorizer, two mappings and a filter in one, which use all that the SDK has. The tests of host/wasm and the cases of
//! spec/conformance hold it to the contracts.
const std = @import("std");
const postern = @import("postern");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportFunction(serve);
    postern.exportAuthorizer(decide);
    postern.exportMapRequest(mapOrder);
    postern.exportMapResponse(mapCreated);
    postern.exportFilterRequest(filterOrder);
    postern.exportFilterResponse(filterAnswer);
}

const Handler = *const fn (r: *postern.Request) anyerror!postern.Response;

const routes: std.StaticStringMap(Handler) = .initComptime(.{
    .{ "/order", order },   .{ "/calls", countCalls }, .{ "/echo", echo },  .{ "/ticks", ticks },
    .{ "/world", world },   .{ "/fetch", fetch },      .{ "/kv", kv },      .{ "/context", context },
    .{ "/error", noStock }, .{ "/panic", crash },      .{ "/exit", crash }, .{ "/spin", spin },
    .{ "/deep", deep },     .{ "/hoard", hoard },      .{ "/keep", keep },  .{ "/binary", binary },
});

// An instance keeps its variables.
var calls: u32 = 0;
var sink: usize = 0;
var kept_buffer: [1024]u8 = undefined;
var kept: []u8 = kept_buffer[0..0];
var seen_buffer: [1024]u8 = undefined;
var seen: []u8 = seen_buffer[0..0];

fn serve(r: *postern.Request) !postern.Response {
    calls += 1;
    if (r.event.rawPath == null) return r.result(.{ .echo = try r.call.parse(std.json.Value) });
    const handler = routes.get(r.path()) orelse return .{ .status = 404 };
    return handler(r);
}

fn order(r: *postern.Request) !postern.Response {
    return r.json(201, .{ .id = r.parameter("id"), .who = r.caller("user") });
}

fn countCalls(r: *postern.Request) !postern.Response {
    return .text(200, try r.call.print("{d}", .{calls}));
}

fn echo(_: *postern.Request) !postern.Response {
    return .{ .stream = passOn };
}

fn passOn(r: *postern.Request, w: *std.Io.Writer) !void {
    _ = try r.call.reader().streamRemaining(w);
}

fn ticks(_: *postern.Request) !postern.Response {
    return .{ .headers = &.{.{ .name = "content-type", .value = "text/event-stream" }}, .cookies = &.{"a=b"}, .stream = tick };
}

fn tick(_: *postern.Request, w: *std.Io.Writer) !void {
    for (0..3) |i| {
        try w.print("tick {d}\n", .{i});
        if (i < 2) try w.flush();
    }
}

fn world(r: *postern.Request) !postern.Response {
    const config = try postern.config(struct { issuer: []const u8 = "" });
    var bytes: [8]u8 = undefined;
    postern.random(&bytes);
    std.log.info("looked around", .{});
    postern.Span.start("look").end(null);
    postern.Span.start("fail").end("it broke");
    try postern.metrics.count("looks", 1);
    return r.json(200, .{
        .issuer = if (config) |c| c.issuer else "",
        .secret = try postern.secret("TOKEN"),
        .missing = if (postern.secret("OTHER")) |_| false else |err| err == error.NotFound,
        .color = postern.env("COLOR") orelse "",
        .now = @divFloor(postern.now(), std.time.ns_per_ms),
        .random = &std.fmt.bytesToHex(bytes, .lower),
        .trace = postern.traceparent(),
    });
}

fn fetch(r: *postern.Request) !postern.Response {
    const res = postern.fetch(.{
        .method = "POST",
        .url = r.query("url") orelse "",
        .headers = &.{.{ .name = "x-from", .value = "conformance" }},
        .body = try r.call.readAll(1 << 20),
    }) catch |err| return switch (err) {
        error.Denied => .text(403, "denied"),
        error.Timeout => .text(504, "timeout"),
        else => err,
    };
    defer res.close();
    var headers: []const postern.Field = &.{};
    if (res.header("x-seen")) |value| headers = try r.call.fields(&.{.{ .name = "x-seen", .value = value }});
    return .{ .status = res.status, .headers = headers, .body = try res.readAll(1 << 20) };
}

/// A whole number of the query; otherwise where it is not there.
fn number(r: *const postern.Request, name: []const u8, otherwise: i64) !i64 {
    return std.fmt.parseInt(i64, r.query(name) orelse return otherwise, 10);
}

fn kv(r: *postern.Request) !postern.Response {
    return useMap(r) catch |err| .{ .status = switch (err) {
        error.NotFound => 404,
        error.Conflict => 409,
        error.TooLarge => 413,
        else => return err,
    } };
}

fn useMap(r: *postern.Request) !postern.Response {
    const op = r.query("op") orelse "";
    const key = r.query("key") orelse "";
    const revision = try number(r, "revision", postern.kv.any);
    if (std.mem.eql(u8, op, "get")) {
        const found = try postern.kv.get(key) orelse return error.NotFound;
        return revised(r, found.revision, found.value);
    }
    if (std.mem.eql(u8, op, "put")) {
        const ttl = try number(r, "ttl", 0);
        return revised(r, try postern.kv.put(key, r.query("value") orelse "", .{ .ttl_ms = ttl * 1000, .revision = revision }), "");
    }
    if (std.mem.eql(u8, op, "delete")) {
        try postern.kv.delete(key, revision);
        return .{ .status = 204 };
    }
    return r.json(200, try postern.kv.keys(r.query("prefix") orelse "", ""));
}

fn revised(r: *const postern.Request, revision: i64, body: []const u8) !postern.Response {
    return .{ .headers = try r.call.fields(&.{.{ .name = "x-revision", .value = try r.call.print("{d}", .{revision}) }}), .body = body };
}

fn context(r: *postern.Request) !postern.Response {
    const c = try postern.callContext();
    return r.json(200, .{ .function = c.function.name, .version = c.function.version, .requestId = c.requestId, .remaining = c.remaining() > 0 });
}

fn noStock(_: *postern.Request) !postern.Response {
    return postern.fail("no stock");
}

fn crash(_: *postern.Request) !postern.Response {
    @panic("the shelf fell over");
}

fn spin(_: *postern.Request) !postern.Response {
    while (true) @as(*volatile usize, &sink).* +%= 1;
}

fn deep(_: *postern.Request) !postern.Response {
    return .{ .status = if (descend(1) == 0) 200 else 201 };
}

/// Ends when sink, which nobody changes meanwhile, is what it is not; what comes after the call keeps it from being a loop.
noinline fn descend(n: usize) usize {
    const at: *volatile usize = &sink;
    if (n == at.*) return n;
    const below = descend(n +% 1);
    at.* = 0;
    return below ^ n;
}

fn hoard(r: *postern.Request) !postern.Response {
    while (true) @memset(try r.call.arena.alloc(u8, 1 << 20), 'x');
}

fn keep(r: *postern.Request) !postern.Response {
    const before = try r.call.arena.dupe(u8, kept);
    remember(&kept, &kept_buffer, r.query("value") orelse "");
    return .text(200, before);
}

fn remember(text: *[]u8, buffer: []u8, value: []const u8) void {
    text.* = buffer[0..@min(value.len, buffer.len)];
    @memcpy(text.*, value[0..text.len]);
}

const all_bytes: [256]u8 = blk: {
    var bytes: [256]u8 = undefined;
    for (&bytes, 0..) |*b, i| b.* = i;
    break :blk bytes;
};

fn binary(_: *postern.Request) !postern.Response {
    return .{ .headers = &.{.{ .name = "content-type", .value = "application/octet-stream" }}, .body = &all_bytes };
}

fn decide(ev: *postern.AuthorizerEvent) !postern.Decision {
    const token = ev.header("authorization") orelse return error.Unauthorized;
    if (std.mem.eql(u8, token, "Bearer demo")) return ev.allow(.{ .user = "demo" });
    if (!std.mem.eql(u8, token, "Bearer policy")) return .{};
    return ev.decideArn(.Allow, "p", ev.arn());
}

fn mapOrder(in: *postern.MappingInput) !postern.MappingOutput {
    const body = try in.call.readJson(struct { item: []const u8 = "" }, 1 << 20);
    const sku = try std.ascii.allocUpperString(in.call.arena, body.item);
    return .{
        .body = try in.call.json(.{ .sku = sku }),
        .content_type = "application/json",
        .request_path = try in.call.fields(&.{.{ .name = "id", .value = in.event.params.path.get("id") orelse "" }}),
    };
}

fn mapCreated(in: *postern.MappingInput) !postern.MappingOutput {
    return .{ .response_status = in.event.response.?.status + 1, .response_header = &.{.{ .name = "x-mapped", .value = "yes" }} };
}

fn filterOrder(x: *postern.Exchange) !postern.Edits {
    remember(&seen, &seen_buffer, try x.call.print("{s} {s} {s}", .{ x.request.method, x.request.path, x.context.requestId }));
    const path = x.request.path;
    if (std.mem.eql(u8, path, "/early")) return .{ .answer = .{ .status = 403, .headers = &.{.{ .name = "set-cookie", .value = "a=b" }}, .body = "no" } };
    if (std.mem.eql(u8, path, "/as-it-is")) return .{};
    if (std.mem.eql(u8, path, "/panic")) @panic("the shelf fell over");
    return .{
        .method = "PUT",
        .path = "/new",
        .query = "",
        .host = "other.example",
        .remove = &.{"x-old"},
        .set = try x.call.fields(&.{.{ .name = "x-param", .value = x.pathParameters.get("id") orelse "" }}),
        .add = &.{ .{ .name = "x-a", .value = "1" }, .{ .name = "x-a", .value = "2" } },
        .body = upper,
    };
}

fn filterAnswer(x: *postern.Exchange) !postern.Edits {
    return .{
        .status = x.response.statusCode + 1,
        .set = try x.call.fields(&.{
            .{ .name = "x-seen", .value = seen },
            .{ .name = "x-type", .value = x.response.headers.header("content-type") orelse "" },
            .{ .name = "x-sent", .value = x.request.method },
        }),
        .body = upper,
    };
}

/// Passes a body on in capitals, a piece at a time.
fn upper(x: *postern.Exchange, w: *std.Io.Writer) !void {
    const r = x.call.reader();
    while (r.peekGreedy(1)) |piece| {
        for (piece) |*c| c.* = std.ascii.toUpper(c.*);
        try w.writeAll(piece);
        try w.flush();
        r.tossBuffered();
    } else |err| if (err != error.EndOfStream) return err;
}
