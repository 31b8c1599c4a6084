package js

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja/file"

	"github.com/postern/postern/host"
)

// ours marks the names of programs that are not the user's: the web API, and what esbuild adds to a bundle.
const (
	ours       = "postern:"
	bundleName = ours + "bundle"
)

// position makes a host.Position of goja's.
func position(p file.Position) host.Position {
	return host.Position{File: fileName(p.Filename), Line: p.Line, Column: p.Column}
}

// fileName undoes the escaping that goja applies to names from source maps.
func fileName(name string) string {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return strings.TrimPrefix(name, "./")
}

// A frame of goja's stacks: "\tat name (file:line:column(pc))", or without the name.
var frame = regexp.MustCompile(`^\s*at (?:(.*) \()?([^()]*|<eval>):(\d+):(\d+)\(\d+\)\)?$`)

const maxFrames = 20

// userStack rewrites a stack of goja's as people know it, without the frames that are ours, and returns the place of
// the topmost frame; one in the user's own files goes before one in a package.
func userStack(stack string) (string, host.Position) {
	var out []string
	var top, own host.Position
	for line := range strings.Lines(stack) {
		m := frame.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || strings.HasPrefix(m[2], ours) {
			continue
		}
		n, _ := strconv.Atoi(m[3])
		column, _ := strconv.Atoi(m[4])
		pos := host.Position{File: fileName(m[2]), Line: n, Column: column}
		if top.IsZero() {
			top = pos
		}
		if own.IsZero() && !strings.Contains(pos.File, "node_modules/") && pos.File != "<eval>" {
			own = pos
		}
		if len(out) < maxFrames {
			name := m[1]
			if name == "" {
				name = "<anonymous>"
			}
			out = append(out, "    at "+name+" ("+pos.String()+")")
		}
	}
	if !own.IsZero() {
		top = own
	}
	return strings.Join(out, "\n"), top
}
