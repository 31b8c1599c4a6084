package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

// A call is one run of a program. It belongs to the goroutine that runs it; meta is handed over when the output begins.
type call struct {
	plugin *host.PluginConfig
	entry  string
	fx     host.Effects
	env    []string
	stream *stream.Call
	sink   sink

	ctx     context.Context // of the run
	inst    *engine.Instance
	meta    []byte
	failure error // fails the call, however the program ends

	stats      host.CallStats
	begunStats host.CallStats // as they were when the output began
}

// A sink takes what a program writes to standard output.
type sink interface {
	write(p []byte) error
	// end makes the result's meta and body final, when the program ended well.
	end() error
}

// run runs the program to its end. Effects that panic fail the call; they would end the process on this goroutine.
func (c *call) run(ctx context.Context, inst *engine.Instance) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.fail(host.Internal, fmt.Errorf("the host failed: %v\n%s", r, debug.Stack()))
		}
	}()
	c.ctx, c.inst = ctx, inst
	err = inst.Run(ctx, engine.Process{Env: c.env, Stdin: stdin{c}, Stdout: stdout{c}}, c.fx)
	c.count()
	broken := c.stream.In.Failed()
	switch {
	case c.failure != nil:
		return c.failure
	case err != nil && broken != nil && !errors.Is(err, host.Timeout):
		return c.fail(host.KindOf(broken), fmt.Errorf("%w; the body that it reads broke off: %w", err, broken))
	case err != nil:
		return err
	}
	return c.sink.end()
}

func (c *call) count() {
	c.stats.HostTime += c.inst.Slept()
	c.stats.Memory = c.inst.MemorySize()
}

func (c *call) fail(kind host.Kind, err error) error {
	return &host.Error{Op: "call " + c.plugin.Name + " " + c.entry, Kind: kind, Err: err}
}

// refuse fails the call for good, and ends the program: it cannot know what is wrong with its output.
func (c *call) refuse(kind host.Kind, err error) error {
	if c.failure == nil {
		c.failure = c.fail(kind, err)
	}
	c.stream.Stop()
	return c.failure
}

// malformed is what a program wrote that makes no sense.
func malformed(format string, args ...any) error {
	return &host.GuestError{Type: host.GuestResult, Message: fmt.Sprintf(format, args...)}
}

// begin starts to hand out the body. The meta stands.
func (c *call) begin() {
	c.begunStats = c.stats
	c.begunStats.HostTime += c.inst.Slept()
	c.begunStats.Memory = c.inst.MemorySize()
	c.stream.Out.Begin()
}

// result is what a program that has ended made, or why it did not.
func (c *call) result(err error) (host.Event, error) {
	if err != nil {
		return host.Event{Stats: c.stats}, err
	}
	ev := host.Event{Meta: c.meta, Stats: c.stats}
	if c.stream.Out.Written() {
		ev.Body = c.stream.Whole()
	}
	return ev, nil
}

// A stdin is the program's standard input.
type stdin struct{ *call }

// Read waits for some of the body.
func (s stdin) Read(p []byte) (int, error) {
	defer s.hostTime(time.Now())
	return s.stream.In.Read(s.ctx, p)
}

// A stdout is the program's standard output.
type stdout struct{ *call }

// Write takes all of p, or fails.
func (s stdout) Write(p []byte) (int, error) {
	if s.failure != nil {
		return 0, s.failure
	}
	defer s.hostTime(time.Now())
	if err := s.sink.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// tooLarge fails the call for good: a result that is cut off is worth nothing.
func (c *call) tooLarge() error {
	limit := c.plugin.Limits.MaxResult
	return c.refuse(host.TooLarge, &host.LimitError{Limit: "maxResult", Value: engine.SizeText(limit.Value), Origin: limit.Origin(), Detail: "the result is larger"})
}

// hostTime adds what a host function took since then, where it may have waited for somebody.
func (c *call) hostTime(since time.Time) { c.stats.HostTime += time.Since(since) }

// write appends to the body, within the limit of a result where it does not stream.
func (c *call) write(p []byte) error {
	if limit := c.plugin.Limits.MaxResult; !c.stream.Out.Room(len(p), int(min(limit.Value, 1<<31-1))) {
		return c.tooLarge()
	}
	c.inst.Charge(int64(len(p)), "a result")
	return c.stream.Out.Write(c.ctx, p)
}
