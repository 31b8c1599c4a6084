//! Addresses and networks of IPv4 and IPv6.
const std = @import("std");
const net = std.Io.net;

/// An address of 4 or 16 bytes. One of IPv4 within IPv6, as ::ffff:192.0.2.1, is one of IPv4.
pub const Address = struct {
    bytes: [16]u8 = @splat(0),
    len: usize,

    /// Reads an address; a zone, as in fe80::1%eth0, is left out. Null: it is none.
    pub fn parse(text: []const u8) ?Address {
        const raw = Raw.parse(text[0 .. std.mem.indexOfScalar(u8, text, '%') orelse text.len]) orelse return null;
        return if (raw.isMapped()) raw.unmapped() else raw.address;
    }
};

/// An address as it is written.
const Raw = struct {
    address: Address,

    fn parse(text: []const u8) ?Raw {
        var a: Address = .{ .len = 4 };
        if (std.mem.indexOfScalar(u8, text, ':') == null) {
            const ip4 = net.Ip4Address.parse(text, 0) catch return null;
            a.bytes[0..4].* = ip4.bytes;
        } else {
            const ip6 = net.Ip6Address.parse(text, 0) catch return null;
            a = .{ .bytes = ip6.bytes, .len = 16 };
        }
        return .{ .address = a };
    }

    fn isMapped(raw: Raw) bool {
        return raw.address.len == 16 and std.mem.eql(u8, raw.address.bytes[0..12], &(@as([10]u8, @splat(0)) ++ .{ 0xff, 0xff }));
    }

    fn unmapped(raw: Raw) Address {
        var a: Address = .{ .len = 4 };
        a.bytes[0..4].* = raw.address.bytes[12..16].*;
        return a;
    }
};

/// The addresses that begin with the same bits.
pub const Network = struct {
    start: Address,
    bits: usize,

    /// Reads 192.0.2.0/24, 2001:db8::/32, or one address. Null: it is none, or has bits behind its prefix, which is a mistake more often
    /// than not.
    pub fn parse(text: []const u8) ?Network {
        const slash = std.mem.indexOfScalar(u8, text, '/') orelse text.len;
        const raw = Raw.parse(text[0..slash]) orelse return null;
        var n: Network = .{ .start = raw.address, .bits = raw.address.len * 8 };
        if (slash < text.len) {
            const digits = text[slash + 1 ..];
            for (digits) |c| if (!std.ascii.isDigit(c)) return null;
            n.bits = std.fmt.parseInt(u8, digits, 10) catch return null;
            if (n.bits > raw.address.len * 8) return null;
        }
        if (raw.isMapped() and n.bits >= 96) n = .{ .start = raw.unmapped(), .bits = n.bits - 96 };
        var bit = n.bits;
        while (bit < n.start.len * 8) : (bit += 1) {
            if (n.start.bytes[bit / 8] & mask(bit) != 0) return null;
        }
        return n;
    }

    pub fn contains(n: Network, a: Address) bool {
        if (a.len != n.start.len) return false;
        const whole = n.bits / 8;
        if (!std.mem.eql(u8, a.bytes[0..whole], n.start.bytes[0..whole])) return false;
        var bit = whole * 8;
        while (bit < n.bits) : (bit += 1) {
            if ((a.bytes[whole] ^ n.start.bytes[whole]) & mask(bit) != 0) return false;
        }
        return true;
    }

    /// The bit of a byte that has this number in an address.
    fn mask(bit: usize) u8 {
        return @as(u8, 0x80) >> @intCast(bit % 8);
    }
};

fn within(network: []const u8, address: []const u8) !bool {
    const n = Network.parse(network) orelse return error.NoNetwork;
    return n.contains(Address.parse(address) orelse return error.NoAddress);
}

test "networks" {
    const yes = [_][2][]const u8{
        .{ "192.0.2.0/24", "192.0.2.255" },      .{ "192.0.2.7", "192.0.2.7" },            .{ "10.0.0.0/9", "10.127.0.1" },
        .{ "0.0.0.0/0", "203.0.113.1" },         .{ "2001:db8::/33", "2001:db8:7fff::1" }, .{ "::1", "0:0:0:0:0:0:0:1" },
        .{ "192.0.2.0/24", "::ffff:192.0.2.1" }, .{ "::ffff:192.0.2.0/120", "192.0.2.1" }, .{ "fe80::/10", "fe80::1%eth0" },
        .{ "::/0", "2001:db8::1" },              .{ "192.0.2.0/31", "192.0.2.1" },
    };
    for (yes) |pair| try std.testing.expect(try within(pair[0], pair[1]));
    const no = [_][2][]const u8{
        .{ "192.0.2.0/24", "192.0.3.0" }, .{ "10.0.0.0/9", "10.128.0.0" }, .{ "2001:db8::/33", "2001:db8:8000::1" },
        .{ "0.0.0.0/0", "::1" },          .{ "::/0", "192.0.2.1" },        .{ "::/0", "::ffff:192.0.2.1" },
    };
    for (no) |pair| try std.testing.expect(!try within(pair[0], pair[1]));
}

test "what is no network" {
    const texts = [_][]const u8{
        "",               "192.0.2.0/33", "192.0.2.1/24",   "192.0.2.0/", "192.0.2.0/+8",  "192.0.2",              "192.0.2.256", "example.com",
        "2001:db8::/129", "::1/64",       "fe80::%eth0/10", " 192.0.2.1", "192.0.2.0/24 ", "::ffff:192.0.2.1/120", "0300.0.2.1",
    };
    for (texts) |text| {
        errdefer std.debug.print("{s}\n", .{text});
        try std.testing.expect(Network.parse(text) == null);
    }
}
