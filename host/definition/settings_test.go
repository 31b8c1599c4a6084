package definition_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

func loadSettings(t *testing.T, text string) (map[string]definition.HostSetting, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return definition.LoadHostSettings(path, []string{"http", "access-log", "trusted-proxies"})
}

func TestHostSettings(t *testing.T) {
	got, err := loadSettings(t, "http: :80\naccess-log: false\ntrusted-proxies: [10.0.0.0/8, 127.0.0.1]\n")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for name, s := range got {
		values[name] = s.Value
		if s.Pos.Line == 0 {
			t.Errorf("%s has no place", name)
		}
	}
	want := map[string]string{"http": ":80", "access-log": "false", "trusted-proxies": "10.0.0.0/8,127.0.0.1"}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
}

func TestHostSettingsAreStrict(t *testing.T) {
	_, err := loadSettings(t, "htp: :80\naccess-log: {on: true}\n")
	var errs definition.Errors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Fatalf("errors: %v", err)
	}
	if !strings.Contains(errs[0].Hint, `"http"`) || errs[0].Pos.Line != 1 || errs[1].Rule != definition.RuleWrongType {
		t.Errorf("errors: %v", err)
	}
	if _, err := definition.LoadHostSettings(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, host.NotFound) {
		t.Errorf("a missing file: %v", err)
	}
}
