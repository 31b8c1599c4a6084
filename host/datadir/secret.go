package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
)

// maxSecret bounds a file of Secret, in bytes.
const maxSecret = 64 << 10

// Secret returns the content of a file of the folder, and makes it with make when it is missing: with mode 0600, whole or not
// at all, and on the disk before it is returned. The error has Kind Forbidden when others than the owner can read the file,
// and Internal when it is empty or larger than 64 KiB.
func (d *Dir) Secret(name string, make func() ([]byte, error)) ([]byte, error) {
	if name != filepath.Base(name) || name == "." {
		return nil, fail(d.path, host.Invalid, fmt.Errorf("%q is not the name of a file", name), "")
	}
	d.secret.Lock()
	defer d.secret.Unlock()
	path := d.Path(name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.newSecret(path, make)
	}
	if err != nil {
		return nil, explain(d.path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fail(d.path, host.Invalid, fmt.Errorf("%s is not a plain file", name), "remove it, and it is made anew")
	case openToOthers(info):
		return nil, fail(d.path, host.Forbidden, fmt.Errorf("%s is a secret, and others can read it (mode %04o)", name, info.Mode().Perm()),
			"run: chmod 600 "+path)
	case info.Size() == 0 || info.Size() > maxSecret:
		return nil, fail(d.path, host.Internal, fmt.Errorf("%s has %d bytes: it is damaged", name, info.Size()), "restore it from a backup")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, explain(d.path, err)
	}
	return data, nil
}

func (d *Dir) newSecret(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := make()
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data) > maxSecret {
		return nil, fail(d.path, host.Internal, fmt.Errorf("a secret of %d bytes for %s", len(data), filepath.Base(path)), "")
	}
	if err := atomicfile.Replace(path, data, 0o600); err != nil {
		return nil, explain(d.path, err)
	}
	return data, nil
}
