package definition_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// FuzzParse checks that any bytes give a snapshot or Errors that point into the file, and the same ones again.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := definition.Parse("postern.yaml", data, definition.Options{Host: true}); err != nil && host.KindOf(err) != host.Invalid {
			t.Fatal(err)
		}
		if f, err := definition.ParseFunction("f", data, ""); (f == nil) == (err == nil) || err != nil && host.KindOf(err) != host.Invalid {
			t.Fatalf("ParseFunction = %v, %v", f, err)
		}
		snapshot, err := definition.Parse("postern.yaml", data, definition.Options{})
		again, errAgain := definition.Parse("postern.yaml", data, definition.Options{})
		if err == nil {
			if snapshot == nil {
				t.Fatal("neither a snapshot nor an error")
			}
			if diff := cmp.Diff(snapshot, again); diff != "" {
				t.Fatalf("two readings differ:\n%s", diff)
			}
			return
		}
		var errs definition.Errors
		if !errors.As(err, &errs) || len(errs) == 0 || host.KindOf(err) != host.Invalid {
			t.Fatalf("Parse = %v, %v", snapshot, err)
		}
		if errAgain == nil || err.Error() != errAgain.Error() {
			t.Fatalf("two readings differ:\n%v\n%v", err, errAgain)
		}
		for _, e := range errs {
			if e.Pos.Line < 1 || e.Pos.Column < 1 || e.Message == "" || e.Rule == "" {
				t.Errorf("incomplete: %+v", e)
			}
		}
	})
}
