const std = @import("std");

// postern build runs this.
pub fn build(b: *std.Build) void {
    const target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding });
    const optimize: std.builtin.OptimizeMode = .ReleaseSafe; // its checks end a plugin with a message
    const plugin = b.addExecutable(.{ .name = "ip-allow", .root_module = b.createModule(.{
        .root_source_file = b.path("src/main.zig"),
        .target = target,
        .optimize = optimize,
        .imports = &.{.{ .name = "postern", .module = b.dependency("postern", .{ .target = target, .optimize = optimize }).module("postern") }},
    }) });
    plugin.entry = .disabled;
    plugin.rdynamic = true;
    plugin.stack_size = 256 << 10;
    b.installArtifact(plugin);

    const tests = b.addTest(.{ .root_module = b.createModule(.{ .root_source_file = b.path("src/network.zig"), .target = b.graph.host }) });
    b.step("test", "Run the tests of src/network.zig").dependOn(&b.addRunArtifact(tests).step);
}
