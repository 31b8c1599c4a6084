package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/postern/postern/host"
)

const op = "bundle script"

// Banner and footer make the bundle one expression: a function that fills module.exports.
const (
	banner = "(function(module,exports,require){"
	footer = "})"
)

// Options say what to bundle.
type Options struct {
	Dir   string // the project's folder: positions are relative to it, and nothing outside of it is read
	Entry string // a .ts, .js, .mts, .mjs, .cjs or .json file, or a folder with a package.json or an index file; relative to Dir

	MaxInput int64 // bytes of all files that are read; 0 is any number
	Foreign  bool  // Dir was sent by somebody else: a tsconfig.json may not extend others, since these are read from wherever they are
}

// A Result is a bundle. Inputs is set even when the bundle failed, so that a watcher can wait for the edit
// that mends it.
type Result struct {
	Source   *host.Source  // nil when there were errors
	Inputs   []string      // every file that was read, relative to Dir, with slashes, sorted
	Warnings []*host.Error // what is legal and probably not meant
}

// Build bundles; what is a bundle already is taken as it stands. Its error joins one *host.Error of Kind Invalid for each problem, with its place in the
// user's file; errors.Join's Unwrap() []error lists them.
func Build(ctx context.Context, o Options) (*Result, error) {
	root, err := filepath.Abs(o.Dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return &Result{}, &host.Error{Op: op, Kind: host.NotFound, Err: err}
	}
	b := &builder{opts: o, root: root, entry: filepath.ToSlash(filepath.Clean(o.Entry)), inputs: map[string]bool{}}
	err = b.checkEntry()
	if err == nil && o.Foreign {
		err = b.checkTsconfig()
	}
	if err != nil {
		return &Result{Inputs: b.sortedInputs()}, err
	}
	if src, err := b.bundled(); src != nil || err != nil {
		return &Result{Source: src, Inputs: b.sortedInputs()}, err
	}
	res, err := b.run(ctx)
	if err != nil {
		return &Result{Inputs: b.sortedInputs()}, err
	}
	result := &Result{Inputs: b.sortedInputs()}
	for _, m := range res.Warnings {
		result.Warnings = append(result.Warnings, b.problem(m))
	}
	if len(res.Errors) > 0 {
		return result, b.join(res.Errors)
	}
	result.Source, err = b.source(res)
	return result, err
}

// A builder holds what one Build knows. Its mutex guards what esbuild's threads fill.
type builder struct {
	opts        Options
	root, entry string
	mu          sync.Mutex
	inputs      map[string]bool
	read        int64 // bytes
}

func (b *builder) checkEntry() error {
	if !filepath.IsLocal(filepath.FromSlash(b.entry)) {
		return invalid(host.Position{File: b.entry}, "the script lies outside of the project's folder")
	}
	info, err := os.Stat(filepath.Join(b.root, filepath.FromSlash(b.entry)))
	if errors.Is(err, fs.ErrNotExist) {
		b.note(filepath.Join(b.root, filepath.FromSlash(b.entry)))
		return &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: b.entry}, Err: errors.New("no such file")}
	}
	if err != nil {
		return &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: b.entry}, Err: err}
	}
	if info.IsDir() {
		b.noteIfThere(filepath.Join(b.root, filepath.FromSlash(b.entry), "package.json"))
	}
	return nil
}

// run calls esbuild, and stops it when ctx ends.
func (b *builder) run(ctx context.Context) (*api.BuildResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, &host.Error{Op: op, Kind: host.Unavailable, Err: err}
	}
	build, ctxErr := api.Context(b.options())
	if ctxErr != nil {
		return nil, b.join(ctxErr.Errors)
	}
	defer build.Dispose()
	stop := context.AfterFunc(ctx, build.Cancel)
	res := build.Rebuild()
	if !stop() {
		return nil, &host.Error{Op: op, Kind: host.Unavailable, Err: context.Cause(ctx)}
	}
	return &res, nil
}

func (b *builder) options() api.BuildOptions {
	o := api.BuildOptions{
		AbsWorkingDir: b.root,
		EntryPoints:   []string{"./" + b.entry},
		Outfile:       filepath.Join(b.root, "bundle.js"),
		Bundle:        true,
		Write:         false,
		Format:        api.FormatCommonJS,
		Platform:      api.PlatformBrowser,
		MainFields:    []string{"browser", "module", "main"},
		Conditions:    []string{"worker", "browser", "import"},
		Target:        api.ES2022,
		Supported: map[string]bool{
			"async-generator": false, "for-await": false, // goja has neither
			"class-field": false, "class-static-field": false, // goja misparses `class A { get = 1 }`
			"class-private-field": false, "class-private-method": false, "class-private-accessor": false,
			"dynamic-import": false, // import("./x") of a bundled file becomes a promise of it
		},
		Define:         map[string]string{"process.env.NODE_ENV": `"production"`, "global": "globalThis"},
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		Charset:        api.CharsetASCII, // so that goja, which counts bytes, and source maps, which count UTF-16 units, agree
		KeepNames:      false,
		Metafile:       true,
		LogLevel:       api.LogLevelSilent,
		LogLimit:       0,
		LogOverride:    map[string]api.LogLevel{"empty-import-meta": api.LogLevelError},
		Banner:         map[string]string{"js": banner},
		Footer:         map[string]string{"js": footer},
		TsconfigRaw:    "{}",
		Plugins:        []api.Plugin{{Name: "postern", Setup: b.setup}},
	}
	// Left alone, esbuild would look for a tsconfig.json above the project too, and the bundle would depend on it.
	if file := b.tsconfig(); file != "" {
		o.TsconfigRaw, o.Tsconfig = "", file
		b.note(file)
	}
	return o
}

