package engine

import (
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// Bounds of a stack's text, since names in a module are of any length.
const (
	maxFrame     = 1 << 10 // bytes of a line
	maxFrames    = 200     // lines; wazero tells 30 functions, of which each may have several lines of source
	maxMangled   = 4 << 10 // bytes of a name that is still demangled
	maxDemangled = 10      // bytes of what it becomes, as a power of two
)

// splitTrace takes wazero's text apart: the reason, and the guest's functions, innermost first.
func splitTrace(text string) (message, stack string) {
	message, trace, _ := strings.Cut(text, "\nwasm stack trace:\n")
	message = strings.TrimSuffix(strings.TrimPrefix(message, "wasm error: "), recovered)
	if at := strings.Index(message, "wasm error: "); at >= 0 { // "start function[…] failed: wasm error: …"
		message = message[at+len("wasm error: "):]
	}
	trace, _, _ = strings.Cut(trace, "\n\n") // then come frames of the host's
	var frames []string
	for line := range strings.SplitSeq(trace, "\n") {
		if line = strings.TrimPrefix(strings.TrimSpace(line), "."); line != "" && len(frames) < maxFrames {
			frames = append(frames, frame(line))
		}
	}
	return message, strings.Join(frames, "\n")
}

// frame is a line of wazero's stack as people read it: a function has the name of its source where Rust, C++ or another language mangled it, and
// one without a name the number that it has in its file, where the metering's own import does not come before it.
func frame(line string) string {
	if name, signature, ok := strings.Cut(line, "("); ok {
		if number, unnamed := strings.CutPrefix(name, "$"); unnamed {
			if n, err := strconv.Atoi(number); err == nil {
				name = "$" + strconv.Itoa(n-1)
			}
		}
		line = demangled(name) + "(" + signature
	}
	if len(line) > maxFrame {
		return strings.ToValidUTF8(line[:maxFrame], "") + "…"
	}
	return strings.ToValidUTF8(line, "")
}

// demangled returns the name of a function in its source, or as it is where it is not mangled, or not as compilers do: names are the guest's to choose.
func demangled(name string) (plain string) {
	if len(name) > maxMangled || !strings.HasPrefix(name, "_") {
		return name
	}
	defer func() {
		if recover() != nil { // the library's own checks panic too
			plain = name
		}
	}()
	return demangle.Filter(name, demangle.NoParams, demangle.MaxLength(maxDemangled))
}
