package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// A call is one call of an entry, as its host functions see it. All but out and inputClosed belongs to the
// goroutine that runs the guest; meta is handed over when the output begins.
type call struct {
	plugin *host.PluginConfig
	entry  string
	in     host.Event
	fx     host.Effects

	overdue     atomic.Bool // the caller has been told so, while the guest still runs
	inputClosed atomic.Bool // the caller may have taken the input back
	inputEnded  bool
	inputErr    error

	meta   []byte
	sealed bool // the body has begun: the meta stands
	out    output

	failure  error  // fails the call, whatever the guest returns
	reason   string // why a host function failed last
	reported host.GuestError
	fetches  []*fetch // nil where a place is free
	spans    []func(string)
	opened   int // spans in all

	stats      host.CallStats
	begunStats host.CallStats // as they were when the output began
}

func newCall(plugin *host.PluginConfig, entry string, in host.Event, fx host.Effects) *call {
	c := &call{plugin: plugin, entry: entry, in: in, fx: fx}
	c.out.init()
	return c
}

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
	err = inst.Call(ctx, c.entry, stack, c, c.fx)
	c.release(err)
	c.stats.HostTime += inst.Slept()
	c.stats.Memory = inst.MemorySize()
	switch {
	case err != nil && c.inputErr != nil && !isTimeout(err):
		return c.fail(host.KindOf(c.inputErr), fmt.Errorf("%w; the request's body could not be read: %w", err, c.inputErr))
	case err != nil:
		return err
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
	return nil
}

func isTimeout(err error) bool { return errors.Is(err, host.Timeout) }

// guestFailure is the error that the guest reported. One that it reports because its input broke off is the input's.
func (c *call) guestFailure(code int32) error {
	guest := c.reported
	if guest == (host.GuestError{}) {
		guest = host.GuestError{Type: "Error", Message: fmt.Sprintf("%s returned %d", c.entry, code)}
	}
	if c.inputErr != nil {
		return c.fail(host.KindOf(c.inputErr), fmt.Errorf("%w; the request's body could not be read: %w", &guest, c.inputErr))
	}
	return c.fail(host.Internal, &guest)
}

func (c *call) fail(kind host.Kind, err error) error {
	return &host.Error{Op: "call " + c.plugin.Name + " " + c.entry, Kind: kind, Err: err}
}

// tooLarge fails the call for good: a result that is cut off is worth nothing.
func (c *call) tooLarge(part string) int32 {
	limit := c.plugin.Limits.MaxResult
	err := fmt.Errorf("the result's %s is larger than %d bytes (%s)", part, limit.Value, limit.Origin())
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
			return c.fail(host.Internal, &host.GuestError{Type: "result", Message: "authorize wrote no meta"})
		case c.entry != host.EntryHandle:
			c.meta = []byte("{}")
		case c.out.written:
			c.meta = []byte(`{"statusCode":200}`)
		default:
			c.meta = []byte("null")
		}
		return nil
	}
	if json.Valid(c.meta) {
		return nil
	}
	var v any
	err := json.Unmarshal(c.meta, &v) // for its message
	return c.fail(host.Internal, &host.GuestError{Type: "result", Message: fmt.Sprintf("%s wrote meta that is not JSON: %v", c.entry, err)})
}

// result is what a guest that has ended made, or why it did not.
func (c *call) result(err error) (host.Event, error) {
	if err != nil {
		return host.Event{Stats: c.stats}, err
	}
	ev := host.Event{Meta: c.meta, Stats: c.stats}
	if c.out.written {
		ev.Body = &wholeBody{*bytes.NewReader(c.out.buf)}
	}
	return ev, nil
}

// A wholeBody is a body that a guest has written to its end. It tells its length by Len.
type wholeBody struct{ bytes.Reader }

// Close frees nothing.
func (*wholeBody) Close() error { return nil }

// beginStream starts to hand out a function's body, if its meta is in order.
func (c *call) beginStream(inst *engine.Instance) int32 {
	if c.out.hasBegun() {
		return 0
	}
	if err := c.seal(); err != nil {
		c.failure = err
		return c.refuse(resultInvalid, err.Error())
	}
	c.begunStats = c.stats
	c.begunStats.HostTime += inst.Slept()
	c.begunStats.Memory = inst.MemorySize()
	c.out.begin()
	return 0
}

// readBody takes from the input straight into the guest's memory.
func (c *call) readBody(p []byte) int32 {
	switch {
	case c.inputErr != nil:
		return c.refuse(resultFailed, c.inputErr.Error())
	case c.inputEnded || c.in.Body == nil:
		return 0
	case c.inputClosed.Load():
		return c.refuse(resultClosed, "the caller has gone")
	}
	defer c.hostTime(time.Now())
	n, err := readSome(c.in.Body, p)
	if err == io.EOF {
		c.inputEnded = true
	} else if err != nil {
		c.inputErr = err
		if n == 0 {
			return c.refuse(resultFailed, err.Error())
		}
	}
	return int32(n)
}

// hostTime adds what a host function took since then, where it may have waited for somebody.
func (c *call) hostTime(since time.Time) { c.stats.HostTime += time.Since(since) }

// readSome reads at least a byte or an error. Readers may return neither, but not for ever.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

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
