package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// A HostSetting is one value of a host's settings file, as its flag would take it.
type HostSetting struct {
	Value string
	Pos   host.Position
}

// LoadHostSettings reads a YAML file with one object, whose keys are the names of flags and whose values are scalars
// or lists of them, which are joined by commas. Only known names are taken. The error is Errors with everything that
// is wrong, or a *host.Error with Kind NotFound or Internal when the file cannot be read.
func LoadHostSettings(path string, known []string) (map[string]HostSetting, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		kind := host.Internal
		if errors.Is(err, fs.ErrNotExist) {
			kind = host.NotFound
		}
		return nil, &host.Error{Op: "read the settings", Kind: kind, Pos: host.Position{File: path}, Err: err}
	}
	r := &report{file: path}
	settings := map[string]HostSetting{}
	if root := r.readTree(data); root != nil {
		for _, m := range root.Members {
			r.setting(settings, m, known)
		}
	}
	if err := r.finish(data); err != nil {
		return nil, err
	}
	return settings, nil
}

func (r *report) setting(settings map[string]HostSetting, m document.Member, known []string) {
	at := place{pos: m.Pos, path: m.Key}
	if !slices.Contains(known, m.Key) {
		r.add(at, RuleUnknownKey, "there is no setting "+quote(m.Key)).Hint = r.suggest(m.Key, known)
		return
	}
	values := []*document.Node{m.Value}
	if m.Value.Shape == document.List {
		values = m.Value.Items
	}
	var parts []string
	for _, v := range values {
		if v.Shape == document.List || v.Shape == document.Object || v.Shape == document.Null {
			r.add(place{pos: v.Pos, path: m.Key}, RuleWrongType, fmt.Sprintf("the setting must be a value or a list of values, not %s", v.Shape))
			return
		}
		parts = append(parts, v.Text)
	}
	settings[m.Key] = HostSetting{Value: strings.Join(parts, ","), Pos: m.Value.Pos}
}
