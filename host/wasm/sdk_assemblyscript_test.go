package wasm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/postern/postern/host/wasm"
)

// assemblyScript is the SDK's folder with the compiler installed, as a user installs it: by npm, from the lock file.
var assemblyScript = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "assemblyscript")
	if err != nil {
		return "", err
	}
	if err := copyInto(dir, filepath.Join("..", "..", "sdk", "assemblyscript"), "."); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = dir
	if text, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return dir, nil
})

// buildAssemblyScript builds a folder as a project does.
func buildAssemblyScript(dir, out string) ([]byte, error) {
	cmd := exec.Command("npx", "--no-install", "asc", "--target", "release", "--outFile", out)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
}

func needAssemblyScript(t testing.TB) string {
	t.Helper()
	needLanguages(t)
	_, npm := exec.LookPath("npm")
	_, npx := exec.LookPath("npx")
	needToolchain(t, npm == nil && npx == nil, "AssemblyScript", "https://nodejs.org")
	dir, err := assemblyScript()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The AssemblyScript SDK keeps the contracts.
func TestAssemblyScriptSDK(t *testing.T) {
	dir := needAssemblyScript(t)
	code, err := buildAssemblyScript(filepath.Join(dir, "conformance"), filepath.Join(t.TempDir(), "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, newRuntime(t, wasm.Options{}), "assemblyscript", code)
	testConformance(t, m, conformance{panicAt: "assembly/index.ts:", frame: "assembly/index/handle", exit: "the shelf fell over"})
}

// Each template is a plugin that builds with the SDK's sources beside it, and is what it is named for.
func TestAssemblyScriptTemplates(t *testing.T) {
	sdk := needAssemblyScript(t)
	testTemplates(t, filepath.Join(sdk, "templates"), func(dir string) ([]byte, error) {
		if err := copyInto(filepath.Join(dir, "postern"), filepath.Join(sdk, "assembly"), "."); err != nil {
			return nil, err
		}
		if err := os.Symlink(filepath.Join(sdk, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			return nil, err
		}
		return buildAssemblyScript(dir, filepath.Join(t.TempDir(), "plugin.wasm"))
	})
}

// The README's examples build with the options that it names.
func TestAssemblyScriptReadme(t *testing.T) {
	sdk := needAssemblyScript(t)
	text, err := os.ReadFile(filepath.Join(sdk, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	fences := regexp.MustCompile("(?s)```(ts|json)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	dir := t.TempDir()
	if err := copyInto(filepath.Join(dir, "postern"), filepath.Join(sdk, "assembly"), "."); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(filepath.Join(sdk, "node_modules"), filepath.Join(dir, "node_modules")), os.Mkdir(filepath.Join(dir, "assembly"), 0o755)); err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, fence := range fences {
		if fence[1] == "ts" {
			sources = append(sources, fence[2])
		} else if err := os.WriteFile(filepath.Join(dir, "asconfig.json"), []byte(fence[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(sources) < 5 {
		t.Fatalf("%d examples", len(sources))
	}
	for _, source := range sources {
		if err := os.WriteFile(filepath.Join(dir, "assembly", "index.ts"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		code, err := buildAssemblyScript(dir, filepath.Join(t.TempDir(), "plugin.wasm"))
		if err != nil {
			t.Errorf("%v\n%s", err, source)
			continue
		}
		compile(t, newRuntime(t, wasm.Options{}), "readme", code)
	}
}
