//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// lock takes the folder for this process with a file that must not be there. After a crash it must be removed by hand, as the message says.
func lock(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, lockName)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		pid, _ := os.ReadFile(name)
		return nil, fail(dir, host.Conflict, fmt.Errorf("it is in use by the process %s", strings.TrimSpace(string(pid))),
			"stop that one first; if it has crashed, remove "+name)
	}
	if err != nil {
		return nil, explain(dir, err)
	}
	_, _ = f.WriteString(strconv.Itoa(os.Getpid())) // for the message alone
	_ = f.Close()
	return func() { _ = os.Remove(name) }, nil
}

// Held reports whether a process has a data folder open at this moment. On systems without flock(2) it is always true.
func Held(string) bool { return true }

// Foreign reports whether a file belongs to another user than this process's, as far as the system knows owners.
func Foreign(fs.FileInfo) bool { return false }

func checkOwner(string) error { return nil }

func openToOthers(fs.FileInfo) bool { return false }
