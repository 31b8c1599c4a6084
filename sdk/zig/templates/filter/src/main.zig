//! {{name}} is a filter: it sees each request on its way in and each response on its way out.
const postern = @import("postern");

pub const panic = postern.panic;
pub const std_options = postern.options;

comptime {
    postern.exportFilterRequest(incoming);
    postern.exportFilterResponse(outgoing);
}

/// Answers for the host what is not to reach a backend, and tells the backend the request's id.
fn incoming(x: *postern.Exchange) !postern.Edits {
    if (x.request.headers.header("x-blocked") != null) return .{ .answer = .{ .status = 403, .body = "blocked" } };
    return .{ .set = try x.call.fields(&.{.{ .name = "x-request-id", .value = x.context.requestId }}) };
}

/// Hides what the backend says of itself. The body passes as it is.
fn outgoing(_: *postern.Exchange) !postern.Edits {
    return .{ .remove = &.{ "server", "x-powered-by" } };
}
