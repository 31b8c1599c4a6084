// Package project turns a folder with a postern.yaml into a snapshot that can run: it reads the definition, builds and
// bundles the plugins that it refers to, resolves secrets and certificates, and says what is wrong with all of them
// at once. It also watches the folder, and explains where a request would go.
//
// Nothing outside the folder is read through a reference, symbolic links included, and nothing is written into it:
// builds go to the user's cache. Compilers run only here, on the machine of whoever owns the folder, never in a host.
package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// The rules that a project can break, beside those of its definition.
const (
	RuleMissingFile      = "missing-file"      // a file or folder that is referred to and is not there
	RuleUnreadableFile   = "unreadable-file"   // it is there and cannot be read, or is not a file
	RuleOutside          = "outside-project"   // a symbolic link leads out of the project's folder
	RuleNotBuilt         = "not-built"         // a folder needs a build, and builds are turned off
	RuleBuildKind        = "build-kind"        // a folder has no build file, or several
	RuleMissingToolchain = "missing-toolchain" // a compiler is not installed
	RuleBuild            = "build"             // a compiler refused the code
	RuleScript           = "script"            // a script cannot be bundled
	RuleMissingSecret    = "missing-secret"    // an environment variable of a secret is not set
	RulePlugin           = "plugin"            // a plugin does not compile or does not start
	RuleDifferent        = "different"         // an OpenAPI document asks for what is different here, or is not done
)

// FileName is the definition's name in a project folder. The ending .yml is taken too.
const FileName = "postern.yaml"

// Options say how to load a project. The zero value builds, and uses the user's cache and environment.
type Options struct {
	// Host loads for a host with a store. What only that knows is left open: uploaded plugins have no Source, and secrets of its store or
	// environment no value.
	Host bool

	// AllowUnsupported goes without what an OpenAPI document that is run as it is asks for and Postern does not do. A definition says so itself, for each API.
	AllowUnsupported bool

	NoBuild  bool                                      // refuse folders that need a compiler; scripts are bundled all the same
	CacheDir string                                    // for built code; "" is postern in os.UserCacheDir
	Progress func(string)                              // called with a line when a build takes long, from any goroutine; nil for none
	Env      func(name string) (value string, ok bool) // of secrets; nil is os.LookupEnv
}

// A Project is a folder that was loaded.
type Project struct {
	Dir      string              // absolute, without symbolic links
	File     string              // the definition's name in Dir
	Text     []byte              // the definition as it was read
	Snapshot *host.Snapshot      // nil when there were errors
	Inputs   []string            // what it was made from, for a Watcher: files, and folders with a slash at their end
	Warnings []*definition.Error // what is legal and probably not meant

	documents   map[string][]byte // the OpenAPI documents that APIs are made of, by file
	document    string            // the one that is run as it is: File and Text are made of it, and nobody wrote them; "" for none
	name        string            // of its API
	unqualified bool              // as catalog.Bundle has it
}

// Load loads the project in dir, or the one whose definition dir is; or an OpenAPI document, as if there were a definition of one API that is
// made of it, with the code of its functions in ./functions. The project is never nil: when loading fails, its
// Inputs are what to wait for. The error is definition.Errors, with everything that is wrong, sorted by place; a
// *host.Error of Kind NotFound when there is no definition; or of Kind Unavailable when ctx ended.
func Load(ctx context.Context, dir string, opts Options) (*Project, error) {
	return load(ctx, dir, opts, nil)
}

// Validate loads the project in dir, then lets check do with its snapshot what serving would: compile every plugin,
// and start each once. Its errors are as Load's, those of check among them. When files were missing or did not build,
// check is called all the same, so that nothing waits to be told; plugins whose code is not there then have no Source, and
// what check says about them is dropped. Only a definition with errors of its own is not checked so.
func Validate(ctx context.Context, dir string, opts Options, check func(context.Context, *host.Snapshot) error) (*Project, error) {
	return load(ctx, dir, opts, check)
}

