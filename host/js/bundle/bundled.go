package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/postern/postern/host"
)

// bundled returns the entry as it stands, when it is what Build has made before, as an export of a host is. Bundled again it would be a
// script that exports nothing. Its source map lies beside it, if it has one. nil: it has to be bundled.
func (b *builder) bundled() (*host.Source, error) {
	file := filepath.Join(b.root, filepath.FromSlash(b.entry))
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "index.js")
	}
	if !b.begins(file, banner) {
		return nil, nil
	}
	code, err := b.readFile(file)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: b.entry}, Err: err}
	}
	if !bytes.HasSuffix(bytes.TrimSpace(code), []byte(footer)) || invalidUTF8(code) >= 0 {
		return nil, nil
	}
	b.note(file)
	digest := sha256.Sum256(code)
	src := &host.Source{Name: b.entry, Runtime: host.RuntimeJS, Code: code, Exports: exports(code), Digest: hex.EncodeToString(digest[:])}
	if maps := file + ".map"; !b.opts.Foreign && b.begins(maps, "{") {
		b.note(maps)
		src.SourceMap, err = os.ReadFile(maps)
	}
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: b.entry}, Err: err}
	}
	return src, nil
}

// begins reports whether a regular file of the project begins so.
func (b *builder) begins(file, with string) bool {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return false
	}
	if _, inside := b.inside(real); !inside {
		return false
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(real)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(with))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == with
}
