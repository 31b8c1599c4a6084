package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

// A call is one call of an entry, as its host functions see it. It belongs to the goroutine that runs the guest; meta is handed
// over when the output begins.
type call struct {
	plugin *host.PluginConfig
	entry  string
	in     host.Event
	fx     host.Effects
	stream *stream.Call

	meta   []byte
	sealed bool       // the body has begun: the meta stands
	edits  filterMeta // of a filter, of the meta up to parsed
	parsed int

	failure  error  // fails the call, whatever the guest returns
	reason   string // why a host function failed last
	reported host.GuestError
	fetches  []*fetch // nil where a place is free
	spans    []func(string)
	opened   int // spans in all
	kv       kvState
	counted  int64            // host calls
	moved    int64            // those of them that moved bytes of a body
	passed   *host.LimitError // ended the guest; nil for none
	deadline time.Time        // of the plugin, where the guest's time is a fixed one
	context  []byte           // what context_read gives, once it was asked for

	stats      host.CallStats
	begunStats host.CallStats // as they were when the output began
}

func newCall(plugin *host.PluginConfig, entry string, in host.Event, fx host.Effects) *call {
	var body io.Reader
	if in.Body != nil {
		body = in.Body
	}
	return &call{plugin: plugin, entry: entry, in: in, fx: fx, stream: stream.New(body)}
}

// streams reports whether the output may be read while the guest still makes it.
func (c *call) streams() bool { return c.entry == host.EntryHandle || c.filters() }

// run calls the entry to its end, and makes sure that nothing that it opened stays open. Effects that panic when
// the guest has ended, as spans might, fail the call; they would end the process where run has a goroutine of its own.
func (c *call) run(ctx context.Context, inst *engine.Instance) (err error) {
	defer func() {
		if r := recover(); r != nil {
			inst.Break()
			err = c.fail(host.Internal, fmt.Errorf("the host failed: %v\n%s", r, debug.Stack()))
		}
	}()
	stack := make([]uint64, 1)
	c.deadline = time.Now().Add(c.plugin.Limits.Timeout.Value)
	if c.filters() {
		err = inst.CallWatched(ctx, c.entry, stack, c, c.fx)
	} else {
		err = inst.Call(ctx, c.entry, stack, c, c.fx)
	}
	c.release(err)
	err = c.limited(err)
	c.stats.HostTime += inst.Slept()
	c.stats.Memory = inst.MemorySize()
	switch {
	case err != nil && c.stream.In.Failed() != nil && !isTimeout(err):
		return c.brokenOff(err)
	case err != nil:
		return c.told(err)
	case c.failure != nil:
		if errors.Is(c.failure, host.Internal) { // malformed, and not merely too large
			inst.Break()
		}
		return c.failure
	case int32(stack[0]) != 0:
		return c.guestFailure(int32(stack[0]))
	}
	if err := c.seal(); err != nil {
		inst.Break()
		return err
	}
	return c.checkFilter()
}

func isTimeout(err error) bool { return errors.Is(err, host.Timeout) }

// told adds to a trap what the guest reported before it, as it does where a panic of its language ends in one.
func (c *call) told(err error) error {
	var guest *host.GuestError
	if c.reported.Message == "" || !errors.As(err, &guest) || guest.Type != host.GuestTrap {
		return err
	}
	guest.Message = c.reported.Error() + "; then: " + guest.Message
	if c.reported.Stack != "" {
		guest.Stack = c.reported.Stack + "\n" + guest.Stack
	}
	return err
}

// guestFailure is the error that the guest reported. One that it reports because its input broke off is the input's.
func (c *call) guestFailure(code int32) error {
	guest := c.reported
	if guest.Type == "" && guest.Message == "" && guest.Stack == "" {
		guest = host.GuestError{Type: "Error", Message: fmt.Sprintf("%s returned %d", c.entry, code)}
	}
	if c.stream.In.Failed() != nil {
		return c.brokenOff(&guest)
	}
	return c.fail(host.Internal, &guest)
}

// brokenOff is the failure of a guest whose input broke off: the kind is the input's.
func (c *call) brokenOff(err error) error {
	input := c.stream.In.Failed()
	return c.fail(host.KindOf(input), fmt.Errorf("%w; the body that it reads broke off: %w", err, input))
}

func (c *call) fail(kind host.Kind, err error) error {
	return &host.Error{Op: "call " + c.plugin.Name + " " + c.entry, Kind: kind, Err: err}
}

