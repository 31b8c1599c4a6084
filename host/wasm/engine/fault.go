package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/postern/postern/host"
)

// A Fault is how a host function ends a guest that broke the contract, or passed a limit: panic(engine.Fault{…}).
type Fault struct {
	Message string
	Limit   *host.LimitError // that it passed; nil for none. The guest's error is then of type host.GuestLimit
}

// Error returns the message.
func (f Fault) Error() string { return f.Message }

// Bytes returns a view of the guest's memory, valid until the guest runs on. A pointer or a length that is not
// inside it ends the guest; op names the host function that was given them.
func (i *Instance) Bytes(op string, ptr, length uint64) []byte {
	p, n := uint32(ptr), int32(length)
	if n < 0 {
		panic(Fault{Message: fmt.Sprintf("%s: negative length %d", op, n)})
	}
	if n == 0 {
		return nil
	}
	view, ok := i.memory.Read(p, uint32(n))
	if !ok {
		panic(Fault{Message: fmt.Sprintf("%s: %d bytes at %d are outside the memory of %d bytes", op, n, p, i.memory.Size())})
	}
	return view
}

// endKind classifies the end of a context that is not the plugin's own.
func endKind(err error) host.Kind {
	if errors.Is(err, context.DeadlineExceeded) {
		return host.Timeout
	}
	return host.Unavailable
}

// failure turns what wazero reports into an error that says what happened to the guest. parent is the caller's
// context, run the one with the plugin's own deadline, which is limit and was set at origin. err is nil for a guest
// that ended by itself, but too late.
func (i *Instance) failure(op string, parent, run context.Context, limit time.Duration, origin string, err error) error {
	var exit *sys.ExitError
	if (err == nil || errors.As(err, &exit)) && run.Err() != nil {
		switch {
		case parent.Err() != nil: // the caller's deadline or cancellation came first
			return &host.Error{Op: op, Kind: endKind(parent.Err()), Err: fmt.Errorf("the guest was stopped: %w", parent.Err())}
		case errors.Is(context.Cause(run), context.DeadlineExceeded):
			return &host.Error{Op: op, Kind: host.Timeout, Err: &host.GuestError{Type: "timeout", Message: fmt.Sprintf("timeout of %v (%s)", limit, origin)}}
		default:
			return &host.Error{Op: op, Kind: host.Unavailable, Err: errors.New("the guest was stopped: its plugin is being closed")}
		}
	}
	if exit != nil && exit.ExitCode() == 0 && i.system.process != nil {
		return nil // as a command ends
	}
	guest := &host.GuestError{Type: "trap"}
	var message string
	message, guest.Stack = splitTrace(err.Error())
	var fault Fault
	switch {
	case exit != nil:
		guest.Type, guest.Message = "exit", fmt.Sprintf("the guest exited with code %d", exit.ExitCode())
		guest.Stack = strings.ToValidUTF8(string(i.system.tail), "\uFFFD")
	case errors.As(err, &fault):
		guest.Message = fault.Message
		if fault.Limit != nil {
			guest.Type, guest.Limit = host.GuestLimit, fault.Limit
		}
	case strings.Contains(err.Error(), recovered):
		// A defect of ours: for our log with all that is known, and not for the guest's author.
		i.pool.code.engine.log.Error("a host function panicked", "plugin", i.pool.name, "op", op, "error", err)
		guest.Message = "a host function failed: " + message
	default:
		guest.Message = message
	}
	if i.linear.refused > 0 {
		limits := i.pool.plugin.Limits.Memory
		guest.Message = fmt.Sprintf("out of memory: %d bytes asked for; the limit is %d bytes (%s); then: %s", i.linear.refused, i.linear.limit, limits.Origin(), guest.Message)
		guest.Type = "memory"
	}
	return &host.Error{Op: op, Kind: host.Internal, Err: guest}
}

// recovered is what wazero adds to a panic that is not its own.
const recovered = " (recovered by wazero)"

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
		if line = strings.TrimPrefix(strings.TrimSpace(line), "."); line != "" {
			frames = append(frames, line)
		}
	}
	return message, strings.Join(frames, "\n")
}
