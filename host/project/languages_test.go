package project_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// A language is a folder that another toolchain than Go's builds. What it exports is the least that a plugin may be.
type language struct {
	name    string
	tools   [][]string // commands that must succeed where it can be built
	install string
	prepare []string // run in the folder first
	files   map[string]string
	broken  string // the file, and what it is replaced by, for an error with a place
	with    string
	at      string // where the compiler's error is
}

var languages = []language{
	{
		name: "rust", install: "https://rustup.rs, then: rustup target add wasm32-wasip1",
		tools: [][]string{{"cargo", "--version"}, {"sh", "-c", `test -d "$(rustc --print target-libdir --target wasm32-wasip1)"`}},
		files: map[string]string{
			"Cargo.toml": "[package]\nname = \"guest\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n",
			"src/lib.rs": "#[no_mangle]\npub extern \"C\" fn postern_abi_1() {}\n\n#[no_mangle]\npub extern \"C\" fn handle() -> i32 { 0 }\n",
		},
		broken: "src/lib.rs", with: "pub fn f() -> i32 {\n    nothing\n}\n", at: "f/src/lib.rs:2:5 build",
	},
	{
		name: "assemblyscript", install: "https://nodejs.org",
		tools:   [][]string{{"npm", "--version"}, {"npx", "--version"}},
		prepare: []string{"npm", "install", "--no-audit", "--no-fund"},
		files: map[string]string{
			"package.json":      `{"private": true, "devDependencies": {"assemblyscript": "0.28"}}`,
			"asconfig.json":     `{"targets": {"release": {"optimizeLevel": 3}}, "options": {"runtime": "stub"}}`,
			"assembly/index.ts": "export function postern_abi_1(): void {}\n\nexport function handle(): i32 { return 0; }\n",
		},
		broken: "assembly/index.ts", with: "export function handle(): i32 {\n  return nothing;\n}\n", at: "f/assembly/index.ts:2:10 build",
	},
	{
		name: "zig", install: "https://ziglang.org/download/, or python3 -m pip install ziglang==0.17.1",
		tools: [][]string{{"sh", "-c", "zig version || python3 -m ziglang version"}},
		files: map[string]string{
			"build.zig": `const std = @import("std");

pub fn build(b: *std.Build) void {
    const guest = b.addExecutable(.{ .name = "guest", .root_module = b.createModule(.{
        .root_source_file = b.path("main.zig"),
        .target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding }),
        .optimize = .ReleaseSmall,
    }) });
    guest.entry = .disabled;
    guest.rdynamic = true;
    b.installArtifact(guest);
}
`,
			"main.zig": "export fn postern_abi_1() void {}\n\nexport fn handle() i32 {\n    return 0;\n}\n",
		},
		broken: "main.zig", with: "export fn handle() i32 {\n    return nothing;\n}\n", at: "f/main.zig:2:12 build",
	},
	{
		name: "c", install: "clang and lld with your system's package manager, and make",
		tools: [][]string{{"make", "--version"}, {"clang", "--version"}, {"wasm-ld", "--version"}},
		files: map[string]string{
			"Makefile": "OUT = plugin.wasm\n$(OUT): guest.c\n\tclang --target=wasm32 -nostdlib -O2 -Wl,--no-entry -o $(OUT) guest.c\n",
			"guest.c": "__attribute__((export_name(\"postern_abi_1\"))) void postern_abi_1(void) {}\n\n" +
				"__attribute__((export_name(\"handle\"))) int handle(void) { return 0; }\n",
		},
		broken: "guest.c", with: "int f(void) {\n  return nothing;\n}\n", at: "f/guest.c:2:10 build",
	},
}

// TestLanguages builds a folder in each language that a toolchain is there for, and a broken one. make test-langs runs it:
// without a toolchain a language is skipped, but fails in CI.
func TestLanguages(t *testing.T) {
	if os.Getenv("POSTERN_LANGS") == "" {
		t.Skip("run by: make test-langs")
	}
	runtime, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = runtime.Close(t.Context()) })
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			l.need(t)
			dir := write(t, map[string]string{"postern.yaml": one("./f")})
			for name, data := range l.files {
				put(t, dir, "f/"+name, data)
			}
			if l.prepare != nil {
				l.run(t, filepath.Join(dir, "f"), l.prepare)
			}
			before := listing(t, dir)
			opts := options(t)
			source := load(t, dir, opts).Snapshot.Functions[0].Plugin.Source
			module, err := runtime.Compile(t.Context(), *source)
			if err != nil {
				t.Fatal(err)
			}
			if entries := module.Info().Entries; !slices.Equal(entries, []string{host.EntryHandle}) {
				t.Errorf("entries %q", entries)
			}
			if err := module.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if again := load(t, dir, opts).Snapshot.Functions[0].Plugin.Source; !bytes.Equal(again.Code, source.Code) {
				t.Error("a second build made other code")
			}
			put(t, dir, "f/"+l.broken, l.with)
			if errs, got := problems(t, dir, opts); !slices.Contains(got, l.at) {
				t.Errorf("errors %q, want one at %s:\n%v", got, l.at, errs)
			}
			after := slices.DeleteFunc(listing(t, dir), func(file string) bool { return filepath.Base(file) == "Cargo.lock" }) // cargo's, to be kept
			if !slices.Equal(before, after) {
				t.Errorf("the build left in the folder: %q, which held %q", after, before)
			}
		})
	}
}

// need skips where the toolchain is not there, but for CI, where it has to be.
func (l *language) need(t *testing.T) {
	t.Helper()
	for _, tool := range l.tools {
		out, err := exec.Command(tool[0], tool[1:]...).CombinedOutput()
		if err == nil {
			continue
		}
		missing := "there is no " + l.name + " (" + strings.Join(tool, " ") + ": " + err.Error() + " " + strings.TrimSpace(string(out)) + "); install it: " + l.install
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
}

func (l *language) run(t *testing.T, dir string, args []string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}
