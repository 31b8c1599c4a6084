package quickjs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

var errStuck = errors.New("the promise that was returned never settled: nothing is left to run, no timer and no fetch")

const (
	maxErrorText = 16 << 10 // bytes that a script's error brings into logs and spans
	maxFrames    = 20
	ours         = "postern:" // what is not the user's begins so
	bundleName   = ours + "bundle"
)

// thrown is an error of the script's, as the guest describes it.
func (c *call) thrown(name, message, stack string) *host.GuestError {
	g := &host.GuestError{Type: bounded(name), Message: bounded(message)}
	g.Stack, g.Pos = c.plugin.module.userStack(bounded(stack))
	return g
}

func bounded(s string) string {
	if len(s) > maxErrorText {
		return strings.ToValidUTF8(s[:maxErrorText], "") + "…"
	}
	return s
}

// failed makes the error of a call of what the guest reported, or of what the engine ended it for. It tells the plugin's own deadline from the
// end of the caller's context, and both from the script's errors.
func (c *call) failed(err error) error {
	op := "call " + c.plugin.cfg.Name
	var guest *host.GuestError
	var told *host.Error
	crashed := errors.As(err, &told)
	switch isGuest := errors.As(err, &guest); {
	case crashed && isGuest && (guest.Type == host.GuestTimeout || guest.Type == host.GuestFuel):
		if guest.Stack, told.Pos = c.plugin.module.userStack(c.trace); guest.Stack != "" {
			guest.Pos = told.Pos
		}
		return err
	case crashed && isGuest:
		return err
	case c.ctx.Err() != nil && errors.Is(context.Cause(c.ctx), context.DeadlineExceeded):
		return &host.Error{Op: op, Kind: host.Timeout, Err: fmt.Errorf("the caller's deadline passed: %w", context.Cause(c.ctx))}
	case c.ctx.Err() != nil && !errors.Is(context.Cause(c.ctx), errEnded):
		return &host.Error{Op: op, Kind: host.Unavailable, Err: fmt.Errorf("the caller gave up: %w", context.Cause(c.ctx))}
	case crashed:
		return err
	case !isGuest:
		guest = &host.GuestError{Type: "Error", Message: err.Error()}
	}
	for _, s := range c.inputs {
		if cause := s.failure(); cause != nil { // the script failed because its input did
			return &host.Error{Op: op, Kind: host.KindOf(cause), Err: fmt.Errorf("%w; the body that it reads could not be read: %w", guest, cause)}
		}
	}
	kind := host.Internal
	if c.isOutOfMemory(guest) {
		c.inst.Break()
		kind = c.outOfMemory(guest)
	}
	return &host.Error{Op: op, Kind: kind, Pos: guest.Pos, Err: guest}
}

// isOutOfMemory reports whether QuickJS failed for want of memory. Where it has not even enough for an error, it throws null.
func (c *call) isOutOfMemory(guest *host.GuestError) bool {
	switch guest.Type {
	case "InternalError":
		return strings.Contains(guest.Message, "out of memory")
	case "Error":
		_, limit := c.inst.Refused()
		return guest.Message == "null" && limit != nil
	}
	return false
}

func (c *call) outOfMemory(guest *host.GuestError) host.Kind {
	guest.Type = host.GuestMemory
	kind, limit := c.inst.Refused()
	if limit == nil { // QuickJS itself said that it is too much
		return host.Internal
	}
	guest.Limit = limit
	guest.Message = fmt.Sprintf("out of memory: %s; the limit is %s (%s)", limit.Detail, limit.Value, limit.Origin)
	return kind
}

// A frame of QuickJS's stacks: "    at name (file:line:column)", or without the name.
var frame = regexp.MustCompile(`^\s*at (?:(.*) \()?([^()]*?):(\d+):(\d+)\)?$`)

// userStack rewrites a stack of QuickJS's in the user's own files and lines, without the frames that are ours, and returns the place of the
// topmost frame; one in the user's own files goes before one in a package.
func (m *Module) userStack(stack string) (string, host.Position) {
	var out []string
	var top, own host.Position
	for line := range strings.Lines(stack) {
		f := frame.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if f == nil {
			continue
		}
		pos, ok := m.position(f[2], f[3], f[4])
		if !ok {
			continue
		}
		if top.IsZero() {
			top = pos
		}
		if own.IsZero() && !strings.Contains(pos.File, "node_modules/") && !strings.HasPrefix(pos.File, "<") {
			own = pos
		}
		if len(out) < maxFrames {
			name := f[1]
			if name == "" {
				name = "<anonymous>"
			}
			out = append(out, "    at "+name+" ("+pos.String()+")")
		}
	}
	if !own.IsZero() {
		top = own
	}
	return strings.Join(out, "\n"), top
}

// position is the place of a frame in the user's files; not ok for what is none of them.
func (m *Module) position(file, line, column string) (host.Position, bool) {
	n, _ := strconv.Atoi(line)
	col, _ := strconv.Atoi(column)
	if file == bundleName && m.mapped != nil {
		name, _, l, k, ok := m.mapped.Source(n, col)
		return host.Position{File: strings.TrimPrefix(name, "./"), Line: l, Column: k}, ok && name != ""
	}
	return host.Position{File: strings.TrimPrefix(file, "./"), Line: n, Column: col}, !strings.HasPrefix(file, ours)
}
