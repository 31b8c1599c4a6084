package engine

import (
	"bufio"
	"bytes"
	"iter"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// machineMemory returns how many bytes of memory this process may use: the machine's, or what its control group has, if that is less
// (Linux kernel documentation, admin-guide/cgroup-v2, "memory.max", and cgroup-v1/memory, "memory.limit_in_bytes").
func machineMemory() int64 {
	limit := int64(math.MaxInt64)
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		limit = int64(info.Totalram) * int64(info.Unit)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup") // there may be none
	for file := range groupFiles(groups) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // and not "max"
			limit = min(limit, n)
		}
	}
	return limit
}

// groupFiles yields the files that may say the limit of a process whose /proc/self/cgroup is given: of its group, and of all above.
func groupFiles(groups []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
			_, rest, _ := strings.Cut(lines.Text(), ":")
			controllers, group, _ := strings.Cut(rest, ":")
			root, file := "/sys/fs/cgroup", "memory.max"
			switch controllers {
			case "":
			case "memory":
				root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
			default:
				continue
			}
			for group = path.Clean("/" + group); ; group = path.Dir(group) {
				if !yield(path.Join(root, group, file)) {
					return
				}
				if group == "/" {
					break
				}
			}
		}
	}
}
