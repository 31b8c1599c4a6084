package js_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Packages from npm run unmodified: the same scripts that use them print the same in Node.js and here.
func TestPackages(t *testing.T) {
	dir := copyFiles(t, "testdata/packages", "testdata/differential")
	install(t, dir)
	files, err := filepath.Glob("testdata/packages/*.js")
	if err != nil {
		t.Fatal(err)
	}
	node := runNode(t, dir, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".js"), func(t *testing.T) {
			differ(t, dir, filepath.Base(file), strings.TrimSuffix(file, ".js")+".golden", node)
		})
	}
}

// install runs npm ci. Without npm, or without its registry, the test is skipped, but not in CI.
func install(t *testing.T, dir string) {
	t.Helper()
	args := []string{"ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"}
	cmd := exec.Command("npm", args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("npm: %v\n%s", err, text)
	}
	t.Skipf("the packages cannot be installed (%v): install npm, and see that `npm %s` works in host/js/testdata/packages\n%s", err, strings.Join(args, " "), text)
}
