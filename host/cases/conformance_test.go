package cases_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/spec"
)

// root is the repository's.
const root = "../.."

// goGuest is the conformance guest of sdk/go, built as a user builds a plugin: without a network.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	build.Dir = filepath.Join(root, "sdk", "go", "conformance")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func module(name string, code []byte) *host.Source {
	digest := sha256.Sum256(code)
	return &host.Source{Name: name, Runtime: host.RuntimeWasm, Code: code, Digest: hex.EncodeToString(digest[:])}
}

// A conformer is a guest, with what it does not offer, by the name of the case, and why.
type conformer struct {
	source  func(t *testing.T) *host.Source
	without map[string]string
}

// conformers are the guests that every build holds to the cases. The other languages' are in languages.
var conformers = map[string]conformer{
	"go": {source: func(t *testing.T) *host.Source {
		code, err := goGuest()
		if err != nil {
			t.Fatal(err)
		}
		return module("conformance-go.wasm", code)
	}},
	"quickjs": {source: scriptOn(host.RuntimeQuickJS)},
	"js":      {source: scriptOn(host.RuntimeJS), without: map[string]string{"faulty-fuel": "fuel", "faulty-hoard": "memory", "isolation-reset": "reset"}},
}

// scriptOn is the conformance guest of sdk/js on a runtime.
func scriptOn(runtime string) func(t *testing.T) *host.Source {
	return func(t *testing.T) *host.Source {
		src := bundled(t, filepath.Join(root, "sdk", "js", "conformance"), "conformance.js")
		src.Runtime = runtime
		return src
	}
}

func TestConformance(t *testing.T) {
	e := engine(t)
	for name, guest := range conformers {
		t.Run(name, func(t *testing.T) { conform(t, e, guest) })
	}
}

// conform runs all cases on a guest.
func conform(t *testing.T, e *cases.Engine, guest conformer) {
	s := subject(t, e, guest.source(t))
	ran := 0
	for _, file := range conformance(t) {
		text, err := spec.Conformance.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := cases.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			r := s.Run(t.Context(), c)
			if why, ok := guest.without[name]; ok {
				if !strings.Contains(r.NotOffered, why) {
					t.Errorf("not offered: %q; want it to say %q", r.NotOffered, why)
				}
				return
			}
			if ran++; r.NotOffered != "" {
				t.Error(r.NotOffered)
			}
			for _, f := range r.Failures {
				t.Errorf("%s: %s\n%s", f.Pos, f.Section, f.Text)
			}
		})
	}
	if ran == 0 {
		t.Error("no case ran")
	}
}

func conformance(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(spec.Conformance, "conformance/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	return files
}

// languages are the SDKs whose guests other toolchains build. Each has a Makefile that writes bin/conformance-LANG.wasm.
var languages = []string{"rust", "assemblyscript", "c", "zig"}

// TestLanguages holds the guests of all SDKs to the cases. Without a toolchain a language is skipped, but fails in CI.
func TestLanguages(t *testing.T) {
	if os.Getenv("POSTERN_LANGS") == "" {
		t.Skip("run by: make test-langs")
	}
	e := engine(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			dir := filepath.Join(root, "sdk", lang)
			build := exec.Command("make", "build")
			build.Dir = dir
			if text, err := build.CombinedOutput(); err != nil {
				told := fmt.Sprintf("make build in %s: %v\n%s", dir, err, text)
				if os.Getenv("CI") != "" {
					t.Fatal(told)
				}
				t.Skip(told)
			}
			code, err := os.ReadFile(filepath.Join(root, "bin", "conformance-"+lang+".wasm"))
			if err != nil {
				t.Fatal(err)
			}
			conform(t, e, conformer{source: func(*testing.T) *host.Source { return module("conformance-"+lang+".wasm", code) }})
		})
	}
}
