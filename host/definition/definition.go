// Package definition turns postern.yaml into a host.Snapshot, or into everything that is wrong with it.
//
// A file is read in four steps, each of which leaves to the next what it cannot know. Package document makes a
// tree of plain nodes with positions of it. The JSON Schema says which
// keys and types there are (schema.go, explain.go); editors use the same schema. The decoder takes the values into
// structs that mirror the file (file.go, decode.go), leaving out what the schema refused. The builder makes the
// snapshot of them and checks what stands in more than one place: references, conflicts, route keys, units (build.go
// and the files beside it). The builder runs after schema errors too, so that a user sees all errors at once.
//
// What is outside the file is not looked at: host/project finds plugins, secrets and certificates, and adds its own
// errors to these.
package definition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// Options say where a definition will run.
type Options struct {
	// Host says that a host with a store reads it, which knows more than the file: uploaded functions, their versions and aliases,
	// saved blobs and secrets of the store. What names these is then checked for its form alone.
	Host bool

	// Scripts is what runs scripts that name no runtime; "" is host.RuntimeJS. With host.RuntimeQuickJS, naming js is an error: the scripts are
	// somebody else's than the host's.
	Scripts string

	// FunctionHint says what to do about a function that something names and the file does not define; nil names similar ones.
	FunctionHint func(name string) string

	// UnsupportedHint says how to go on without what an OpenAPI document asks for and is not done here; "" names the key of the definition.
	UnsupportedHint string

	// Document reads the OpenAPI document that an API is made of. Beside an error, the result is what could be made out, or nil. An error
	// of Errors is told in their places, and others at the reference: with the rule and hint of an *Error. nil refuses such APIs.
	Document func(DocumentRef) (*Document, error)
}

var errNotFile = errors.New("it is not a regular file")

// Read returns the file name of a project folder, or as much of it as shows Parse that it is too large. When it cannot be read the
// error is a *host.Error with Kind NotFound or Internal.
func Read(fsys fs.FS, name string) ([]byte, error) {
	data, err := read(fsys, name)
	if err != nil {
		kind := host.Internal
		if errors.Is(err, fs.ErrNotExist) {
			kind = host.NotFound
		}
		return nil, &host.Error{Op: "read the definition", Kind: kind, Pos: host.Position{File: name}, Err: err}
	}
	return data, nil
}

func read(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open a pipe would block for ever
		return nil, errNotFile
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, document.DefaultBytes+1))
}

// Parse decodes and checks a definition; name is the file's, for positions. The error is Errors with everything that is
// wrong, in the order of the file, and errors.Is(err, host.Invalid) holds. The snapshot has no revision, and its
// plugins, secrets and certificates are references that are not resolved. Beside Errors it holds what could be made
// out, or is nil: good for finding what else is wrong, not for running.
func Parse(name string, data []byte, opts Options) (*host.Snapshot, error) {
	r := &report{file: name}
	root := r.readTree(data)
	if root == nil {
		return nil, r.finish(data)
	}
	snapshot, err := r.interpret(root, opts)
	if err != nil {
		return nil, err
	}
	return snapshot, r.finish(data)
}

// Build is Parse of a definition that nobody wrote: root is its tree, with the places that errors are to have. data is the file of
// root's own place, for their lines.
func Build(root *document.Node, data []byte, opts Options) (*host.Snapshot, error) {
	r := &report{file: root.Pos.File}
	snapshot, err := r.interpret(root, opts)
	if err != nil {
		return nil, err
	}
	return snapshot, r.finish(data)
}

// interpret makes what it can of a tree, and reports the rest. The error is a defect of the schema.
func (r *report) interpret(root *document.Node, opts Options) (*host.Snapshot, error) {
	root = r.documents(root, opts)
	if err := r.validate(root); err != nil {
		return nil, &host.Error{Op: "check the definition", Kind: host.Internal, Err: fmt.Errorf("the schema is broken: %w", err)}
	}
	b := builder{report: r, opts: opts}
	decode(&b.file, root, place{pos: root.Pos})
	return b.build(), nil
}
