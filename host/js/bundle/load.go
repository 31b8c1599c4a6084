package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

// inside returns a path relative to the project's folder, with slashes, and whether it is there.
func (b *builder) inside(file string) (string, bool) {
	rel, err := filepath.Rel(b.root, file)
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel)
}

func outside(file string) error {
	return fmt.Errorf("this leads to %s, outside of the project's folder; nothing outside of it can be imported", filepath.Base(file))
}

// load reads a file for esbuild, which would take bytes that are no text for others, and follow a source map to anywhere. file has no
// symbolic links: esbuild has followed them.
func (b *builder) load(file string) (api.OnLoadResult, error) {
	rel, ok := b.inside(file)
	if !ok {
		return api.OnLoadResult{}, outside(file)
	}
	b.note(file)
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return api.OnLoadResult{}, nil // esbuild says it better
	case !info.Mode().IsRegular(): // to read a pipe would block for ever
		return api.OnLoadResult{}, fmt.Errorf("%s is not a regular file", rel)
	}
	text, err := b.readFile(file)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = fmt.Errorf("%s cannot be read: %w", rel, pathErr.Err)
		}
		return api.OnLoadResult{}, err
	}
	if at := invalidUTF8(text); at >= 0 {
		line, start := bytes.Count(text[:at], []byte("\n"))+1, bytes.LastIndexByte(text[:at], '\n')+1
		return api.OnLoadResult{Errors: []api.Message{{
			Text:     fmt.Sprintf("byte %d is not UTF-8; save the file as UTF-8", at),
			Location: &api.Location{File: rel, Line: line, Column: at - start},
		}}}, nil
	}
	contents := string(b.withoutForeignMaps(filepath.Dir(file), text))
	return api.OnLoadResult{Contents: &contents, Loader: api.LoaderDefault}, nil
}

// readFile reads what may be read yet.
func (b *builder) readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	most := b.opts.MaxInput
	if most == 0 {
		text, err := io.ReadAll(f)
		return bytes.TrimPrefix(text, []byte("\ufeff")), err
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read += int64(len(text)); b.read > most {
		return nil, fmt.Errorf("the script and all that it imports have more than %d bytes", most)
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil
}

// invalidUTF8 returns the offset of the first byte that is not text, -1 without one.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// mapComment ends where esbuild ends it: at any space that ECMAScript knows.
var mapComment = regexp.MustCompile(`[#@][ \t]*sourceMappingURL=([^\s\v\p{Z}\x{feff}]+)`)

// withoutForeignMaps disables comments that lead to a source map outside of the project, or to what is no file: esbuild reads these
// itself. Positions stay.
func (b *builder) withoutForeignMaps(dir string, text []byte) []byte {
	for _, m := range mapComment.FindAllSubmatchIndex(text, -1) {
		ref := string(text[m[2]:m[3]])
		beforeEnd, _, _ := strings.Cut(ref, "*/") // of a comment of that kind
		if strings.HasPrefix(ref, "data:") || b.ownMap(dir, ref) && b.ownMap(dir, beforeEnd) {
			continue
		}
		copy(text[m[2]-len("URL="):], "LRU=")
	}
	return text
}

// ownMap reports whether a reference leads to nothing, or to a file of the project. It resolves as esbuild does.
func (b *builder) ownMap(dir, ref string) bool {
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "" && u.Scheme != "file" {
		return true // esbuild takes neither
	}
	base := &url.URL{Scheme: "file", Path: filepath.ToSlash(dir) + "/"}
	file := filepath.FromSlash(base.ResolveReference(u).Path)
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	info, err := os.Stat(real)
	_, own := b.inside(real)
	return err == nil && own && info.Mode().IsRegular()
}
