//! A call of an entry: its memory, its event, its end.
const std = @import("std");
const abi = @import("abi.zig");
const body = @import("body.zig");
const surrogates = @import("surrogates.zig");
const Field = @import("fields.zig").Field;

/// What belongs to a call: memory that lasts until its end, its event and its body. Requests and events have one.
pub const Call = struct {
    /// Memory that is given back at the end of the call.
    arena: std.mem.Allocator,
    /// The whole event in JSON, for what has no field. `parse` reads it.
    raw: []const u8,
    source: *body.Reader,

    /// The body, which streams from the client.
    pub fn reader(c: *const Call) *std.Io.Reader {
        return &c.source.interface;
    }

    /// The whole rest of the body: `error.TooLarge` where it has more than max bytes.
    pub fn readAll(c: *const Call, max: usize) ![]u8 {
        return body.all(c.arena, c.source, max);
    }

    /// The whole rest of the body, of up to max bytes, as JSON. What T has no fields for is left out.
    pub fn readJson(c: *const Call, T: type, max: usize) !T {
        return parseText(T, c.arena, try c.readAll(max));
    }

    /// The event as a type of your own. What T has no fields for is left out.
    pub fn parse(c: *const Call, T: type) !T {
        return parseText(T, c.arena, c.raw);
    }

    /// A text, as std.fmt makes it.
    pub fn print(c: *const Call, comptime format: []const u8, args: anytype) ![]u8 {
        return std.fmt.allocPrint(c.arena, format, args);
    }

    /// Fields that last until the end of the call. What a function returns must: `&.{…}` of values that are known only when it runs does not.
    pub fn fields(c: *const Call, list: []const Field) ![]const Field {
        return c.arena.dupe(Field, list);
    }

    /// A value in JSON, as std.json writes it.
    pub fn json(c: *const Call, value: anytype) ![]u8 {
        return std.json.Stringify.valueAlloc(c.arena, value, .{});
    }
};

pub fn parseText(T: type, arena: std.mem.Allocator, text: []const u8) !T {
    return parse(T, arena, text) catch |err| {
        if (err != error.SyntaxError) return err;
        return parse(T, arena, try surrogates.mended(arena, text) orelse return err);
    };
}

fn parse(T: type, arena: std.mem.Allocator, text: []const u8) !T {
    return std.json.parseFromSliceLeaky(T, arena, text, .{ .ignore_unknown_fields = true, .duplicate_field_behavior = .use_last });
}

/// Whether a text is JSON.
pub fn isJson(arena: std.mem.Allocator, text: []const u8) !bool {
    if (try std.json.validate(arena, text)) return true;
    return std.json.validate(arena, try surrogates.mended(arena, text) orelse return false);
}

var memory: ?std.heap.ArenaAllocator = null;
var message: ?[]const u8 = null;

/// Fails the call with a message, for the log: `return postern.fail("no stock");`. Clients never see it.
pub fn fail(text: []const u8) error{Reported} {
    message = text;
    return error.Reported;
}

/// The memory of the call that runs.
pub fn allocator() std.mem.Allocator {
    if (memory == null) memory = .init(abi.backing);
    return memory.?.allocator();
}

/// Runs a call, and returns what the host takes as its end: 0 when all is well.
pub fn run(entry: anytype) i32 {
    const gpa = allocator();
    // What a large call needed is given back, what most need is kept.
    _ = memory.?.reset(.{ .retain_with_limit = 256 << 10 });
    message = null;
    serve(entry, gpa) catch |err| {
        report(err);
        // An instance at its limit is better replaced, and the host then says which limit it was.
        if (abi.is_wasm and err == error.OutOfMemory) @trap();
        return 1;
    };
    return 0;
}

fn serve(entry: anytype, gpa: std.mem.Allocator) !void {
    const buffer = try gpa.alloc(u8, 4096);
    var source: body.Reader = .init(0, buffer);
    entry(Call{ .arena = gpa, .raw = try abi.read(gpa, .meta), .source = &source }) catch |err| {
        return if (err == error.ReadFailed) source.failure orelse err else err;
    };
}

fn report(err: anyerror) void {
    if (err == error.Reported) return abi.report("Error", message orelse "");
    const name = @errorName(err);
    inline for (comptime std.meta.fieldNames(abi.Error)) |known| {
        if (std.mem.eql(u8, known, name)) {
            const reason = abi.read(allocator(), .reason) catch "";
            const text = std.fmt.allocPrint(allocator(), "{s}: {s}", .{ name, reason }) catch name;
            return abi.report("Error", if (reason.len > 0) text else name);
        }
    }
    abi.report(if (err == error.Unauthorized) "Error" else name, name);
}
