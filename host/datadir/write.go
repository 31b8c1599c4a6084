package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/postern/postern/host"
)

// probeSize is what must be writable for the folder to be used: a full disk gives small files for longer than large ones.
const probeSize = 4 << 20

// probe writes and removes a file, as the only way to know that the disk takes it.
func (d *Dir) probe() error {
	f, err := os.CreateTemp(d.path, ".probe-*")
	if err != nil {
		return explain(d.path, err)
	}
	_, err = f.Write(bytes.Repeat([]byte{0xa5}, probeSize))
	err = errors.Join(err, f.Sync(), f.Close())
	if removeErr := os.Remove(f.Name()); err == nil {
		err = removeErr
	}
	if err != nil {
		return explain(d.path, err)
	}
	return nil
}

// explain gives an error of the system its Kind and its remedy.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(path, host.Unavailable, err, fmt.Sprintf("the disk is full: %s; free at least %d MiB", freeText(path), probeSize>>20))
	case errors.Is(err, syscall.EROFS):
		return fail(path, host.Unavailable, err, "its file system is mounted read-only: mount it writable, or name another folder")
	case errors.Is(err, fs.ErrPermission):
		return fail(path, host.Forbidden, err, "this user may not write there: change the folder's owner (chown), or name another folder")
	case errors.Is(err, syscall.ENOTDIR):
		return fail(path, host.Invalid, err, "a part of the path is a file, not a folder")
	}
	return fail(path, host.Internal, err, "")
}

func freeText(path string) string {
	free, err := Free(path)
	if err != nil {
		return "how much is free is not known"
	}
	return fmt.Sprintf("%.1f MiB are free", float64(free)/(1<<20))
}
