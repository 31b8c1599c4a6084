package quickjs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// A call is one call's state; the calls of a pinned instance share one. It outlives the answer while a body streams or something was given to
// waitUntil. What is not said to be safe from other goroutines belongs to the one that runs the guest.
type call struct {
	ctx      context.Context // ends with the call, and with the caller's context until the answer is there
	cancel   context.CancelCauseFunc
	plugin   *Plugin
	inst     *engine.Instance
	fx       *current
	loop     loop
	loading  *loading // nil when somebody called
	kept     *kept
	function *host.FunctionContext // nil for what is no function
	deadline time.Time             // by the effects' clock
	start    time.Time
	until    time.Time // the deadline by the host's clock; zero for none
	lateTold bool
	trace    string // where the script was shortly before its deadline
	result   []byte // of the last operation, until the guest takes it

	asked    atomic.Pointer[asking]
	queue    [][]any // events that wait for nothing
	made     *host.Event
	state    answering
	reported bool  // the guest was asked at the end what rejections nobody handled
	failure  error // ends the call
	hostTime time.Duration
	open     openSet
	pipes    map[int]*pipe
	fetches  map[int]context.CancelFunc
	inputs   []*source // the events' bodies, where they stream: one, or those of both halves of a filter
	lastID   int       // of what the guest waits for, streams and spans
	streams  int       // bodies that are on their way out
	held     int       // promises that were given to waitUntil
	peers    int       // of all that is awaited, reads of the event's body and room in an outgoing one
	spans    int       // opened
	crunch   chan struct{}
	pinned   *pinned // nil when this is one call alone
}

// An answering is how far an answer is.
type answering int

const (
	unanswered answering = iota
	answered             // the result is made
	told                 // and the guest has reported what rejections nobody handled until then
	given                // and the caller has it
)

// current is the effects of the call that runs: the second half of a filter brings other ones.
type current struct{ host.Effects }

// A kept is what of an instance is the host's, from one call to the next.
type kept struct {
	handles map[handle]any
	last    handle
	calls   int
}

func (k *kept) clone() *kept {
	return &kept{handles: maps.Clone(k.handles), last: k.last, calls: k.calls}
}

// handle gives the guest something of the host's.
func (c *call) handle(v any) handle {
	if c.kept.handles == nil {
		c.kept.handles = map[handle]any{}
	}
	c.kept.last++
	c.kept.handles[c.kept.last] = v
	return c.kept.last
}

// id numbers what the guest waits for.
func (c *call) id() int {
	c.lastID++
	return c.lastID
}

// load runs the code of a script that is outside of functions, in a new instance.
func (p *Plugin) load(ctx context.Context, inst *engine.Instance, run engine.Runner, l *loading) error {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{ctx: ctx, cancel: cancel, plugin: p, inst: inst, fx: &current{inst.Effects()}, loading: l, kept: &kept{}}
	c.start = c.fx.Now()
	c.deadline = c.start.Add(engine.StartTimeout)
	stack := make([]uint64, 1)
	err := run("prepare", stack, c)
	c.end(errEnded)
	switch {
	case err != nil:
		return err
	case c.failure != nil:
		return c.failure
	case stack[0] != 0:
		return c.failed(&host.GuestError{Type: host.GuestTrap, Message: "the script could not be loaded"})
	}
	inst.Keep(c.kept)
	return nil
}

// newCall makes a call. Of parent it keeps the values: when its end ends the call is for others to say.
func (p *Plugin) newCall(parent context.Context, fx host.Effects, inst *engine.Instance) *call {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	c := &call{ctx: ctx, cancel: cancel, plugin: p, inst: inst, fx: &current{fx}}
	if inst != nil {
		c.take(inst)
	}
	c.loop.conduct(fx)
	c.begin(parent)
	return c
}