// tsconfig returns the tsconfig.json nearest to the entry, within the project, or "".
func (b *builder) tsconfig() string {
	dir := filepath.Join(b.root, filepath.FromSlash(b.entry))
	for {
		file := filepath.Join(dir, "tsconfig.json")
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
		if dir == b.root || len(dir) < len(b.root) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// checkTsconfig refuses what would make esbuild read a file that no plugin of it is asked about. In JSON, a backslash could spell the key
// in another way.
func (b *builder) checkTsconfig() error {
	file := b.tsconfig()
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	if bytes.Contains(text, []byte(`"extends"`)) || bytes.ContainsRune(text, '\\') {
		rel, _ := filepath.Rel(b.root, file)
		return invalid(host.Position{File: filepath.ToSlash(rel), Line: 1, Column: 1}, "an uploaded tsconfig.json may neither extend another file nor have a backslash; write what it needs into it")
	}
	return nil
}

func (b *builder) source(res *api.BuildResult) (*host.Source, error) {
	src := &host.Source{Name: b.entry, Runtime: host.RuntimeJS}
	for _, f := range res.OutputFiles {
		switch {
		case strings.HasSuffix(f.Path, ".js.map"):
			src.SourceMap = f.Contents
		case strings.HasSuffix(f.Path, ".js"):
			src.Code = f.Contents
		}
	}
	if src.Code == nil {
		return nil, invalid(host.Position{File: b.entry}, "is not a script")
	}
	if onlyESModules(res.Metafile) {
		src.Code = bytes.Replace(src.Code, []byte(banner), []byte(banner+`"use strict";`), 1) // in the banner's line: positions stay
	}
	src.Exports = exports(src.Code)
	digest := sha256.Sum256(src.Code)
	src.Digest = hex.EncodeToString(digest[:])
	return src, nil
}

// onlyESModules reports whether all that is in a bundle are ES modules, whose code is strict (ECMA-262, section 11.2.2). esbuild does
// not say so in the format that it writes, where code that must be sloppy may stand beside.
func onlyESModules(metafile string) bool {
	var about struct {
		Inputs map[string]struct{ Format string }
	}
	if err := json.Unmarshal([]byte(metafile), &about); err != nil {
		return false
	}
	strict := false
	for _, in := range about.Inputs {
		if in.Format == "cjs" {
			return false
		}
		strict = strict || in.Format == "esm"
	}
	return strict
}

// What esbuild writes for an entry that is an ES module: its getters, then the line that exports them.
var (
	exported = regexp.MustCompile(`(?m)^__export\(([\w$]+), \{\n((?:  .*\n)+)\}\);\nmodule\.exports = __toCommonJS\(([\w$]+)\);$`)
	getters  = regexp.MustCompile(`(?m)^  (?:"((?:[^"\\]|\\.)*)"|([^\s":]+)): \(\) => `)
)

// exports returns the names that the entry exports, sorted: nil where only running the script tells, as for
// CommonJS. esbuild's metafile has them for the ES module format alone, which goja cannot run.
func exports(code []byte) []string {
	m := exported.FindSubmatch(code)
	if m == nil || !bytes.Equal(m[1], m[3]) || bytes.Contains(code, []byte("__reExport("+string(m[1])+",")) {
		return nil
	}
	var names []string
	for _, g := range getters.FindAllSubmatch(m[2], -1) {
		names = append(names, string(g[1])+string(g[2]))
	}
	slices.Sort(names)
	return names
}

func (b *builder) note(file string) {
	rel, err := filepath.Rel(b.root, file)
	if err != nil || !filepath.IsLocal(rel) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inputs[filepath.ToSlash(rel)] = true
}

func (b *builder) noteIfThere(file string) {
	if _, err := os.Stat(file); err == nil {
		b.note(file)
	}
}

func (b *builder) sortedInputs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	files := make([]string, 0, len(b.inputs))
	for f := range b.inputs {
		files = append(files, f)
	}
	slices.Sort(files)
	return files
}
