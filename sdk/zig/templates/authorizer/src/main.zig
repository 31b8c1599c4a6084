//! {{name}} is an authorizer: it lets in whoever knows the secret API_KEY.
const postern = @import("postern");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportAuthorizer(check);
}

fn check(ev: *postern.AuthorizerEvent) !postern.Decision {
    const given = ev.header("x-api-key") orelse return error.Unauthorized;
    if (!same(given, try postern.secret("API_KEY"))) return .{}; // a decision that says nothing refuses
    return ev.allow(.{ .caller = "key" });
}

/// Compares in constant time: how long a wrong key takes tells nothing of the right one.
fn same(given: []const u8, key: []const u8) bool {
    if (given.len != key.len) return false;
    var differ: u8 = 0;
    for (given, key) |a, b| differ |= a ^ b;
    return differ == 0;
}