// take makes an instance the call's.
func (c *call) take(inst *engine.Instance) {
	c.inst = inst
	c.kept = inst.Kept().(*kept).clone() // what it was put back to is that of others too
	c.kept.calls++
}

// begin sets what scripts are told of the time.
func (c *call) begin(parent context.Context) {
	now, timeout := c.fx.Now(), c.plugin.cfg.Limits.Timeout.Value
	c.start, c.deadline = now, now.Add(timeout)
	c.until, c.lateTold = time.Now().Add(timeout), false
	if d, ok := parent.Deadline(); ok {
		if left := time.Until(d); left < timeout {
			c.deadline = now.Add(left)
		}
	}
}

// An incoming is what came in. Its body is read, or streams.
type incoming struct {
	meta, body []byte
	hasBody    bool
	encoding   host.BodyEncoding
	stream     host.Event // with the body, where it streams
}

// An asking is one caller that waits for its answer.
type asking struct {
	entry  string
	ctx    context.Context
	event  incoming
	waited time.Duration
	cold   bool
	given  atomic.Bool
	answer chan answer
	unhook func() bool
	body   outgoing // of the answer, where it streams; of the guest's goroutine
}

type answer struct {
	event host.Event
	err   error
}

func newAsking(ctx context.Context, entry string, ev incoming, waited time.Duration, cold bool) *asking {
	return &asking{entry: entry, ctx: ctx, event: ev, waited: waited, cold: cold, answer: make(chan answer, 1), unhook: func() bool { return true }}
}

// give answers, unless somebody has.
func (a *asking) give(ev host.Event, err error) bool {
	if !a.given.CompareAndSwap(false, true) {
		return false
	}
	a.answer <- answer{ev, err}
	return true
}

// follow lets the caller's context end the call while the caller waits. Behind the answer it means that the caller left: what
// streams to it is cancelled, and the rest of the call goes on.
func (c *call) follow(a *asking) {
	c.loop.listen()
	a.unhook = context.AfterFunc(a.ctx, func() {
		cause := context.Cause(a.ctx)
		if !a.given.Load() {
			c.cancel(cause)
			return
		}
		c.loop.post(func() []any {
			if a.body != nil {
				a.body.leave(cause)
			}
			return nil
		})
	})
	c.asked.Store(a) // last: whoever finds it may unhook it
}

// stats is what the call cost until now.
func (c *call) stats(a *asking) host.CallStats {
	s := host.CallStats{Cold: a.cold, Waited: a.waited, HostTime: c.hostTime}
	if c.inst != nil {
		s.Memory, s.Fuel = c.inst.MemorySize(), c.inst.Fuel()
	}
	return s
}

// event is what tells the guest to call an entry.
func (c *call) event(a *asking, first bool) []any {
	var body any
	switch ev := a.event; {
	case ev.stream.Body != nil:
		sized, ok := ev.stream.Body.(interface{ Len() int })
		if isFilter(a.entry) || !ok || sized.Len() > 0 {
			body = c.handle(c.newSource(ev.stream))
		}
	case ev.hasBody:
		body = ev.body
	}
	return []any{"begin", a.entry, string(a.event.meta), body, first}
}

// serve is all that a call of one entry does, on a goroutine of its own.
func (c *call) serve(a *asking) {
	c.queue = append(c.queue, c.event(a, true))
	err := c.inst.Call(c.ctx, "run", make([]uint64, 1), c, c.fx)
	c.finish(a, c.outcome(err))
}

// outcome is what the call failed with, nil for nothing.
func (c *call) outcome(err error) error {
	if err != nil {
		return c.failed(err)
	}
	return c.failure
}

