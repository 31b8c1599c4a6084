//! Mappings.
const std = @import("std");
const abi = @import("abi.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");

/// What surrounds a body that is to be turned into another. The body is read through `call`.
pub const MappingInput = struct {
    call: entry.Call,
    event: Event,

    pub const Event = struct {
        params: struct { path: fields.Fields = .{}, querystring: fields.Fields = .{}, header: fields.Fields = .{} } = .{},
        /// Amazon's $context.
        context: std.json.Value = .null,
        stageVariables: fields.Fields = .{},
        /// The head of the integration's response; null for a request's mapping.
        response: ?struct { status: u16 = 0, headers: fields.Fields = .{} } = null,
    };

    /// A parameter by its name, looked for in path, query and header, in this order.
    pub fn parameter(in: *const MappingInput, name: []const u8) ?[]const u8 {
        const p = in.event.params;
        return p.path.get(name) orelse p.querystring.get(name) orelse p.header.get(name);
    }
};

/// The new body, and what else changes.
pub const MappingOutput = struct {
    body: []const u8 = "",
    /// Of the body; null leaves it.
    content_type: ?[]const u8 = null,
    /// Replace parameters of the request to the integration.
    request_path: []const fields.Field = &.{},
    request_query: []const fields.Field = &.{},
    request_header: []const fields.Field = &.{},
    /// Replace parts of the response's head.
    response_status: ?u16 = null,
    response_header: []const fields.Field = &.{},

    fn write(out: *const MappingOutput, w: *std.json.Stringify) !void {
        try w.beginObject();
        if (out.content_type) |content_type| try fields.writeMember(w, "contentType", content_type);
        if (out.request_path.len + out.request_query.len + out.request_header.len > 0) {
            try w.objectField("requestOverride");
            try w.beginObject();
            try fields.writeObject(w, "header", out.request_header);
            try fields.writeObject(w, "querystring", out.request_query);
            try fields.writeObject(w, "path", out.request_path);
            try w.endObject();
        }
        if (out.response_status != null or out.response_header.len > 0) {
            try w.objectField("responseOverride");
            try w.beginObject();
            if (out.response_status) |status| {
                try w.objectField("status");
                try w.write(status);
            }
            try fields.writeObject(w, "header", out.response_header);
            try w.endObject();
        }
        try w.endObject();
    }
};

/// The host has bodies mapped by map: fn (in: *MappingInput) !MappingOutput.
pub fn run(comptime map: anytype) i32 {
    return entry.run(struct {
        fn mapBody(call: entry.Call) anyerror!void {
            var in: MappingInput = .{ .call = call, .event = try call.parse(MappingInput.Event) };
            const out: MappingOutput = try map(&in);
            var text: std.Io.Writer.Allocating = .init(call.arena);
            var w: std.json.Stringify = .{ .writer = &text.writer };
            try out.write(&w);
            try abi.writeMeta(text.written());
            try abi.writeBody(out.body);
        }
    }.mapBody);
}
