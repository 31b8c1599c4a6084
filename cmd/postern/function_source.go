package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

// maxCode bounds code from standard input, in bytes.
const maxCode = 256 << 20

// source makes the code that is uploaded, on this machine: what is wrong is told with its place before anything is sent.
func (u *upload) source(cmd *cobra.Command, name, path, abi string) (*host.Source, error) {
	if path == "-" {
		return u.piped(cmd, name, abi)
	}
	if u.lang != "" {
		return nil, usageErrorf("--lang is for standard input: a file's ending says what it is")
	}
	return u.build(cmd, path, abi)
}

// build makes the code of a file or folder.
func (u *upload) build(cmd *cobra.Command, path, abi string) (*host.Source, error) {
	options := project.Options{NoBuild: u.noBuild, CacheDir: firstOf(os.Getenv(variable("cache-dir")), defaultCacheDir()), Progress: u.std.progress().say}
	source, warnings, err := project.LoadSource(cmd.Context(), path, abi, options)
	if err == nil {
		u.std.warn(warnings...)
	}
	return source, err
}

// piped makes the code that standard input holds, as if it were a file with the function's name. Text is JavaScript if it can be, else
// TypeScript; of what is neither, the language that gets further with it tells why.
func (u *upload) piped(cmd *cobra.Command, name, abi string) (*host.Source, error) {
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		return nil, usageErrorf("%q is no name of a function", name)
	}
	code, err := io.ReadAll(io.LimitReader(u.std.in, maxCode+1))
	if err != nil {
		return nil, err
	}
	endings, err := codeEndings(u.lang, code)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postern-upload-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, ending := range endings {
		file := filepath.Join(dir, name+ending)
		if err := os.WriteFile(file, code, 0o600); err != nil {
			return nil, err
		}
		source, failed := u.build(cmd, file, abi)
		if failed == nil {
			return source, nil
		}
		for _, e := range problems(failed) {
			if strings.HasSuffix(e.Pos.File, name+ending) { // the folder means nothing to the user
				e.Pos.File = name + ending
			}
		}
		if err == nil || reaches(failed) > reaches(err) {
			err = failed
		}
	}
	return nil, err
}

// reaches is the first line that something is wrong with.
func reaches(err error) int {
	if list := problems(err); len(list) > 0 {
		return list[0].Pos.Line*maxColumns + min(list[0].Pos.Column, maxColumns-1)
	}
	return 0
}

// maxColumns is more than a line has that people write.
const maxColumns = 1 << 20

// codeEndings are the endings of a file with such code, in the order in which they are tried.
func codeEndings(lang string, code []byte) ([]string, error) {
	switch {
	case len(code) > maxCode:
		return nil, usageErrorf("the code on standard input has more than %d MiB", maxCode>>20)
	case len(bytes.TrimSpace(code)) == 0:
		return nil, usageErrorf("there is no code on standard input")
	case lang == "js", lang == "ts", lang == "wasm":
		return []string{"." + lang}, nil
	case lang != "":
		return nil, usageErrorf("--lang: %q is none of js, ts and wasm", lang)
	case bytes.HasPrefix(code, []byte("\x00asm")):
		return []string{".wasm"}, nil
	case bytes.HasPrefix(code, []byte("PK\x03\x04")):
		return []string{".zip"}, nil
	}
	return []string{".js", ".ts"}, nil
}
