package js

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

var (
	errDeadline = errors.New("the plugin's deadline passed")
	errRegexp   = fmt.Errorf("a regular expression ran for more than %v; it backtracks without end on this input", regexpLimit)
	errOverrun  = errors.New("a built-in function is still at work after the deadline")
	errEnded    = errors.New("the call has ended")
	errStuck    = errors.New("the promise that was returned never settled: nothing is left to run, no timer and no fetch")
)

// maxErrorText bounds what a script's error brings into logs and spans, in bytes.
const maxErrorText = 16 << 10

// guestError makes a *host.GuestError of what a script threw, or of what goja stopped it for.
func guestError(err error) *host.GuestError {
	var stopped *goja.InterruptedError
	if errors.As(err, &stopped) {
		_, pos := userStack(stopped.String())
		return &host.GuestError{Type: "timeout", Message: fmt.Sprint(stopped.Value()), Pos: pos}
	}
	var overflow *goja.StackOverflowError
	if errors.As(err, &overflow) {
		stack, pos := userStack(overflow.String())
		return &host.GuestError{Type: "RangeError", Message: "Maximum call stack size exceeded", Stack: stack, Pos: pos}
	}
	var thrown *goja.Exception
	if errors.As(err, &thrown) {
		g := thrownError(thrown.Value())
		if g.Stack == "" {
			g.Stack, g.Pos = userStack(thrown.String())
		}
		return g
	}
	var guest *host.GuestError
	if errors.As(err, &guest) {
		return guest
	}
	return &host.GuestError{Type: "Error", Message: err.Error()}
}

// thrownError describes a thrown value. Reading it may run the script's own getters, which may throw again.
func thrownError(v goja.Value) *host.GuestError {
	g := &host.GuestError{Type: "Error"}
	obj, ok := v.(*goja.Object)
	if !ok {
		g.Message = bounded(fmt.Sprint(v))
		return g
	}
	read := func(name string) (s string) {
		defer func() {
			if recover() != nil {
				s = ""
			}
		}()
		if p := obj.Get(name); p != nil && !goja.IsUndefined(p) {
			s = bounded(p.String())
		}
		return s
	}
	if name := read("name"); name != "" {
		g.Type = name
	}
	if g.Message = read("message"); g.Message == "" && read("stack") == "" {
		g.Message = "an object was thrown that is no Error"
	}
	g.Stack, g.Pos = userStack(read("stack"))
	return g
}

func bounded(s string) string {
	if len(s) > maxErrorText {
		return strings.ToValidUTF8(s[:maxErrorText], "") + "…"
	}
	return s
}

// failed makes the error of a call: it tells the plugin's own deadline from the end of the caller's context, and both from
// the script's errors.
func (c *call) failed(err error) error {
	op := "call " + c.plugin.cfg.Name
	var own *host.Error
	if errors.As(err, &own) && own.Op != "" {
		return own
	}
	if c.ctx.Err() != nil {
		switch cause := context.Cause(c.ctx); {
		case errors.Is(cause, errDeadline):
			limit := c.plugin.cfg.Limits.Timeout
			g := guestError(err)
			return &host.Error{Op: op, Kind: host.Timeout, Pos: limit.Pos, Err: &host.GuestError{Type: host.GuestTimeout, Pos: g.Pos,
				Limit:   &host.LimitError{Limit: "timeout", Value: c.timeout.String(), Origin: limit.Origin()},
				Message: fmt.Sprintf("not done after %v, its timeout (%s)", c.timeout, limit.Origin())}}
		case errors.Is(cause, context.DeadlineExceeded):
			return &host.Error{Op: op, Kind: host.Timeout, Err: fmt.Errorf("the caller's deadline passed: %w", cause)}
		default:
			return &host.Error{Op: op, Kind: host.Unavailable, Err: fmt.Errorf("the caller gave up: %w", cause)}
		}
	}
	g := guestError(err)
	for _, s := range c.inputs {
		if cause := s.failure(); cause != nil { // the script failed because its input did
			return &host.Error{Op: op, Kind: host.KindOf(cause), Err: fmt.Errorf("%w; the body that it reads could not be read: %w", g, cause)}
		}
	}
	kind := host.Internal
	if g.Type == "timeout" {
		kind = host.Timeout
	}
	return &host.Error{Op: op, Kind: kind, Pos: g.Pos, Err: g}
}
