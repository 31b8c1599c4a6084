//! Names with values: header fields, parameters, variables.
const std = @import("std");

/// A name and its value.
pub const Field = struct {
    name: []const u8,
    value: []const u8,

    /// Written as filters and fetches have it: [name, value].
    pub fn jsonStringify(f: Field, w: anytype) !void {
        try w.beginArray();
        try w.write(f.name);
        try w.write(f.value);
        try w.endArray();
    }
};

/// Fields in their order, as an event has them: an object, or a list of pairs. What is no string in it is left out.
pub const Fields = struct {
    items: []const Field = &.{},

    /// The first value of that name.
    pub fn get(f: Fields, name: []const u8) ?[]const u8 {
        for (f.items) |field| {
            if (std.mem.eql(u8, field.name, name)) return field.value;
        }
        return null;
    }

    /// The first value of a header field, whose name may be in any case.
    pub fn header(f: Fields, name: []const u8) ?[]const u8 {
        for (f.items) |field| {
            if (std.ascii.eqlIgnoreCase(field.name, name)) return field.value;
        }
        return null;
    }

    pub fn jsonParse(gpa: std.mem.Allocator, source: anytype, options: std.json.ParseOptions) !Fields {
        var list: std.ArrayList(Field) = .empty;
        switch (try source.peekNextTokenType()) {
            .object_begin => {
                _ = try source.next();
                while (try source.peekNextTokenType() != .object_end) {
                    const name = try text(gpa, source, options) orelse unreachable; // a name is a string
                    if (try text(gpa, source, options)) |value| try list.append(gpa, .{ .name = name, .value = value });
                }
                _ = try source.next();
            },
            .array_begin => {
                _ = try source.next();
                while (try source.peekNextTokenType() != .array_end) {
                    const pair = try std.json.innerParse([2][]const u8, gpa, source, options);
                    try list.append(gpa, .{ .name = pair[0], .value = pair[1] });
                }
                _ = try source.next();
            },
            .null => _ = try source.next(),
            else => return error.UnexpectedToken,
        }
        return .{ .items = list.items };
    }

    fn text(gpa: std.mem.Allocator, source: anytype, options: std.json.ParseOptions) !?[]const u8 {
        if (try source.peekNextTokenType() != .string) {
            try source.skipValue();
            return null;
        }
        return try std.json.innerParse([]const u8, gpa, source, options);
    }
};

/// Writes fields as an object; the last of a name counts.
pub fn writeObject(w: *std.json.Stringify, key: []const u8, list: []const Field) !void {
    if (list.len == 0) return;
    try w.objectField(key);
    try w.beginObject();
    for (list) |field| {
        try w.objectField(field.name);
        try w.write(field.value);
    }
    try w.endObject();
}

/// Writes a member, unless it is empty.
pub fn writeMember(w: *std.json.Stringify, key: []const u8, list: anytype) !void {
    if (list.len == 0) return;
    try w.objectField(key);
    try w.write(list);
}
