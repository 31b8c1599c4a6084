// Package atomicfile writes files whole or not at all: whoever reads one, also after a crash or a power cut, finds what was there
// before or all that was written. A file is written under another name first, brought to the disk, and then given its name.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"syscall"
)

// Create makes a file that is not there yet, with the mode that the process's mask leaves of mode. When there is a file of that name,
// also one that another process has just made, it stays as it is, and the error is fs.ErrExist.
func Create(name string, data []byte, mode fs.FileMode) error {
	return in(name, func(dir *os.Root, base string) error { return CreateIn(dir, base, data, mode) })
}

// Replace puts a file with exactly that mode in the place of the one of that name, if there is one. A symbolic link is replaced itself.
func Replace(name string, data []byte, mode fs.FileMode) error {
	return in(name, func(dir *os.Root, base string) error {
		temp, err := write(dir, ".", data, mode)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Chmod(temp, mode), dir.Rename(temp, base)); err != nil {
			_ = dir.Remove(temp) // the first error says more
			return err
		}
		return sync(dir, ".")
	})
}

// CreateIn is Create of a file below a folder, by its path with slashes; no symbolic link leads out of the folder.
func CreateIn(dir *os.Root, name string, data []byte, mode fs.FileMode) error {
	temp, err := write(dir, path.Dir(name), data, mode)
	if err != nil {
		return err
	}
	defer dir.Remove(temp) // its second name
	if err = dir.Link(temp, name); err != nil && !errors.Is(err, fs.ErrExist) {
		// Some file systems have no hard links. There, a file that comes in this moment is replaced.
		if _, there := dir.Lstat(name); !errors.Is(there, fs.ErrNotExist) {
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		err = dir.Rename(temp, name)
	}
	if err != nil {
		return err
	}
	return sync(dir, path.Dir(name))
}

// in calls f with the folder of a file.
func in(name string, f func(dir *os.Root, base string) error) error {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(f(dir, filepath.Base(name)), dir.Close())
}

// write writes data into a new file of a folder, and returns its name when it is on the disk.
func write(dir *os.Root, folder string, data []byte, mode fs.FileMode) (string, error) {
	name := path.Join(folder, ".new-"+rand.Text())
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = dir.Remove(name) // the first error says more
		return "", err
	}
	return name, nil
}

// SyncFolder returns when the names in a folder are on the disk, where the system can do that.
func SyncFolder(name string) error {
	dir, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	return errors.Join(sync(dir, "."), dir.Close())
}

func sync(dir *os.Root, folder string) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return nil // a folder cannot be synced there
	}
	f, err := dir.Open(folder)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // nor on some file systems
	}
	return errors.Join(err, f.Close())
}
