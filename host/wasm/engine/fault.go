package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/postern/postern/host"
)

// A Fault is how a host function ends a guest that broke the contract, or passed a limit: panic(engine.Fault{…}).
type Fault struct {
	Message string
	Limit   *host.LimitError // that it passed; nil for none. The guest's error is then of type host.GuestLimit

	kind string // of the guest's error, where it is another one
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
	if errors.Is(err, errNoMemory) {
		kind, passed := i.outOfMemory()
		if kind == host.Internal {
			kind = host.Invalid
		}
		return &host.Error{Op: op, Kind: kind, Err: fmt.Errorf("%w: %w", err, passed)}
	}
	guest := &host.GuestError{Type: host.GuestTrap}
	if err != nil {
		guest.Message, guest.Stack = splitTrace(err.Error())
	}
	var exit *sys.ExitError
	var stop interrupt
	exited, stopped := errors.As(err, &exit), errors.As(err, &stop)
	switch {
	case stop.fuel:
		passed := i.fuelLimit()
		guest.Type, guest.Message, guest.Limit = host.GuestFuel, "fuel of "+passed.Value+" units ("+passed.Origin+")", passed
		return &host.Error{Op: op, Kind: host.Timeout, Err: guest}
	case (err == nil || exited || stopped) && run.Err() != nil:
		return ended(op, parent, run, guest, limit, origin)
	case exited && exit.ExitCode() == 0 && i.system.process != nil:
		return nil // as a command ends
	case exited:
		guest.Type, guest.Message = host.GuestExit, fmt.Sprintf("the guest exited with code %d", exit.ExitCode())
		guest.Stack = strings.ToValidUTF8(string(i.system.tail), "\uFFFD")
	case defect(err):
		// Of ours: for our log with all that is known, and not for the guest's author, whose guest has not crashed.
		i.pool.code.engine.log.Error("a host function panicked", "plugin", i.pool.name, "op", op, "error", err)
		return &host.Error{Op: op, Kind: host.Internal, Err: errors.New("a host function failed: " + guest.Message)}
	default:
		died(err, guest)
	}
	kind := host.Internal
	if guest.Limit != nil && guest.Limit.Limit == pluginMemory {
		kind = host.Unavailable
	}
	if i.linear.refused > 0 && guest.Limit == nil && guest.Type != host.GuestStack {
		kind, guest.Limit = i.outOfMemory()
		guest.Type = host.GuestMemory
		guest.Message = fmt.Sprintf("out of memory: %s; the limit is %s (%s); then: %s", guest.Limit.Detail, guest.Limit.Value, guest.Limit.Origin, guest.Message)
	}
	return &host.Error{Op: op, Kind: kind, Err: guest}
}

// ended is the error of a guest whose context ended before it did, with the stack that it had then.
func ended(op string, parent, run context.Context, guest *host.GuestError, limit time.Duration, origin string) error {
	switch {
	case parent.Err() != nil: // the caller's deadline or cancellation came first
		return &host.Error{Op: op, Kind: endKind(parent.Err()), Err: fmt.Errorf("the guest was stopped: %w", parent.Err())}
	case !errors.Is(context.Cause(run), context.DeadlineExceeded):
		return &host.Error{Op: op, Kind: host.Unavailable, Err: errors.New("the guest was stopped: its plugin is being closed")}
	}
	late := tooLate(limit, origin)
	late.Stack = guest.Stack
	return &host.Error{Op: op, Kind: host.Timeout, Err: late}
}

// Late is the error of a guest that passed its wall time.
func Late(limit host.Setting[time.Duration]) *host.GuestError {
	return tooLate(limit.Value, limit.Origin())
}

func tooLate(limit time.Duration, origin string) *host.GuestError {
	return &host.GuestError{Type: host.GuestTimeout, Message: fmt.Sprintf("timeout of %v (%s)", limit, origin),
		Limit: &host.LimitError{Limit: "timeout", Value: limit.String(), Origin: origin}}
}

// died says of what, where neither time nor fuel was over and the guest did not exit.
func died(err error, guest *host.GuestError) {
	var fault Fault
	switch {
	case errors.As(err, &fault):
		guest.Message = fault.Message
		if guest.Limit = fault.Limit; guest.Limit != nil {
			guest.Type = host.GuestLimit
		}
		if fault.kind != "" {
			guest.Type = fault.kind
		}
	case guest.Message == stackOverflow:
		guest.Type = host.GuestStack
	}
}

// defect reports whether a host function panicked with anything but a Fault.
func defect(err error) bool {
	var fault Fault
	return strings.Contains(err.Error(), recovered) && !errors.As(err, &fault)
}

// outOfMemory is the limit by which the guest was refused memory last, and the kind of an error that comes of that.
func (i *Instance) outOfMemory() (host.Kind, *host.LimitError) {
	limit := i.pool.memoryLimit(int64(i.linear.refused))
	if i.linear.byHost {
		return host.Unavailable, i.pool.code.engine.memory.error(limit.Detail)
	}
	return host.Internal, limit
}

func (p *Pool) memoryLimit(wanted int64) *host.LimitError {
	return &host.LimitError{Limit: "memory", Value: SizeText(int64(p.memory)), Origin: p.plugin.Limits.Memory.Origin(),
		Detail: fmt.Sprintf("%d bytes asked for", wanted)}
}

// fuelLimit is the limit of a call's work.
func (i *Instance) fuelLimit() *host.LimitError {
	limit := i.pool.plugin.Limits.Fuel
	return &host.LimitError{Limit: "limits.fuel", Value: strconv.FormatInt(i.gauge.budget, 10), Origin: limit.Origin()}
}

// recovered is what wazero adds to a panic that is not its own, and stackOverflow what it calls a recursion that is too deep.
const (
	recovered     = " (recovered by wazero)"
	stackOverflow = "stack overflow"
)
