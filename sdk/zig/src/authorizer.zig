//! Authorizers.
const std = @import("std");
const abi = @import("abi.zig");
const entry = @import("entry.zig");
const fields = @import("fields.zig");
const function = @import("function.zig");

/// The request that somebody wants to make, in Lambda's format 2.0 for authorizers, with the members of 1.0 that have other names.
pub const AuthorizerEvent = struct {
    call: entry.Call,
    event: Event,

    /// The members of an event, by Lambda's names.
    pub const Event = struct {
        version: []const u8 = "",
        /// REQUEST or TOKEN.
        type: []const u8 = "",
        routeArn: []const u8 = "",
        methodArn: []const u8 = "",
        authorizationToken: []const u8 = "",
        /// A list; one string in 1.0.
        identitySource: std.json.Value = .null,
        routeKey: []const u8 = "",
        rawPath: []const u8 = "",
        rawQueryString: []const u8 = "",
        cookies: []const []const u8 = &.{},
        headers: fields.Fields = .{},
        queryStringParameters: fields.Fields = .{},
        pathParameters: fields.Fields = .{},
        stageVariables: fields.Fields = .{},
        requestContext: function.RequestContext = .{},
    };

    /// The first value of a header field, in any case.
    pub fn header(ev: *const AuthorizerEvent, name: []const u8) ?[]const u8 {
        return ev.event.headers.header(name);
    }

    /// What is asked for.
    pub fn arn(ev: *const AuthorizerEvent) []const u8 {
        return if (ev.event.routeArn.len > 0) ev.event.routeArn else ev.event.methodArn;
    }

    /// Lets pass, and hands a struct of strings, numbers and truths to the integration.
    pub fn allow(ev: *const AuthorizerEvent, context: anytype) !Decision {
        return .{ .allow = true, .context = try ev.call.json(context) };
    }

    /// Answers with a policy that allows, or denies, an ARN, which may hold * and ?.
    pub fn decideArn(ev: *const AuthorizerEvent, effect: Verdict, principal_id: []const u8, resource: []const u8) !Decision {
        const resources = try ev.call.arena.dupe([]const u8, &.{resource});
        const statements = try ev.call.arena.dupe(Statement, &.{.{ .Effect = effect, .Resource = resources }});
        return .{ .principal_id = principal_id, .policy = .{ .Statement = statements } };
    }
};

/// An authorizer's answer: `.{}` refuses with 403. `return error.Unauthorized;` has the client answered with 401.
pub const Decision = struct {
    allow: bool = false,
    /// In JSON, an object; handed to the integration.
    context: ?[]const u8 = null,
    /// Overrides allow.
    policy: ?Policy = null,
    principal_id: []const u8 = "",
};

/// An IAM policy document over execute-api:Invoke.
pub const Policy = struct {
    Version: []const u8 = "2012-10-17",
    Statement: []const Statement,
};

pub const Verdict = enum { Allow, Deny };

/// Allows or denies.
pub const Statement = struct {
    Effect: Verdict,
    Action: []const []const u8 = &.{"execute-api:Invoke"},
    Resource: []const []const u8,
};

/// The host asks decide: fn (ev: *AuthorizerEvent) !Decision.
pub fn run(comptime decide: anytype) i32 {
    return entry.run(struct {
        fn authorize(call: entry.Call) anyerror!void {
            var ev: AuthorizerEvent = .{ .call = call, .event = try call.parse(AuthorizerEvent.Event) };
            const d: Decision = try decide(&ev);
            var out: std.Io.Writer.Allocating = .init(call.arena);
            var w: std.json.Stringify = .{ .writer = &out.writer };
            try w.beginObject();
            if (d.policy) |policy| {
                try w.objectField("principalId");
                try w.write(d.principal_id);
                try w.objectField("policyDocument");
                try w.write(policy);
            } else {
                try w.objectField("isAuthorized");
                try w.write(d.allow);
            }
            if (d.context) |context| {
                try w.objectField("context");
                try w.print("{s}", .{context});
            }
            try w.endObject();
            try abi.writeMeta(out.written());
        }
    }.authorize);
}
