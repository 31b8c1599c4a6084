package sdk_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/postern/postern/sdk"
)

// What is embedded is all that a guest needs to build: not what the SDK itself is tested with.
func TestSourcesAreComplete(t *testing.T) {
	files, err := os.ReadDir("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || f.Name() == "Makefile" {
			continue
		}
		if _, err := fs.Stat(sdk.Sources, "go/"+f.Name()); err != nil {
			t.Error(err)
		}
	}
}
