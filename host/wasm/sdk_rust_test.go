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

const rustInstall = "https://rustup.rs, then: rustup target add wasm32-wasip1; or with Debian: apt-get install cargo libstd-rust-dev-wasm32"

// A rustToolchain is a cargo with the targets that it can build for.
type rustToolchain struct {
	name, cargo, rustc string
	targets            []string
}

// rustToolchains are the ones that are here: the one in PATH, and the system's own where that is another.
func rustToolchains(t testing.TB) []rustToolchain {
	t.Helper()
	var found []rustToolchain
	seen := map[string]bool{}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		tools := rustToolchain{cargo: filepath.Join(dir, "cargo"), rustc: filepath.Join(dir, "rustc")}
		version, err := exec.Command(tools.rustc, "--version").Output()
		if err != nil || exec.Command(tools.cargo, "--version").Run() != nil || seen[string(version)] {
			continue
		}
		seen[string(version)] = true
		tools.name = strings.Join(strings.Fields(string(version))[:2], "-")
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi", "wasm32-unknown-unknown"} {
			lib, err := exec.Command(tools.rustc, "--print", "target-libdir", "--target", target).Output()
			if _, missing := os.Stat(strings.TrimSpace(string(lib))); err == nil && missing == nil {
				tools.targets = append(tools.targets, target)
			}
		}
		found = append(found, tools)
	}
	return found
}

// build builds a folder as a user does, without a network, and returns the module that it makes.
func (r *rustToolchain) build(dir, out, target string) ([]byte, error) {
	cmd := exec.Command(r.cargo, "build", "--release", "--offline", "--target", target, "--target-dir", out)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUSTC="+r.rustc, "RUSTFLAGS=-D warnings")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	found, err := filepath.Glob(filepath.Join(out, target, "release", "*.wasm"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%s left %q, %w", r.name, found, err)
	}
	return os.ReadFile(found[0])
}

// needToolchain skips where a language cannot be built, but for CI, where it has to be.
func needToolchain(t testing.TB, there bool, language, install string) {
	t.Helper()
	if there {
		return
	}
	missing := "there is no toolchain of " + language + "; install it: " + install
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// needLanguages skips a test that needs other toolchains than Go's unless they are asked for.
func needLanguages(t testing.TB) {
	t.Helper()
	if os.Getenv("POSTERN_LANGS") == "" {
		t.Skip("run by: make test-langs")
	}
}

// The Rust SDK keeps the contracts with each toolchain and target that is here, and builds without warnings.
func TestRustSDK(t *testing.T) {
	needLanguages(t)
	built := false
	for _, r := range rustToolchains(t) {
		for _, target := range r.targets {
			built = true
			t.Run(r.name+"/"+target, func(t *testing.T) {
				code, err := r.build(filepath.Join("..", "..", "sdk", "rust", "conformance"), t.TempDir(), target)
				if err != nil {
					t.Fatal(err)
				}
				m := compile(t, newRuntime(t, wasm.Options{}), "rust", code)
				exit := "the guest exited with code 4"
				if target == "wasm32-unknown-unknown" {
					exit = "unreachable" // there is no process to end
				}
				testConformance(t, m, conformance{panicAt: "src/lib.rs:", frame: "\ncore::panicking::panic_fmt(", exit: exit})
			})
		}
	}
	needToolchain(t, built, "Rust", rustInstall)
}

// Each template is a plugin that builds with the SDK's sources beside it, and is what it is named for.
func TestRustTemplates(t *testing.T) {
	needLanguages(t)
	tools := rustToolchains(t)
	needToolchain(t, len(tools) > 0 && len(tools[0].targets) > 0, "Rust", rustInstall)
	sdk := filepath.Join("..", "..", "sdk", "rust")
	testTemplates(t, filepath.Join(sdk, "templates"), func(dir string) ([]byte, error) {
		for _, part := range []string{"Cargo.toml", "src"} {
			if err := copyInto(filepath.Join(dir, "postern"), sdk, part); err != nil {
				return nil, err
			}
		}
		return tools[0].build(dir, filepath.Join(t.TempDir(), "out"), tools[0].targets[0])
	})
}
