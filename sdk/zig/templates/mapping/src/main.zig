//! {{name}} is a mapping: it turns a client's order into what the backend wants.
const std = @import("std");
const postern = @import("postern");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportMapRequest(order);
}

const Order = struct { item: []const u8 };

fn order(in: *postern.MappingInput) !postern.MappingOutput {
    const body = try in.call.readJson(Order, 1 << 20);
    const sku = try std.ascii.allocUpperString(in.call.arena, body.item);
    return .{ .body = try in.call.json(.{ .sku = sku }), .content_type = "application/json" };
}
