//! Half of a surrogate pair in an escape: U+FFFD to those who read JSON in other languages, and an error to std.json.
const std = @import("std");

/// A copy of JSON with U+FFFD for each half that stands alone; null where none does.
pub fn mended(arena: std.mem.Allocator, text: []const u8) !?[]const u8 {
    var copy: ?[]u8 = null;
    var i: usize = 0;
    while (std.mem.indexOfScalarPos(u8, text, i, '\\')) |at| {
        i = at + 2;
        const unit = escaped(text, at) orelse continue;
        i = at + 6;
        if (!std.unicode.utf16IsHighSurrogate(unit) and !std.unicode.utf16IsLowSurrogate(unit)) continue;
        if (std.unicode.utf16IsHighSurrogate(unit)) {
            if (escaped(text, i)) |next| if (std.unicode.utf16IsLowSurrogate(next)) {
                i += 6;
                continue;
            };
        }
        if (copy == null) copy = try arena.dupe(u8, text);
        @memcpy(copy.?[at + 2 ..][0..4], "fffd");
    }
    return copy;
}

/// What \uXXXX stands for, where one is.
fn escaped(text: []const u8, at: usize) ?u16 {
    if (text.len < at + 6 or text[at] != '\\' or text[at + 1] != 'u') return null;
    return std.fmt.parseInt(u16, text[at + 2 ..][0..4], 16) catch null;
}

test mended {
    const t = std.testing;
    for ([_][2][]const u8{
        .{ "\"\\ud800\"", "\"\\ufffd\"" },
        .{ "\\uDC00\\ud800x\\ud83d\\ude00", "\\ufffd\\ufffdx\\ud83d\\ude00" },
        .{ "\\ud83d\\u0041\\\\ud800", "\\ufffd\\u0041\\\\ud800" },
    }) |pair| {
        const got = (try mended(t.allocator, pair[0])).?;
        defer t.allocator.free(got);
        try t.expectEqualStrings(pair[1], got);
    }
    for ([_][]const u8{ "", "\\", "\\u", "\\ud80", "\\ud83d\\ude00", "\\\\ud800" }) |text| try t.expectEqual(null, try mended(t.allocator, text));
}
