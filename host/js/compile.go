package js

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

var entries = []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle, host.EntryFilterRequest, host.EntryFilterResponse}

// A Module is a compiled script.
type Module struct {
	runtime   *Runtime
	name      string
	program   *goja.Program
	regexps   bool // regular expressions may occur
	matchAll  bool // matchAll is called
	functions bool // functions may be made of text
	async     bool // Symbol.asyncIterator is named
	polyfills bool // something is called that goja's own objects lack
	entries   []string
	exports   []string // those that are functions
}

var _ host.Module = (*Module)(nil)

// Compile checks a script and compiles it. The script is run once, to see what it exports and whether its code outside
// of functions throws. A script that fails only after it looked at the environment, which nobody knows yet, is
// given the benefit of the doubt, when its exports are known; Open runs it again.
func (r *Runtime) Compile(ctx context.Context, src host.Source) (host.Module, error) {
	tree, err := parse(&src)
	if err != nil {
		return nil, err
	}
	w := walker{}
	w.walk(tree)
	if len(w.findings) > 0 {
		return nil, reject(tree.File, w.findings)
	}
	program, err := goja.CompileAST(tree, false)
	if err != nil {
		return nil, syntaxError(&src, tree.File, err)
	}
	text := string(src.Code)
	m := &Module{runtime: r, name: src.Name, program: program,
		regexps:   w.regexps || mentions(text, "RegExp", "match", "search", "Function", "eval", "URLPattern"),
		matchAll:  mentions(text, "matchAll"),
		async:     mentions(text, "asyncIterator"),
		functions: mentions(text, "Function", ".constructor"),
		polyfills: mentions(text, "withResolvers", "groupBy", "isWellFormed", "toWellFormed", "fromAsync", "Promise.try", "captureStackTrace",
			"Iterator", ".toArray(", ".take(", ".drop(", "values().", "keys().", "entries().") ||
			mentions(text, "Array") && mentions(text, ".from("),
	}
	exports, err := m.probe(ctx, src.Exports)
	if err != nil {
		return nil, err
	}
	m.exports = exports.names
	if m.entries = exports.entries(); len(m.entries) == 0 {
		return nil, &host.Error{Op: opCompile, Kind: host.Invalid, Pos: host.Position{File: src.Name}, Err: exports.useless()}
	}
	return m, nil
}

const opCompile = "compile script"

func mentions(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func parse(src *host.Source) (*ast.Program, error) {
	name := src.Name
	if src.SourceMap != nil {
		name = bundleName
	}
	tree, err := goja.Parse(name, string(src.Code), parser.WithDisableSourceMaps)
	if err != nil {
		return nil, syntaxError(src, nil, err)
	}
	if src.SourceMap != nil {
		consumer, err := web.SourceMap(src.SourceMap)
		if err != nil {
			return nil, &host.Error{Op: opCompile, Kind: host.Invalid, Pos: host.Position{File: src.Name}, Err: fmt.Errorf("source map: %w", err)}
		}
		tree.File.SetSourceMap(consumer)
	}
	return tree, nil
}

// syntaxError makes errors of the parser's list or the compiler's one, with places in the user's files.
func syntaxError(src *host.Source, f *file.File, err error) error {
	var list parser.ErrorList
	var one *goja.CompilerSyntaxError
	switch {
	case errors.As(err, &list):
		var errs []error
		for _, e := range list {
			pos := position(e.Position)
			if src.SourceMap != nil {
				pos = mapped(src, e.Position)
			}
			errs = append(errs, invalid(pos, e.Message))
		}
		return errors.Join(errs...)
	case errors.As(err, &one) && f != nil:
		return invalid(position(f.Position(one.Offset)), one.Message)
	}
	return invalid(host.Position{File: src.Name}, err.Error())
}

func mapped(src *host.Source, p file.Position) host.Position {
	if consumer, err := web.SourceMap(src.SourceMap); err == nil {
		if name, _, line, column, ok := consumer.Source(p.Line, p.Column); ok {
			return host.Position{File: fileName(name), Line: line, Column: column}
		}
	}
	return host.Position{File: src.Name}
}

func reject(f *file.File, found []finding) error {
	errs := make([]error, len(found))
	for i, fd := range found {
		errs[i] = invalid(position(f.Position(int(fd.at)-f.Base())), fd.text)
	}
	return errors.Join(errs...)
}

func invalid(pos host.Position, text string) error {
	return &host.Error{Op: opCompile, Kind: host.Invalid, Pos: pos, Err: errors.New(text)}
}

// probe runs the script in an instance that is thrown away.
func (m *Module) probe(ctx context.Context, known []string) (exported, error) {
	p := &Plugin{module: m, cfg: host.PluginConfig{Name: m.name, Limits: withDefaults(host.Limits{})}}
	c := p.loadCall(ctx)
	var envRead bool
	var found exported
	c.envRead = &envRead
	_, err := c.loadApart(func(in *instance) { found = in.exports() })
	if err == nil {
		return found, nil
	}
	if c.phase.Load() != abandoned && envRead && known != nil {
		return exported{names: known}, nil
	}
	return exported{}, invalidLoad(m.name, err)
}

// invalidLoad says that a script cannot be loaded. Its own errors are Invalid: the code is at fault.
func invalidLoad(name string, err error) error {
	var failed *host.Error
	if errors.As(err, &failed) {
		var guest *host.GuestError
		if errors.As(err, &guest) || failed.Kind == host.Timeout {
			pos := failed.Pos
			if pos.IsZero() {
				pos.File = name
			}
			return &host.Error{Op: "load script", Kind: host.Invalid, Pos: pos, Err: failed.Err}
		}
	}
	return err
}

// Info describes the script.
func (m *Module) Info() host.ModuleInfo {
	return host.ModuleInfo{Carrier: host.RuntimeJS, Entries: slices.Clone(m.entries), Exports: slices.Clone(m.exports)}
}

// Close frees nothing: a Module holds memory alone.
func (m *Module) Close(context.Context) error { return nil }

// exported is what a script exports, by names: those of the exports, "default" for a function as the default
// export or as module.exports itself, and "default.fetch".
type exported struct{ names []string }

func (e exported) has(name string) bool { return slices.Contains(e.names, name) }

// entries lists what a script can be called by.
func (e exported) entries() []string {
	var out []string
	named := slices.ContainsFunc(entries, e.has)
	sole := e.has("handler") || e.has("default")
	for _, entry := range entries {
		if e.has(entry) || sole && (!named && !isFilter(entry) || entry == host.EntryHandle) || entry == host.EntryHandle && e.has("default.fetch") {
			out = append(out, entry)
		}
	}
	return out
}

func (e exported) useless() error {
	what := "nothing"
	if len(e.names) > 0 {
		what = strings.Join(e.names, ", ")
	}
	return fmt.Errorf("the script exports %s; it must export a function: authorize, map_request, map_response, filter_request, filter_response, handle or handler, or a default object with fetch", what)
}