// tooLarge fails the call for good: a result that is cut off is worth nothing.
func (c *call) tooLarge(part string) int32 {
	limit := c.plugin.Limits.MaxResult
	err := &host.LimitError{Limit: "maxResult", Value: engine.SizeText(limit.Value), Origin: limit.Origin(), Detail: "the result's " + part + " is larger"}
	c.failure = c.fail(host.TooLarge, err)
	return c.refuse(resultTooLarge, err.Error())
}

// refuse notes why a host function fails, for reason_read.
func (c *call) refuse(result int32, reason string) int32 {
	c.reason = reason
	return result
}

// seal makes the meta final: what the guest left out is filled in, and what is not JSON fails the call.
func (c *call) seal() error {
	if c.sealed {
		return nil
	}
	c.sealed = true
	if len(c.meta) == 0 {
		switch {
		case c.entry == host.EntryAuthorize:
			return c.fail(host.Internal, &host.GuestError{Type: host.GuestResult, Message: "authorize wrote no meta"})
		case c.entry != host.EntryHandle:
			c.meta = []byte("{}")
		case c.stream.Out.Written():
			c.meta = []byte(`{"statusCode":200}`)
		default:
			c.meta = []byte("null")
		}
		return nil
	}
	if json.Valid(c.meta) {
		return c.parseEdits()
	}
	var v any
	err := json.Unmarshal(c.meta, &v) // for its message
	return c.fail(host.Internal, &host.GuestError{Type: host.GuestResult, Message: fmt.Sprintf("%s wrote meta that is not JSON: %v", c.entry, err)})
}

// result is what a guest that has ended made, or why it did not.
func (c *call) result(err error) (host.Event, error) {
	if err != nil {
		return host.Event{Stats: c.stats}, err
	}
	ev := host.Event{Meta: c.meta, Stats: c.stats}
	if c.stream.Out.Written() || c.edits.Body {
		ev.Body = c.stream.Whole()
	}
	return ev, nil
}

// begin starts to hand out the body, if the meta is in order.
func (c *call) begin(inst *engine.Instance) int32 {
	if c.stream.Out.HasBegun() {
		return 0
	}
	if err := c.seal(); err != nil {
		c.failure = err
		return c.refuse(resultInvalid, err.Error())
	}
	c.begunStats = c.stats
	c.begunStats.HostTime += inst.Slept()
	c.begunStats.Memory = inst.MemorySize()
	inst.Resume(true) // from here on, what is limited is how long a filter runs between a read and a write
	c.stream.Out.Begin()
	return 0
}

// readBody takes from the input into the guest's memory.
func (c *call) readBody(ctx context.Context, inst *engine.Instance, p []byte) int32 {
	done := c.wait(inst)
	n, err := c.stream.In.Read(ctx, p)
	done(n > 0)
	if n > 0 {
		c.moved++
	}
	if err == nil || err == io.EOF {
		return int32(n)
	}
	return c.refuseStream("body_read", err)
}

// writeBody appends to the output.
func (c *call) writeBody(ctx context.Context, inst *engine.Instance, p []byte) int32 {
	done := func(bool) {}
	if c.stream.Out.HasBegun() {
		done = c.wait(inst)
	}
	err := c.stream.Out.Write(ctx, p)
	done(err == nil && len(p) > 0)
	if err != nil {
		return c.refuseStream("body_write", err)
	}
	if len(p) > 0 {
		c.moved++
	}
	return 0
}

func (c *call) refuseStream(op string, err error) int32 {
	switch err {
	case stream.ErrClosed:
		return c.refuse(resultClosed, op+": "+err.Error())
	case stream.ErrDeadline:
		return c.refuse(resultTimeout, op+": "+err.Error())
	}
	return c.refuse(resultFailed, err.Error())
}

// wait begins a host function that may wait for the client or the reader. Behind the beginning of its answer, a filter's time stands still
// meanwhile, and starts anew where bytes were read or written: reads at the end and writes of nothing would buy time without end.
func (c *call) wait(inst *engine.Instance) (done func(moved bool)) {
	begun, since := c.stream.Out.HasBegun(), time.Now()
	if begun {
		inst.Hold()
	}
	return func(moved bool) {
		if begun {
			inst.Resume(moved)
		}
		c.hostTime(since)
	}
}

// hostTime adds what a host function took since then, where it may have waited for somebody.
func (c *call) hostTime(since time.Time) { c.stats.HostTime += time.Since(since) }

// release closes what the guest left open.
func (c *call) release(err error) {
	for i := range c.fetches {
		c.closeFetch(i)
	}
	text := "the call ended before the span"
	if err != nil {
		text = err.Error()
	}
	for i, end := range c.spans {
		if end != nil {
			end(text)
			c.spans[i] = nil
		}
	}
}
