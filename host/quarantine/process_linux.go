package quarantine

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// own gives a child a group of its own, and has it killed when the host ends.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// yield has the kernel kill this process first when the machine has no memory left (proc_pid_oom_score_adj(5)).
func yield() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) //nolint:gosec // the mode is of no file that is made
}

// resident returns the bytes of this process that are in memory, 0 when that is not known (proc_pid_statm(5)).
func resident() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize()) //nolint:gosec // is positive
}
