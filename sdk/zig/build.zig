//! The package of plugins in Zig. A plugin's own build.zig takes its module: see templates/ and README.md.
const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const module = b.addModule("postern", .{ .root_source_file = b.path("src/postern.zig"), .target = target, .optimize = optimize });
    const tests = b.addTest(.{ .root_module = module });
    b.step("test", "Run the SDK's own tests").dependOn(&b.addRunArtifact(tests).step);
}
