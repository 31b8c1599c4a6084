//! ip-allow is a filter that lets requests pass by the address of their client.
const std = @import("std");
const postern = @import("postern");
const network = @import("network.zig");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportFilterRequest(incoming);
}

const Config = struct {
    /// Who may pass; without it, all that are not denied.
    allow: ?[]const []const u8 = null,
    deny: []const []const u8 = &.{},
    status: u16 = 403,
    body: []const u8 = "{\"message\":\"Forbidden\"}",
};

fn incoming(x: *postern.Exchange) !postern.Edits {
    const config = try read(x);
    const client = network.Address.parse(x.context.sourceIp) orelse
        return postern.fail(try x.call.print("the client has no address that can be read: {s}", .{x.context.sourceIp}));
    // Both lists are read to their ends, so that what is wrong in them shows in the first call.
    const denied = try contains(x, "deny", config.deny, client);
    const allowed = if (config.allow) |list| try contains(x, "allow", list, client) else true;
    if (allowed and !denied) return .{};
    const media_type = if (try std.json.validate(x.call.arena, config.body)) "application/json" else "text/plain; charset=utf-8";
    return .{ .answer = .{
        .status = config.status,
        .headers = try x.call.fields(&.{.{ .name = "content-type", .value = media_type }}),
        .body = config.body,
    } };
}

/// The configuration. A key that there is not may be a list that was meant to deny, so it fails the request.
fn read(x: *const postern.Exchange) !Config {
    const value = try postern.config(std.json.Value) orelse return postern.fail("config: it has to say whom to allow, or to deny");
    const config = std.json.parseFromValueLeaky(Config, x.call.arena, value, .{}) catch |err|
        return postern.fail(try x.call.print("config: it has allow and deny, lists of networks, status and body: {t}", .{err}));
    if (config.allow == null and config.deny.len == 0) return postern.fail("config: it has to say whom to allow, or to deny");
    if (config.status < 200 or config.status > 599) return postern.fail("config: status is 200 to 599");
    return config;
}

fn contains(x: *const postern.Exchange, name: []const u8, list: []const []const u8, client: network.Address) !bool {
    var found = false;
    for (list) |text| {
        const n = network.Network.parse(text) orelse
            return postern.fail(try x.call.print("config: {s} has what is no network: {s}", .{ name, text }));
        found = found or n.contains(client);
    }
    return found;
}
