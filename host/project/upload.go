package project

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

const opUpload = "read the upload"

// The media types of code.
const (
	typeWasm       = "application/wasm"
	typeTypeScript = "application/typescript"
	typeZip        = "application/zip"
	typeAny        = "application/octet-stream"
)

// UploadLimits bound what is taken of an upload. Fields that are 0 have the defaults beside them.
type UploadLimits struct {
	Upload   int64 // bytes of what is sent: 256 MiB
	Unpacked int64 // bytes of all files of a zip: 512 MiB, or 100 times the zip's own and 8 MiB when that is less
	Entries  int   // files and folders of a zip: 20,000
	Input    int64 // bytes of a script with all that it imports: 32 MiB
	Code     int64 // bytes of the script that is made of them: 64 MiB

	TempDir string // where a folder is made for the time of the upload; "" is the system's
}

func (l UploadLimits) withDefaults() UploadLimits {
	l.Upload = cmp.Or(l.Upload, maxModule)
	l.Unpacked = cmp.Or(l.Unpacked, 512<<20)
	l.Entries = cmp.Or(l.Entries, 20_000)
	l.Input = cmp.Or(l.Input, 32<<20)
	l.Code = cmp.Or(l.Code, 64<<20)
	return l
}

// SourceFromUpload makes code of what somebody sent: a Wasm binary, a script in JavaScript or TypeScript, or a zip with a package.json,
// an index.ts, an index.js, or one .wasm file. What it is its first bytes say, then contentType. Scripts are bundled in a folder of their own,
// which is gone when it returns; nothing of theirs is run, and nothing outside of the folder is read. The error is definition.Errors for
// what is wrong in a script, else a *host.Error: of Kind Invalid or TooLarge for what was sent, Unavailable when ctx ended.
func SourceFromUpload(ctx context.Context, r io.Reader, contentType string, limits UploadLimits) (*host.Source, error) {
	limits = limits.withDefaults()
	in := &uploadReader{ctx: ctx, r: r, left: limits.Upload, limit: limits.Upload}
	head := make([]byte, 4)
	n, err := io.ReadFull(in, head)
	switch head = head[:n]; {
	case err == io.EOF:
		return nil, unfit("the upload is empty")
	case err != nil && err != io.ErrUnexpectedEOF:
		return nil, err
	}
	all := io.MultiReader(bytes.NewReader(head), in)
	switch {
	case bytes.Equal(head, magic):
		return moduleFrom(all)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return inFolder(limits, func(dir string) (*host.Source, error) { return fromZip(ctx, all, dir, limits) })
	case contentType == typeWasm:
		rest, _ := io.ReadAll(io.LimitReader(all, 64))
		return nil, unfit("the upload is not a WebAssembly module%s", prefixed("; ", notModule(rest)))
	case contentType == typeZip:
		return nil, unfit("the upload is not a zip")
	}
	return inFolder(limits, func(dir string) (*host.Source, error) { return fromScript(ctx, all, contentType, dir, limits) })
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func moduleFrom(r io.Reader) (*host.Source, error) {
	code, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return wasmSource("upload.wasm", code), nil
}

// inFolder calls f with an empty folder, which is gone afterwards.
func inFolder(limits UploadLimits, f func(dir string) (*host.Source, error)) (*host.Source, error) {
	dir, err := os.MkdirTemp(limits.TempDir, "postern-upload-")
	if err != nil {
		return nil, failed(err)
	}
	src, err := f(dir)
	if removeErr := os.RemoveAll(dir); err == nil && removeErr != nil {
		return nil, failed(removeErr)
	}
	return src, err
}

// fromScript bundles one script. What nobody calls JavaScript or TypeScript may be either.
func fromScript(ctx context.Context, r io.Reader, contentType, dir string, limits UploadLimits) (*host.Source, error) {
	text, err := io.ReadAll(io.LimitReader(r, limits.Input+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > limits.Input:
		return nil, tooLarge("the script has more than %d bytes", limits.Input)
	}
	build := func(name string) (*host.Source, error) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, failed(err)
		}
		return foreignSource(ctx, dir, name, limits)
	}
	if contentType == typeTypeScript {
		return build("index.ts")
	}
	src, err := build("index.js")
	if err != nil && contentType == typeAny {
		if typed, tsErr := build("index.ts"); tsErr == nil {
			return typed, nil
		}
	}
	return src, err
}

