package cases_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/host/js/bundle"
)

// script bundles code as a project does.
func script(t *testing.T, name, code string) *host.Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return bundled(t, dir, name)
}

func bundled(t *testing.T, dir, name string) *host.Source {
	t.Helper()
	out, err := bundle.Build(t.Context(), bundle.Options{Dir: dir, Entry: name})
	if err != nil {
		t.Fatal(err)
	}
	return out.Source
}

func subject(t *testing.T, e *cases.Engine, src *host.Source) *cases.Subject {
	t.Helper()
	s, err := e.Subject(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func engine(t *testing.T) *cases.Engine {
	t.Helper()
	e := &cases.Engine{}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func parse(t *testing.T, text string) *cases.Case {
	t.Helper()
	c, err := cases.Parse("a.txtar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
