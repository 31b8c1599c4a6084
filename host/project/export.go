package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

const opExport = "export"

// exportNotes is a file of an export that says what it is, and what is not in it.
const exportNotes = "EXPORTED.md"

// Exported is what Export has written.
type Exported struct {
	Files   []string // sorted, relative to the folder, with slashes
	Missing []string // files that the definition names and that hold secrets, sorted
}

// Export writes a bundle as a project in dir, which is made if it is not there. The definition's text is as it was, and code lies where its
// references look for it, built, so that the project loads to what was applied; but for the files of secrets and private keys, which
// are named in EXPORTED.md and must be put back. open returns a blob; what is not as its digest says is refused. Nothing is written outside of
// dir or over a file that is there (Kind Conflict), and when anything is refused, nothing is written at all but what had begun.
func Export(ctx context.Context, b catalog.Bundle, open func(ctx context.Context, digest string) (io.ReadCloser, error), dir string) (*Exported, error) {
	snapshot, err := b.Definition()
	if err != nil {
		return nil, err
	}
	e := &exporter{open: open, blobs: map[string]string{}, texts: map[string]string{}}
	e.missing(snapshot)
	if err := e.collect(b); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, exportError(host.Internal, "%w", err)
	}
	if e.root, err = os.OpenRoot(dir); err != nil {
		return nil, exportError(host.Internal, "%w", err)
	}
	defer e.root.Close()
	if err := e.write(ctx); err != nil {
		return nil, err
	}
	return &e.done, nil
}

// An exporter knows what is to be written before anything is.
type exporter struct {
	open  func(ctx context.Context, digest string) (io.ReadCloser, error)
	root  *os.Root
	blobs map[string]string // digests by file
	texts map[string]string // contents by file
	done  Exported
}

func exportError(kind host.Kind, format string, args ...any) error {
	return &host.Error{Op: opExport, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// missing lists the files of secrets.
func (e *exporter) missing(s *host.Snapshot) {
	files := map[string]bool{}
	for secret := range definition.Secrets(s) {
		if secret.File != "" {
			files[path.Clean(secret.File)] = true
		}
	}
	for _, u := range s.Upstreams {
		if u.TLS.KeyFile.Value != "" {
			files[path.Clean(u.TLS.KeyFile.Value)] = true
		}
	}
	e.done.Missing = slices.Sorted(maps.Keys(files))
}

// collect plans every file.
func (e *exporter) collect(b catalog.Bundle) error {
	texts := maps.Clone(b.Files)
	if texts == nil {
		texts = map[string]string{}
	}
	for name, text := range map[string]string{b.File: b.Text, exportNotes: e.notes(b)} {
		if _, twice := texts[name]; twice {
			return exportError(host.Invalid, "the bundle has two files %q", name)
		}
		texts[name] = text
	}
	for name, text := range texts {
		if err := e.plan(e.texts, name, text); err != nil {
			return err
		}
	}
	for ref, code := range b.Code {
		if definition.IsUploaded(ref) {
			continue // it stays on the host, and the reference leads there
		}
		file := artefact(ref, code.Runtime)
		if err := e.plan(e.blobs, file, code.Digest); err != nil {
			return err
		}
		if code.SourceMap != "" {
			if err := e.plan(e.blobs, file+".map", code.SourceMap); err != nil {
				return err
			}
		}
		if code.ConfigSchema != "" {
			if err := e.plan(e.blobs, schemaOf(ref, file != ref), code.ConfigSchema); err != nil {
				return err
			}
		}
	}
	return nil
}

// artefact is where the loader looks for the code of a reference when it is built already.
func artefact(ref, runtime string) string {
	switch {
	case path.Ext(path.Base(ref)) != "" && ref != ".":
		return ref
	case runtime == host.RuntimeJS:
		return path.Join(ref, "index.js")
	}
	return path.Join(ref, builtModule)
}

// plan notes a file, which must lie in the folder and be noted once.
func (e *exporter) plan(files map[string]string, name, content string) error {
	if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == '\\' || c == 0x7f }) {
		return exportError(host.Invalid, "the bundle has a file %s, which does not lie in its folder", quoted(name))
	}
	if slices.Contains(e.done.Missing, name) {
		return exportError(host.Invalid, "the bundle has %s, which the definition has for a secret", quoted(name))
	}
	for _, planned := range []map[string]string{e.blobs, e.texts} {
		if before, twice := planned[name]; twice && before != content {
			return exportError(host.Invalid, "two references of the definition come to the one file %s; give each a file of its own", quoted(name))
		}
	}
	files[name] = content
	return nil
}

func (e *exporter) notes(b catalog.Bundle) string {
	var text strings.Builder
	text.WriteString("# " + b.File + ", exported\n\nThe definition is as it was applied. Code is what it was built to: scripts are bundles of all that they imported.\n")
	if len(e.done.Missing) > 0 {
		text.WriteString("\nA host gives no secret away. Put these files back before you use this folder:\n\n")
		for _, name := range e.done.Missing {
			text.WriteString("- `" + name + "`\n")
		}
	}
	return text.String()
}

// write writes what was planned, once it is known that nothing is in the way.
func (e *exporter) write(ctx context.Context) error {
	e.done.Files = slices.Sorted(maps.Keys(e.texts))
	e.done.Files = append(e.done.Files, slices.Sorted(maps.Keys(e.blobs))...)
	slices.Sort(e.done.Files)
	for _, name := range e.done.Files {
		if _, err := e.root.Lstat(filepath.FromSlash(name)); !errors.Is(err, fs.ErrNotExist) {
			return exportError(host.Conflict, "%s is there already; export into an empty folder", quoted(name))
		}
	}
	for _, name := range e.done.Files {
		content, isText := e.texts[name]
		var err error
		if isText {
			err = e.create(name, strings.NewReader(content))
		} else {
			err = e.blob(ctx, name, e.blobs[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) blob(ctx context.Context, name, digest string) error {
	body, err := e.open(ctx, digest)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	if err := e.create(name, io.TeeReader(body, sum)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		_ = e.root.Remove(filepath.FromSlash(name)) // the error says enough
		return exportError(host.Internal, "the code of %s is not what its digest says", quoted(name))
	}
	return nil
}

func (e *exporter) create(name string, content io.Reader) error {
	local := filepath.FromSlash(name)
	if err := e.root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return exportError(host.Conflict, "%s cannot be made: %w", quoted(path.Dir(name)), err)
	}
	f, err := e.root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return exportError(host.Conflict, "%s is there already", quoted(name))
	}
	if err != nil {
		return exportError(host.Internal, "%w", err)
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		return exportError(host.Internal, "%w", err)
	}
	return nil
}