func fromZip(ctx context.Context, r io.Reader, dir string, limits UploadLimits) (*host.Source, error) {
	file, err := os.OpenFile(filepath.Join(dir, "upload.zip"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, failed(err)
	}
	defer file.Close()
	size, err := io.Copy(file, r)
	if err != nil {
		var own *host.Error
		if errors.As(err, &own) {
			return nil, err
		}
		return nil, failed(err)
	}
	inside := filepath.Join(dir, "zip")
	if err := os.Mkdir(inside, 0o700); err != nil {
		return nil, failed(err)
	}
	if err := unzip(ctx, file, size, inside, limits); err != nil {
		return nil, err
	}
	ref, err := entryOf(inside)
	if err != nil {
		return nil, err
	}
	return foreignSource(ctx, inside, ref, limits)
}

// entryOf finds what a zip was made for: the folder itself, a .wasm file in it, or the only folder in it, which people pack with what it
// holds.
func entryOf(dir string) (ref string, err error) {
	ref = "."
	for {
		entries, err := os.ReadDir(filepath.Join(dir, ref))
		if err != nil {
			return "", failed(err)
		}
		found, err := soleEntry(entries)
		if err != nil || found != "" {
			return filepath.ToSlash(filepath.Join(ref, found)), err
		}
		if ref != "." || len(entries) != 1 || !entries[0].IsDir() {
			return "", unfit("the zip has no package.json, no index.ts, no index.js, and not exactly one .wasm file%s", nestedHint(entries))
		}
		ref = entries[0].Name()
	}
}

func nestedHint(entries []fs.DirEntry) string {
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.EqualFold(filepath.Ext(e.Name()), ".zip") }) {
		return "; a zip in it is not looked into"
	}
	return ""
}

// soleEntry returns what a folder of a zip is: "." for a script, the name of a module, "" when it is neither.
func soleEntry(entries []fs.DirEntry) (string, error) {
	modules, script := []string{}, false
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		for _, b := range builders {
			if !slices.Contains(b.files, e.Name()) {
				continue
			}
			if b.run != nil && b.tool != "make" { // a Makefile may stand beside anything
				return "", unfit("the zip has %s: a host compiles nothing; upload the folder with the command, or the .wasm file that it is built to", e.Name())
			}
			script = script || b.run == nil
		}
		if strings.EqualFold(filepath.Ext(e.Name()), ".wasm") {
			modules = append(modules, e.Name())
		}
	}
	switch {
	case script:
		return ".", nil
	case len(modules) == 1:
		return modules[0], nil
	}
	return "", nil
}

// foreignSource makes code of a file or folder that somebody sent.
func foreignSource(ctx context.Context, dir, ref string, limits UploadLimits) (*host.Source, error) {
	l, err := newLoader(&Project{Dir: dir}, Options{NoBuild: true}, nil)
	if err != nil {
		return nil, err
	}
	defer l.close()
	l.foreign, l.maxInput = true, limits.Input
	src, err := l.only(ctx, ref, "")
	switch {
	case err != nil:
		return nil, err
	case src.Runtime == host.RuntimeJS && int64(len(src.Code)) > limits.Code:
		return nil, tooLarge("the script comes to %d bytes when it is bundled, and %d are the most", len(src.Code), limits.Code)
	}
	return src, nil
}

// only makes the code of one reference.
func (l *loader) only(ctx context.Context, ref, abi string) (*host.Source, error) {
	at := host.Position{File: ref}
	if ref == "." {
		at.File = "package.json"
	}
	use := definition.Use{Plugin: &host.PluginConfig{Ref: ref, ABI: abi, Pos: at}, Function: true}
	j := &job{loader: l, ref: ref, uses: []definition.Use{use}}
	schema, _ := j.schema()
	src := j.source(ctx)
	switch {
	case src != nil && len(l.errs) == 0:
		src.ConfigSchema = schema
		return src, nil
	case ctx.Err() != nil:
		return nil, &host.Error{Op: opUpload, Kind: host.Unavailable, Err: context.Cause(ctx)}
	}
	return nil, l.located(l.errs)
}

func unfit(format string, args ...any) error {
	return &host.Error{Op: opUpload, Kind: host.Invalid, Err: fmt.Errorf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &host.Error{Op: opUpload, Kind: host.TooLarge, Err: fmt.Errorf(format, args...)}
}

// failed is about the host's own disk; nil for nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &host.Error{Op: opUpload, Kind: host.Internal, Err: err}
}

// An uploadReader reads what may be read, and says why it stopped.
type uploadReader struct {
	ctx         context.Context
	r           io.Reader
	left, limit int64
}

func (u *uploadReader) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, &host.Error{Op: opUpload, Kind: host.Unavailable, Err: context.Cause(u.ctx)}
	}
	n, err := u.r.Read(p[:min(int64(len(p)), u.left+1)])
	switch u.left -= int64(n); {
	case u.left < 0:
		return 0, tooLarge("the upload has more than %d bytes", u.limit)
	case err != nil && err != io.EOF:
		return n, unfit("the upload ended early: %w", err)
	}
	return n, err
}
