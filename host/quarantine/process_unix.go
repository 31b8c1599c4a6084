//go:build unix

package quarantine

import (
	"os/exec"
	"syscall"
)

const niceness = 5 // a quarter of a processor that others want

// kill ends a child and its group.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// confine is for this process, a child. What a system does not allow is left out: the bounds of the host hold without.
func confine() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // a core would be as large as the code made it
	_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, niceness)       // of the group, and so of all threads
	yield()
}