func load(ctx context.Context, dir string, opts Options, check func(context.Context, *host.Snapshot) error) (*Project, error) {
	p, snapshot, err := define(dir, opts)
	var broken definition.Errors
	if err != nil && (snapshot == nil || !errors.As(err, &broken)) {
		return p, err
	}
	l, err := newLoader(p, opts, broken)
	if err != nil {
		return p, err
	}
	defer l.close()
	l.resolve(ctx, snapshot)
	p.Inputs = l.sortedInputs()
	if check != nil && ctx.Err() == nil && len(broken) == 0 { // a pipeline wants a whole definition
		l.check(ctx, snapshot, check)
	}
	if ctx.Err() != nil {
		return p, &host.Error{Op: "load project", Kind: host.Unavailable, Err: context.Cause(ctx)}
	}
	p.Warnings = l.located(l.warnings)
	if len(l.errs) > 0 {
		p.Inputs = append(p.Inputs, wholeProject)
		return p, l.located(l.errs)
	}
	snapshot.Revision = definition.Revision(snapshot)
	p.Snapshot = snapshot
	return p, nil
}

// Define reads the definition alone: no plugin, secret or certificate is looked at, and the snapshot has no revision.
// Its result and errors are as Load's. Nothing that only a host knows is refused, whatever the options say.
func Define(dir string, opts Options) (*Project, error) {
	opts.Host = true
	p, snapshot, err := define(dir, opts)
	if err == nil {
		p.Snapshot = snapshot
	}
	return p, err
}

// define returns beside definition.Errors what could be made out of the definition.
func define(dir string, opts Options) (*Project, *host.Snapshot, error) {
	p, err := find(dir)
	if err != nil {
		return p, nil, err
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return p, nil, &host.Error{Op: "open project", Kind: host.NotFound, Err: err}
	}
	defer root.Close()
	p.unqualified = !opts.Host
	snapshot, err := (&definer{project: p, root: root, opts: definition.Options{Host: opts.Host}, without: opts.AllowUnsupported}).define()
	return p, snapshot, err
}

// find settles the folder and the definition's name.
func find(dir string) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return &Project{Dir: abs, File: FileName, Inputs: []string{FileName}},
			&host.Error{Op: "find project", Kind: host.NotFound, Err: err}
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		name := filepath.Base(abs)
		return &Project{Dir: filepath.Dir(abs), File: name, Inputs: []string{name}}, nil
	}
	p := &Project{Dir: abs, File: FileName, Inputs: []string{FileName, otherName}}
	var found []string
	for _, name := range []string{FileName, otherName} {
		if _, err := os.Lstat(filepath.Join(abs, name)); err == nil {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return p, &host.Error{Op: "find project", Kind: host.NotFound, Err: fmt.Errorf(
			"%s has no %s; name the folder of a project", abs, FileName)}
	case 2:
		return p, definition.Errors{{Pos: host.Position{File: otherName}, Rule: definition.RuleConflict,
			Message: fmt.Sprintf("the folder has %s and %s", FileName, otherName), Hint: "keep one of them"}}
	}
	p.File, p.Inputs = found[0], found
	return p, nil
}

const otherName = "postern.yml"

// wholeProject as an input means every file of the project: while something is wrong, any of them may mend it.
const wholeProject = "./"

// flatten takes an error apart into the problems that it joins. What a problem does not say itself, it takes from base.
func flatten(err error, base *definition.Error) definition.Errors {
	switch e := err.(type) {
	case *definition.Error:
		return definition.Errors{e}
	case definition.Errors:
		return slices.Clone(e)
	case interface{ Unwrap() []error }:
		var out definition.Errors
		for _, inner := range e.Unwrap() {
			out = append(out, flatten(inner, base)...)
		}
		return out
	}
	out := *base
	out.Message = err.Error()
	var typed *host.Error
	if errors.As(err, &typed) {
		if !typed.Pos.IsZero() {
			out.Pos = typed.Pos
		}
		plain := *typed
		plain.Pos = host.Position{} // said once, by the problem itself
		if error(typed) == err {
			out.Message = plain.Error()
		}
	}
	var guest *host.GuestError
	if errors.As(err, &guest) && !guest.Pos.IsZero() {
		out.Pos = guest.Pos // in the guest's own file, which is nearer to the reason
	}
	return definition.Errors{&out}
}
