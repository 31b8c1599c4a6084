package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/postern/postern/host"
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
		for _, m := range root.members {
			r.setting(settings, m, known)
		}
	}
	if err := r.finish(data); err != nil {
		return nil, err
	}
	return settings, nil
}

func (r *report) setting(settings map[string]HostSetting, m member, known []string) {
	at := place{pos: m.pos, path: m.key}
	if !slices.Contains(known, m.key) {
		r.add(at, RuleUnknownKey, "there is no setting "+quote(m.key)).Hint = r.suggest(m.key, known)
		return
	}
	values := []*node{m.val}
	if m.val.shape == shapeList {
		values = m.val.items
	}
	var parts []string
	for _, v := range values {
		if v.shape == shapeList || v.shape == shapeObject || v.shape == shapeNull {
			r.add(place{pos: v.pos, path: m.key}, RuleWrongType, fmt.Sprintf("the setting must be a value or a list of values, not %s", v.shape))
			return
		}
		parts = append(parts, v.text)
	}
	settings[m.key] = HostSetting{Value: strings.Join(parts, ","), Pos: m.val.pos}
}
