package project

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// LoadSource makes code of a file or folder of the user's own, as the plugin of a project: a .wasm file, a script, a folder that is built,
// or a .zip. abi is asked for as in a definition; "" detects. The warnings are what is legal and probably not meant. The error is
// definition.Errors, with places as seen from the working directory, or a *host.Error: of Kind NotFound when there is nothing at path,
// and those of SourceFromUpload for a .zip.
func LoadSource(ctx context.Context, path, abi string, opts Options) (*host.Source, []*definition.Error, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		kind := host.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = host.NotFound
		}
		return nil, nil, &host.Error{Op: "load source", Kind: kind, Err: err}
	}
	if info, err := os.Stat(abs); err == nil && info.Mode().IsRegular() && strings.EqualFold(filepath.Ext(abs), ".zip") {
		src, err := fromFile(ctx, abs)
		return src, nil, err
	}
	top := topOf(filepath.Dir(abs))
	ref, err := filepath.Rel(top, abs)
	if err != nil {
		return nil, nil, &host.Error{Op: "load source", Kind: host.Internal, Err: err}
	}
	l, err := newLoader(&Project{Dir: top}, opts, nil)
	if err != nil {
		return nil, nil, err
	}
	defer l.close()
	src, err := l.only(ctx, filepath.ToSlash(ref), abi)
	warnings := l.located(l.warnings)
	seenFromHere(top, warnings)
	var errs definition.Errors
	if errors.As(err, &errs) {
		seenFromHere(top, errs)
	}
	return src, warnings, err
}

func fromFile(ctx context.Context, name string) (*host.Source, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &host.Error{Op: "load source", Kind: host.Invalid, Err: err}
	}
	defer f.Close()
	return SourceFromUpload(ctx, f, typeZip, UploadLimits{})
}

// topOf returns the folder that code in dir may import from: the nearest one, dir itself or above it, that a project, a package or a
// repository begins in, and dir when there is none. What lies about in the folder for temporary files begins nothing: what is piped is
// built below it, and must come to the same code each time.
func topOf(dir string) string {
	temp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		temp = ""
	}
	for at := dir; ; at = filepath.Dir(at) {
		if at == temp {
			return dir
		}
		if slices.ContainsFunc([]string{FileName, otherName, "package.json", "node_modules", ".git"}, func(name string) bool {
			_, err := os.Lstat(filepath.Join(at, name))
			return err == nil
		}) {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// seenFromHere makes the files of errors relative to the working directory, from which a user named what was loaded.
func seenFromHere(top string, errs definition.Errors) {
	here, err := os.Getwd()
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return
	}
	for _, e := range errs {
		file, err := filepath.Rel(here, filepath.Join(top, filepath.FromSlash(e.Pos.File)))
		if e.Pos.File != "" && err == nil {
			e.Pos.File = filepath.ToSlash(file)
		}
	}
}
