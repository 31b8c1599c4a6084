package openapi_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

var update = flag.Bool("update", false, "write what documents become into testdata")

// What is read of whole documents, and what is said about them. An archive holds a document, the API that it becomes, and its report; the
// comment's second line may be "options:" with key=value.
func TestREST(t *testing.T) {
	files, err := filepath.Glob("testdata/rest-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden(t, file, openapi.Options{Protocol: host.ProtocolREST, AllowUnsupported: true})
		})
	}
}

// golden reads the document of an archive, and holds the result to the rest of it.
func golden(t *testing.T, file string, opts openapi.Options) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(archive.Comment), "\n") {
		if mode, ok := strings.CutPrefix(line, "basepath: "); ok {
			opts.BasePath = mode
		}
	}
	root, err := document.Parse(archive.Files[0].Name, archive.Files[0].Data, openapi.Limits())
	if err != nil {
		t.Fatal(err)
	}
	result, err := openapi.Read(root, opts)
	var report strings.Builder
	if err := result.Report.WriteText(&report); err != nil {
		t.Fatal(err)
	}
	var wrong document.Errors
	if errors.As(err, &wrong) {
		report.WriteString(wrong.Error() + "\n")
	}
	got := map[string]string{"api.yaml": string(document.YAML(result.API)), "report.txt": report.String()}
	for i := range archive.Files {
		f := &archive.Files[i]
		want, ok := got[f.Name]
		if ok && *update {
			f.Data = []byte(want)
		} else if ok && string(f.Data) != want {
			t.Errorf("%s is\n%s\nwanted\n%s", f.Name, want, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
