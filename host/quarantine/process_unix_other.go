//go:build unix && !linux

package quarantine

import (
	"os/exec"
	"syscall"
)

// own gives a child a group of its own.
func own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func yield() {}

// resident is not known; what Go's runtime has taken is.
func resident() uint64 { return 0 }
