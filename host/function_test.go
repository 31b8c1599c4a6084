package host_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern/postern/host"
)

func TestResolve(t *testing.T) {
	stored := &host.Snapshot{
		Functions: []*host.Function{{Name: "f", Version: 1}, {Name: "f", Version: 3}, {Name: "g", Version: 1}},
		Aliases: []*host.Alias{{Function: "f", Name: "live", Version: 3}, {Function: "f", Name: "canary", Version: 1, Second: 3, Weight: 0.25},
			{Function: "f", Name: "gone", Version: 1, Second: 2, Weight: 0.5}},
	}
	folder := &host.Snapshot{Functions: []*host.Function{{Name: "f"}}}
	for _, c := range []struct {
		snapshot        *host.Snapshot
		name, qualifier string
		want            string // "" is not found
	}{
		{stored, "f", "", "live 3"},
		{stored, "f", "live", "live 3"},
		{stored, "f", "1", " 1"},
		{stored, "f", "canary", "canary 1 or 3 (0.25)"},
		{stored, "f", "2", ""},
		{stored, "f", "0", ""},
		{stored, "f", "Live", ""},
		{stored, "f", "gone", ""},
		{stored, "g", "", ""}, // it has no alias, where others have
		{stored, "g", "1", " 1"},
		{stored, "h", "", ""},
		{folder, "f", "", " 0"},
		{folder, "f", "live", " 0"},
		{folder, "f", "1", ""},
		{folder, "f", "canary", ""},
	} {
		v, err := c.snapshot.Resolve(c.name, c.qualifier)
		got := ""
		switch {
		case err != nil && !errors.Is(err, host.NotFound):
			t.Errorf("%s %q: %v", c.name, c.qualifier, err)
		case err == nil && v.Second != nil:
			got = fmt.Sprintf("%s %d or %d (%v)", v.Alias, v.First.Version, v.Second.Version, v.Weight)
		case err == nil:
			got = fmt.Sprintf("%s %d", v.Alias, v.First.Version)
		}
		if got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.name, c.qualifier, got, c.want)
		}
	}
}
