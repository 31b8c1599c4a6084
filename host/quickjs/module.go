package quickjs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sourcemap/sourcemap"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/prelude"
	"github.com/postern/postern/host/js/web"
)

var entries = []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle, host.EntryFilterRequest, host.EntryFilterResponse}

const opCompile = "compile script"

// A Module is a script that was looked at.
type Module struct {
	runtime *Runtime
	name    string
	code    string
	mapped  *sourcemap.Consumer // nil without a source map
	exports []string            // the functions that it exports
	entries []string
	parts   []string // of the prelude, which it is going to need
}

var _ host.Module = (*Module)(nil)

// Compile runs a script once, to see whether it is one, what it exports and whether its code outside of functions throws. A script that fails
// only after it looked at the environment, which nobody knows yet, is given the benefit of the doubt, when its exports are known; Open runs it again.
func (r *Runtime) Compile(ctx context.Context, src host.Source) (host.Module, error) {
	m := &Module{runtime: r, name: src.Name, code: string(src.Code)}
	if src.SourceMap != nil {
		consumer, err := web.SourceMap(src.SourceMap)
		if err != nil {
			return nil, &host.Error{Op: opCompile, Kind: host.Invalid, Pos: host.Position{File: src.Name}, Err: fmt.Errorf("source map: %w", err)}
		}
		m.mapped = consumer
	}
	found, err := m.probe(ctx, src.Exports)
	if err != nil {
		return nil, err
	}
	m.exports = found
	if m.entries = entriesOf(found); len(m.entries) == 0 {
		return nil, &host.Error{Op: opCompile, Kind: host.Invalid, Pos: host.Position{File: src.Name}, Err: useless(found)}
	}
	m.parts = neededParts(src.Code, found)
	return m, nil
}

// probe runs the script in an instance that is thrown away.
func (m *Module) probe(ctx context.Context, known []string) ([]string, error) {
	p := &Plugin{module: m, cfg: host.PluginConfig{Name: m.name, Isolation: host.IsolationFresh}}
	var seen loading
	pool, err := p.pool(ctx, &seen)
	if err != nil {
		if seen.envRead && known != nil && errors.Is(err, host.Invalid) {
			return known, nil
		}
		return nil, err
	}
	return seen.exports, pool.Close(ctx)
}

var word = regexp.MustCompile(`[A-Za-z]\w+`)

// neededParts are the files of the prelude that a script is going to ask for, by the words in it: loaded with it, they cost the calls nothing.
func neededParts(code []byte, exports []string) []string {
	needed := map[string]bool{}
	for _, w := range word.FindAll(code, -1) {
		if file, ok := prelude.Globals[string(w)]; ok {
			needed[file] = true
		}
	}
	if bytes.Contains(code, []byte("Buffer")) {
		needed["node/buffer.js"] = true
	}
	for _, name := range exports {
		switch {
		case name == "default.fetch":
			needed["serve.js"] = true
		case strings.HasPrefix(name, "map_"):
			needed["mapping.js"] = true
		case strings.HasPrefix(name, "filter_"):
			needed["filter.js"] = true
		}
	}
	list := make([]string, 0, len(needed))
	for file := range needed {
		list = append(list, file)
	}
	slices.Sort(list)
	return list
}

// Info describes the script.
func (m *Module) Info() host.ModuleInfo {
	return host.ModuleInfo{Carrier: host.RuntimeJS, Entries: slices.Clone(m.entries), Exports: slices.Clone(m.exports)}
}

// Close frees nothing: a Module holds memory alone.
func (m *Module) Close(context.Context) error { return nil }

func isFilter(entry string) bool {
	return entry == host.EntryFilterRequest || entry == host.EntryFilterResponse
}

// entriesOf lists what a script can be called by. Exports are by their names, with "default" for a function as the default export or as
// module.exports itself, and "default.fetch".
func entriesOf(exports []string) []string {
	has := func(name string) bool { return slices.Contains(exports, name) }
	named := slices.ContainsFunc(entries, has)
	sole := has("handler") || has("default")
	var out []string
	for _, entry := range entries {
		if has(entry) || sole && (!named && !isFilter(entry) || entry == host.EntryHandle) || entry == host.EntryHandle && has("default.fetch") {
			out = append(out, entry)
		}
	}
	return out
}

func useless(exports []string) error {
	what := "nothing"
	if len(exports) > 0 {
		what = strings.Join(exports, ", ")
	}
	return fmt.Errorf("the script exports %s; it must export a function: authorize, map_request, map_response, filter_request, filter_response, handle or handler, or a default object with fetch", what)
}
