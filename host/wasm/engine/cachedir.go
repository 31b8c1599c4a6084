package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// prepareCacheDir creates dir, or makes sure that nobody else can have put code into it.
func prepareCacheDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("compilation cache: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("compilation cache: %w", err)
	}
	if err := checkOwner(dir, info); err != nil {
		return fmt.Errorf("compilation cache: %w", err)
	}
	return nil
}

// clearCache removes what wazero stored, which is in folders of its own naming.
func clearCache(dir string) error {
	folders, err := filepath.Glob(filepath.Join(dir, "wazero-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, folder := range folders {
		files, err := os.ReadDir(folder)
		errs = append(errs, err)
		for _, f := range files {
			errs = append(errs, os.Remove(filepath.Join(folder, f.Name())))
		}
	}
	return errors.Join(errs...)
}

// isCacheDamage reports whether compiling failed on an entry of the cache that cannot be read. wazero gives no
// type to tell by.
func isCacheDamage(err error) bool { return strings.Contains(err.Error(), "compilationcache: ") }

// isStorageFailure reports whether the code was compiled but could not be stored: a full disk, a vanished folder.
func isStorageFailure(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &link) || errors.As(err, &errno)
}
