package project

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/js/bundle"
)

// A job makes the code of one file or folder, for every use that refers to it.
type job struct {
	*loader
	ref  string // clean, relative to the project, with slashes
	uses []definition.Use
}

// everywhere reports a problem at each reference: the line to mend may be any of them.
func (j *job) everywhere(rule, message, hint string) {
	for _, u := range j.uses {
		j.fail(u.Problem(rule, message, hint))
	}
}

// once reports problems that have a place of their own, or else the first reference's.
func (j *job) once(errs definition.Errors) {
	for _, e := range errs {
		if e.Pos.Line == 0 {
			e.Pos = j.uses[0].Plugin.Pos
		}
		if e.Path == "" {
			e.Path = j.uses[0].Path
		}
	}
	j.fail(errs...)
}

// run makes the code and hands it to the uses.
func (j *job) run(ctx context.Context) {
	schema := j.configs()
	src := j.source(ctx)
	if src == nil {
		return
	}
	src.ConfigSchema = schema
	for _, u := range j.uses {
		u.Plugin.Source = src
	}
}

func (j *job) source(ctx context.Context) *host.Source {
	j.input(j.ref)
	info, err := j.root.Stat(filepath.FromSlash(j.ref))
	if err != nil {
		e := j.unreadable("./"+j.ref, err)
		j.everywhere(e.Rule, e.Message, e.Hint)
		return nil
	}
	ext := strings.ToLower(path.Ext(j.ref))
	switch {
	case info.IsDir() && (ext == ".wasm" || ext == ".js" || ext == ".ts"):
		j.everywhere(RuleUnreadableFile, "./"+j.ref+" is a folder", "a folder that is built has a name without "+ext)
	case info.IsDir():
		return j.folder(ctx)
	case ext == ".wasm":
		return j.module(j.ref)
	case ext == "":
		j.everywhere(definition.RuleInvalidValue, "./"+j.ref+" is a file without an ending", "it must be a .wasm, .js or .ts file, or a folder")
	case !slices.Contains(scripts, ext):
		j.everywhere(definition.RuleInvalidValue, "./"+j.ref+" is no code that Postern knows by its ending "+ext, "it must be a .wasm, .js or .ts file, or a folder")
	default:
		return j.script(ctx)
	}
	return nil
}

// scripts are the endings of JavaScript and TypeScript.
var scripts = []string{".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"}

// magic begins every WebAssembly binary (core specification, section 5.5.16).
var magic = []byte("\x00asm")

// builtModule is what a folder is that has nothing to build: somebody has built it, as an export of a host is.
const builtModule = "plugin.wasm"

// module reads a WebAssembly binary. Whether it is whole and can run, its runtime says when it compiles it.
func (j *job) module(name string) *host.Source {
	j.input(name)
	code, err := j.read(name, maxModule)
	switch {
	case err != nil:
		e := j.unreadable("./"+name, err)
		j.everywhere(e.Rule, e.Message, e.Hint)
		return nil
	case len(code) == 0:
		j.everywhere(definition.RuleInvalidValue, "./"+name+" is empty", "build it again")
		return nil
	case !bytes.HasPrefix(code, magic):
		j.everywhere(definition.RuleInvalidValue, "./"+name+" is not a WebAssembly module", notModule(code))
		return nil
	}
	return wasmSource(name, code)
}

// notModule guesses what stands where a module should.
func notModule(code []byte) string {
	switch {
	case bytes.HasPrefix(code, []byte("(module")) || bytes.HasPrefix(code, []byte("(component")):
		return "it is WebAssembly text; compile it, with wat2wasm for example"
	case bytes.HasPrefix(code, []byte("\x7fELF")), bytes.HasPrefix(code, []byte("MZ")), bytes.HasPrefix(code, []byte("\xcf\xfa\xed\xfe")):
		return "it is a program for a processor; compile it for WebAssembly"
	case bytes.HasPrefix(code, []byte("version https://git-lfs")):
		return "it is a pointer of Git LFS; run: git lfs pull"
	case bytes.HasPrefix(magic, code):
		return "it is cut off; build it again"
	}
	return ""
}

func wasmSource(name string, code []byte) *host.Source {
	digest := sha256.Sum256(code)
	return &host.Source{Name: name, Runtime: host.RuntimeWasm, Code: code, Digest: hex.EncodeToString(digest[:])}
}

// script bundles a script, or a folder with one.
func (j *job) script(ctx context.Context) *host.Source {
	switch text, err := j.read(j.ref, maxSourceFile); {
	case errors.Is(err, errNotFile): // a folder: the bundler finds its script
	case err != nil:
		e := j.unreadable("./"+j.ref, err)
		j.everywhere(e.Rule, e.Message, e.Hint)
		return nil
	case len(bytes.TrimSpace(text)) == 0:
		j.everywhere(definition.RuleInvalidValue, "the file ./"+j.ref+" is empty", "write the code into it, or refer to another file")
		return nil
	}
	result, err := bundle.Build(ctx, bundle.Options{Dir: j.project.Dir, Entry: j.ref, Foreign: j.foreign, MaxInput: j.maxInput})
	j.input(result.Inputs...)
	if err != nil {
		if ctx.Err() == nil {
			j.once(scriptProblems(err))
		}
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range result.Warnings {
		j.warnings = append(j.warnings, scriptProblems(w)...)
	}
	return result.Source
}

func scriptProblems(err error) definition.Errors {
	errs := flatten(err, &definition.Error{Rule: RuleScript})
	for _, e := range errs {
		e.Message = strings.TrimPrefix(e.Message, "bundle script: ")
	}
	return errs
}

// folder finds out how a folder is built, and builds it.
func (j *job) folder(ctx context.Context) *host.Source {
	entries, err := fs.ReadDir(j.root.FS(), j.ref)
	if err != nil {
		e := j.unreadable("./"+j.ref, err)
		j.everywhere(e.Rule, e.Message, e.Hint)
		return nil
	}
	b, has := recognize(entries)
	switch {
	case len(has) == 0 && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == builtModule }):
		return j.module(path.Join(j.ref, builtModule))
	case len(has) == 0:
		j.everywhere(RuleBuildKind, "./"+j.ref+" has nothing to build", "it needs one of "+buildFiles()+", or a "+builtModule+" that is built")
		j.input(j.ref + "/")
		return nil
	case b == nil:
		j.everywhere(RuleBuildKind, fmt.Sprintf("./%s can be built in several ways: it has %s", j.ref, strings.Join(has, " and ")),
			"keep one of them, or refer to the built .wasm file")
		j.input(j.ref + "/")
		return nil
	case b.run == nil:
		return j.script(ctx)
	}
	j.input(j.ref + "/")
	if j.opts.NoBuild {
		j.everywhere(RuleNotBuilt, fmt.Sprintf("./%s has to be built (%s), and builds are turned off", j.ref, has[0]),
			"leave out --no-build, or refer to a built .wasm file")
		return nil
	}
	return j.build(ctx, b)
}
