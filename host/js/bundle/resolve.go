package bundle

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/postern/postern/host"
)

// Supplied are the modules of Node.js that host/js has. They stay imports in the bundle.
func Supplied() []string {
	return []string{"assert", "assert/strict", "async_hooks", "buffer", "console", "crypto", "events", "os", "path", "path/posix", "perf_hooks",
		"process", "querystring", "stream/web", "string_decoder", "timers", "timers/promises", "url", "util", "util/types"}
}

// instead says what a script has in place of a module of Node.js.
var instead = map[string]string{
	"fs":  "a script has no files; import the file, so that it becomes a part of the bundle, or fetch it",
	"net": outward, "tls": outward, "dgram": outward, "dns": outward, "http": outward, "https": outward, "http2": outward,
	"child_process": alone, "cluster": alone, "worker_threads": alone,
	"stream":   "use the web's ReadableStream, WritableStream and TransformStream, which are there without an import (or from node:stream/web)",
	"zlib":     "use the web's CompressionStream and DecompressionStream, or a package that is written in JavaScript",
	"readline": alone, "repl": alone, "tty": alone,
	"vm":   "eval and new Function are there",
	"wasi": "a plugin in WebAssembly is one of its own, written beside plugin: in the definition",
}

const (
	outward = "use fetch, which is there without an import, and list the origin under egress"
	alone   = "a script runs alone, without processes, threads and terminals; call another function with fetch"
)

// nodeModules are the names of Node.js's own modules (nodejs.org/api, version 22).
var nodeModules = []string{"assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
	"dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module", "net",
	"os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl", "stream", "string_decoder",
	"sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm", "wasi", "worker_threads", "zlib"}

// setup adds what esbuild leaves open: what may be imported from where.
func (b *builder) setup(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `^(https?:)?//|^data:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{}, fmt.Errorf("%q: scripts cannot be imported from a URL; put the file into the project, or install it as a package", a.Path)
	})
	build.OnResolve(api.OnResolveOptions{Filter: `^node:|^(` + strings.Join(nodeModules, "|") + `)(/.*)?$`},
		func(a api.OnResolveArgs) (api.OnResolveResult, error) { return nodeModule(build, a) })
	build.OnResolve(api.OnResolveOptions{Filter: `^(\.\.?$|\.\.?/|/)`, Namespace: "file"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		file := a.Path
		if !filepath.IsAbs(file) {
			file = filepath.Join(a.ResolveDir, filepath.FromSlash(file))
		}
		if _, inside := b.inside(file); !inside && a.Kind != api.ResolveEntryPoint { // also where nothing is: what is there is nobody's business
			return api.OnResolveResult{}, outside(file)
		}
		return api.OnResolveResult{}, nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "file"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) { return b.load(a.Path) })
}

// resolving marks the look-up that nodeModule makes itself.
type resolving struct{}

// nodeModule decides about an import that has the name of one of Node's modules: a package of that name goes
// first, then what host/js supplies. Packages may ask for others at run time, which fails there and then, because
// many do so in code that never runs; the user's own code may not.
func nodeModule(build api.PluginBuild, a api.OnResolveArgs) (api.OnResolveResult, error) {
	if _, own := a.PluginData.(resolving); own {
		return api.OnResolveResult{}, nil
	}
	name, explicit := strings.CutPrefix(a.Path, "node:")
	if !explicit {
		found := build.Resolve(a.Path, api.ResolveOptions{Importer: a.Importer, Namespace: a.Namespace, ResolveDir: a.ResolveDir,
			Kind: a.Kind, PluginData: resolving{}})
		if len(found.Errors) == 0 && found.Path != "" && !found.External {
			return api.OnResolveResult{Path: found.Path, Namespace: found.Namespace, Suffix: found.Suffix}, nil
		}
	}
	inPackage := strings.Contains(filepath.ToSlash(a.Importer), "/node_modules/")
	if slices.Contains(Supplied(), name) || inPackage {
		return api.OnResolveResult{Path: a.Path, External: true}, nil
	}
	remedy, _, _ := strings.Cut(name, "/")
	if remedy = instead[remedy]; remedy == "" {
		remedy = "the web's fetch, crypto, URL and the like are there without an import"
	}
	return api.OnResolveResult{}, fmt.Errorf("%q is a module of Node.js, which scripts do not have; %s", a.Path, remedy)
}

func (b *builder) join(messages []api.Message) error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		errs[i] = b.problem(m)
	}
	return errors.Join(errs...)
}

// problem makes an error of a message. esbuild's columns count bytes from 0.
func (b *builder) problem(m api.Message) *host.Error {
	pos := host.Position{File: b.entry}
	if l := m.Location; l != nil {
		pos = host.Position{File: filepath.ToSlash(l.File), Line: l.Line, Column: l.Column + 1}
	}
	if m.Location == nil && m.Text == `Could not resolve "./`+b.entry+`"` { // it is there: checkEntry has seen it
		return invalid(pos, "the folder's package.json leads to no script, and there is no index.ts or index.js")
	}
	return invalid(pos, explain(m))
}

// explain puts the remedy where esbuild's text leaves it to notes about esbuild's own options.
func explain(m api.Message) string {
	if name, ok := strings.CutPrefix(m.Text, `Could not resolve "`); ok {
		name = strings.TrimSuffix(name, `"`)
		if pkg := packageName(name); pkg != "" {
			return fmt.Sprintf("package %q is not in node_modules; run: npm install %s", name, pkg)
		}
		return fmt.Sprintf("no file for the import %q", name)
	}
	switch {
	case m.ID == "empty-import-meta":
		return "import.meta is not there; a bundled script has no URL of its own"
	case strings.HasPrefix(m.Text, "Top-level await"):
		return "await is only possible inside of an async function; at the top level nothing waits for it"
	}
	return m.Text
}

// packageName returns the package that a bare import belongs to, "" when the import is a path.
func packageName(path string) string {
	if path == "" || strings.HasPrefix(path, ".") || strings.HasPrefix(path, "/") || strings.HasPrefix(path, "#") {
		return ""
	}
	parts := strings.SplitN(path, "/", 3)
	if strings.HasPrefix(path, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func invalid(pos host.Position, text string) *host.Error {
	return &host.Error{Op: op, Kind: host.Invalid, Pos: pos, Err: errors.New(text)}
}
