package wasm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host/wasm"
)

const zigInstall = "python3 -m pip install ziglang==0.17.1, or https://ziglang.org/download/"

// zigCommand is how Zig is run here: by itself, or as the package of Python that it also comes in. Empty: it is not here.
func zigCommand() string {
	for _, command := range []string{"zig", "python3 -m ziglang"} {
		if works(command + " version") {
			return command
		}
	}
	return ""
}

// The Zig SDK keeps the contracts.
func TestZigSDK(t *testing.T) {
	needLanguages(t)
	needToolchain(t, zigCommand() != "", "Zig", zigInstall)
	code, err := makeGuest(t, filepath.Join("..", "..", "sdk", "zig"), "build", "ZIG="+zigCommand())
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, newRuntime(t, wasm.Options{}), "zig", code)
	testConformance(t, m, conformance{frame: "panic", exit: "unreachable", huge: true})
}

// Each template is a plugin that builds with the SDK's sources beside it, and is what it is named for.
func TestZigTemplates(t *testing.T) {
	needLanguages(t)
	needToolchain(t, zigCommand() != "", "Zig", zigInstall)
	sdk := filepath.Join("..", "..", "sdk", "zig")
	testTemplates(t, filepath.Join(sdk, "templates"), func(dir string) ([]byte, error) {
		for _, part := range []string{"build.zig", "build.zig.zon", "src"} {
			if err := copyInto(filepath.Join(dir, "postern"), sdk, part); err != nil {
				return nil, err
			}
		}
		return zigBuild(t, dir)
	})
}

// What the SDK does without a host, it does as an ordinary program of this machine too: the tests of its own.
func TestZigNatively(t *testing.T) {
	needLanguages(t)
	needToolchain(t, zigCommand() != "", "Zig", zigInstall)
	run := exec.Command("make", "--silent", "native", "ZIG="+zigCommand())
	run.Dir = filepath.Join("..", "..", "sdk", "zig")
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkZigGuest(b *testing.B) {
	needLanguages(b)
	code, err := makeGuest(b, filepath.Join("..", "..", "sdk", "zig"), "build", "ZIG="+zigCommand())
	if err != nil {
		b.Fatal(err)
	}
	benchGuest(b, code)
}

// zigBuild builds a plugin's folder as postern build does.
func zigBuild(t testing.TB, dir string) ([]byte, error) {
	out := t.TempDir()
	args := append(strings.Fields(zigCommand()), "build", "--prefix", out, "--cache-dir", filepath.Join(out, "cache"))
	build := exec.Command(args[0], args[1:]...)
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%q: %w\n%s", args, err, text)
	}
	found, err := filepath.Glob(filepath.Join(out, "bin", "*.wasm"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("zig build left %q, %w", found, err)
	}
	return os.ReadFile(found[0])
}
