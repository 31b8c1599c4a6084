//! {{name}} is a function: it answers HTTP requests, and calls by name.
const std = @import("std");
const postern = @import("postern");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportFunction(hello);
}

/// Greets whom the route's {name} names.
fn hello(r: *postern.Request) !postern.Response {
    const name = r.parameter("name") orelse return .text(400, "who is it?");
    std.log.info("greeting {s}", .{name});
    return r.json(200, .{ .message = try r.call.print("hello, {s}", .{name}) });
}