// finish ends the call and gives the instance back; then, so that the next call finds it, its caller gets what there is.
func (c *call) finish(a *asking, err error) {
	a.unhook()
	if err != nil && a.given.Load() && c.pinned == nil && (c.streams == 0 || c.held > 0) {
		c.fx.Log(context.WithoutCancel(c.ctx), slog.LevelWarn, "waitUntil: "+err.Error())
	}
	if err != nil && c.streams > 0 {
		c.inst.Break() // the script still works on them
	}
	out := host.Event{}
	if err == nil && c.made != nil {
		out = *c.made
	}
	out.Stats = c.stats(a)
	why := err
	if why == nil {
		why = c.failed(errEnded)
	}
	c.end(why)
	for _, s := range c.inputs {
		s.end()
	}
	if c.plugin.cfg.Isolation == host.IsolationPooled && !c.inst.Broken() {
		for id, v := range c.kept.handles {
			switch v.(type) {
			case *source: // of this call
				delete(c.kept.handles, id)
			}
		}
		c.inst.Keep(c.kept)
	}
	c.inst.Release()
	if err == nil && c.made == nil {
		err = why
	}
	a.give(out, err)
}

// end lets go of what the call holds. What still streams is cut, with err.
func (c *call) end(err error) {
	c.open.cut(err)
	c.cancel(errEnded)
	c.loop.end()
	c.open.end(err)
}

// lingers reports whether there is something to do behind the answer.
func (c *call) lingers() bool { return c.streams > 0 || c.held > 0 }

// answer takes a result from the guest: nil, text or bytes as its body, a source that goes by the script, or the number of a stream.
func (c *call) answer(meta string, body any) {
	out := host.Event{Meta: []byte(meta)}
	switch b := body.(type) {
	case string:
		out.Body = newBody([]byte(b))
	case []byte:
		out.Body = newBody(bytes.Clone(b))
	case handle:
		if s, ok := c.kept.handles[b].(*source); ok {
			out.Body = c.splice(s)
		}
	case []any:
		if p := c.pipes[args(b).int(0)]; p != nil {
			out.Body = p
		}
	}
	if err := c.checkSize(&out); err != nil {
		c.refuse(err)
		return
	}
	c.made, c.state = &out, answered
}

// checkSize bounds a result that is whole.
func (c *call) checkSize(out *host.Event) error {
	size := int64(len(out.Meta))
	if b, ok := out.Body.(*resultBody); ok {
		size += int64(b.Len())
	}
	if limit := c.plugin.cfg.Limits.MaxResult; size > limit.Value && limit.Value > 0 {
		return &host.Error{Op: "call " + c.plugin.cfg.Name, Kind: host.TooLarge, Pos: limit.Pos,
			Err: &host.LimitError{Limit: "maxResult", Value: fmt.Sprintf("%d bytes", limit.Value), Origin: limit.Origin(), Detail: fmt.Sprintf("the result has %d bytes", size)}}
	}
	return nil
}

// refuse fails the entry at work: with it the call, unless the instance is pinned, which goes on.
func (c *call) refuse(err error) {
	if c.pinned == nil || c.loading != nil {
		c.failure = err
		return
	}
	c.pinned.answer(host.Event{}, err)
}

// handOver gives the caller its answer.
func (c *call) handOver() {
	c.state = given
	if c.pinned != nil {
		c.pinned.answer(*c.made, nil)
		return
	}
	a, out := c.asked.Load(), *c.made
	out.Stats = c.stats(a)
	a.body, _ = out.Body.(outgoing)
	a.give(out, nil)
}

// log writes a line of the script's.
func (c *call) log(level slog.Level, line string) {
	const maxLine = 8 << 10
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + fmt.Sprintf("… (%d bytes)", len(line))
	}
	c.inst.Log(c.ctx, level, line)
}

// A resultBody is bytes that belong to no instance any more.
type resultBody struct{ bytes.Reader }

// Close frees nothing.
func (*resultBody) Close() error { return nil }

func newBody(b []byte) *resultBody {
	r := &resultBody{}
	r.Reset(b)
	return r
}

var errEnded = errors.New("the call has ended")

var _ io.ReadCloser = (*resultBody)(nil)
