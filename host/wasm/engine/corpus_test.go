package engine

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// specCorpus returns wazero's copy of the specification's test suite, which its module in the module cache carries.
func specCorpus(t *testing.T) string {
	dir := specDir()
	if dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("wazero's sources are not in the module cache")
		}
		t.Skip("wazero's sources are not in the module cache")
	}
	return dir
}

// specDir is where the suite lies, or "".
func specDir() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	if _, failed := os.Stat(dir); err != nil || failed != nil {
		return ""
	}
	return dir
}

// TestPrepareKeepsTheSpecification holds the checks against every module of the specification's test suite: what
// compiles without them compiles with them.
func TestPrepareKeepsTheSpecification(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer func() { _ = r.Close(ctx) }()
	dir := specCorpus(t)
	var valid, invalid int
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		prepared, _, refused := prepare(code)
		before, err := r.CompileModule(ctx, code)
		if err != nil {
			invalid++
			return nil
		}
		_ = before.Close(ctx)
		if refused != nil {
			if strings.HasPrefix(name, "v1") || strings.HasPrefix(name, "v2") {
				t.Errorf("%s: refused: %v", name, refused)
			}
			return nil
		}
		valid++
		after, err := r.CompileModule(ctx, prepared)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		_ = after.Close(ctx)
		return nil
	})
	if err != nil || valid < 1000 {
		t.Fatalf("%d modules are valid: %v", valid, err)
	}
	t.Logf("%d valid modules pass; %d are not valid", valid, invalid)
}
