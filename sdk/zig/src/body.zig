//! Bodies as readers and writers of std.Io.
const std = @import("std");
const abi = @import("abi.zig");

/// Reads the call's body, or a fetched one. After `error.ReadFailed`, `failure` says why.
pub const Reader = struct {
    interface: std.Io.Reader,
    handle: i32, // of a fetched body; 0 for the call's
    failure: ?abi.Error = null,

    pub fn init(handle: i32, buffer: []u8) Reader {
        return .{ .handle = handle, .interface = .{ .vtable = &.{ .stream = stream }, .buffer = buffer, .seek = 0, .end = 0 } };
    }

    fn stream(r: *std.Io.Reader, w: *std.Io.Writer, limit: std.Io.Limit) std.Io.Reader.StreamError!usize {
        const self: *Reader = @alignCast(@fieldParentPtr("interface", r));
        const room = limit.slice(try w.writableSliceGreedy(1));
        if (room.len == 0) return 0;
        const result = if (self.handle > 0) abi.readFetch(self.handle, room) else abi.readBody(room);
        const n = result catch |err| {
            self.failure = err;
            return error.ReadFailed;
        };
        if (n == 0) return error.EndOfStream;
        w.advance(n);
        return n;
    }
};

/// Writes the answer's body. `flush` sends what is written so far to the client, be it little. After `error.WriteFailed`, `failure`
/// says why: `error.Closed` once the reader has gone.
pub const Writer = struct {
    interface: std.Io.Writer,
    failure: ?abi.Error = null,

    pub fn init(buffer: []u8) Writer {
        return .{ .interface = .{ .vtable = &.{ .drain = drain, .flush = flush }, .buffer = buffer } };
    }

    fn drain(w: *std.Io.Writer, data: []const []const u8, splat: usize) std.Io.Writer.Error!usize {
        const self: *Writer = @alignCast(@fieldParentPtr("interface", w));
        try self.send(w.buffered());
        w.end = 0;
        var n: usize = 0;
        for (data[0 .. data.len - 1]) |piece| {
            try self.send(piece);
            n += piece.len;
        }
        for (0..splat) |_| {
            try self.send(data[data.len - 1]);
            n += data[data.len - 1].len;
        }
        return n;
    }

    fn flush(w: *std.Io.Writer) std.Io.Writer.Error!void {
        const self: *Writer = @alignCast(@fieldParentPtr("interface", w));
        try self.end();
        abi.flushBody() catch |err| return self.fail(err);
    }

    /// Writes what the buffer has.
    pub fn end(self: *Writer) std.Io.Writer.Error!void {
        try self.send(self.interface.buffered());
        self.interface.end = 0;
    }

    fn send(self: *Writer, piece: []const u8) std.Io.Writer.Error!void {
        if (piece.len > 0) abi.writeBody(piece) catch |err| return self.fail(err);
    }

    fn fail(self: *Writer, err: abi.Error) error{WriteFailed} {
        self.failure = err;
        return error.WriteFailed;
    }
};

/// Answers with a body: its bytes, or what a function writes while the client already reads.
pub fn send(whole: []const u8, streams: anytype, call: anytype) !void {
    const run = streams orelse return abi.writeBody(whole);
    try abi.writeBody(""); // a body of nothing is one
    try sendAnnounced(run, call);
}

/// Writes a body by a function of a call.
pub fn sendAnnounced(run: anytype, call: anytype) !void {
    var buffer: [4096]u8 = undefined;
    var w: Writer = .init(&buffer);
    run(call, &w.interface) catch |err| return if (err == error.WriteFailed) w.failure orelse err else err;
    w.end() catch return w.failure orelse error.Failed;
}

/// The whole rest of a body: `error.TooLarge` where it has more than max bytes.
pub fn all(gpa: std.mem.Allocator, r: *Reader, max: usize) (abi.Error || error{OutOfMemory})![]u8 {
    return r.interface.allocRemaining(gpa, .limited(max)) catch |err| switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.StreamTooLong => error.TooLarge,
        error.ReadFailed => r.failure orelse error.Failed,
    };
}
